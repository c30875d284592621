//! Names as Redshift has them: ASCII letters folded to lower case, at most 127 bytes, always quoted.
//!
//! Folding and length are those of "Names and identifiers" (`r_names`) of the Database Developer Guide. Redshift cuts a
//! longer name silently ("CREATE TABLE", `r_CREATE_TABLE_NEW`), so that two tables could become one: a longer name is
//! shortened here, with a hash of the whole of it at its end.

use std::collections::BTreeMap;
use std::fmt;

use arrow::datatypes::Schema;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::warehouse::TableName;

/// The longest name.
pub(crate) const MAX_BYTES: usize = 127;
/// Digits of the hash that ends a shortened name.
const HASH_DIGITS: usize = 10;

/// A table and its schema, as Redshift calls them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Relation {
    pub(crate) schema: String,
    pub(crate) table: String,
}

impl Relation {
    /// Reads a `LOCATION`, as every warehouse does, and folds it.
    ///
    /// # Errors
    /// [`Error::Config`] when it is not the name of a table.
    pub(crate) fn parse(location: &str) -> Result<Self> {
        let TableName { schema, table } = TableName::parse(location)?;
        Ok(Self { schema: folded(&schema), table: folded(&table) })
    }

    /// A table beside this one that is the engine's own: `before` and `after` stay when the name is too long.
    pub(crate) fn beside(&self, before: &str, after: &str) -> Self {
        let room = MAX_BYTES - before.len() - after.len();
        Self { schema: self.schema.clone(), table: format!("{before}{}{after}", shortened(&self.table, room)) }
    }

    /// `"schema"."table"`.
    pub(crate) fn quoted(&self) -> String {
        format!("{}.{}", quoted(&self.schema), quoted(&self.table))
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.table)
    }
}

/// A name as the database keeps it.
pub(crate) fn folded(name: &str) -> String {
    shortened(&name.to_ascii_lowercase(), MAX_BYTES)
}

/// At most `room` bytes of `name`; what is cut off is told apart by a hash.
fn shortened(name: &str, room: usize) -> String {
    if name.len() <= room {
        return name.to_owned();
    }
    let hash = hex::encode(Sha256::digest(name.as_bytes()));
    let kept = name.floor_char_boundary(room - HASH_DIGITS - 1);
    format!("{}_{}", &name[..kept], &hash[..HASH_DIGITS])
}

/// A name between double quotes: some 150 words are reserved (`r_pg_keywords`), among them `user`, `tag`, `open`, `default`.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Names between quotes, separated by commas.
pub(crate) fn quoted_list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(quoted).collect::<Vec<_>>().join(", ")
}

/// A text as a value. Whether `\` escapes in a literal depends on a setting of the session, so that it is not written as itself.
pub(crate) fn literal(text: &str) -> String {
    text.split('\\').map(|part| format!("'{}'", part.replace('\'', "''"))).collect::<Vec<_>>().join("||chr(92)||")
}

/// The columns of a query as the database will call them.
///
/// # Errors
/// [`Error::Config`] at a column whose name is empty, or becomes that of another.
pub(crate) fn columns(table: &Relation, query: &Schema) -> Result<Vec<String>> {
    let mut seen = BTreeMap::new();
    let mut names = Vec::with_capacity(query.fields().len());
    for field in query.fields() {
        let name = folded(field.name());
        if name.is_empty() || name.contains('\0') {
            let message = format!("a column of table '{table}' has no name that can be stored; name it with AS");
            return Err(Error::config_at(field.name(), message));
        }
        if let Some(other) = seen.insert(name.clone(), field.name()) {
            let message = format!(
                "columns '{other}' and '{}' of table '{table}' are both called {} in Redshift, which does not tell case apart; \
                 rename one with AS",
                field.name(),
                quoted(&name)
            );
            return Err(Error::config_at(field.name(), message));
        }
        names.push(name);
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{DataType, Field};

    use super::*;

    #[test]
    fn location_is_folded_and_quoted() {
        let name = Relation::parse("Public.\"Open\"\"Orders\"").unwrap();
        assert_eq!(name.quoted(), "\"public\".\"open\"\"orders\"");
        assert_eq!(Relation::parse("posts").unwrap().to_string(), "public.posts");
    }

    #[test]
    fn name_of_127_bytes_stays_and_longer_ones_stay_apart() {
        let fits = "a".repeat(127);
        assert_eq!(folded(&fits), fits);
        let (one, other) = (folded(&format!("{fits}1")), folded(&format!("{fits}2")));
        assert_eq!(one.len(), 127);
        assert_ne!(one, other);
        // A name is cut between two letters, not in one.
        let wide = folded(&"ä".repeat(80));
        assert!(wide.len() <= 127 && wide.starts_with("ää"), "{wide}");
    }

    #[test]
    fn engine_table_of_a_long_name_keeps_its_prefix() {
        let long = Relation { schema: "s".into(), table: "t".repeat(127) };
        let ledger = long.beside("_engine_loads__", "");
        assert_eq!(ledger.table.len(), 127);
        assert!(ledger.table.starts_with("_engine_loads__ttt"));
        let stage = long.beside("", "__stage");
        assert!(stage.table.ends_with("__stage") && stage.table.len() == 127);
    }

    #[test]
    fn only_ascii_letters_are_folded() {
        assert_eq!(folded("Größe_Ä"), "größe_Ä");
    }

    #[test]
    fn columns_that_fold_into_one_are_refused() {
        let field = |name: &str| Field::new(name, DataType::Int64, true);
        let table = Relation::parse("s.t").unwrap();
        let error = columns(&table, &Schema::new(vec![field("Id"), field("x"), field("iD")])).unwrap_err();
        assert_eq!(error.subject(), Some("iD"));
        assert!(error.to_string().starts_with("columns 'Id' and 'iD' of table 's.t' are both called \"id\""));
        assert_eq!(columns(&table, &Schema::new(vec![field("User"), field("tag")])).unwrap(), ["user", "tag"]);
    }

    #[test]
    fn literal_has_no_escape() {
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal("a\\b"), "'a'||chr(92)||'b'");
    }
}
