//! A table as it would be registered, with what speaks for it.

use arrow_schema::Schema;

use super::candidate::{Candidate, Label, common_prefix};
use super::format::{Compression, Format};
use super::names::TableNames;
use super::skip::Skips;
use crate::drift::Policy;
use crate::infer::{Grouped, ObservedSchema, ResolveOptions};
use crate::partitions::Partitioning;
use crate::store::{Registration, TableName, TableOptions};

/// How many objects are compressed in one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompressionCount {
    /// How.
    pub compression: Compression,
    /// How many.
    pub objects: u64,
}

/// A table that was found.
#[derive(Debug, Clone)]
pub struct TablePlan {
    /// Lower-case and plain.
    pub name: String,
    /// The folder that its partitions are counted from, relative to the location that was crawled: with a slash at its end, or
    /// nothing, for the location itself.
    pub root: String,
    /// What `LOCATION` says, relative to the same: the root, a file, or a pattern where other tables' files are below the root.
    pub location: String,
    /// Its first object, relative to the same.
    pub first: String,
    /// The first of its objects whose name does not say what is in it, relative to the same.
    pub unnamed: Option<String>,
    /// The format of its objects.
    pub format: Format,
    /// Their compressions, the most frequent first.
    pub compressions: Vec<CompressionCount>,
    /// What its folders mean.
    pub partitioning: Partitioning,
    /// Whether some of its objects lie higher than others.
    pub ragged: bool,
    /// The columns of the files, without those that are partitions.
    pub schema: Schema,
    /// What the schema was made from.
    pub observed: ObservedSchema,
    /// What led to it, a line each.
    pub evidence: Vec<String>,
    /// How many objects it has.
    pub objects: u64,
    /// Their size together.
    pub bytes: u64,
    /// Objects below its root that are no data.
    pub skipped: Skips,
}

impl TablePlan {
    /// `alone` when no other table is below its root.
    pub(super) fn new(candidate: Candidate, alone: bool, names: &mut TableNames, options: &ResolveOptions) -> Self {
        names.set_format(candidate.format);
        let partitioning = candidate.partitions.resolve();
        let (name, location) = place(&candidate, &partitioning, alone, names);
        let counts = candidate.compressions.iter();
        let mut compressions: Vec<CompressionCount> =
            counts.map(|(compression, objects)| CompressionCount { compression: *compression, objects: *objects }).collect();
        compressions.sort_by_key(|count| std::cmp::Reverse(count.objects));
        let mut evidence = candidate.schema.evidence_lines(options);
        evidence.extend(mixed(&compressions));
        let schema = without_partitions(candidate.schema.schema(options), &partitioning, &mut evidence);
        Self {
            name,
            root: candidate.root,
            location,
            first: candidate.first,
            unnamed: candidate.unnamed,
            format: candidate.format,
            compressions,
            partitioning,
            ragged: candidate.partitions.is_ragged(),
            schema,
            observed: candidate.schema,
            evidence,
            objects: candidate.objects,
            bytes: candidate.bytes,
            skipped: candidate.skipped,
        }
    }
}

/// The table's name, and its root or the pattern that leaves out other tables' files.
fn place(candidate: &Candidate, partitioning: &Partitioning, alone: bool, names: &mut TableNames) -> (String, String) {
    let folder = candidate.root.as_str();
    let levels = partitioning.levels();
    if alone && !(candidate.objects == 1 && folder.is_empty() && levels.is_empty()) {
        return (names.of_folder(folder), folder.to_owned());
    }
    if candidate.objects == 1 && levels.is_empty() {
        return (names.of_files(&candidate.first, folder), candidate.first.clone());
    }
    if candidate.partitions.is_ragged() {
        // No pattern has folders of several depths.
        return (names.of_folder(folder), folder.to_owned());
    }
    let mut pattern = folder.to_owned();
    for (depth, level) in levels.iter().enumerate() {
        pattern.push_str(&candidate.partitions.pattern(depth, level));
        pattern.push('/');
    }
    let name = match &candidate.label {
        Some(Label::Folder(inner)) => names.of_folder(&format!("{folder}{inner}/")),
        Some(Label::Files(files)) => names.of_files(files, folder),
        None if levels.is_empty() => names.of_files(&candidate.prefix, folder),
        None => names.of_folder(folder),
    };
    if matches!(candidate.label, Some(Label::Files(_))) || levels.is_empty() {
        pattern.push_str(common_prefix(&candidate.prefix));
    }
    pattern.push('*');
    (name, pattern)
}

fn mixed(compressions: &[CompressionCount]) -> Option<String> {
    let parts: Vec<String> =
        compressions.iter().map(|count| format!("{} {}", Grouped(count.objects), count.compression)).collect();
    (compressions.len() > 1).then(|| format!("compressions are mixed: {}", parts.join(", ")))
}

impl TablePlan {
    /// What its `OPTIONS` have to say so that it is read as it was seen, but for the forms of its columns.
    pub fn options(&self) -> TableOptions {
        let mut options = TableOptions::default();
        let mut set = |name: &str, value: String| options.0.insert(name.to_owned(), value);
        if self.format == Format::Json && self.observed.lenient {
            set("mode", "lenient".to_owned());
        }
        if self.format == Format::Csv && self.observed.positional {
            set("header", "false".to_owned());
        }
        let told_by_place = !self.partitioning.fields().is_empty() && (self.ragged || !self.partitioning.is_hive());
        if self.format != Format::Delta && told_by_place {
            set("partitions", self.partitioning.template());
        }
        options
    }

    /// The table as it is registered: in `database`, of the location `base` that was crawled.
    pub fn registration(&self, database: &str, base: &str, policy: Policy) -> Registration {
        Registration {
            name: TableName::new(database, &self.name),
            connector: self.format.to_string(),
            location: format!("{}/{}", base.trim_end_matches('/'), self.location),
            options: self.options(),
            schema: self.schema.clone(),
            partitioning: self.partitioning.clone(),
            key: Vec::new(),
            policy,
            comment: None,
            registered_by: "crawl".to_owned(),
        }
    }

    /// The table in one line: `orders: 12,000 objects, 34,567 bytes, CSV`.
    pub fn summary(&self) -> String {
        let objects = if self.objects == 1 { "object" } else { "objects" };
        format!("{}: {} {objects}, {} bytes, {}", self.name, Grouped(self.objects), Grouped(self.bytes), self.format)
    }
}

/// A column of the files that is a partition as well is read from the path.
fn without_partitions(schema: Schema, partitioning: &Partitioning, evidence: &mut Vec<String>) -> Schema {
    let partitions = partitioning.fields();
    let (both, columns): (Vec<_>, Vec<_>) =
        schema.fields().iter().cloned().partition(|field| partitions.iter().any(|partition| partition.name() == field.name()));
    for field in both {
        evidence.push(format!("`{}` is in the files and in their folders; the folders' values are taken", field.name()));
    }
    Schema::new(columns)
}
