//! INSERT, UPDATE, DELETE and queries with a WITH clause.

use super::cursor::Cursor;
use super::expression::{rewrite, syntax};
use super::plan::{Plan, Run};
use super::token::{Kind, Token};
use crate::rules::{NO_DELETE_ALIAS, NO_ON_CONFLICT, NO_RETURNING, NO_WRITABLE_CTE};
use crate::sql::Name;
use crate::sql_error::SqlResult;

pub(super) fn insert(tokens: &[Token<'_>]) -> SqlResult<Plan> {
    let mut cursor = Cursor::new(tokens);
    cursor.next();
    cursor.expect("into")?;
    let table = cursor.table()?;
    clauses(&cursor)?;
    writes(table, tokens, rewrite(tokens)?)
}

pub(super) fn update(tokens: &[Token<'_>]) -> SqlResult<Plan> {
    let mut cursor = Cursor::new(tokens);
    cursor.next();
    let table = cursor.table()?;
    clauses(&cursor)?;
    writes(table, tokens, rewrite(tokens)?)
}

pub(super) fn delete(tokens: &[Token<'_>]) -> SqlResult<Plan> {
    let mut cursor = Cursor::new(tokens);
    cursor.next();
    let from = cursor.take(&["from"]);
    let table = cursor.table()?;
    if !cursor.at_end() && !cursor.sees(&["using"]) && !cursor.sees(&["where"]) && !cursor.sees(&["returning"]) {
        return Err(cursor.forbidden(&NO_DELETE_ALIAS));
    }
    clauses(&cursor)?;
    let sql = rewrite(tokens)?;
    // FROM is optional (r_DELETE), which PostgreSQL does not know.
    let sql = if from { sql } else { format!("DELETE FROM{}", sql.trim_start().get("delete".len()..).unwrap_or_default()) };
    writes(table, tokens, sql)
}

/// A query, UPDATE or DELETE with a WITH clause.
pub(super) fn with(tokens: &[Token<'_>]) -> SqlResult<Plan> {
    let mut cursor = Cursor::new(tokens);
    let mut depth = 0;
    let mut main = None;
    let mut after_parenthesis = false;
    while let Some(token) = cursor.next() {
        depth += i32::from(token.is("(")) - i32::from(token.is(")"));
        let writes = ["insert", "update", "delete", "merge"].iter().any(|word| token.is(word));
        if writes && depth > 0 && after_parenthesis {
            return Err(syntax(&NO_WRITABLE_CTE, token.text));
        }
        if depth == 0 && (writes || token.is("select")) && main.is_none() {
            main = Some((token, cursor.clone()));
        }
        after_parenthesis = token.is("(");
    }
    let query = |tokens| Ok(Plan::Run(Run { reads: reads(tokens), ..Run::new(rewrite(tokens)?) }));
    let Some((word, mut rest)) = main else { return query(tokens) };
    clauses(&rest)?;
    let table = match word.text.to_ascii_lowercase().as_str() {
        "select" => return query(tokens),
        "update" => rest.table()?,
        "delete" => {
            rest.expect("from")?;
            rest.table()?
        }
        // Only UPDATE and DELETE have a WITH clause of their own (r_INSERT_30, r_MERGE).
        _ => return Err(syntax(&NO_WRITABLE_CTE, word.text)),
    };
    writes(table, tokens, rewrite(tokens)?)
}

fn writes(table: Name, tokens: &[Token<'_>], sql: String) -> SqlResult<Plan> {
    Ok(Plan::Run(Run { writes: Some(table), reads: reads(tokens), ..Run::new(sql) }))
}

/// What stands where a table may stand: after FROM, JOIN and USING, and after a comma that follows such a name.
pub(super) fn reads(tokens: &[Token<'_>]) -> Vec<Name> {
    let mut cursor = Cursor::new(tokens);
    let mut found = Vec::new();
    while let Some(token) = cursor.next() {
        let mut more = ["from", "join", "using"].iter().any(|word| token.is(word));
        while more && cursor.peek().is_some_and(|next| matches!(next.kind, Kind::Word | Kind::Quoted)) {
            let Ok(name) = cursor.table() else { break };
            if !cursor.sees(&["("]) {
                found.push(name);
            }
            let mut ahead = cursor.clone();
            ahead.take(&["as"]);
            let aliased = ahead.name().is_ok() && ahead.sees(&[","]);
            more = cursor.sees(&[","]) || aliased;
            if more {
                while !cursor.take(&[","]) {
                    cursor.next();
                }
            }
        }
    }
    found
}

/// Refuses ON CONFLICT and RETURNING.
fn clauses(cursor: &Cursor<'_>) -> SqlResult<()> {
    let mut cursor = cursor.clone();
    let mut depth = 0;
    let mut before = None;
    while let Some(token) = cursor.next() {
        depth += i32::from(token.is("(")) - i32::from(token.is(")"));
        let conflict = token.is("on") && cursor.sees(&["conflict"]) && {
            let mut ahead = cursor.clone();
            ahead.next();
            ahead.sees(&["do"]) || ahead.sees(&["("]) || ahead.sees(&["on", "constraint"])
        };
        if conflict {
            return Err(syntax(&NO_ON_CONFLICT, token.text));
        }
        let ends_a_clause = before.is_none_or(|before: Token<'_>| !before.is(".") && !before.is(",") && !before.is("("));
        let starts_a_list =
            cursor.peek().is_some_and(|next| next.is("*") || matches!(next.kind, Kind::Word | Kind::Quoted | Kind::Number));
        if depth == 0 && token.is("returning") && ends_a_clause && starts_a_list {
            return Err(syntax(&NO_RETURNING, token.text));
        }
        before = Some(token);
    }
    Ok(())
}
