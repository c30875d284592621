//! A table as it would be registered, with what speaks for it.

use arrow_schema::Schema;

use super::candidate::{Candidate, Label, common_prefix};
use super::format::{Compression, Format};
use super::names::TableNames;
use super::skip::Skips;
use crate::infer::{Grouped, ObservedSchema, ResolveOptions};
use crate::partitions::{Partitioning, Segment};

/// How many objects have a format and compression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FormatCount {
    /// What they are.
    pub format: Format,
    /// How they are compressed.
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
    /// The format of most of its objects; a reader tells the others by their names.
    pub format: Format,
    /// All formats and compressions, the most frequent first.
    pub formats: Vec<FormatCount>,
    /// What its folders mean.
    pub partitioning: Partitioning,
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
        let partitioning = candidate.partitions.resolve();
        let (name, location) = place(&candidate, &partitioning, alone, names);
        let mut formats: Vec<FormatCount> = candidate
            .formats
            .iter()
            .map(|((format, compression), objects)| FormatCount { format: *format, compression: *compression, objects: *objects })
            .collect();
        formats.sort_by_key(|count| std::cmp::Reverse(count.objects));
        let mut evidence = candidate.schema.evidence_lines(options);
        evidence.extend(mixed(&formats));
        let schema = without_partitions(candidate.schema.schema(options), &partitioning, &mut evidence);
        let mut by_format: std::collections::BTreeMap<Format, u64> = std::collections::BTreeMap::new();
        for count in &formats {
            *by_format.entry(count.format).or_default() += count.objects;
        }
        let format = by_format.into_iter().max_by_key(|(_, objects)| *objects).map_or(Format::Json, |(format, _)| format);
        Self {
            name,
            root: candidate.root,
            location,
            first: candidate.first,
            format,
            formats,
            partitioning,
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
    for level in levels {
        pattern.push_str(if let Segment::Fixed(segment) = &level.segment { segment } else { "*" });
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

fn mixed(formats: &[FormatCount]) -> Option<String> {
    let parts: Vec<String> =
        formats.iter().map(|count| format!("{} {} {}", Grouped(count.objects), count.format, count.compression)).collect();
    (formats.len() > 1).then(|| format!("formats and compressions are mixed: {}", parts.join(", ")))
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
