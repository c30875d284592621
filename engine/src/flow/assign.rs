//! Which stored progress belongs to which flow of the file, after the file was edited.
//!
//! A flow is known by where its table is, whatever the file calls it, and among the flows of one table by its query.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use connectors::context::TableSpec;
use connectors::registry::connector;
use connectors::secrets::without_secrets;
use connectors::sink::{BatchId, MOVED_FROM};

use super::{Class, Flow};
use crate::session::Session;
use crate::sql::Pipeline;
use crate::state::{Checkpoint, Declared, FlowProgress, Progress};

/// Two flows of one sink changed at once, so that neither can be told from the other.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "several flows into '{sink}' were changed at once, so it is not known which of them goes on from which progress; change one at a time (a run in between), or run with --from-scratch"
)]
pub struct Ambiguous {
    /// The sink.
    pub sink: String,
}

/// Where a table is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Kept {
    /// Which of several places it is in, where that is for the settings to say.
    place: Option<String>,
    /// How it is kept, and its address as the settings are now; empty when nobody knows.
    at: String,
}

/// A flow of the file.
#[derive(Debug)]
struct Wanted {
    name: String,
    fingerprint: String,
    kept: Kept,
    /// What its table was called where it was before, by its own statement.
    moved_from: Option<String>,
    is_complete: bool,
    /// The id that it has when it is new and nobody else has it.
    proposed: String,
}

/// A flow whose progress is stored.
#[derive(Debug)]
struct Known {
    name: String,
    fingerprint: String,
    kept: Kept,
    declared: Option<Declared>,
}

/// Gives every flow the id under which its progress is stored; a new flow gets an id that nobody has.
///
/// A table that the settings put into another place than before is another table, unless the place only has another name: then it knows
/// what was written under the old one.
///
/// # Errors
/// [`Ambiguous`]; when the file puts a table elsewhere than before, and does not say what is to become of its rows; when a table that may
/// have moved cannot be asked.
pub async fn assign(pipeline: &mut Pipeline, progress: &Progress, session: &Session) -> Result<()> {
    let wanted: Vec<Wanted> = pipeline.flows.iter().map(|flow| wanted(flow, session)).collect();
    let mut stored = progress.flows.clone();
    // Recovery commits it, and the flow goes on behind it.
    for (id, flow) in progress.pending.iter().flat_map(Checkpoint::progress) {
        stored.entry(id).or_insert(flow);
    }
    // What lands makes its table where there is none.
    let has_landed = pipeline.landed.is_some();
    let mut known: BTreeMap<String, Known> = stored
        .into_iter()
        .map(|(id, flow)| {
            let known = known(flow, &wanted, |declared| (!has_landed).then(|| address(declared, session)));
            (id, known)
        })
        .collect();
    for (id, known) in &mut known {
        let moved = wanted.iter().position(|wanted| wanted.kept.at == known.kept.at && wanted.kept.place != known.kept.place);
        let Some(flow) = moved.and_then(|index| pipeline.flows.get(index)) else { continue };
        let (pipeline, incarnation) = (pipeline.name.clone(), progress.incarnation.clone());
        // That of any epoch: none is before the first.
        let written = BatchId { pipeline, incarnation, flow: id.clone(), epoch: 0 };
        if flow.sink.committed(&written).await? {
            known.kept.place.clone_from(&flow.place);
        }
    }
    follow(&wanted, &mut known);
    if let Some((index, declared)) = moved(&wanted, &known)
        && let Some(flow) = pipeline.flows.get(index)
    {
        bail!("{}", told(pipeline, flow, declared))
    }
    let ids = ids(&wanted, &known)?;
    for (flow, id) in pipeline.flows.iter_mut().zip(ids) {
        flow.id = id;
    }
    Ok(())
}

fn wanted(flow: &Flow, session: &Session) -> Wanted {
    let mut options = flow.table.options.iter();
    let moved_from = options.find(|(name, _)| name.eq_ignore_ascii_case(MOVED_FROM.name));
    Wanted {
        name: flow.table.name.clone(),
        fingerprint: flow.fingerprint.clone(),
        kept: Kept { place: flow.place.clone(), at: address(&flow.declared(), session) },
        moved_from: moved_from.map(|(_, location)| location.clone()),
        is_complete: flow.class == Class::Complete,
        proposed: flow.id.clone(),
    }
}

/// A version of before did not say where a table was: it is where the table of its name is.
fn known(flow: FlowProgress, wanted: &[Wanted], address: impl Fn(&Declared) -> Option<String>) -> Known {
    let FlowProgress { fingerprint, sink: name, place, declared, .. } = flow;
    let of_its_name = || wanted.iter().find(|wanted| wanted.name == name).map(|wanted| wanted.kept.at.clone());
    let at = declared.as_ref().and_then(address).or_else(of_its_name).unwrap_or_default();
    Known { name, fingerprint, kept: Kept { place, at }, declared }
}

/// How and where a table is kept, however its statement writes that. A location that the settings of now make nothing of is what it says.
fn address(declared: &Declared, session: &Session) -> String {
    let Declared { connector: kind, location } = declared;
    let found = || -> connectors::Result<String> {
        let table = session.resolve(&TableSpec::new("", kind, location))?;
        let own = connector(kind)?;
        let stands_for = own.stands_for(&table, &session.context)?;
        let kind = stands_for.map_or_else(|| own.name().to_owned(), |other| other.connector);
        Ok(format!("{kind} {}", own.address(&table, &session.context)?))
    };
    found().unwrap_or_else(|_| format!("{kind} {location}"))
}

/// Tables that were moved, as their statements say, are known where they are now.
fn follow(wanted: &[Wanted], known: &mut BTreeMap<String, Known>) {
    for table in wanted {
        let Some(from) = table.moved_from.as_ref().filter(|_| !known.values().any(|known| known.kept == table.kept)) else {
            continue;
        };
        let was_there = |known: &Known| {
            known.declared.as_ref().is_some_and(|declared| declared.location == *from)
                && known.kept.place == table.kept.place
                && !is_claimed(wanted, known)
        };
        for known in known.values_mut().filter(|known| was_there(known)) {
            known.kept.clone_from(&table.kept);
        }
    }
}

/// Whether a flow of the file writes to that table.
fn is_claimed(wanted: &[Wanted], known: &Known) -> bool {
    wanted.iter().any(|wanted| wanted.kept == known.kept)
}

/// The first flow that adds to a table nobody knows, under the name of one that was elsewhere and that no flow writes any more; and where that
/// was. A table that is computed as a whole is computed there.
fn moved<'a>(wanted: &[Wanted], known: &'a BTreeMap<String, Known>) -> Option<(usize, &'a Declared)> {
    let is_known = |table: &Wanted| known.values().any(|known| known.kept == table.kept);
    wanted.iter().enumerate().filter(|(_, table)| !table.is_complete && !is_known(table)).find_map(|(index, table)| {
        let was_it =
            |known: &&Known| known.name == table.name && known.kept.place == table.kept.place && !is_claimed(wanted, known);
        Some((index, known.values().find(was_it)?.declared.as_ref()?))
    })
}

fn told(pipeline: &Pipeline, flow: &Flow, before: &Declared) -> String {
    let table = &flow.table;
    let span = pipeline.tables.get(&table.name).map_or(&flow.span, |table| &table.span);
    let (from, to) = (without_secrets(&before.location), without_secrets(&table.location));
    let was =
        if before.connector.eq_ignore_ascii_case(&table.connector) { String::new() } else { format!("{} ", before.connector) };
    format!(
        "{}:{}: table '{}' was at {was}'{from}' when pipeline '{}' last wrote to it, and is at '{to}' now: it would get only the rows that \
         come from now on. Nothing was written. If the table itself was moved there, with its rows, say so: OPTIONS ('{}' '{from}'); if '{to}' \
         is to be filled from the beginning, give the table another name in the file as well; otherwise set its LOCATION back",
        pipeline.path.display(),
        pipeline.line(span),
        table.name,
        pipeline.name,
        MOVED_FROM.name,
    )
}

fn ids(wanted: &[Wanted], known: &BTreeMap<String, Known>) -> Result<Vec<String>, Ambiguous> {
    let mut result: Vec<Option<String>> = vec![None; wanted.len()];
    let mut free = known.iter().collect::<BTreeMap<_, _>>();
    for (slot, flow) in result.iter_mut().zip(wanted) {
        let is_same = |known: &Known| known.kept == flow.kept && known.fingerprint == flow.fingerprint;
        let same = free.iter().find(|(_, known)| is_same(known)).map(|(id, _)| *id);
        if let Some(id) = same {
            free.remove(id);
            *slot = Some(id.clone());
        }
    }
    for (index, flow) in wanted.iter().enumerate() {
        if result[index].is_some() {
            continue;
        }
        let edited: Vec<&String> = free.iter().filter(|(_, known)| known.kept == flow.kept).map(|(id, _)| *id).collect();
        let open = wanted.iter().zip(&result).filter(|(other, id)| id.is_none() && other.kept == flow.kept).count();
        match (edited.as_slice(), open) {
            ([], _) => {}
            ([id], 1) => {
                let id = (*id).clone();
                free.remove(&id);
                result[index] = Some(id);
            }
            _ => return Err(Ambiguous { sink: flow.name.clone() }),
        }
    }
    let mut taken: Vec<String> = known.keys().cloned().chain(result.iter().flatten().cloned()).collect();
    for (slot, flow) in result.iter_mut().zip(wanted) {
        if slot.is_none() {
            let proposal = &flow.proposed;
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

    /// A flow of a table that is at `at` in `place`.
    fn flow(name: &str, at: &str, place: Option<&str>, print: &str) -> Wanted {
        Wanted {
            name: name.into(),
            fingerprint: print.into(),
            kept: Kept { place: place.map(Into::into), at: at.into() },
            moved_from: None,
            is_complete: false,
            proposed: name.into(),
        }
    }

    /// What is stored of one.
    fn past(name: &str, at: &str, place: Option<&str>, print: &str) -> Known {
        let Wanted { name, fingerprint, kept, .. } = flow(name, at, place, print);
        let declared = Some(Declared { connector: "DELTA".into(), location: at.into() });
        Known { name, fingerprint, kept, declared }
    }

    fn stored<const N: usize>(known: [(&str, Known); N]) -> BTreeMap<String, Known> {
        known.map(|(id, known)| (id.to_owned(), known)).into()
    }

    /// Flows whose tables are where their names say.
    fn run(flows: &[(&str, &str)], known: &[(&str, &str, &str)]) -> Result<Vec<String>, Ambiguous> {
        let flows: Vec<Wanted> = flows.iter().map(|(sink, print)| flow(sink, sink, None, print)).collect();
        let known = known.iter().map(|(id, sink, print)| ((*id).to_owned(), past(sink, sink, None, print))).collect();
        ids(&flows, &known)
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
        let known = stored([("t", past("t", "x", Some("here"), "a")), ("t-2", past("t", "x", Some("there"), "a"))]);
        let id = |place: Option<&str>| {
            let flows = [flow("t", "x", place, "a")];
            assert_eq!(moved(&flows, &known), None, "that is for the settings to say");
            ids(&flows, &known).unwrap()
        };
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

    #[test]
    fn a_table_by_another_name_is_the_table_that_it_was_whatever_its_query() {
        let known = stored([("o", past("o", "x", None, "a")), ("p", past("p", "y", None, "b"))]);
        for print in ["a", "new"] {
            let flows = [flow("o_new", "x", None, print), flow("p", "y", None, "b")];
            assert_eq!(moved(&flows, &known), None);
            assert_eq!(ids(&flows, &known).unwrap(), ["o", "p"]);
        }
        let swapped = [flow("o", "y", None, "b"), flow("p", "x", None, "a")];
        assert_eq!(moved(&swapped, &known), None);
        assert_eq!(ids(&swapped, &known).unwrap(), ["p", "o"]);
    }

    #[test]
    fn a_table_that_is_elsewhere_than_before_is_told_unless_it_is_computed_as_a_whole() {
        let known = stored([("o", past("o", "x", None, "a"))]);
        let elsewhere = || flow("o", "y", None, "a");
        let told = moved(&[elsewhere()], &known);
        assert_eq!(told.map(|(index, declared)| (index, declared.location.as_str())), Some((0, "x")));
        let complete = Wanted { is_complete: true, ..elsewhere() };
        assert_eq!(moved(&[complete], &known), None);
        assert_eq!(moved(&[flow("another", "y", None, "a")], &known), None, "another table, filled from the beginning");
        let both = [elsewhere(), flow("p", "x", None, "a")];
        assert_eq!(moved(&both, &known), None, "the rows of before have a table by another name");
        assert_eq!(ids(&both, &known).unwrap(), ["o-2", "o"]);
    }

    #[test]
    fn a_table_that_was_moved_goes_on_where_it_was() {
        let mut known = stored([("o", past("o", "x", None, "a")), ("o-2", past("o", "x", None, "b"))]);
        let now = |print: &str| Wanted { moved_from: Some("x".into()), ..flow("o", "y", None, print) };
        let flows = [now("a"), now("b")];
        follow(&flows, &mut known);
        assert_eq!(moved(&flows, &known), None);
        assert_eq!(ids(&flows, &known).unwrap(), ["o", "o-2"]);
        // From elsewhere it was not.
        let mut known = stored([("o", past("o", "z", None, "a"))]);
        follow(&flows, &mut known);
        assert!(moved(&flows, &known).is_some());
    }

    #[test]
    fn progress_of_a_version_that_did_not_say_where_a_table_was_is_that_of_the_table_of_its_name() {
        let flows = [flow("o", "y", None, "a")];
        let before = FlowProgress { fingerprint: "a".into(), sink: "o".into(), ..FlowProgress::default() };
        let known = BTreeMap::from([("o".to_owned(), known(before, &flows, |_| None))]);
        assert_eq!(moved(&flows, &known), None);
        assert_eq!(ids(&flows, &known).unwrap(), ["o"]);
    }
}
