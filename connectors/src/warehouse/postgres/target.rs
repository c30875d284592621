//! A table as the database's catalog describes it.

use arrow::datatypes::{Field, Schema, SchemaRef};
use tokio_postgres::GenericClient;
use tokio_postgres::types::Type;

use super::ddl::qualified;
use super::error::error;
use super::ledger::Parameter;
use super::types::{PgType, taken};
use crate::error::{Error, Result};
use crate::warehouse::TableName;

/// Tables of their own and partitioned ones; what else bears the name of a table is not written.
const RELATION: &str = "
SELECT c.oid, c.relkind::text
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relname = $2";

/// A domain counts as the type that it is over, and of an array the type of its items is told, by name and by the number that values
/// name it with. A modifier is the first that is given on the way to the innermost type.
const COLUMNS: &str = "
WITH RECURSIVE used (oid) AS (
    SELECT a.atttypid FROM pg_catalog.pg_attribute a WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped
    UNION
    SELECT part.oid FROM used JOIN pg_catalog.pg_type t ON t.oid = used.oid
    CROSS JOIN LATERAL (VALUES (t.typbasetype), (t.typelem)) AS part (oid) WHERE part.oid <> 0
),
layers (oid, base, modifier) AS (
    SELECT oid, oid, -1 FROM used
    UNION ALL
    SELECT layer.oid, t.typbasetype, CASE WHEN layer.modifier < 0 THEN t.typtypmod ELSE layer.modifier END
    FROM layers layer JOIN pg_catalog.pg_type t ON t.oid = layer.base WHERE t.typtype = 'd'
),
known AS (
    SELECT layer.oid, layer.modifier,
        CASE WHEN t.typtype = 'e' THEN 'enum'
             WHEN t.typname = 'citext' OR n.nspname = 'pg_catalog' THEN t.typname::text
             ELSE '' END AS name,
        CASE WHEN t.typcategory = 'A' AND t.typname NOT IN ('int2vector', 'oidvector') THEN t.typelem ELSE 0 END AS element
    FROM layers layer JOIN pg_catalog.pg_type t ON t.oid = layer.base
    JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace WHERE t.typtype <> 'd'
)
SELECT a.attname::text,
    whole.name,
    coalesce(nullif(a.atttypmod, -1), nullif(whole.modifier, -1), item.modifier, -1),
    pg_catalog.format_type(a.atttypid, a.atttypmod),
    a.attnotnull,
    a.atthasdef OR a.attidentity <> '',
    a.attgenerated <> '',
    a.attidentity <> '',
    item.name,
    whole.element,
    whole.name IN ('citext', 'bpchar') OR EXISTS (
        SELECT FROM pg_catalog.pg_collation c WHERE c.oid = a.attcollation AND NOT c.collisdeterministic)
FROM pg_catalog.pg_attribute a
JOIN known whole ON whole.oid = a.atttypid
LEFT JOIN known item ON item.oid = whole.element
WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum";

/// Indexes that `ON CONFLICT` can be told by: over these columns in any order, of all rows, checked at once.
const UNIQUE: &str = "
SELECT EXISTS (
    SELECT 1 FROM pg_catalog.pg_index i
    WHERE i.indrelid = $1 AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL
    AND (
        SELECT array_agg(a.attname::text ORDER BY a.attname::text COLLATE \"C\")
        FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, position)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
        WHERE k.position <= i.indnkeyatts
    ) = $2)";

/// A table that is there.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) oid: u32,
    pub(super) columns: Vec<TargetColumn>,
}

/// One of its columns.
#[derive(Debug)]
pub(super) struct TargetColumn {
    pub(super) name: String,
    pub(super) data_type: PgType,
    /// NOT NULL.
    pub(super) is_required: bool,
    /// Has a value where none is given.
    pub(super) has_default: bool,
    /// Is computed from others.
    pub(super) is_generated: bool,
    /// Is numbered by the database.
    pub(super) is_identity: bool,
    /// Is a text of which different ones may be equal: in any case, with blanks behind, or as a collation has it.
    pub(super) is_loose: bool,
}

impl Target {
    /// The table of that name; `None` when there is none.
    ///
    /// # Errors
    /// [`Error::Config`] when the name is that of something else; when the catalog cannot be read.
    pub(super) async fn find(client: &impl GenericClient, name: &TableName) -> Result<Option<Self>> {
        let parameters: [Parameter<'_>; 2] = [(&name.schema, Type::TEXT), (&name.table, Type::TEXT)];
        let found = client.query_typed(RELATION, &parameters).await.map_err(error)?;
        let Some(relation) = found.first() else { return Ok(None) };
        let (oid, kind): (u32, String) = (relation.get(0), relation.get(1));
        if !["r", "p"].contains(&kind.as_str()) {
            let what = match kind.as_str() {
                "v" | "m" => "a view",
                "f" => "a foreign table",
                "S" => "a sequence",
                _ => "an index or type",
            };
            return Err(Error::config(format!("{} is {what}; write to a table of another name", qualified(name))));
        }
        let rows = client.query_typed(COLUMNS, &[(&oid, Type::OID)]).await.map_err(error)?;
        let mut target = Self { oid, columns: Vec::with_capacity(rows.len()) };
        for row in rows {
            let (name, type_name, modifier, shown): (String, String, i32, String) =
                (row.get(0), row.get(1), row.get(2), row.get(3));
            let (item, element): (Option<String>, u32) = (row.get(8), row.get(9));
            let data_type = match item {
                Some(item) => PgType::array_of_catalog(&item, element, modifier, &shown),
                None => PgType::of_catalog(&type_name, modifier, &shown),
            };
            target.columns.push(TargetColumn {
                name,
                data_type,
                is_required: row.get(4),
                has_default: row.get(5),
                is_generated: row.get(6),
                is_identity: row.get(7),
                is_loose: row.get(10),
            });
        }
        Ok(Some(target))
    }

    /// Whether rows with one key are one row, by an index that `ON CONFLICT` takes.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub(super) async fn is_unique_by(&self, client: &impl GenericClient, key: &[String]) -> Result<bool> {
        let mut key = key.to_vec();
        key.sort_unstable();
        let row = client.query_typed(UNIQUE, &[(&self.oid, Type::OID), (&key, Type::TEXT_ARRAY)]).await.map_err(error)?;
        Ok(row.first().is_some_and(|row| row.get(0)))
    }

    /// Its columns in Arrow's terms.
    pub(super) fn schema(&self) -> SchemaRef {
        let field = |column: &TargetColumn| {
            let data_type = taken(&column.data_type.kind, &arrow::datatypes::DataType::Null)?;
            Some(Field::new(&column.name, data_type, !column.is_required))
        };
        std::sync::Arc::new(Schema::new(self.columns.iter().filter_map(field).collect::<Vec<_>>()))
    }
}
