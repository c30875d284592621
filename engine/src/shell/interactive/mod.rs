//! The shell at a terminal: a line editor around the [`Console`].

mod colours;
mod completion;
mod context;
mod editor;
mod keywords;
mod prompt;

use std::path::{Path, PathBuf};

use anyhow::Result;
use reedline::{
    ColumnarMenu, DefaultHinter, EditCommand, Emacs, FileBackedHistory, InputMode, KeyCode, KeyModifiers, MenuBuilder, Reedline,
    ReedlineEvent, ReedlineMenu, Signal, ValidationResult, Validator, default_emacs_keybindings,
};

use super::console::{Console, Ending};
use super::input;
use colours::Colours;
use completion::Names;
use prompt::ShellPrompt;

pub(super) use editor::edit;
pub(crate) use keywords::KEYWORDS;

/// Statements that are remembered.
const HISTORY: usize = 10_000;

const MENU: &str = "completions";

/// What errors call the text that is typed.
const TYPED: &str = "sql";

impl Console<'_> {
    /// Reads and runs until the user leaves.
    ///
    /// # Errors
    /// When the terminal cannot be read.
    pub(crate) async fn interact(&mut self) -> Result<()> {
        self.interactive = true;
        self.printer.note(&format!(
            "engine {}, the lake at {}; \\? helps, Ctrl-D leaves",
            env!("CARGO_PKG_VERSION"),
            self.workspace.session.context.stores.lake()?.url
        ));
        // The first Tab finds the names there already.
        let mut ahead = tokio::task::JoinSet::new();
        let index = std::sync::Arc::clone(&self.workspace.index);
        ahead.spawn(async move { index.tables().await.map(|_| ()) });
        let mut editor = self.editor();
        loop {
            let line = tokio::task::block_in_place(|| editor.read_line(&ShellPrompt));
            match line? {
                Signal::Success(text) => match plain_word(&text) {
                    Some(Word::Leave) => break,
                    Some(Word::Help) => self.printer.data(&super::command::help()),
                    None => {
                        let (unfinished, typed) = text.split_at(input::command_within(&text).unwrap_or(0));
                        if !unfinished.is_empty() && is_edit(typed) {
                            unfinished.clone_into(&mut self.last);
                        }
                        let before = self.last.clone();
                        if self.run_typed(typed).await? == Ending::Quit {
                            break;
                        }
                        // What was written in an editor and not run waits to be finished, as does what a command was typed below.
                        let is_left = |last: &str| (last != before || !unfinished.is_empty()) && !input::is_complete(last);
                        let waits = match is_edit(typed) {
                            true => Some(self.last.trim_end()).filter(|last| is_left(last)),
                            false => Some(unfinished).filter(|unfinished| !unfinished.is_empty()),
                        };
                        if let Some(waits) = waits {
                            editor.run_edit_commands(&[EditCommand::InsertString(waits.to_owned())]);
                        }
                    }
                },
                Signal::CtrlD => break,
                _ => {}
            }
        }
        Ok(())
    }

    /// An error that is not about a statement ends a script, but not a person's session.
    async fn run_typed(&mut self, text: &str) -> Result<Ending> {
        // What Ctrl-C stopped has left its files.
        self.including = 0;
        match Box::pin(self.run(TYPED, text)).await {
            Err(error) => {
                self.printer.error(&format!("{error:#}"));
                Ok(Ending::Failed)
            }
            ended => ended,
        }
    }

    fn editor(&mut self) -> Reedline {
        let mut keys = default_emacs_keybindings();
        let complete = vec![ReedlineEvent::Menu(MENU.to_owned()), ReedlineEvent::MenuNext];
        keys.add_binding(KeyModifiers::NONE, KeyCode::Tab, ReedlineEvent::UntilFound(complete));
        keys.add_binding(KeyModifiers::SHIFT, KeyCode::BackTab, ReedlineEvent::MenuPrevious);
        keys.add_binding(KeyModifiers::ALT, KeyCode::Enter, ReedlineEvent::Edit(vec![EditCommand::InsertNewline]));
        // What stands behind the cursor says which tables' columns are meant.
        let menu = ColumnarMenu::default().with_name(MENU).with_marker("> ").with_input_mode(InputMode::FullBuffer);
        let editor = Reedline::create()
            .with_edit_mode(Box::new(Emacs::new(keys)))
            .with_completer(Box::new(Names::new(&self.workspace)))
            .with_menu(ReedlineMenu::EngineCompleter(Box::new(menu)))
            .with_quick_completions(true)
            .with_partial_completions(true)
            .with_validator(Box::new(Semicolon))
            .with_highlighter(Box::new(Colours))
            .with_hinter(Box::new(DefaultHinter::default().with_style(nu_ansi_term::Style::new().dimmed())))
            .with_history_exclusion_prefix(Some(" ".to_owned()))
            .use_bracketed_paste(true)
            .with_ansi_colors(std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()));
        match history(&self.workspace.session.state_folder) {
            Ok(history) => editor.with_history(Box::new(history)),
            Err(error) => {
                self.printer.note(&format!("what is typed is not remembered: {error:#}"));
                editor
            }
        }
    }
}

/// The file of what was typed. Statements may hold secrets: only its owner reads it.
fn history(folder: &Path) -> Result<FileBackedHistory> {
    let file = folder.join("shell_history");
    std::fs::create_dir_all(folder)?;
    let mut options = std::fs::OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(&file)?;
    Ok(FileBackedHistory::with_file(HISTORY, file)?)
}

/// The pager: `$PAGER`, else `less` where it is installed; `None` when there is none, or it is set to nothing.
pub(super) fn pager() -> Option<String> {
    match std::env::var("PAGER") {
        Ok(pager) => Some(pager).filter(|pager| !pager.trim().is_empty()),
        Err(_) => on_path("less").map(|_| "less -SRFX".to_owned()),
    }
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// Words that people type into a shell.
enum Word {
    Leave,
    Help,
}

fn plain_word(text: &str) -> Option<Word> {
    match text.trim().trim_end_matches(';').to_lowercase().as_str() {
        "exit" | "quit" => Some(Word::Leave),
        "help" | "?" => Some(Word::Help),
        _ => None,
    }
}

fn is_edit(text: &str) -> bool {
    text.trim_start().starts_with("\\e")
}

/// Enter starts a line until the statement has its `;`.
struct Semicolon;

impl Validator for Semicolon {
    fn validate(&self, text: &str) -> ValidationResult {
        if plain_word(text).is_some() || input::is_complete(text) || input::command_within(text).is_some() {
            ValidationResult::Complete
        } else {
            ValidationResult::Incomplete
        }
    }
}
