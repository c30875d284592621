//! `\e`: a statement in the user's own editor.

use std::io::Write;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// What is left in the file at `path`, or in a temporary one that begins with `last`, when the editor is done.
pub(in crate::shell) fn edit(path: Option<&str>, last: &str) -> Result<String> {
    let mut temporary = tempfile::Builder::new().prefix("engine-").suffix(".sql").tempfile()?;
    let path = match path {
        Some(path) => path.to_owned(),
        None => {
            writeln!(temporary, "{last}")?;
            temporary.path().display().to_string()
        }
    };
    let editor = ["VISUAL", "EDITOR"].iter().find_map(|name| std::env::var(name).ok()).filter(|editor| !editor.trim().is_empty());
    let editor = editor.unwrap_or_else(|| "vi".to_owned());
    // The editor may have arguments, as in `code --wait`; the file is an argument of its own, whatever is in its name.
    let work = || Command::new("sh").args(["-c", &format!("{editor} \"$0\""), &path]).status();
    let status = tokio::task::block_in_place(work).with_context(|| format!("cannot start '{editor}'"))?;
    if !status.success() {
        bail!("'{editor}' ended with {status}; nothing was run (set EDITOR to an editor that is there)");
    }
    std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))
}
