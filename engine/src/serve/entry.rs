//! A pipeline's file as a server holds it: its last good text, what that says of when to run, and what is wrong with the text there is now.

use std::path::{Path, PathBuf};

use connectors::reddit::replay_notice;

use super::files::Stamp;
use super::graph::Graph;
use super::notice::Target;
use super::policy::Policy;
use super::view::FileError;
use crate::cause::one_line;
use crate::config::LandingSettings;
use crate::landing::Zone;
use crate::session::Session;
use crate::sql::{Diagnostic, Pipeline};

/// A pipeline's file.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// The pipeline's name.
    pub(super) name: String,
    /// The file.
    pub(super) path: PathBuf,
    /// The state of the file that was looked at last.
    pub(super) stamp: Stamp,
    /// Its last good version; none if there never was one.
    pub(super) good: Option<Good>,
    /// What is wrong with it as it is now.
    pub(super) errors: Vec<FileError>,
    /// The text that is shown while no version is good.
    pub(super) text: String,
}

/// The last good versions of files, for a server that is started while a file is wrong.
#[derive(Debug)]
pub(super) struct Kept(pub(super) PathBuf);

impl Kept {
    fn path(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.sql"))
    }

    fn read(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.path(name)).ok()
    }

    fn keep(&self, name: &str, text: &str) {
        if self.read(name).as_deref() == Some(text) {
            return;
        }
        let draft = self.0.join(format!("{name}.new"));
        let kept = std::fs::create_dir_all(&self.0)
            .and_then(|()| std::fs::write(&draft, text))
            .and_then(|()| std::fs::rename(&draft, self.path(name)));
        if let Err(error) = kept {
            tracing::warn!(pipeline = name, %error, "the good version of the file is not kept for a restart");
        }
    }

    /// The file is gone.
    pub(super) fn forget(&self, name: &str) {
        match std::fs::remove_file(self.path(name)) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(pipeline = name, %error, "the good version of a file that is gone was not removed"),
        }
    }
}

/// A version of a file that can be run.
#[derive(Debug, Clone)]
pub(super) struct Good {
    pub(super) text: String,
    pub(super) policy: Policy,
    pub(super) graph: Graph,
    /// What a person should know of it.
    pub(super) notice: Option<String>,
    /// It is no file of a pipeline, but a landing zone.
    pub(super) zone: Option<Zone>,
}

impl Entry {
    /// Looks at a text. If it is wrong, the good version of `before` stays, or the one that an earlier server has kept.
    pub(super) async fn of(
        (name, path, stamp): (&str, &Path, Stamp),
        text: String,
        session: &Session,
        before: Option<&Self>,
        kept: &Kept,
    ) -> Self {
        let (good, errors) = match Good::of(path, text.clone(), session).await {
            Ok(good) => {
                kept.keep(name, &good.text);
                (Some(good), Vec::new())
            }
            Err(errors) => match (before.and_then(|before| before.good.clone()), kept.read(name)) {
                (None, Some(text)) => (Good::of(path, text, session).await.ok(), errors),
                (good, _) => (good, errors),
            },
        };
        Self { name: name.to_owned(), path: path.to_owned(), stamp, good, errors, text }
    }

    /// A landing zone of the settings, which runs when files come.
    pub(super) fn of_zone(settings: &LandingSettings, session: &Session) -> Self {
        let (path, stamp) = (PathBuf::from(settings.origin.to_string()), Stamp::default());
        let opened = Zone::open(settings, session).map_err(|error| one_line(&error));
        match opened.and_then(|zone| Ok((Policy::of_files(&settings.url)?, zone))) {
            Ok((policy, zone)) => {
                let (name, text) = (zone.name.clone(), zone.text());
                let good = Good { text: text.clone(), policy, graph: Graph::default(), notice: None, zone: Some(zone) };
                Self { name, path, stamp, good: Some(good), errors: Vec::new(), text }
            }
            Err(error) => Self::unreadable(&settings.name, &path, stamp, error, None),
        }
    }

    /// Whether it is a landing zone, good or not.
    pub(super) fn is_zone(&self, session: &Session) -> bool {
        session.settings.landings().iter().any(|zone| zone.name == self.name)
    }

    /// One that cannot be read.
    pub(super) fn unreadable(name: &str, path: &Path, stamp: Stamp, error: String, before: Option<&Self>) -> Self {
        let error = FileError::of_all(error);
        let good = before.and_then(|before| before.good.clone());
        Self { name: name.to_owned(), path: path.to_owned(), stamp, good, errors: vec![error], text: String::new() }
    }
}

impl Good {
    async fn of(path: &Path, text: String, session: &Session) -> Result<Self, Vec<FileError>> {
        let place = path.display().to_string();
        let pipeline = Pipeline::parse(path, text.clone(), session).await;
        let pipeline =
            pipeline.map_err(|errors| errors.iter().map(|error| file_error(error, &place, &text)).collect::<Vec<_>>())?;
        let policy = Policy::new(&pipeline.options);
        let mut policy = policy.map_err(|mistakes| {
            let diagnostics = mistakes.into_iter().map(|mistake| Diagnostic::new(mistake.message, None));
            diagnostics.map(|error| file_error(&error, &place, &text)).collect::<Vec<_>>()
        })?;
        policy.has_dates = text.contains("${run.");
        if policy.on_failure.iter().chain(&policy.on_success).any(Target::is_mail) && session.settings.text("mail.url").is_none()
        {
            let message = "somebody is to be told by e-mail; set [mail] url, as in 'smtp://user@mail.example.com:587'";
            return Err(vec![file_error(&Diagnostic::new(message, None), &place, &text)]);
        }
        let reads_reddit = pipeline.tables.values().any(|table| table.spec.connector == "REDDIT");
        let notice = reads_reddit.then(|| replay_notice(&session.context.reddit)).flatten();
        Ok(Self { policy, graph: Graph::of(&pipeline), notice, text, zone: None })
    }
}

fn file_error(error: &Diagnostic, place: &str, text: &str) -> FileError {
    let (line, column) = error.span.as_ref().map_or((0, 0), |span| {
        let before = &text[..span.start.min(text.len())];
        let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count());
        (before.matches('\n').count() + 1, column + 1)
    });
    FileError { line, column, message: error.message.clone(), rendered: error.render(place, text) }
}
