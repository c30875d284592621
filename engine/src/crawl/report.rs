//! What a crawl says: a table for people, a script to be reviewed and kept, one object for machines.

use catalog::crawl::{Ddl, Skipped};
use catalog::sql_type;
use catalog::store::TableName;
use connectors::files::crawl::CrawlLocation;
use indicatif::{HumanBytes, HumanCount};
use serde_json::{Value, json};

use super::database::DatabaseLocation;
use super::outcome::{Decision, Outcome, TableOutcome, Touched};
use crate::run::summary::peak_memory_bytes;

/// An outcome, and what is said beside it.
#[derive(Debug, Clone, Copy)]
pub struct Report<'a> {
    /// What came of the crawl.
    pub outcome: &'a Outcome,
    /// Where it was.
    pub place: Place<'a>,
    /// The database.
    pub database: &'a str,
    /// Seconds it took.
    pub seconds: f64,
}

/// What was crawled.
#[derive(Debug, Clone, Copy)]
pub enum Place<'a> {
    /// Files.
    Files(&'a CrawlLocation),
    /// Tables of a database.
    Database(&'a DatabaseLocation),
}

impl Place<'_> {
    /// As the user called it, but for a password.
    pub fn shown(&self) -> String {
        match self {
            Self::Files(location) => location.called(&location.registered(location.file_name().unwrap_or_default())),
            Self::Database(location) => location.shown().to_owned(),
        }
    }

    /// What is at a registered location, as the user would call it.
    fn called(&self, registered: &str) -> String {
        match self {
            Self::Files(location) => location.called(registered),
            Self::Database(_) => registered.to_owned(),
        }
    }

    /// What is counted.
    fn noun(&self) -> &'static str {
        match self {
            Self::Files(_) => "object",
            Self::Database(_) => "table",
        }
    }
}

impl Report<'_> {
    /// What was done, table by table.
    pub fn table(&self) -> String {
        let rows: Vec<[String; 6]> = self.outcome.tables.iter().map(cells).collect();
        let titles = ["table", "format", "objects", "bytes", "rows", "what"].map(str::to_owned);
        let width = |column: usize| rows.iter().chain([&titles]).map(|row| row[column].chars().count()).max().unwrap_or(0);
        let (name, format) = (width(0), width(1));
        let mut text = String::new();
        let tables = [None].into_iter().chain(self.outcome.tables.iter().map(Some));
        for (row, found) in [&titles].into_iter().chain(&rows).zip(tables).filter(|_| !rows.is_empty()) {
            let [table, kind, objects, bytes, count, what] = row;
            let line = format!("{table:name$}  {kind:format$}  {objects:>9}  {bytes:>10}  {count:>12}  {what}");
            text.push_str(line.trim_end());
            text.push('\n');
            for change in found.into_iter().flat_map(|table| &table.changes) {
                text.push_str(&format!("    {change}\n"));
            }
            let warnings = found.into_iter().flat_map(|table| table.warnings.iter().cloned().chain(unreadable(table)));
            warnings.for_each(|line| text.push_str(&format!("    {line}\n")));
        }
        let is_found = |name: &&TableName| self.outcome.tables.iter().any(|table| table.name() == *name);
        for name in self.outcome.forgotten.iter().filter(|name| !is_found(name)) {
            text.push_str(&format!("{name}: removed; nothing was found of it\n"));
        }
        if rows.is_empty() {
            text.push_str("no table was found\n");
        }
        self.skipped().iter().for_each(|line| text.push_str(&format!("passed over: {line}\n")));
        text.push_str(&format!("{}\n", self.counts()));
        text
    }

    /// What would be done, as a script: statements that a pipeline takes as they are, with what speaks for them.
    pub fn script(&self) -> String {
        let mut text = String::new();
        comment(&mut text, &format!("engine crawl {} --into {} --plan", self.place.shown(), self.database));
        let listed = HumanCount(self.outcome.progress.listed).to_string();
        comment(&mut text, &format!("{} listed", plural(&listed, self.place.noun())));
        self.skipped().iter().for_each(|line| comment(&mut text, &format!("passed over: {line}")));
        if self.outcome.tables.is_empty() {
            comment(&mut text, "no table was found");
        }
        for table in &self.outcome.tables {
            let [name, format, objects, bytes, rows, what] = cells(table);
            let rows = if rows == UNKNOWN { String::new() } else { format!(", {}", plural(&rows, "row")) };
            text.push('\n');
            let objects = if objects == UNKNOWN { String::new() } else { format!(", {}", plural(&objects, "object")) };
            comment(&mut text, &format!("{name}: {format}{objects}, {bytes}{rows}: {what}"));
            table.changes.iter().for_each(|change| comment(&mut text, &format!("  {change}")));
            if let Some(line) = partitions(table) {
                comment(&mut text, &format!("  {line}"));
            }
            table.evidence.iter().chain(&table.warnings).for_each(|line| comment(&mut text, &format!("  {line}")));
            table.refusals().for_each(|line| comment(&mut text, &format!("  {line}")));
            if matches!(table.decision, Decision::Leave { .. } | Decision::Prune | Decision::Lost) {
                continue;
            }
            text.push_str(&format!("{}\n", self.ddl(table)));
        }
        text
    }

    /// Everything, for a machine.
    pub fn json(&self, is_plan: bool) -> Value {
        let progress = &self.outcome.progress;
        json!({
            "location": self.place.shown(),
            "database": self.database,
            "plan": is_plan,
            "tables": self.outcome.tables.iter().map(|table| self.table_json(table)).collect::<Vec<_>>(),
            "skipped": self.outcome.skipped.iter().map(skipped_json).collect::<Vec<_>>(),
            "notes": self.outcome.notes,
            "objects": {"listed": progress.listed, "bytes": progress.listed_bytes, "read": progress.read, "read_bytes": progress.read_bytes},
            "seconds": self.seconds,
            "peak_memory_bytes": peak_memory_bytes(),
        })
    }

    fn table_json(&self, table: &TableOutcome) -> Value {
        let registration = &table.registration;
        let column = |field: &arrow::datatypes::Field| json!({"name": field.name(), "type": sql_type(field.data_type())});
        json!({
            "database": registration.name.database,
            "name": registration.name.table,
            "status": status(&table.decision),
            "what": what(table),
            "format": registration.connector,
            "location": registration.location,
            "policy": registration.policy,
            "columns": registration.schema.fields().iter().map(|field| column(field)).collect::<Vec<_>>(),
            "key": registration.key,
            "partitions": registration.partitioning.fields().iter().map(column).collect::<Vec<_>>(),
            "partition_template": registration.partitioning.template(),
            "objects": table.statistics.files,
            "bytes": table.statistics.bytes,
            "rows": table.statistics.rows,
            "new": table.touched.new,
            "changed": table.touched.changed,
            "gone": table.touched.gone,
            "changes": table.changes,
            "evidence": table.evidence,
            "warnings": table.warnings,
            "problems": table.refusals().collect::<Vec<_>>(),
            "ddl": self.ddl(table),
        })
    }

    fn ddl(&self, table: &TableOutcome) -> String {
        let location = self.place.called(&table.registration.location);
        Ddl { table: &table.registration, qualified: false, location: &location }.to_string()
    }

    fn counts(&self) -> String {
        let progress = &self.outcome.progress;
        let memory = peak_memory_bytes().map_or_else(|| "unknown".to_owned(), |bytes| HumanBytes(bytes).to_string());
        let (shown, seconds) = (self.place.shown(), self.seconds);
        let listed = plural(&HumanCount(progress.listed).to_string(), self.place.noun());
        let read = match self.place {
            Place::Files(_) => format!("{} new or changed and looked at", HumanCount(progress.read)),
            Place::Database(_) => "rows as the server estimates them".to_owned(),
        };
        format!("{shown}: {listed} listed, {read}, in {seconds:.2} s, peak memory {memory}")
    }

    /// Objects that are no data, a line for each reason.
    fn skipped(&self) -> Vec<String> {
        let mut reasons: Vec<(String, u64, &str)> = Vec::new();
        for skipped in &self.outcome.skipped {
            let reason = skipped.reason.to_string();
            match reasons.iter_mut().find(|(known, ..)| *known == reason) {
                Some((_, objects, _)) => *objects += skipped.objects,
                None => reasons.push((reason, skipped.objects, &skipped.first)),
            }
        }
        let line = |(reason, objects, first): &(String, u64, &str)| {
            format!("{} {reason}, {}{first}", HumanCount(*objects), if *objects == 1 { "" } else { "the first " })
        };
        reasons.iter().map(line).chain(self.outcome.notes.iter().cloned()).collect()
    }
}

const UNKNOWN: &str = "-";

fn cells(table: &TableOutcome) -> [String; 6] {
    let count = |number: Option<u64>| number.map_or_else(|| UNKNOWN.to_owned(), |number| HumanCount(number).to_string());
    [
        table.name().to_string(),
        table.registration.connector.clone(),
        count(table.statistics.files),
        HumanBytes(table.statistics.bytes.unwrap_or(0)).to_string(),
        count(table.statistics.rows),
        what(table),
    ]
}

fn status(decision: &Decision) -> &'static str {
    match decision {
        Decision::Register => "new",
        Decision::Keep => "kept",
        Decision::Evolve { .. } => "evolved",
        Decision::Refuse { .. } => "refused",
        Decision::Lost => "lost",
        Decision::Prune => "pruned",
        Decision::Leave { .. } => "left",
    }
}

fn what(table: &TableOutcome) -> String {
    let registration = &table.registration;
    let is_of_files = table.statistics.files.is_some();
    let gone = if is_of_files { "none of its objects is left" } else { "it is no more in its database" };
    let mut what = match &table.decision {
        Decision::Register => {
            let partitions: Vec<String> = registration.partitioning.fields().iter().map(|field| field.name().clone()).collect();
            let by = if partitions.is_empty() { String::new() } else { format!(", partitioned by {}", partitions.join(", ")) };
            return format!("new, {}{by}", plural(&registration.schema.fields().len().to_string(), "column"));
        }
        Decision::Keep => String::new(),
        Decision::Evolve { after, .. } => format!("schema version {}", after + 1),
        Decision::Refuse { .. } if is_of_files => "changed files are refused".to_owned(),
        Decision::Refuse { .. } => "what changed is refused".to_owned(),
        Decision::Lost => return format!("{gone}; --prune removes it"),
        Decision::Prune => return format!("{gone}; it goes from the catalog"),
        Decision::Leave { by } => return format!("kept by {by}; left as it is"),
    };
    if table.is_altered {
        join(&mut what, &format!("policy {}", registration.policy));
    }
    let Touched { new, changed, gone } = table.touched;
    for (objects, word) in [(new, "new"), (changed, "changed"), (gone, "gone")] {
        if objects > 0 {
            join(&mut what, &format!("{} {word}", plural(&HumanCount(objects).to_string(), "object")));
        }
    }
    if what.is_empty() { "unchanged".to_owned() } else { what }
}

/// What a reader of the table will stumble on.
fn unreadable(table: &TableOutcome) -> Option<String> {
    let refused = table.observed.as_ref()?.refused_line()?;
    let name = &table.name().table;
    Some(match table.registration.options.0.contains_key("on_error") {
        true => refused,
        false => {
            format!("{refused}; a query of the table fails on that, unless --option {name}.on_error=quarantine puts it aside")
        }
    })
}

fn join(text: &mut String, more: &str) {
    if !text.is_empty() {
        text.push_str(", ");
    }
    text.push_str(more);
}

fn partitions(table: &TableOutcome) -> Option<String> {
    let partitioning = &table.registration.partitioning;
    let fields = partitioning.fields();
    let columns: Vec<String> = fields.iter().map(|field| format!("{} {}", field.name(), sql_type(field.data_type()))).collect();
    (!columns.is_empty()).then(|| format!("partitions {}: {}", partitioning.template(), columns.join(", ")))
}

fn skipped_json(skipped: &Skipped) -> Value {
    json!({"reason": skipped.reason.to_string(), "objects": skipped.objects, "bytes": skipped.bytes, "first": skipped.first})
}

/// A line that SQL passes over, whatever is in it.
fn comment(text: &mut String, line: &str) {
    let plain: String = line.chars().map(|next| if next.is_control() { ' ' } else { next }).collect();
    text.push_str(&format!("-- {plain}\n"));
}

fn plural(count: &str, noun: &str) -> String {
    format!("{count} {noun}{}", if count == "1" { "" } else { "s" })
}
