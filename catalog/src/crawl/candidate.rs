//! What may become a table: files that belong together, and the folder that holds them.

use std::collections::{BTreeMap, HashSet};

use super::format::{Compression, Ending, Format, stem};
use super::grouping::CrawledObject;
use super::similarity::similarity;
use super::skip::Skips;
use crate::infer::ObservedSchema;
use crate::partitions::PartitionEvidence;

/// Files that belong together.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    /// The folder that holds all of them, relative to the location.
    pub(super) root: String,
    pub(super) schema: ObservedSchema,
    pub(super) partitions: PartitionEvidence,
    /// Of all its files: a reader of a table reads one format.
    pub(super) format: Format,
    pub(super) compressions: BTreeMap<Compression, u64>,
    pub(super) objects: u64,
    pub(super) bytes: u64,
    pub(super) skipped: Skips,
    /// The first file's path, relative to the location.
    pub(super) first: String,
    /// What the names of all files begin with.
    pub(super) prefix: String,
    /// What tells it from other tables with the same partitions.
    pub(super) label: Option<Label>,
    /// The first file whose name does not say what is in it: tables of other formats would read it too.
    pub(super) unnamed: Option<String>,
    /// Shapes of files that were taken in: another of the same is similar without looking.
    shapes: HashSet<u64>,
}

/// What tells tables in one partition from each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Label {
    /// The folder inside the partition.
    Folder(String),
    /// What the files are called, without numbers.
    Files(String),
}

/// So many shapes are remembered; a file of another one is compared.
const MOST_SHAPES: usize = 64;

/// What the files of a table begin with, those of other days included: `orders_` for `orders_2026-11-21`.
pub(super) fn common_prefix(prefix: &str) -> &str {
    let name = without_number(prefix).len();
    let separator = prefix[name..].starts_with(['-', '_', '.']);
    &prefix[..name + usize::from(separator)]
}

/// The path of a file whose name does not say what is in it.
fn unnamed(object: &CrawledObject<'_>) -> Option<String> {
    (Ending::of(object.path) == Ending::None).then(|| object.path.to_owned())
}

/// A file's name without the number or date at its end.
pub(super) fn without_number(name: &str) -> &str {
    name.trim_end_matches(|last: char| last.is_ascii_digit() || matches!(last, '-' | '_' | '.'))
}

impl Candidate {
    /// A file of a folder.
    pub(super) fn new(folder: &str, object: &CrawledObject<'_>, schema: &ObservedSchema, shape: u64) -> Self {
        let mut partitions = PartitionEvidence::default();
        partitions.observe("");
        Self {
            root: folder.to_owned(),
            schema: schema.clone(),
            partitions,
            format: object.format,
            compressions: [(object.compression, 1)].into(),
            objects: 1,
            bytes: object.size,
            skipped: Skips::default(),
            first: object.path.to_owned(),
            prefix: stem(object.path).to_owned(),
            label: None,
            unnamed: unnamed(object),
            shapes: [shape].into(),
        }
    }

    /// Another file of the same folder. Says whether its shape is remembered.
    pub(super) fn add(&mut self, object: &CrawledObject<'_>, schema: &ObservedSchema, shape: u64) -> bool {
        self.schema.merge(schema);
        *self.compressions.entry(object.compression).or_default() += 1;
        self.objects += 1;
        self.bytes += object.size;
        self.keep_prefix(stem(object.path));
        self.unnamed = self.unnamed.take().or_else(|| unnamed(object));
        self.remember(shape)
    }

    /// Whether a file is of this table, by format and schema.
    pub(super) fn takes(&self, object: &CrawledObject<'_>, schema: &ObservedSchema, least: f64) -> bool {
        self.format == object.format && similarity(&self.schema, schema) >= least
    }

    /// Whether both are of one table.
    pub(super) fn is_like(&self, other: &Self, least: f64) -> bool {
        let alike = || !self.shapes.is_disjoint(&other.shapes) || similarity(&self.schema, &other.schema) >= least;
        self.format == other.format && alike()
    }

    /// The same files, as a partition of the table at `root`, a folder above.
    pub(super) fn raise(&mut self, root: &str) {
        let above = self.root[root.len()..].split('/').filter(|segment| !segment.is_empty());
        self.partitions.nest(above);
        self.root.truncate(root.len());
    }

    /// Remembers what tells it from the other tables of `folder`, a partition that holds several.
    pub(super) fn set_label(&mut self, folder: &str) {
        if self.label.is_none() {
            let inner = self.root[folder.len()..].trim_end_matches('/');
            self.label = Some(if inner.is_empty() {
                Label::Files(without_number(&self.prefix).to_owned())
            } else {
                Label::Folder(inner.to_owned())
            });
        }
    }

    /// Takes in another one of the same root.
    pub(super) fn merge(&mut self, other: Self) {
        self.schema.merge(&other.schema);
        self.partitions.merge(&other.partitions);
        for (compression, count) in other.compressions {
            *self.compressions.entry(compression).or_default() += count;
        }
        self.objects += other.objects;
        self.bytes += other.bytes;
        self.skipped.merge(other.skipped);
        self.first = std::mem::take(&mut self.first).min(other.first);
        self.keep_prefix(&other.prefix);
        self.unnamed = self.unnamed.take().or(other.unnamed);
        for shape in other.shapes {
            self.remember(shape);
        }
    }

    fn keep_prefix(&mut self, name: &str) {
        let common = self.prefix.char_indices().zip(name.chars()).find(|((_, mine), theirs)| mine != theirs);
        let end = common.map_or(self.prefix.len().min(name.len()), |((end, _), _)| end);
        self.prefix.truncate(end);
    }

    fn remember(&mut self, shape: u64) -> bool {
        if self.shapes.len() < MOST_SHAPES {
            self.shapes.insert(shape);
        }
        self.shapes.contains(&shape)
    }
}
