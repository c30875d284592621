//! Moves state from one place to another.

use chrono::{DateTime, Utc};

use super::place::Place;
use super::{Result, StateError};
use crate::session::Session;

/// What was moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrated {
    /// Where from, and where to.
    pub from: String,
    /// The new place.
    pub to: String,
    /// The pipelines, by name.
    pub pipelines: Vec<String>,
}

/// What a state store is like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Where it is.
    pub place: String,
    /// How it is laid out; grows with the versions of engine.
    pub version: i64,
    /// Its size.
    pub bytes: u64,
    /// Where it was moved to.
    pub moved: Option<String>,
    /// The pipelines that it has progress of, by name.
    pub pipelines: Vec<String>,
}

/// Moves the state at the URL `from` to the URL `to`, where none may be, and marks the old one: whoever still uses it is told where the
/// state is. Done again after it broke off, it goes on.
///
/// # Errors
/// When a run holds a lease, when there is no state at `from` or some at `to`, or a place cannot be reached; `from` then holds as before,
/// unless the message says otherwise.
pub async fn migrate(session: &Session, from: &str, to: &str, now: DateTime<Utc>) -> Result<Migrated> {
    let (from, to) = (Place::of(from, session)?, Place::of(to, session)?);
    let refused = |message: String| StateError::Unavailable { message, source: None };
    if from.shown() == to.shown() {
        return Err(refused(format!("{} is where the state is already", to.shown())));
    }
    let old = from.open_existing().await?.ok_or_else(|| refused(format!("there is no state in {}", from.shown())))?;
    let new = to.open().await?;
    if let Some(elsewhere) = new.transfer().moved().await? {
        return Err(refused(format!(
            "{} had state once, which was moved to {elsewhere}; name a place that had none",
            to.shown()
        )));
    }
    let is_moved = old.transfer().moved().await?.is_some_and(|moved| moved == to.shown());
    let there = new.transfer().names().await?;
    if is_moved && !there.is_empty() {
        return Ok(Migrated { from: from.shown(), to: to.shown(), pipelines: there });
    }
    if let Some(name) = there.first() {
        return Err(refused(format!("{} has state of pipeline '{name}' already; nothing was moved", to.shown())));
    }
    let pipelines = old.transfer().export(&to.shown(), now).await?;
    if let Err(error) = new.transfer().import(&pipelines).await {
        old.transfer().stay().await?;
        return Err(refused(format!("{}: {error}; {} holds as before", to.shown(), from.shown())));
    }
    let pipelines = pipelines.into_iter().map(|(pipeline, _)| pipeline).collect();
    Ok(Migrated { from: from.shown(), to: to.shown(), pipelines })
}

/// What there is at a URL; `None` when there is no state.
///
/// # Errors
/// When the place cannot be reached.
pub async fn facts(session: &Session, url: &str) -> Result<(String, Option<Facts>)> {
    let place = Place::of(url, session)?;
    let Some(opened) = place.open_existing().await? else { return Ok((place.shown(), None)) };
    let (version, bytes) = opened.transfer().size().await?;
    let (moved, pipelines) = (opened.transfer().moved().await?, opened.transfer().names().await?);
    Ok((place.shown(), Some(Facts { place: place.shown(), version, bytes, moved, pipelines })))
}
