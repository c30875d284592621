//! The evidence in words: what files disagree about, and why a column has its type.

use super::evidence::{Evidence, MOST_KEYS};
use super::place::Grouped;
use super::resolve::ResolveOptions;
use super::schema::{FileTally, ObservedColumn, ObservedSchema};

impl ObservedSchema {
    /// One line for what all files agree on, and one for each column of which they do not, or whose values do not within each file.
    pub fn evidence_lines(&self, options: &ResolveOptions) -> Vec<String> {
        let mut lines = Vec::new();
        let mut agreed = 0;
        for (name, column) in self.columns.iter() {
            let disagreement = disagreement(name, column, options).or_else(|| mixture(name, column));
            let missing = self.files.saturating_sub(column.files);
            agreed += usize::from(disagreement.is_none() && missing == 0);
            lines.extend(disagreement);
            if missing > 0 {
                lines.push(format!("`{name}` is in {} of {} files", Grouped(column.files), Grouped(self.files)));
            }
        }
        if agreed > 0 {
            let (columns, files) = (plural(agreed as u64, "column"), plural(self.files, "file"));
            lines.insert(0, format!("{columns} {} the same in {files}", if agreed == 1 { "is" } else { "are" }));
        }
        if self.sampled > 0 {
            let (sampled, files) = (Grouped(self.sampled), plural(self.files, "file"));
            lines.push(format!("of {sampled} of {files}, the beginning, the middle and the end were read"));
        }
        if self.lenient {
            lines.push("some records are no strict JSON (single quotes, None, True); 'mode' 'lenient' reads them".to_owned());
        }
        if let Some(line) = self.refused_line() {
            lines.push(format!("{line}; 'on_error' 'quarantine' keeps such records apart"));
        }
        if self.truncated {
            lines.push(format!("there are more than {} columns; the others are left out", Grouped(MOST_KEYS as u64)));
        }
        lines
    }

    /// How many records cannot be read, and what is wrong with the first; `None` when all can.
    pub fn refused_line(&self) -> Option<String> {
        let refused = self.refused.as_ref()?;
        Some(format!("{} cannot be read, first in {}: {}", plural(refused.records, "record"), refused.first, refused.why))
    }

    /// Everything that is known of a column, for `--explain`; a key of an object is named after a dot (`user.id`), the items of a
    /// list by brackets (`tags[]`). `None` when there is no such column.
    pub fn explain(&self, path: &str, options: &ResolveOptions) -> Option<Vec<String>> {
        let exact = self.columns.get(path).map(|column| &column.evidence);
        let evidence = exact.or_else(|| self.find(path))?;
        let resolved = evidence.resolve(options);
        let mut lines = vec![format!("{path} is {}: {}", resolved.type_name(), resolved.why)];
        lines.extend(evidence.tallies().iter().map(|tally| format!("{}, {}", tally.summary(), tally.first_seen())));
        if let Some(column) = self.columns.get(path) {
            lines.push(format!("it is in {} of {}", Grouped(column.files), plural(self.files, "file")));
            lines.extend(disagreement(path, column, options));
        }
        if let Some((low, high)) = evidence.range().filter(|_| evidence.is_declared()) {
            lines.push(format!("its values are from {low} to {high}"));
        }
        if evidence.longest_bytes() > 0 {
            lines.push(format!("the longest value has {}", plural(evidence.longest_bytes(), "byte")));
        }
        Some(lines)
    }

    fn find(&self, path: &str) -> Option<&Evidence> {
        let mut parts = path.split('.').flat_map(|part| {
            let name = part.trim_end_matches("[]");
            std::iter::once(name).chain((0..(part.len() - name.len()) / 2).map(|_| "[]"))
        });
        let column = &self.columns.get(parts.next()?)?.evidence;
        parts.try_fold(column, |evidence, part| if part == "[]" { evidence.items() } else { evidence.children().get(part) })
    }
}

/// `11,998 of 12,000 files agree on BIGINT; 2 have `age` as VARCHAR, first in …`.
fn disagreement(name: &str, column: &ObservedColumn, options: &ResolveOptions) -> Option<String> {
    let mut types: Vec<(&str, &FileTally)> =
        column.types.iter().filter_map(|tally| tally.type_name.as_deref().map(|name| (name, tally))).collect();
    types.sort_by(|(a_name, a), (b_name, b)| b.files.cmp(&a.files).then_with(|| a_name.cmp(b_name)));
    let [(agreed, majority), others @ ..] = types.as_slice() else { return None };
    if others.is_empty() {
        return None;
    }
    let all: u64 = types.iter().map(|(_, tally)| tally.files).sum();
    let others: Vec<String> = others
        .iter()
        .map(|(type_name, tally)| {
            let verb = if tally.files == 1 { "has" } else { "have" };
            format!("{} {verb} `{name}` as {type_name}, first in {}", Grouped(tally.files), tally.first)
        })
        .collect();
    let result = column.evidence.resolve(options).type_name();
    Some(format!(
        "{} of {} files agree on `{name}` as {agreed}; {}; it becomes {result}",
        Grouped(majority.files),
        Grouped(all),
        others.join("; ")
    ))
}

/// `` `age` has 51,980 integers, 1 text (first 'n/a' in …); it becomes VARCHAR ``.
fn mixture(name: &str, column: &ObservedColumn) -> Option<String> {
    let (path, seen) = column.evidence.conflict(name)?;
    Some(format!("`{path}` has {seen}; it becomes VARCHAR"))
}

fn plural(count: u64, noun: &str) -> String {
    format!("{} {noun}{}", Grouped(count), if count == 1 { "" } else { "s" })
}
