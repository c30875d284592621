//! Which flows go through an epoch together: those that stand at the same place in every source they share.

use std::collections::BTreeMap;

use connectors::source::Offset;

use crate::flow::Flow;
use crate::state::FlowProgress;

/// Flows that share their slices.
#[derive(Debug)]
pub(crate) struct Group<'a> {
    /// The flows.
    pub(crate) flows: Vec<&'a Flow>,
    /// Where they stand, by source.
    pub(crate) offsets: BTreeMap<String, Option<Offset>>,
}

/// Groups flows; those that have not begun come first, so that they catch up with the others.
pub(crate) fn groups<'a>(
    flows: impl Iterator<Item = &'a Flow>,
    identity: impl Fn(&str) -> String,
    mark: impl Fn(&str, &Offset) -> String,
    progress: &BTreeMap<String, FlowProgress>,
) -> Vec<Group<'a>> {
    let mut groups: Vec<Group<'a>> = Vec::new();
    for flow in flows {
        let offsets: BTreeMap<String, Option<Offset>> = flow
            .sources
            .iter()
            .map(|source| {
                (source.clone(), progress.get(&flow.id).and_then(|progress| progress.offset(source, &identity(source))).cloned())
            })
            .collect();
        let marked = |source: &str, offset: &Option<Offset>| offset.as_ref().map(|offset| mark(source, offset));
        let fits = |group: &&mut Group<'a>| {
            let same = |source: &str, offset, other| marked(source, offset) == marked(source, other);
            offsets.iter().all(|(source, offset)| group.offsets.get(source).is_none_or(|other| same(source, offset, other)))
        };
        match groups.iter_mut().find(fits) {
            Some(group) => {
                group.flows.push(flow);
                for (source, offset) in offsets {
                    group.offsets.entry(source).or_insert(offset);
                }
            }
            None => groups.push(Group { flows: vec![flow], offsets }),
        }
    }
    groups.sort_by_key(|group| group.offsets.values().any(Option::is_some));
    groups
}
