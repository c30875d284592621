//! What the `LOCATION` of a table of the warehouse says: `schema.table`, each written as in SQL.

use crate::error::{Error, Result};

/// The schema of a table whose location names none.
const DEFAULT_SCHEMA: &str = "public";

/// A table of a warehouse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableName {
    pub(crate) schema: String,
    pub(crate) table: String,
}

impl TableName {
    /// Reads `schema.table`, `table`, `"My Schema".table`. What is not in quotes is lower case, as in SQL.
    ///
    /// # Errors
    /// [`Error::Config`] at the location when it is something else.
    pub(crate) fn parse(location: &str) -> Result<Self> {
        let wrong = |what: &str| {
            Error::config_at(
                location,
                format!("location '{location}' {what}; expected 'schema.table', with \"...\" around a name that is not plain"),
            )
        };
        let mut parts = parts(location.trim()).ok_or_else(|| wrong("is not the name of a table"))?;
        match (parts.pop(), parts.pop(), parts.pop()) {
            (Some(table), None, _) => Ok(Self { schema: DEFAULT_SCHEMA.to_owned(), table }),
            (Some(table), Some(schema), None) => Ok(Self { schema, table }),
            _ => Err(wrong("has more than two parts")),
        }
    }
}

/// The names between the dots; `None` when there is anything else.
fn parts(text: &str) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    let mut rest = text;
    loop {
        let (part, after) = if let Some(quoted) = rest.strip_prefix('"') { quoted_part(quoted)? } else { plain_part(rest) };
        if part.is_empty() || part.contains('\0') {
            return None;
        }
        parts.push(part);
        if after.is_empty() {
            return Some(parts);
        }
        rest = after.strip_prefix('.')?;
    }
}

fn plain_part(text: &str) -> (String, &str) {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | '-');
    let end = text.find(|c| !is_plain(c)).unwrap_or(text.len());
    (text[..end].to_lowercase(), &text[end..])
}

/// Up to the closing quote; `""` stands for one `"`.
fn quoted_part(text: &str) -> Option<(String, &str)> {
    let mut part = String::new();
    let mut rest = text;
    loop {
        let (before, after) = rest.split_once('"')?;
        part.push_str(before);
        match after.strip_prefix('"') {
            Some(more) => {
                part.push('"');
                rest = more;
            }
            None => return Some((part, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(location: &str) -> Option<(String, String)> {
        TableName::parse(location).ok().map(|name| (name.schema, name.table))
    }

    #[test]
    fn names_are_read_as_in_sql() {
        for (location, schema, table) in [
            ("posts", "public", "posts"),
            ("Raw.Posts", "raw", "posts"),
            ("\"My Schema\".\"a.b\"\"c\"", "My Schema", "a.b\"c"),
            (" raw.posts$bad ", "raw", "posts$bad"),
        ] {
            assert_eq!(parsed(location), Some((schema.into(), table.into())), "{location}");
        }
        for location in ["", "a.", ".a", "a.b.c", "lake://a/b", "a b", "\"a", "\"\".b"] {
            assert_eq!(parsed(location), None, "{location}");
        }
    }

    #[test]
    fn what_is_no_name_is_pointed_at() {
        let error = TableName::parse("s3://bucket/x").unwrap_err();
        assert_eq!(error.subject(), Some("s3://bucket/x"));
        assert!(error.to_string().contains("expected 'schema.table'"), "{error}");
    }
}
