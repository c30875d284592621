//! The options of a table in Redshift.

use crate::context::TableComments;
use crate::error::{Error, Result};
use crate::options::{OptionSpec, Options};
use crate::sink::WriteMode;
use crate::upserts::{Upsert, Upserts};
use crate::warehouse::gate::Handling;
use crate::warehouse::redshift::names::quoted;

/// What a table may say beside its key and order.
pub(crate) const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "dist",
        default: "auto",
        help: "Redshift, new tables: where rows are kept: 'auto', 'even', 'all', or the column that rows of one node share",
    },
    OptionSpec {
        name: "sort",
        default: "auto",
        help: "Redshift, new tables: the columns that rows are sorted by, separated by commas, or 'auto'",
    },
    OptionSpec {
        name: "grants",
        default: "none",
        help: "Redshift, new tables: who may SELECT, separated by commas: 'role:analysts, group:bi, user:eve, public'",
    },
    OptionSpec {
        name: "overwrite",
        default: "atomic",
        help: "Redshift, INSERT OVERWRITE: 'atomic' deletes and inserts in one transaction and keeps grants and views; 'swap' fills a \
               new table and gives it the name, grants, comments and owner, and is refused where views are bound; 'fast' truncates and moves \
               blocks, in seconds, and readers can see an empty table in between",
    },
];

/// Where the rows of a new table are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Distribution {
    Auto,
    Even,
    All,
    Key(String),
}

/// How an overwrite is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overwrite {
    /// DELETE and INSERT in one transaction.
    Atomic,
    /// A new table takes the name.
    Swap,
    /// TRUNCATE, and ALTER TABLE APPEND.
    Fast,
}

/// What becomes of text that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TooLong {
    Fail,
    Truncate,
}

/// The options of one table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TableOptions {
    pub(crate) distribution: Distribution,
    /// Columns; empty for `AUTO`.
    pub(crate) sort: Vec<String>,
    /// As they stand behind `TO`.
    pub(crate) grants: Vec<String>,
    pub(crate) overwrite: Overwrite,
    /// An overwrite gives the table the columns of its rows: by another table that takes its name.
    pub(crate) replaces_columns: bool,
    pub(crate) upserts: Upserts,
    pub(crate) too_long: TooLong,
    /// What becomes of rows that do not fit.
    pub(crate) handling: Handling,
    /// What the table and its columns are said to be: of the statement, not of its options.
    pub(crate) comments: TableComments,
}

impl TableOptions {
    /// From `OPTIONS (...)`.
    ///
    /// # Errors
    /// [`Error::Config`] at the option that makes no sense.
    pub(crate) fn read(options: &Options) -> Result<Self> {
        let chosen = |name: &str, choices: &[&'static str]| Ok::<_, Error>(options.choice(name, choices)?.unwrap_or(choices[0]));
        let handling = Handling::read(options)?;
        let replaces_columns = crate::lake::replaces_columns(options)?;
        Ok(Self {
            distribution: match options.text("dist").map(str::trim) {
                None => Distribution::Auto,
                Some(word) if word.eq_ignore_ascii_case("auto") => Distribution::Auto,
                Some(word) if word.eq_ignore_ascii_case("even") => Distribution::Even,
                Some(word) if word.eq_ignore_ascii_case("all") => Distribution::All,
                Some(column) => Distribution::Key(column.to_owned()),
            },
            sort: match options.list("sort").as_slice() {
                [word] if word.eq_ignore_ascii_case("auto") => Vec::new(),
                columns => columns.to_vec(),
            },
            grants: options.list("grants").iter().map(|name| grantee(name)).collect::<Result<_>>()?,
            replaces_columns,
            overwrite: match chosen("overwrite", &["atomic", "swap", "fast"])? {
                _ if replaces_columns => Overwrite::Swap,
                "swap" => Overwrite::Swap,
                "fast" => Overwrite::Fast,
                _ => Overwrite::Atomic,
            },
            upserts: Upserts::read(options)?,
            too_long: if handling.cuts { TooLong::Truncate } else { TooLong::Fail },
            handling,
            comments: TableComments::default(),
        })
    }
}

/// What the options make of `mode`, and what readers see of it.
pub(crate) fn explain(options: &Options, mode: WriteMode) -> Result<Option<String>> {
    let options = TableOptions::read(options)?;
    let how = match mode {
        WriteMode::Append => return Ok(None),
        WriteMode::Overwrite => match options.overwrite {
            Overwrite::Atomic => {
                "'overwrite' 'atomic': DELETE and INSERT in one transaction; grants, views and comments stay, and readers see the old rows \
                 until the commit"
            }
            Overwrite::Swap => {
                "'overwrite' 'swap': a new table is filled and takes the name, the grants, comments and owner, not datashares; refused \
                 where views are bound to the old one"
            }
            Overwrite::Fast => {
                "'overwrite' 'fast': TRUNCATE and ALTER TABLE APPEND, outside of a transaction; takes seconds, and readers can see an empty \
                 table in between"
            }
        },
        WriteMode::Upsert => match options.upserts.upsert {
            Upsert::DeleteInsert => {
                "'upsert' 'delete+insert': rows with a key of the batch are deleted, and all of the batch inserted"
            }
            Upsert::Merge => "'upsert' 'merge': MERGE; columns that the query lacks keep their values",
            Upsert::Insert => "'upsert' 'insert': rows with a new key are inserted, and the others stay as they are",
        },
    };
    let deletes = options.upserts.explain_deletes().filter(|_| mode == WriteMode::Upsert);
    Ok(std::iter::once(how.to_owned()).chain(deletes).reduce(|how, deletes| format!("{how}; {deletes}")))
}

/// `role:analysts` as it stands behind `TO`.
fn grantee(text: &str) -> Result<String> {
    if text.eq_ignore_ascii_case("public") {
        return Ok("PUBLIC".to_owned());
    }
    match text.split_once(':').map(|(kind, name)| (kind.trim().to_ascii_lowercase(), name.trim())) {
        Some((kind, name)) if kind == "user" && !name.is_empty() => Ok(quoted(name)),
        Some((kind, name)) if ["role", "group"].contains(&kind.as_str()) && !name.is_empty() => {
            Ok(format!("{} {}", kind.to_ascii_uppercase(), quoted(name)))
        }
        _ => {
            let message = format!("option 'grants' has '{text}', expected role:NAME, group:NAME, user:NAME or public");
            Err(Error::config_at("grants", message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Connector;
    use crate::warehouse::Warehouse;

    fn read(given: &[(&str, &str)]) -> Result<TableOptions> {
        let given: Vec<_> = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        TableOptions::read(&Options::parse("WAREHOUSE", Warehouse.options(), &given)?)
    }

    #[test]
    fn defaults_are_those_that_lose_nothing() {
        let options = read(&[]).unwrap();
        assert_eq!(options.distribution, Distribution::Auto);
        assert_eq!((options.overwrite, options.upserts), (Overwrite::Atomic, Upserts::default()));
        assert_eq!(options.too_long, TooLong::Fail);
    }

    #[test]
    fn an_overwrite_that_readers_notice_says_so() {
        let explained = |given: &[(&str, &str)], mode| {
            let given: Vec<_> = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            explain(&Options::parse("WAREHOUSE", Warehouse.options(), &given).unwrap(), mode).unwrap()
        };
        assert!(explained(&[], WriteMode::Overwrite).unwrap().contains("readers see the old rows until the commit"));
        let fast = explained(&[("overwrite", "fast")], WriteMode::Overwrite).unwrap();
        assert!(fast.contains("readers can see an empty table"), "{fast}");
        assert!(explained(&[], WriteMode::Upsert).unwrap().starts_with("'upsert' 'delete+insert'"));
        assert_eq!(explained(&[("overwrite", "fast")], WriteMode::Append), None);
    }

    #[test]
    fn grants_are_quoted() {
        let options = read(&[("grants", "role:analysts, group:BI, user:e\"ve, public")]).unwrap();
        assert_eq!(options.grants, ["ROLE \"analysts\"", "GROUP \"BI\"", "\"e\"\"ve\"", "PUBLIC"]);
        let error = read(&[("grants", "analysts")]).unwrap_err();
        assert_eq!(error.subject(), Some("grants"));
        assert!(error.to_string().contains("expected role:NAME"), "{error}");
    }
}
