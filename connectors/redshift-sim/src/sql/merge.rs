//! MERGE, of which PostgreSQL accepts more.

use super::create::spaced;
use super::cursor::{Cursor, Name, literal, quote};
use super::dml::reads;
use super::expression::rewrite;
use super::plan::{Guard, Plan, Run};
use super::token::Token;
use crate::rules::{MERGE_NEEDS_BOTH_BRANCHES, MERGE_REMOVES_DUPLICATES, MERGE_SOURCE_IS_A_TABLE, MERGE_TARGET_HAS_NO_ALIAS};
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
    let source = cursor.table()?;
    let mut alias = None;
    if !cursor.sees(&["on"]) {
        cursor.take(&["as"]);
        alias = Some(cursor.name()?);
    }
    cursor.expect("on")?;
    if let [condition @ .., remove, duplicates] = cursor.rest()
        && remove.is("remove")
        && duplicates.is("duplicates")
    {
        let condition = spaced(condition)?;
        return Ok(Plan::Run(Run { reads: reads(tokens), ..remove_duplicates(target, &source, alias.as_deref(), &condition) }));
    }
    branches(cursor)?;
    Ok(Plan::Run(Run { writes: Some(target), reads: reads(tokens), ..Run::new(rewrite(tokens)?) }))
}

/// The simplified mode: rows of the target that have a match are replaced by those of the source, the others are added. Two of the
/// target that match one of the source become one (r_MERGE).
fn remove_duplicates(target: Name, source: &Name, alias: Option<&str>, condition: &str) -> Run {
    let (to, from) = (target.sql(), source.sql());
    let alias = alias.map_or(String::new(), |alias| format!(" AS {}", quote(alias)));
    let columns = |table: &str| {
        format!(
            "SELECT attnum, format_type(atttypid, NULL) FROM pg_catalog.pg_attribute WHERE attrelid = pg_catalog.to_regclass({}) AND attnum > 0 \
             AND NOT attisdropped",
            literal(table)
        )
    };
    let numbered = |table: &str| format!("SELECT row_number() OVER (ORDER BY attnum), format_type FROM ({}) c", columns(table));
    let (one, other) = (numbered(&to), numbered(&from));
    let differ = format!("({one} EXCEPT {other}) UNION ALL ({other} EXCEPT {one})");
    let message = "MERGE with REMOVE DUPLICATES: the target and the source must have the same columns";
    let guard = Guard { sql: differ, error: SqlError::refused(&MERGE_REMOVES_DUPLICATES, message) };
    let sql = format!(
        "WITH redshift_sim_gone AS (DELETE FROM {to} USING {from}{alias} WHERE {condition}) INSERT INTO {to} SELECT * FROM {from}"
    );
    Run { writes: Some(target), guards: vec![guard], ..Run::new(sql) }
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
