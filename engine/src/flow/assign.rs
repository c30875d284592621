//! Which stored progress belongs to which flow of the file, after the file was edited.

use std::collections::BTreeMap;

use connectors::sink::BatchId;

use super::Flow;
use crate::state::{FlowProgress, Progress};

/// Two flows of one sink changed at once, so that neither can be told from the other.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "several flows into '{sink}' were changed at once, so it is not known which of them goes on from which progress; change one at a time (a run in between), or run with --from-scratch"
)]
pub struct Ambiguous {
    /// The sink.
    pub sink: String,
}

/// Gives every flow the id under which its progress is stored; a new flow gets an id that nobody has.
///
/// A table that is in another place than before is another table, unless the place only has another name: then it knows what was
/// written under the old one.
///
/// # Errors
/// [`Ambiguous`]; when a table that may have moved cannot be asked.
pub async fn assign(flows: &mut [Flow], pipeline: &str, progress: &Progress) -> anyhow::Result<()> {
    let mut stored = progress.flows.clone();
    for (id, known) in &mut stored {
        let moved = flows.iter().find(|flow| flow.table.name == known.sink && flow.place != known.place);
        let Some(flow) = moved else { continue };
        let (pipeline, incarnation) = (pipeline.to_owned(), progress.incarnation.clone());
        // That of any epoch: none is before the first.
        let written = BatchId { pipeline, incarnation, flow: id.clone(), epoch: 0 };
        if flow.sink.committed(&written).await? {
            known.place.clone_from(&flow.place);
        }
    }
    Ok(assign_stored(flows, &stored)?)
}

fn assign_stored(flows: &mut [Flow], stored: &BTreeMap<String, FlowProgress>) -> Result<(), Ambiguous> {
    let mut keys: Vec<(String, String)> =
        flows.iter().map(|flow| (sink(&flow.table.name, flow.place.as_deref()), flow.fingerprint.clone())).collect();
    let ids = ids(&mut keys, &flows.iter().map(|flow| flow.id.clone()).collect::<Vec<_>>(), stored)?;
    for (flow, id) in flows.iter_mut().zip(ids) {
        flow.id = id;
    }
    Ok(())
}

/// A table that the settings put into another place is another one.
fn sink(name: &str, place: Option<&str>) -> String {
    place.map_or_else(|| name.to_owned(), |place| format!("{name} in {place}"))
}

fn ids(
    flows: &mut [(String, String)],
    proposed: &[String],
    stored: &BTreeMap<String, FlowProgress>,
) -> Result<Vec<String>, Ambiguous> {
    let mut result: Vec<Option<String>> = vec![None; flows.len()];
    let mut free: BTreeMap<&String, (String, &FlowProgress)> =
        stored.iter().map(|(id, progress)| (id, (sink(&progress.sink, progress.place.as_deref()), progress))).collect();
    for (slot, (sink, fingerprint)) in result.iter_mut().zip(flows.iter()) {
        let is_same = |stored: &(String, &FlowProgress)| stored.0 == *sink && stored.1.fingerprint == *fingerprint;
        let same = free.iter().find(|(_, stored)| is_same(stored)).map(|(id, _)| *id);
        if let Some(id) = same {
            free.remove(id);
            *slot = Some(id.clone());
        }
    }
    for index in 0..flows.len() {
        if result[index].is_some() {
            continue;
        }
        let sink = &flows[index].0;
        let edited: Vec<&String> = free.iter().filter(|(_, stored)| stored.0 == *sink).map(|(id, _)| *id).collect();
        let open = (0..flows.len()).filter(|other| result[*other].is_none() && flows[*other].0 == *sink).count();
        match (edited.as_slice(), open) {
            ([], _) => {}
            ([id], 1) => {
                let id = (*id).clone();
                free.remove(&id);
                result[index] = Some(id);
            }
            _ => return Err(Ambiguous { sink: sink.clone() }),
        }
    }
    let mut taken: Vec<String> = stored.keys().cloned().chain(result.iter().flatten().cloned()).collect();
    for (slot, proposal) in result.iter_mut().zip(proposed) {
        if slot.is_none() {
            let id =
                std::iter::once(proposal.clone()).chain((2..).map(|n| format!("{proposal}-{n}"))).find(|id| !taken.contains(id));
            taken.extend(id.clone());
            *slot = id;
        }
    }
    Ok(result.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(flows: &[(&str, &str)], stored: &[(&str, &str, &str)]) -> Result<Vec<String>, Ambiguous> {
        let mut flows: Vec<(String, String)> = flows.iter().map(|(sink, print)| ((*sink).into(), (*print).into())).collect();
        let proposed: Vec<String> = flows.iter().map(|(sink, _)| sink.clone()).collect();
        let stored = stored
            .iter()
            .map(|(id, sink, print)| {
                let progress = FlowProgress { fingerprint: (*print).into(), sink: (*sink).into(), ..FlowProgress::default() };
                ((*id).to_owned(), progress)
            })
            .collect();
        ids(&mut flows, &proposed, &stored)
    }

    #[test]
    fn an_edited_flow_keeps_its_progress() {
        assert_eq!(run(&[("t", "new")], &[("t", "t", "old")]).unwrap(), ["t"]);
    }

    #[test]
    fn flows_of_one_sink_are_told_apart_by_their_query_in_any_order() {
        let stored = [("t", "t", "a"), ("t-2", "t", "b")];
        assert_eq!(run(&[("t", "b"), ("t", "a")], &stored).unwrap(), ["t-2", "t"]);
        assert_eq!(run(&[("t", "c"), ("t", "a")], &stored).unwrap(), ["t-2", "t"]);
    }

    #[test]
    fn a_flow_added_before_another_starts_from_the_beginning() {
        assert_eq!(run(&[("t", "new"), ("t", "a")], &[("t", "t", "a")]).unwrap(), ["t-2", "t"]);
    }

    #[test]
    fn a_table_in_another_place_starts_from_the_beginning_and_goes_on_where_it_was_when_it_is_back() {
        let at = |place: &str| FlowProgress {
            fingerprint: "a".into(),
            sink: "t".into(),
            place: Some(place.into()),
            ..FlowProgress::default()
        };
        let stored = BTreeMap::from([("t".to_owned(), at("here")), ("t-2".to_owned(), at("there"))]);
        let id = |place: Option<&str>| ids(&mut [(sink("t", place), "a".to_owned())], &["t".to_owned()], &stored).unwrap();
        assert_eq!(id(Some("here")), ["t"]);
        assert_eq!(id(Some("there")), ["t-2"]);
        assert_eq!(id(Some("elsewhere")), ["t-3"]);
        assert_eq!(id(None), ["t-3"]);
    }

    #[test]
    fn two_edits_at_once_are_refused() {
        let stored = [("t", "t", "a"), ("t-2", "t", "b")];
        assert_eq!(run(&[("t", "c"), ("t", "d")], &stored).unwrap_err(), Ambiguous { sink: "t".into() });
    }
}
