//! MERGE, of which PostgreSQL accepts more.

use super::cursor::Cursor;
use super::dml::reads;
use super::expression::rewrite;
use super::plan::{Plan, Run};
use super::token::Token;
use crate::rules::{MERGE_NEEDS_BOTH_BRANCHES, MERGE_SOURCE_IS_A_TABLE, MERGE_TARGET_HAS_NO_ALIAS};
use crate::sql_error::{SqlError, SqlResult};

pub(super) fn merge(tokens: &[Token<'_>]) -> SqlResult<Plan> {
    let mut cursor = Cursor::new(tokens);
    cursor.next();
    cursor.expect("into")?;
    let target = cursor.table()?;
    if !cursor.take(&["using"]) {
        return Err(cursor.forbidden(&MERGE_TARGET_HAS_NO_ALIAS));
    }
    if cursor.sees(&["("]) {
        return Err(cursor.forbidden(&MERGE_SOURCE_IS_A_TABLE));
    }
    cursor.table()?;
    if !cursor.sees(&["on"]) {
        cursor.take(&["as"]);
        cursor.name()?;
    }
    cursor.expect("on")?;
    branches(cursor)?;
    Ok(Plan::Run(Run { writes: Some(target), reads: reads(tokens), ..Run::new(rewrite(tokens)?) }))
}

/// Holds what follows ON against the grammar.
fn branches(mut cursor: Cursor<'_>) -> SqlResult<()> {
    let (mut depth, mut cases) = (0, 0);
    let mut found = Vec::new();
    while let Some(token) = cursor.next() {
        depth += i32::from(token.is("(")) - i32::from(token.is(")"));
        cases += i32::from(token.is("case")) - i32::from(token.is("end"));
        if depth > 0 || cases > 0 {
            continue;
        }
        if token.is("remove") && cursor.sees(&["duplicates"]) {
            return Err(SqlError::unknown("MERGE .. REMOVE DUPLICATES"));
        }
        if token.is("when") {
            found.push(branch(&mut cursor)?);
        }
    }
    if found == [true, false] || found == [false, true] {
        return Ok(());
    }
    Err(SqlError::refused(
        &MERGE_NEEDS_BOTH_BRANCHES,
        "MERGE statement must have exactly one WHEN MATCHED and one WHEN NOT MATCHED clause",
    ))
}

/// The head of a branch: whether it is that of rows that match.
fn branch(cursor: &mut Cursor<'_>) -> SqlResult<bool> {
    let matched = !cursor.take(&["not"]);
    cursor.expect("matched")?;
    if !cursor.take(&["then"]) {
        return Err(cursor.forbidden(&MERGE_NEEDS_BOTH_BRANCHES));
    }
    let allowed: &[&str] = if matched { &["update", "delete"] } else { &["insert"] };
    if allowed.iter().any(|word| cursor.sees(&[word])) { Ok(matched) } else { Err(cursor.unexpected()) }
}
