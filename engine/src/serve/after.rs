//! Pipelines that wait for each other: those they name are there, and they do not wait in a circle.

use std::collections::{BTreeMap, BTreeSet};

use connectors::options::nearest;

use super::policy::Policy;

/// By pipeline, what is wrong with the pipelines that it is to run after; `known` are all there are. Those of a circle are taken out of the
/// policies: each run would make the next one due, for ever.
pub(super) fn settle(policies: &mut BTreeMap<String, Policy>, known: &BTreeSet<String>) -> BTreeMap<String, Vec<String>> {
    let waits: BTreeMap<String, Vec<String>> = policies
        .iter()
        .map(|(name, policy)| (name.clone(), policy.after.clone()))
        .filter(|(_, after)| !after.is_empty())
        .collect();
    let mut mistakes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, after) in &waits {
        for other in after {
            let mistake = if !known.contains(other) {
                let near = nearest(other, known.iter().map(String::as_str)).map(|near| format!("; did you mean '{near}'?"));
                format!("pipeline.after: there is no pipeline '{other}'{}", near.unwrap_or_default())
            } else if reaches(&waits, other, name) {
                format!(
                    "pipeline.after: '{name}' waits for '{other}', which waits for '{name}' in turn: each run would make the next one due; \
                     it is not run after '{other}'"
                )
            } else {
                continue;
            };
            mistakes.entry(name.clone()).or_default().push(mistake);
        }
    }
    for (name, policy) in policies {
        policy.after.retain(|other| !reaches(&waits, other, name));
    }
    mistakes
}

/// Whether `from` is `to`, or waits for it, or for one that does.
fn reaches(waits: &BTreeMap<String, Vec<String>>, from: &str, to: &str) -> bool {
    let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(name) = open.pop() {
        if name == to {
            return true;
        }
        if seen.insert(name) {
            open.extend(waits.get(name).into_iter().flatten().map(String::as_str));
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use datafusion::config::ExtensionOptions;

    use super::*;
    use crate::sql::settings::PipelineOptions;

    #[test]
    fn who_waits_for_nobody_or_in_a_circle_is_told() {
        let policy = |after: &str| {
            let mut options = PipelineOptions::default();
            options.set("after", after).unwrap();
            Policy::new(&options).unwrap()
        };
        let all = [("a", "b"), ("b", "c"), ("c", "a, d"), ("d", "d"), ("e", "a"), ("f", "orders_dayly")];
        let mut policies: BTreeMap<String, Policy> = all.map(|(name, after)| (name.to_owned(), policy(after))).into();
        let known: BTreeSet<String> = policies.keys().cloned().chain(["orders_daily".to_owned()]).collect();
        let mistakes = settle(&mut policies, &known);
        assert_eq!(mistakes.keys().collect::<Vec<_>>(), ["a", "b", "c", "d", "f"]);
        assert!(mistakes["a"][0].contains("'a' waits for 'b', which waits for 'a'"), "{mistakes:?}");
        assert_eq!(mistakes["f"], ["pipeline.after: there is no pipeline 'orders_dayly'; did you mean 'orders_daily'?"]);
        let left: Vec<&[String]> = policies.values().map(|policy| policy.after.as_slice()).collect();
        assert_eq!(left.concat(), ["d", "a", "orders_dayly"], "of c, e and f");
    }
}
