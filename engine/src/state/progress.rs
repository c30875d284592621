//! How far a pipeline is.

use std::collections::BTreeMap;

use connectors::source::Offset;
use serde::{Deserialize, Serialize};

use super::Checkpoint;

/// How far a flow is: per source the offset after its last committed epoch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowProgress {
    /// Hash of the flow's query when it last ran.
    pub fingerprint: String,
    /// The table it feeds.
    pub sink: String,
    /// Which of several places that table was in, where that is for the settings to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// Where the file put that table; unknown of progress that an earlier version of engine stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared: Option<Declared>,
    /// By source; of a complete flow, the versions of its tables.
    pub offsets: BTreeMap<String, Offset>,
    /// What each source was when its offset was taken ([`connectors::source::Source::identity`]).
    pub identities: BTreeMap<String, String>,
}

/// Where a file says that a table is, `${...}` unresolved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declared {
    /// `STORED AS`.
    pub connector: String,
    /// `LOCATION`.
    pub location: String,
}

impl FlowProgress {
    /// Where to read on in `source`, which is now `identity`; `None`: from the beginning.
    pub fn offset(&self, source: &str, identity: &str) -> Option<&Offset> {
        self.offsets.get(source).filter(|_| self.identities.get(source).is_some_and(|then| then == identity))
    }
}

/// All that is stored of a pipeline's progress.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// Changes when progress is forgotten.
    pub incarnation: String,
    /// The number that the next epoch gets.
    pub next_epoch: u64,
    /// By flow.
    pub flows: BTreeMap<String, FlowProgress>,
    /// An epoch that is staged and recorded, and not known to be committed everywhere.
    pub pending: Option<Checkpoint>,
}

/// What the first run of a pipeline, and the first after its progress was forgotten, begins.
pub(super) fn new_incarnation() -> String {
    let mut text = uuid::Uuid::new_v4().simple().to_string();
    text.truncate(8);
    text
}
