//! What is to be done for a statement.

use super::cursor::Cursor;
use super::token::Token;
use super::{alter, create, dml, expression, merge, settings};
use crate::copy::{Copy, Unload};
use crate::faults::Fault;
use crate::rules::{NO_INDEXES, NO_POSTGRES_ONLY_CLAUSES, NO_SAVEPOINTS, Rule};
use crate::sql::Name;
use crate::sql_error::{SqlError, SqlResult};

/// A statement, understood.
#[derive(Debug, Clone)]
pub(crate) enum Plan {
    /// PostgreSQL runs it.
    Run(Run),
    /// `BEGIN`, in any of its forms.
    Begin,
    /// `COMMIT` or `END`.
    Commit,
    /// `ROLLBACK` or `ABORT`.
    Rollback,
    /// `TRUNCATE`, which commits.
    Truncate(Name),
    /// `VACUUM`, which commits.
    Vacuum(Vacuum),
    /// `ALTER TABLE .. APPEND FROM`.
    Append(alter::Append),
    /// A load from S3.
    Copy(Box<Copy>),
    /// A query written to S3.
    Unload(Box<Unload>),
    /// `SET redshift_sim.fault TO '..'`: the next such moment fails.
    Fault(Fault),
}

/// A statement that PostgreSQL runs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Run {
    pub(crate) sql: String,
    /// The table it writes, which is locked first.
    pub(crate) writes: Option<Name>,
    /// The tables it seems to read; names that are none do no harm.
    pub(crate) reads: Vec<Name>,
    /// Why it must not run in a transaction block, and what is said then.
    pub(crate) alone: Option<(Rule, &'static str)>,
    /// What must not be so before it runs.
    pub(crate) guards: Vec<Guard>,
    /// What is noted when it has run.
    pub(crate) after: Option<String>,
}

/// A query that must have no rows, and the error if it has.
#[derive(Debug, Clone)]
pub(crate) struct Guard {
    pub(crate) sql: String,
    pub(crate) error: SqlError,
}

/// What VACUUM is about: one table or all.
#[derive(Debug, Clone)]
pub(crate) struct Vacuum {
    pub(crate) table: Option<Name>,
}

impl Run {
    pub(super) fn new(sql: String) -> Self {
        Self { sql, ..Self::default() }
    }
}

/// Understands a statement, or refuses it.
pub(crate) fn plan(tokens: &[Token<'_>]) -> SqlResult<Plan> {
    let mut cursor = Cursor::new(tokens);
    let Some(first) = cursor.next() else { return run(tokens) };
    match first.text.to_ascii_lowercase().as_str() {
        "(" | "select" | "explain" | "declare" | "fetch" | "close" | "deallocate" | "lock" | "comment" => run(tokens),
        "with" => dml::with(tokens),
        "insert" => dml::insert(tokens),
        "update" => dml::update(tokens),
        "delete" => dml::delete(tokens),
        "merge" => merge::merge(tokens),
        "create" => create::create(tokens),
        "alter" => alter::alter(tokens),
        "drop" => drop_object(tokens, cursor),
        "grant" | "revoke" => Ok(Plan::Run(Run::new(grant_text(tokens)?))),
        "truncate" => truncate(cursor),
        "vacuum" => vacuum(cursor),
        "analyze" | "analyse" => analyze(cursor),
        "copy" => Copy::parse(cursor).map(|copy| Plan::Copy(Box::new(copy))),
        "unload" => Unload::parse(cursor).map(|unload| Plan::Unload(Box::new(unload))),
        "begin" | "start" => begin(cursor),
        "commit" | "end" => end(cursor, Plan::Commit),
        "rollback" | "abort" => end(cursor, Plan::Rollback),
        "set" => settings::set(cursor),
        "reset" => settings::reset(cursor),
        "show" => settings::show(cursor),
        "savepoint" | "release" | "listen" | "notify" | "unlisten" | "prepare" => Err(SqlError::refused(
            &NO_SAVEPOINTS,
            format!("SQL command \"{}\" not supported on Redshift tables.", first.text.to_uppercase()),
        )),
        "values" | "table" => Err(expression::syntax(&NO_POSTGRES_ONLY_CLAUSES, first.text)),
        _ => Err(SqlError::unknown(format!("the statement {}", first.text.to_uppercase()))),
    }
}

fn run(tokens: &[Token<'_>]) -> SqlResult<Plan> {
    Ok(Plan::Run(Run { reads: dml::reads(tokens), ..Run::new(expression::rewrite(tokens)?) }))
}

fn begin(mut cursor: Cursor<'_>) -> SqlResult<Plan> {
    let _optional = cursor.take(&["work"]) || cursor.take(&["transaction"]);
    // A level is accepted and has no effect: the database decides (r_BEGIN).
    while !cursor.at_end() {
        let known = cursor.take(&["isolation", "level", "serializable"])
            || cursor.take(&["isolation", "level", "snapshot"])
            || cursor.take(&["isolation", "level", "read", "uncommitted"])
            || cursor.take(&["isolation", "level", "read", "committed"])
            || cursor.take(&["isolation", "level", "repeatable", "read"])
            || cursor.take(&["read", "write"])
            || cursor.take(&["read", "only"])
            || cursor.take(&[","]);
        if !known {
            return Err(cursor.unexpected());
        }
    }
    Ok(Plan::Begin)
}

fn end(mut cursor: Cursor<'_>, plan: Plan) -> SqlResult<Plan> {
    let _optional = cursor.take(&["work"]) || cursor.take(&["transaction"]);
    cursor.end().map(|()| plan)
}

fn truncate(mut cursor: Cursor<'_>) -> SqlResult<Plan> {
    cursor.take(&["table"]);
    let table = cursor.table()?;
    cursor.end().map(|()| Plan::Truncate(table))
}

fn vacuum(mut cursor: Cursor<'_>) -> SqlResult<Plan> {
    for words in [&["full"][..], &["sort", "only"], &["delete", "only"], &["reindex"], &["recluster"]] {
        if cursor.take(words) {
            break;
        }
    }
    let table = if cursor.at_end() || cursor.sees(&["boost"]) { None } else { Some(cursor.table()?) };
    if cursor.take(&["to"]) {
        cursor.integer()?;
        cursor.expect("percent")?;
    }
    cursor.take(&["boost"]);
    cursor.end().map(|()| Plan::Vacuum(Vacuum { table }))
}

fn analyze(mut cursor: Cursor<'_>) -> SqlResult<Plan> {
    if cursor.sees(&["compression"]) {
        return Err(SqlError::unknown("ANALYZE COMPRESSION"));
    }
    cursor.take(&["verbose"]);
    let mut sql = "ANALYZE".to_owned();
    if !cursor.at_end() {
        sql = format!("ANALYZE {}", cursor.table()?.sql());
        if cursor.sees(&["("]) {
            cursor.names()?;
        }
        let _optional = cursor.take(&["predicate", "columns"]) || cursor.take(&["all", "columns"]);
    }
    cursor.end().map(|()| Plan::Run(Run::new(sql)))
}

fn drop_object(tokens: &[Token<'_>], mut cursor: Cursor<'_>) -> SqlResult<Plan> {
    let kind = cursor.next().map(|token| token.text.to_ascii_lowercase()).unwrap_or_default();
    match kind.as_str() {
        "table" | "view" | "schema" | "user" | "group" | "role" | "database" => run(tokens),
        "index" | "sequence" | "trigger" | "type" | "domain" | "extension" | "rule" | "tablespace" => Err(SqlError::refused(
            &NO_INDEXES,
            format!("SQL command \"DROP {}\" not supported on Redshift tables.", kind.to_uppercase()),
        )),
        _ => Err(SqlError::unknown(format!("DROP {}", kind.to_uppercase()))),
    }
}

/// `TO ROLE r` and `GRANT ROLE r` without the word ROLE, which PostgreSQL has not.
pub(super) fn grant_text(tokens: &[Token<'_>]) -> SqlResult<String> {
    let mut kept = Vec::new();
    let mut before = "";
    for token in tokens {
        let follows = ["to", "from", "grant", "revoke"].iter().any(|word| before.eq_ignore_ascii_case(word)) || before == ",";
        if !(token.is("role") && follows) {
            kept.push(*token);
        }
        if !token.text.trim().is_empty() {
            before = token.text;
        }
    }
    expression::rewrite(&kept)
}
