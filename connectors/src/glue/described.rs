//! A table as it is in Glue, or is to be: what is compared, and made into a request.

use std::collections::{BTreeMap, HashMap};

use arrow::datatypes::Field;
use aws_sdk_glue::types::{Column, SerDeInfo, StorageDescriptor, Table as GlueTable, TableInput};
use catalog::store::Table;
use catalog::{sql_type, store::TableName};

use super::format::Format;
use super::plain_name;
use super::types::hive_type;
use crate::error::{Error, Result};

/// The parameter by which an exported table is known.
const MARK: &str = "engine.table";

/// The longest that Glue takes, in bytes: <https://docs.aws.amazon.com/glue/latest/dg/aws-glue-api-catalog-tables.html>.
const LONGEST_COMMENT: usize = 255;
/// See [`LONGEST_COMMENT`].
const LONGEST_DESCRIPTION: usize = 2048;

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Described {
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) columns: Vec<GlueColumn>,
    pub(super) partition_keys: Vec<GlueColumn>,
    pub(super) parameters: BTreeMap<String, String>,
    pub(super) storage: Storage,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GlueColumn {
    pub(super) name: String,
    pub(super) hive_type: String,
    pub(super) comment: Option<String>,
}

/// Where files are, and how they are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Storage {
    pub(super) location: String,
    pub(super) input: String,
    pub(super) output: String,
    pub(super) serde: String,
    pub(super) serde_parameters: BTreeMap<String, String>,
}

impl Described {
    /// As `table`, whose files are at `location`, is to be.
    pub(super) fn wanted(table: &Table, format: &Format, location: &str) -> Self {
        let schema = table.full_schema();
        let partitions = if format.has_partitions { table.registration.partitioning.fields() } else { Vec::new() };
        let is_key = |field: &&Field| partitions.iter().any(|partition| partition.name() == field.name());
        let column = |field: &Field, hive_type: String| {
            let said = table.column_comments.get(field.name()).cloned();
            // What is text there is told what it is here.
            let hidden = (hive_type == "string" && sql_type(field.data_type()) != "VARCHAR").then(|| sql_type(field.data_type()));
            let comment = match (said, hidden) {
                (Some(said), Some(hidden)) => Some(format!("{said} ({hidden})")),
                (said, hidden) => said.or(hidden),
            };
            let comment = comment.map(|comment| cut(&comment, LONGEST_COMMENT));
            GlueColumn { name: field.name().to_lowercase(), hive_type, comment }
        };
        let columns = schema.fields().iter().map(AsRef::as_ref).filter(|field| !is_key(field));
        // In the order of their values, which is that of the folders and not that of a query which writes the table.
        let keys = partitions.iter().filter_map(|partition| schema.field_with_name(partition.name()).ok());
        let mut parameters = format.parameters.clone();
        parameters.insert(MARK.to_owned(), named(table.name()));
        Self {
            name: plain_name(&table.name().table),
            description: table.registration.comment.as_deref().map(|comment| cut(comment, LONGEST_DESCRIPTION)),
            columns: columns.map(|field| column(field, format.column_type(field))).collect(),
            partition_keys: keys.map(|field| column(field, hive_type(field.data_type()))).collect(),
            parameters,
            storage: Storage {
                location: location.to_owned(),
                input: format.input.to_owned(),
                output: format.output.to_owned(),
                serde: format.serde.to_owned(),
                serde_parameters: format.serde_parameters.clone(),
            },
        }
    }

    /// As Glue has it.
    pub(super) fn there(table: &GlueTable) -> Self {
        let storage = table.storage_descriptor();
        Self {
            name: table.name().to_owned(),
            description: table.description().map(str::to_owned).filter(|text| !text.is_empty()),
            columns: storage.map(|storage| storage.columns()).unwrap_or_default().iter().map(GlueColumn::there).collect(),
            partition_keys: table.partition_keys().iter().map(GlueColumn::there).collect(),
            parameters: sorted(table.parameters()),
            storage: Storage::there(storage),
        }
    }

    /// What it is, in Glue, if it is another table that only has the name of `wanted`.
    pub(super) fn foreign(&self, wanted: &Self) -> Option<String> {
        let place = &self.storage.location;
        match self.parameters.get(MARK) {
            Some(mark) if Some(mark) == wanted.parameters.get(MARK) => None,
            Some(mark) => Some(format!("Glue has {mark} under that name; choose another --database")),
            None if place.trim_end_matches('/') == wanted.storage.location.trim_end_matches('/') => None,
            None => Some(format!("Glue has another table of that name, at {place}")),
        }
    }

    /// What of `there` is not as in this one, in words.
    pub(super) fn differences(&self, there: &Self) -> Vec<String> {
        let mut differences = Vec::new();
        let names = |columns: &[GlueColumn]| columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>();
        let (ours, theirs) = (names(&self.columns), names(&there.columns));
        differences.extend(ours.iter().filter(|name| !theirs.contains(name)).map(|name| format!("column {name} is new")));
        differences.extend(theirs.iter().filter(|name| !ours.contains(name)).map(|name| format!("column {name} goes")));
        for column in &self.columns {
            match there.columns.iter().find(|other| other.name == column.name) {
                Some(other) if other.hive_type != column.hive_type => {
                    differences.push(format!("column {} becomes {}", column.name, column.hive_type));
                }
                Some(other) if other.comment != column.comment => differences.push(format!("comment of {}", column.name)),
                _ => {}
            }
        }
        if differences.is_empty() && ours != theirs {
            differences.push("order of columns".to_owned());
        }
        let others = [
            ("partition keys", self.partition_keys != there.partition_keys),
            ("location", self.storage.location != there.storage.location),
            ("format", Storage { location: String::new(), ..self.storage.clone() } != there.storage.without_location()),
            ("description", self.description.is_some() && self.description != there.description),
            ("parameters", self.parameters.iter().any(|(name, value)| there.parameters.get(name) != Some(value))),
        ];
        differences.extend(others.into_iter().filter(|(_, differs)| *differs).map(|(what, _)| what.to_owned()));
        differences
    }

    /// The request's part; parameters that only Glue has stay.
    pub(super) fn input(&self, there: Option<&Self>) -> Result<TableInput> {
        let mut parameters = there.map(|there| there.parameters.clone()).unwrap_or_default();
        parameters.extend(self.parameters.clone());
        let description = self.description.clone().or_else(|| there?.description.clone());
        TableInput::builder()
            .name(&self.name)
            .set_description(description)
            .table_type("EXTERNAL_TABLE")
            .set_parameters(Some(parameters.into_iter().collect()))
            .set_partition_keys(Some(self.partition_keys.iter().map(GlueColumn::built).collect::<Result<_>>()?))
            .storage_descriptor(self.storage.built(&self.columns)?)
            .build()
            .map_err(incomplete)
    }
}

impl GlueColumn {
    fn there(column: &Column) -> Self {
        Self {
            name: column.name().to_owned(),
            hive_type: column.r#type().unwrap_or_default().to_owned(),
            comment: column.comment().map(str::to_owned).filter(|text| !text.is_empty()),
        }
    }

    fn built(&self) -> Result<Column> {
        let column = Column::builder().name(&self.name).r#type(&self.hive_type).set_comment(self.comment.clone());
        column.build().map_err(incomplete)
    }
}

impl Storage {
    pub(super) fn there(storage: Option<&StorageDescriptor>) -> Self {
        let serde = storage.and_then(StorageDescriptor::serde_info);
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        Self {
            location: text(storage.and_then(StorageDescriptor::location)),
            input: text(storage.and_then(StorageDescriptor::input_format)),
            output: text(storage.and_then(StorageDescriptor::output_format)),
            serde: text(serde.and_then(SerDeInfo::serialization_library)),
            serde_parameters: sorted(serde.and_then(SerDeInfo::parameters)),
        }
    }

    fn without_location(&self) -> Self {
        Self { location: String::new(), ..self.clone() }
    }

    pub(super) fn built(&self, columns: &[GlueColumn]) -> Result<StorageDescriptor> {
        let serde = SerDeInfo::builder()
            .serialization_library(&self.serde)
            .set_parameters(Some(self.serde_parameters.clone().into_iter().collect()));
        Ok(StorageDescriptor::builder()
            .set_columns(Some(columns.iter().map(GlueColumn::built).collect::<Result<_>>()?))
            .location(&self.location)
            .input_format(&self.input)
            .output_format(&self.output)
            .serde_info(serde.build())
            .build())
    }
}

/// A request that lacks what it needs.
pub(super) fn incomplete(error: impl std::fmt::Display) -> Error {
    Error::internal(format!("a request to Glue: {error}"))
}

fn named(name: &TableName) -> String {
    format!("lake.{name}")
}

/// On one line, in `most` bytes.
fn cut(text: &str, most: usize) -> String {
    const CUT: char = '…';
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.len() <= most {
        return line;
    }
    format!("{}{CUT}", &line[..line.floor_char_boundary(most - CUT.len_utf8())])
}

fn sorted(map: Option<&HashMap<String, String>>) -> BTreeMap<String, String> {
    map.into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{DataType, Schema};
    use catalog::drift::Policy;
    use catalog::partitions::Partitioning;
    use catalog::store::{Registration, Statistics, TableOptions};

    use super::*;

    /// A table that a pipeline writes, with its columns in the order of the query.
    fn table(name: &str, columns: &[&str]) -> Table {
        let field = |name: &&str| Field::new(*name, DataType::Utf8, true);
        let partitions = [Field::new("day", DataType::Utf8, true), Field::new("country", DataType::Utf8, true)];
        let registration = Registration {
            name: TableName::new("mart", name),
            connector: "PARQUET".into(),
            location: "s3://b/x".into(),
            options: TableOptions::default(),
            schema: Schema::new(columns.iter().map(field).collect::<Vec<_>>()),
            partitioning: Partitioning::parse("day={day}/country={country}", &partitions).unwrap(),
            key: Vec::new(),
            policy: Policy::Evolve,
            comment: Some("Sales,\nby day".into()),
            registered_by: "test".into(),
        };
        let at = chrono::DateTime::UNIX_EPOCH;
        let column_comments = BTreeMap::from([("id".to_owned(), "é".repeat(200))]);
        Table { registration, version: 1, column_comments, statistics: Statistics::default(), created_at: at, updated_at: at }
    }

    fn wanted(name: &str, columns: &[&str], location: &str) -> Described {
        Described::wanted(&table(name, columns), &Format::parquet(), location)
    }

    #[test]
    fn partition_keys_are_in_the_order_of_the_folders_and_comments_as_long_as_glue_takes() {
        let sales = wanted("Sales", &["id", "country", "day", "n"], "s3://b/x/");
        let names = |columns: &[GlueColumn]| columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&sales.partition_keys), ["day", "country"]);
        assert_eq!(names(&sales.columns), ["id", "n"]);
        assert_eq!((sales.name.as_str(), sales.description.as_deref()), ("sales", Some("Sales, by day")));
        assert_eq!(sales.columns[0].comment, Some(format!("{}…", "é".repeat(126))));
    }

    #[test]
    fn a_table_is_ours_by_its_mark_or_its_place() {
        let ours = wanted("t", &["id"], "s3://b/x/");
        let unmarked = |location: &str| {
            let mut there = wanted("t", &["id"], location);
            there.parameters.remove(MARK);
            there
        };
        for (there, expected) in [
            (wanted("t", &["id"], "s3://b/elsewhere/"), None),
            (unmarked("s3://b/x"), None),
            (unmarked("s3://b/y"), Some("Glue has another table of that name, at s3://b/y")),
            (wanted("u", &["id"], "s3://b/x/"), Some("Glue has lake.mart.u under that name; choose another --database")),
        ] {
            assert_eq!(there.foreign(&ours).as_deref(), expected);
        }
    }

    #[test]
    fn what_differs_is_named_and_what_only_glue_has_is_no_difference() {
        let ours = wanted("t", &["id", "n"], "s3://b/x/");
        let mut there = ours.clone();
        there.parameters.insert("owner".into(), "somebody".into());
        assert!(ours.differences(&there).is_empty());
        assert_eq!(ours.input(Some(&there)).unwrap().parameters().unwrap()["owner"], "somebody");
        there.columns.swap(0, 1);
        assert_eq!(ours.differences(&there), ["order of columns"]);
        there.columns[0].hive_type = "int".into();
        there.columns[1].name = "old".into();
        there.partition_keys.swap(0, 1);
        there.storage.location = "s3://b/y/".into();
        let expected = ["column id is new", "column old goes", "column n becomes string", "partition keys", "location"];
        assert_eq!(ours.differences(&there), expected);
    }
}
