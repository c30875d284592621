//! The parts of a statement that are written anew wherever they stand: names, casts, and functions that PostgreSQL has not.

use super::cursor::{check_name, quote, split};
use super::reserved::is_never_bare;
use super::settings::current;
use super::token::{Kind, Token};
use super::types::{cast_type, refused_cast};
use crate::rules::{NO_JSON_OPERATORS, NO_POSTGRES_ONLY_CLAUSES, RESERVED_WORDS_ARE_QUOTED, Rule};
use crate::sql_error::{SqlError, SqlResult};

/// What `version()` says. The form is Redshift's, so that clients that look for its name find it.
pub(crate) const VERSION: &str = "PostgreSQL 8.0.2 on i686-pc-linux-gnu, compiled by GCC gcc (GCC) 3.4.2 20041017 \
     (Red Hat 3.4.2-6.fc3), Redshift 1.0.0 redshift-sim";

/// Operators of PostgreSQL's JSON and arrays.
const JSON_OPERATORS: &[&str] = &["->", "->>", "#>", "#>>", "@>", "<@", "?"];
/// Functions whose first argument is the bare name of a part of a date.
const DATE_PART_FIRST: &[&str] = &["dateadd", "date_add", "datediff", "date_diff", "date_part", "datepart"];
/// Sequences of words that Redshift's grammar does not have, and the symbol that must follow, if any.
const CLAUSES: &[(&[&str], &str)] = &[
    (&["distinct", "on"], "("),
    (&["lateral"], "("),
    (&["tablesample"], ""),
    (&["for", "update"], ""),
    (&["for", "share"], ""),
    (&["filter", "("], ""),
    (&["array", "["], ""),
    (&["with", "ordinality"], ""),
];

/// Functions on XML, which PostgreSQL's grammar has.
const XML: &[&str] =
    &["xmlagg", "xmlconcat", "xmlelement", "xmlexists", "xmlforest", "xmlparse", "xmlpi", "xmlroot", "xmlserialize"];

/// The text for PostgreSQL.
pub(super) fn rewrite(tokens: &[Token<'_>]) -> SqlResult<String> {
    let mut writer = Writer { tokens, casts: Vec::new() };
    let mut text = String::new();
    let mut position = 0;
    while position < tokens.len() {
        position = writer.write(position, &mut text)?;
    }
    Ok(text)
}

struct Writer<'t, 'a> {
    tokens: &'t [Token<'a>],
    /// For each open parenthesis, whether it is that of CAST.
    casts: Vec<bool>,
}

impl Writer<'_, '_> {
    /// Writes the token at `position`, and returns where the next one is.
    fn write(&mut self, position: usize, text: &mut String) -> SqlResult<usize> {
        let Some(token) = self.tokens.get(position).copied() else { return Ok(position + 1) };
        match token.kind {
            Kind::Space | Kind::Text | Kind::Number | Kind::Parameter => text.push_str(token.text),
            Kind::Quoted => text.push_str(&folded(&token)?),
            Kind::Symbol => self.symbol(position, text)?,
            Kind::Word => return self.word(position, text),
        }
        Ok(position + 1)
    }

    fn symbol(&mut self, position: usize, text: &mut String) -> SqlResult<()> {
        let token = self.tokens[position];
        if JSON_OPERATORS.contains(&token.text) {
            return Err(SqlError::refused(&NO_JSON_OPERATORS, format!("operator does not exist: {}", token.text)));
        }
        match token.text {
            "(" => self.casts.push(self.before(position).is_some_and(|before| before.is("cast") || before.is("try_cast"))),
            ")" => drop(self.casts.pop()),
            _ => {}
        }
        text.push_str(token.text);
        Ok(())
    }

    fn word(&self, position: usize, text: &mut String) -> SqlResult<usize> {
        let token = self.tokens[position];
        self.clauses(position)?;
        let name = token.text.to_ascii_lowercase();
        check_name(&name)?;
        let (before, after) = (self.before(position), self.after(position));
        let called = after.is_some_and(|after| after.is("("));
        let qualified = before.is_some_and(|before| before.is("."));
        if is_never_bare(&name) && !qualified && !before.is_some_and(|before| before.is("as")) {
            return Err(syntax(&RESERVED_WORDS_ARE_QUOTED, token.text));
        }
        if before.is_some_and(|before| before.is("::") || (before.is("as") && self.casts.last() == Some(&true))) {
            return self.cast(position, text);
        }
        match name.as_str() {
            "sysdate" if !called && !qualified && !before.is_some_and(|before| before.is("as")) => text.push_str("sysdate()"),
            "nvl" if called => text.push_str("coalesce"),
            "version" if called && self.take(position, &["(", ")"]).is_some() => {
                unqualify(text);
                text.push_str(&format!("'{VERSION}'::text"));
                return Ok(self.take(position, &["(", ")"]).unwrap_or(position + 1));
            }
            "current_setting" if called => return self.setting(position, text),
            xml if XML.contains(&xml) && called => {
                return Err(SqlError::refused(&NO_JSON_OPERATORS, format!("function {xml}() does not exist")));
            }
            "listagg" if called => return self.listagg(position, text),
            part if DATE_PART_FIRST.contains(&part) && called => return Ok(self.date_part(position, text)),
            _ if name.len() > super::cursor::LONGEST_IN_POSTGRES => text.push_str(&quote(&name)),
            _ => text.push_str(token.text),
        }
        Ok(position + 1)
    }

    /// Refuses what only PostgreSQL has.
    fn clauses(&self, position: usize) -> SqlResult<()> {
        let token = self.tokens[position];
        let here =
            |words: &[&str]| words.first().is_some_and(|first| token.is(first)) && self.take(position, &words[1..]).is_some();
        let found = CLAUSES.iter().find(|(words, next)| {
            let all: Vec<&str> = words.iter().copied().chain([*next].into_iter().filter(|next| !next.is_empty())).collect();
            here(&all)
        });
        // A column may have such a name.
        let is_column = self.before(position).is_some_and(|before| before.is("."));
        match found {
            Some((words, _)) if !is_column => Err(syntax(&NO_POSTGRES_ONLY_CLAUSES, words.last().unwrap_or(&token.text))),
            _ => Ok(()),
        }
    }

    /// The type of a cast, with a length of MAX said in numbers.
    fn cast(&self, position: usize, text: &mut String) -> SqlResult<usize> {
        let token = self.tokens[position];
        let replacement = cast_type(&token)?;
        if self.after(position).is_some_and(|after| after.is("[")) {
            return Err(refused_cast(&format!("{}[]", token.text)));
        }
        text.push_str(replacement.unwrap_or(token.text));
        let binary = replacement == Some("bytea");
        if let Some(end) = self.take(position, &["(", "max", ")"]) {
            text.push_str(if binary { "" } else { "(65535)" });
            return Ok(end);
        }
        if binary && self.after(position).is_some_and(|after| after.is("(")) {
            let end = (position..self.tokens.len()).find(|end| self.tokens[*end].is(")"));
            return Ok(end.map_or(position + 1, |end| end + 1));
        }
        if self.after(position).is_some_and(|after| after.is("varying"))
            && let Some(end) = self.take(position, &["varying", "(", "max", ")"])
        {
            text.push_str(" varying(65535)");
            return Ok(end);
        }
        Ok(position + 1)
    }

    /// `current_setting('name')`: of the settings that Redshift has.
    fn setting(&self, position: usize, text: &mut String) -> SqlResult<usize> {
        let name = self.parenthesized(position + 1).and_then(|(inner, end)| {
            let mut inner = inner.iter().filter(|token| token.kind != Kind::Space);
            let name = inner.next().filter(|token| token.kind == Kind::Text)?;
            inner.next().is_none().then(|| (name.text.trim_matches('\'').to_ascii_lowercase(), end))
        });
        let Some((name, end)) = name else {
            return Err(SqlError::unknown("current_setting of anything but the name of a setting"));
        };
        unqualify(text);
        text.push_str(&current(&name)?);
        Ok(end)
    }

    /// `dateadd(day, ...)`: the bare name becomes a string.
    fn date_part(&self, position: usize, text: &mut String) -> usize {
        text.push_str(&self.tokens[position].text.to_ascii_lowercase());
        let open = self.significant(position + 1);
        let part = open.and_then(|open| self.significant(open + 1));
        let comma = part.and_then(|part| self.significant(part + 1));
        match (part.map(|part| self.tokens[part]), comma) {
            (Some(name), Some(comma)) if name.kind == Kind::Word && self.tokens[comma].is(",") => {
                text.push_str(&format!("('{}'", name.text.to_ascii_lowercase()));
                comma
            }
            _ => position + 1,
        }
    }

    /// `listagg(x, ',') within group (order by y)` is `redshift_sim.listagg(x, ',' order by y)`.
    fn listagg(&self, position: usize, text: &mut String) -> SqlResult<usize> {
        let Some((inner, mut end)) = self.parenthesized(position + 1) else {
            return Err(SqlError::new("42601", "syntax error at end of input"));
        };
        let mut order = String::new();
        if let Some(group) = self.take(end - 1, &["within", "group"]) {
            let (ordering, after) =
                self.parenthesized(group).ok_or_else(|| SqlError::new("42601", "syntax error at or near \"group\""))?;
            order = format!(" {}", rewrite(ordering)?);
            end = after;
        }
        let parts = split(inner);
        let separator = parts.get(1).map_or_else(|| Ok("''".to_owned()), |part| rewrite(part))?;
        let value = parts.first().map_or_else(|| Ok(String::new()), |part| rewrite(part))?;
        let (distinct, value) = match value.trim_start().get(..9).filter(|word| word.eq_ignore_ascii_case("distinct ")) {
            Some(_) => ("distinct ", value.trim_start()[9..].to_owned()),
            None => ("", value),
        };
        text.push_str(&format!("redshift_sim.listagg({distinct}({value})::text, {separator}{order})"));
        Ok(end)
    }

    /// What stands in the parentheses that begin at or after `position`, and where they have ended.
    fn parenthesized(&self, position: usize) -> Option<(&[Token<'_>], usize)> {
        let open = self.significant(position).filter(|open| self.tokens[*open].is("("))?;
        let mut depth = 0;
        let close = (open..self.tokens.len()).find(|close| {
            let token = self.tokens[*close];
            depth += i32::from(token.is("(")) - i32::from(token.is(")"));
            depth == 0
        })?;
        Some((self.tokens.get(open + 1..close)?, close + 1))
    }

    /// The first token at or after `position` that is not blank.
    fn significant(&self, position: usize) -> Option<usize> {
        (position..self.tokens.len()).find(|at| self.tokens[*at].kind != Kind::Space)
    }

    fn after(&self, position: usize) -> Option<Token<'_>> {
        self.significant(position + 1).map(|at| self.tokens[at])
    }

    fn before(&self, position: usize) -> Option<Token<'_>> {
        self.tokens.get(..position)?.iter().rev().find(|token| token.kind != Kind::Space).copied()
    }

    /// Where the tokens end that follow the one at `position`, if they are these.
    fn take(&self, position: usize, words: &[&str]) -> Option<usize> {
        words.iter().try_fold(position + 1, |at, word| {
            let at = self.significant(at)?;
            self.tokens[at].is(word).then_some(at + 1)
        })
    }
}

/// Takes back the schema of a function that another expression stands for.
fn unqualify(text: &mut String) {
    if text.ends_with("pg_catalog.") {
        text.truncate(text.len() - "pg_catalog.".len());
    }
}

/// A name in double quotes, folded.
fn folded(token: &Token<'_>) -> SqlResult<String> {
    let name = token.name().unwrap_or_default();
    check_name(&name)?;
    Ok(quote(&name))
}

/// A syntax error by a rule.
pub(super) fn syntax(rule: &Rule, word: &str) -> SqlError {
    SqlError::refused(rule, format!("syntax error at or near \"{word}\""))
}
