//! What pipelines did that others wait for: commits to tables, runs that ended well.

use std::time::Duration;

use anyhow::Result;
use chrono::{DateTime, Utc};

use super::decide::after_name;
use super::shared::Shared;
use super::trigger::Trigger;
use crate::state::{LoadPage, Page, RunStatus};

/// How often to look for what other processes did.
const LOOK: Duration = Duration::from_secs(5);

/// The last loads of a table, among which one is that was no refusal of a file.
const LOADS: u32 = 20;

/// Looks at what pipelines did.
#[derive(Debug, Default)]
pub(super) struct Relay {
    looked_at: Option<DateTime<Utc>>,
    /// The pipelines that were there then.
    version: u64,
}

impl Relay {
    /// A run of this process has ended: it is time to look.
    pub(super) fn stir(&mut self) {
        self.looked_at = None;
    }

    /// Looks if it is time to.
    ///
    /// # Errors
    /// When the state store cannot be read.
    pub(super) async fn look(&mut self, shared: &Shared) -> Result<()> {
        let now = shared.session.context.clock.now();
        let version = shared.version();
        if version == self.version && self.looked_at.is_some_and(|at| at + LOOK > now) {
            return Ok(());
        }
        for (name, policy) in shared.policies().iter() {
            for trigger in &policy.triggers.each {
                let Trigger::Table(table) = trigger else { continue };
                let page = LoadPage { locations: places(table), limit: LOADS, ..LoadPage::default() };
                let loads = shared.store.loads(&page).await?;
                // A file that was refused is no commit.
                let newest = loads.iter().find(|load| !load.is_refusal()).map(|load| load.position.to_string());
                shared.mark(name, &trigger.to_string(), newest.unwrap_or_default());
            }
            for after in &policy.after {
                let page = Page { pipeline: Some(after.clone()), limit: 1, status: Some(RunStatus::Done), ..Page::default() };
                let newest = shared.store.runs(&page, now).await?.first().map(|run| run.run.to_string());
                shared.mark(name, &after_name(after), newest.unwrap_or_default());
            }
        }
        (self.looked_at, self.version) = (Some(now), version);
        Ok(())
    }
}

/// How files declare the location of `lake.<database>.<table>` or `warehouse.<schema>.<table>`.
fn places(table: &str) -> Vec<String> {
    let mut parts = table.splitn(3, '.');
    let (catalog, schema, name) =
        (parts.next().unwrap_or_default(), parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    match catalog {
        "lake" => vec![format!("lake://{schema}/{name}"), format!("lake://{schema}/{name}/")],
        _ if schema == "public" => vec![format!("{schema}.{name}"), name.to_owned()],
        _ => vec![format!("{schema}.{name}")],
    }
}
