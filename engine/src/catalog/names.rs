//! What a name in a query stands for: the pipeline's own, a table of the lake, or one of another catalog.

use catalog::store::TableName;
use datafusion::common::TableReference;

use super::lake::{LAKE, PUBLIC};
use super::session::{SYSTEM, WAREHOUSE};

/// DataFusion's default catalog.
const DEFAULT: &str = "datafusion";

/// Schemas that are no databases of the lake.
pub const OTHERS: [&str; 4] = [PUBLIC, "information_schema", SYSTEM, WAREHOUSE];

/// The table of the lake that a pipeline means: `lake.raw.toll`, `raw.toll`, `lake.toll`; none for its own tables and those of other
/// catalogs.
pub fn lake_name(reference: &TableReference) -> Option<TableName> {
    match (reference.catalog(), reference.schema()) {
        (Some(LAKE), Some(schema)) => Some(TableName::new(schema, reference.table())),
        (None, Some(LAKE)) => Some(TableName::new(PUBLIC, reference.table())),
        (None | Some(DEFAULT), Some(schema)) if !OTHERS.contains(&schema) => Some(TableName::new(schema, reference.table())),
        _ => None,
    }
}

/// The name of a table of the lake as a pipeline writes it, and knows the table by: `lake.raw.toll`.
pub fn lake_reference(name: &TableName) -> String {
    format!("{LAKE}.{name}")
}

/// The name that a pipeline knows a table by: a table that it declares by its own, any other by the whole.
pub fn table_key(reference: &TableReference) -> String {
    match (lake_name(reference), reference.schema()) {
        (Some(name), _) => lake_reference(&name),
        (None, None | Some(PUBLIC)) if matches!(reference.catalog(), None | Some(DEFAULT)) => reference.table().to_owned(),
        _ => reference.to_string(),
    }
}

/// The name in DataFusion's "table '...' not found" as it is written in a query.
pub fn as_written(missing: &str) -> &str {
    let missing = missing.strip_prefix("datafusion.").unwrap_or(missing);
    missing.strip_prefix("public.").unwrap_or(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_and_without_a_catalog_are_one_table() {
        for (name, key) in [
            ("posts", "posts"),
            ("public.posts", "posts"),
            ("datafusion.public.posts", "posts"),
            ("raw.toll", "lake.raw.toll"),
            ("lake.raw.toll", "lake.raw.toll"),
            ("datafusion.raw.toll", "lake.raw.toll"),
            ("lake.toll", "lake.public.toll"),
            ("lake.\"a/b\".toll", "lake.\"a/b\".toll"),
            ("system.runs", "system.runs"),
            ("information_schema.tables", "information_schema.tables"),
        ] {
            assert_eq!(table_key(&TableReference::parse_str(name)), key, "{name}");
        }
    }
}
