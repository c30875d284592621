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
    /// By source and identity, the offsets of those that were something else for other dates (`${run.date}`), and will be so again.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dated: BTreeMap<String, BTreeMap<String, Offset>>,
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
        if self.identities.get(source).is_some_and(|then| then == identity) {
            return self.offsets.get(source);
        }
        self.dated.get(source)?.get(identity)
    }

    /// The offsets of other dates after an epoch in which the sources were `identities`, of which `is_dated` says whether they depend on a date.
    pub fn dated_after(
        &self,
        identities: &BTreeMap<String, String>,
        is_dated: impl Fn(&str) -> bool,
    ) -> BTreeMap<String, BTreeMap<String, Offset>> {
        let mut dated = self.dated.clone();
        dated.retain(|source, _| is_dated(source));
        for (source, identity) in identities.iter().filter(|(source, _)| is_dated(source)) {
            let others = dated.entry(source.clone()).or_default();
            if let (Some(before), Some(offset)) = (self.identities.get(source), self.offsets.get(source)) {
                others.insert(before.clone(), offset.clone());
            }
            others.remove(identity);
        }
        dated.retain(|_, others| !others.is_empty());
        dated
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_goes_on_where_it_was_for_a_date() {
        let of = |identity: &str| BTreeMap::from([("posts".to_owned(), identity.to_owned())]);
        let mut progress = FlowProgress::default();
        for (identity, offset) in [("monday", "1"), ("tuesday", "2"), ("monday", "3")] {
            let dated = progress.dated_after(&of(identity), |_| true);
            let offsets = BTreeMap::from([("posts".to_owned(), Offset(offset.to_owned()))]);
            progress = FlowProgress { offsets, identities: of(identity), dated, ..FlowProgress::default() };
        }
        let offset = |identity| progress.offset("posts", identity).map(|offset| offset.0.as_str());
        assert_eq!((offset("monday"), offset("tuesday"), offset("friday")), (Some("3"), Some("2"), None));
        assert_eq!(progress.dated["posts"].len(), 1, "what it is now is with the other offsets");
        assert!(progress.dated_after(&of("friday"), |_| false).is_empty());
    }
}
