//! The files of one folder, grouped by similarity: a file is compared only with groups that it may be like, so that a folder of many
//! unlike files takes no longer than one of as many that are alike.

use std::collections::{BTreeSet, HashMap};

use super::candidate::Candidate;
use super::format::Format;
use super::grouping::CrawledObject;
use crate::infer::ObservedSchema;

/// What a share of columns, as a float, may be off by.
const ROUNDING: f64 = 1e-9;

/// Groups of similar files.
#[derive(Debug, Default)]
pub(super) struct Kinds {
    groups: Vec<Candidate>,
    /// Where a file of some shape went, and the next of it goes.
    by_shape: HashMap<(Format, u64), usize>,
    /// The groups that have a column, by its name.
    by_column: HashMap<String, Vec<usize>>,
    /// Groups that began without a column, which may be like any.
    bare: Vec<usize>,
}

impl Kinds {
    /// A file of `folder`: it goes to the first group that it is like, or makes one of its own.
    pub(super) fn push(&mut self, folder: &str, object: &CrawledObject<'_>, schema: &ObservedSchema, least: f64) {
        let shape = schema.shape();
        let known = self.by_shape.get(&(object.format, shape)).copied();
        let like = known.or_else(|| {
            let mut possible = self.possible(schema, least).into_iter();
            possible.find(|group| self.groups.get(*group).is_some_and(|group| group.takes(object, schema, least)))
        });
        let group = like.unwrap_or(self.groups.len());
        self.list(group, schema);
        let is_remembered = match self.groups.get_mut(group) {
            Some(group) => group.add(object, schema, shape),
            None => {
                self.groups.push(Candidate::new(folder, object, schema, shape));
                true
            }
        };
        if is_remembered {
            self.by_shape.insert((object.format, shape), group);
        }
    }

    /// The groups that may have `least` of the columns of `schema`, in their order. Two that have `common` of `all` columns in common
    /// share one at least of any `all - common + 1` of them: the rarest tell.
    fn possible(&self, schema: &ObservedSchema, least: f64) -> BTreeSet<usize> {
        let all = schema.columns.len();
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "columns are few"
        )]
        let common = (least * all as f64 - ROUNDING).ceil().max(0.0) as usize;
        if all == 0 || common == 0 {
            return (0..self.groups.len()).collect();
        }
        let with = |(name, _): (&str, _)| self.by_column.get(name).map(Vec::as_slice).unwrap_or_default();
        let mut groups: Vec<&[usize]> = schema.columns.iter().map(with).collect();
        groups.sort_unstable_by_key(|groups| groups.len());
        let rare = groups.into_iter().take((all + 1).saturating_sub(common));
        rare.flatten().chain(&self.bare).copied().collect()
    }

    /// Lists the columns of `schema` that the group did not have.
    fn list(&mut self, group: usize, schema: &ObservedSchema) {
        let known = self.groups.get(group).map(|group| &group.schema.columns);
        if known.is_none() && schema.columns.is_empty() {
            self.bare.push(group);
        }
        for (name, _) in schema.columns.iter() {
            if known.is_none_or(|known| known.get(name).is_none()) {
                self.by_column.entry(name.to_owned()).or_default().push(group);
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.groups.len()
    }

    /// The only group, taken out, if there is one only.
    pub(super) fn pop(&mut self) -> Option<Candidate> {
        self.groups.pop()
    }

    pub(super) fn into_groups(self) -> Vec<Candidate> {
        self.groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crawl::Compression;
    use crate::infer::{FileObservation, ResolveOptions};

    fn schema(columns: &[String]) -> ObservedSchema {
        let mut file = FileObservation::new("x");
        file.header(columns.iter().map(String::as_str));
        file.begin_row();
        (0..columns.len()).for_each(|column| file.cell(column, "1"));
        file.finish(&ResolveOptions::default())
    }

    /// All have `id` and `created`, as the tables of a database do.
    fn table(number: usize) -> ObservedSchema {
        let own = (0..8).map(|column| format!("t{number}_c{column}"));
        schema(&["id".to_owned(), "created".to_owned()].into_iter().chain(own).collect::<Vec<_>>())
    }

    #[test]
    fn a_file_is_compared_with_few_of_many_unlike_ones() {
        let mut kinds = Kinds::default();
        for number in 0..300 {
            let path = format!("{number}.csv");
            let object = CrawledObject { path: &path, size: 1, format: Format::Csv, compression: Compression::None };
            kinds.push("", &object, &table(number), 0.7);
        }
        assert_eq!(kinds.len(), 300);
        assert_eq!(kinds.possible(&table(300), 0.7), BTreeSet::new());
        assert_eq!(kinds.possible(&table(7), 0.7), BTreeSet::from([7]));
        assert_eq!(kinds.possible(&schema(&["id".to_owned()]), 0.7).len(), 300, "that alone tells nothing");
    }
}
