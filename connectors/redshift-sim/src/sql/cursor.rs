//! Reading a statement's tokens one by one.

use std::borrow::Cow;
use std::sync::Arc;

use super::reserved::is_reserved;
use super::{Kind, Token};
use crate::rules::{IDENTIFIERS_ARE_127_BYTES, RESERVED_WORDS_ARE_QUOTED, Rule};
use crate::sql_error::{SqlError, SqlResult};

/// The name of a table, folded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) schema: Option<String>,
    pub(crate) name: String,
}

impl Name {
    /// As PostgreSQL is to read it.
    pub(crate) fn sql(&self) -> String {
        match &self.schema {
            Some(schema) => format!("{}.{}", quote(schema), quote(&self.name)),
            None => quote(&self.name),
        }
    }
}

/// The longest name that PostgreSQL keeps, in bytes. It cuts longer ones off without a word.
pub(crate) const LONGEST_IN_POSTGRES: usize = 63;

/// A name in double quotes, as PostgreSQL is to read it.
pub(crate) fn quote(name: &str) -> String {
    format!("\"{}\"", physical(name).replace('"', "\"\""))
}

/// A string, as PostgreSQL is to read it: with backslash escapes.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// What stands for a name in PostgreSQL: the name itself, or the beginning and a hash (FNV-1a) of one that is too long for it.
pub(crate) fn physical(name: &str) -> Cow<'_, str> {
    if name.len() <= LONGEST_IN_POSTGRES {
        return Cow::Borrowed(name);
    }
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let end = (0..=LONGEST_IN_POSTGRES - 17).rev().find(|end| name.is_char_boundary(*end)).unwrap_or(0);
    Cow::Owned(format!("{}~{hash:016x}", name.get(..end).unwrap_or_default()))
}

/// A position in a statement; blanks and comments are passed over.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'a> {
    /// Shared, because a cursor is copied to look ahead.
    tokens: Arc<[Token<'a>]>,
    position: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(tokens: &[Token<'a>]) -> Self {
        Self { tokens: tokens.iter().filter(|token| token.kind != Kind::Space).copied().collect(), position: 0 }
    }

    pub(crate) fn peek(&self) -> Option<Token<'a>> {
        self.tokens.get(self.position).copied()
    }

    pub(crate) fn next(&mut self) -> Option<Token<'a>> {
        let token = self.peek();
        self.position += 1;
        token
    }

    pub(crate) fn at_end(&self) -> bool {
        self.position >= self.tokens.len()
    }

    /// The tokens that were not read yet.
    pub(crate) fn rest(&self) -> &[Token<'a>] {
        self.tokens.get(self.position..).unwrap_or_default()
    }

    /// Whether these keywords or symbols come next.
    pub(crate) fn sees(&self, words: &[&str]) -> bool {
        let rest = self.rest();
        rest.len() >= words.len() && rest.iter().zip(words).all(|(token, word)| token.is(word))
    }

    /// Reads these keywords if they come next.
    pub(crate) fn take(&mut self, words: &[&str]) -> bool {
        let seen = self.sees(words);
        self.position += if seen { words.len() } else { 0 };
        seen
    }

    /// Reads a keyword or symbol that must come next.
    pub(crate) fn expect(&mut self, word: &str) -> SqlResult<()> {
        if self.take(&[word]) { Ok(()) } else { Err(self.unexpected()) }
    }

    /// A name that must come next, and is no reserved word, unless in double quotes.
    pub(crate) fn name(&mut self) -> SqlResult<String> {
        let name = self.peek().and_then(|token| token.name()).ok_or_else(|| self.unexpected())?;
        if self.peek().is_some_and(|token| token.kind == Kind::Word) && is_reserved(&name) {
            return Err(self.forbidden(&RESERVED_WORDS_ARE_QUOTED));
        }
        check_name(&name)?;
        self.position += 1;
        Ok(name)
    }

    /// A word that must come next, reserved or not.
    pub(crate) fn word(&mut self) -> SqlResult<String> {
        let word = self.peek().filter(|token| token.kind == Kind::Word).and_then(|token| token.name());
        let word = word.ok_or_else(|| self.unexpected())?;
        self.position += 1;
        Ok(word)
    }

    /// A table name that must come next, with or without its schema. One of a database stands in front of both.
    pub(crate) fn table(&mut self) -> SqlResult<Name> {
        let mut parts = vec![self.name()?];
        while self.take(&["."]) {
            parts.push(self.name()?);
        }
        let name = parts.pop().unwrap_or_default();
        Ok(Name { schema: parts.pop(), name })
    }

    /// A string that must come next.
    pub(crate) fn string(&mut self) -> SqlResult<String> {
        let value = self.peek().and_then(|token| token.value()).ok_or_else(|| self.unexpected())?;
        self.position += 1;
        Ok(value)
    }

    /// A whole number that must come next.
    pub(crate) fn integer(&mut self) -> SqlResult<i64> {
        let negative = self.take(&["-"]);
        let number = self.peek().filter(|token| token.kind == Kind::Number).and_then(|token| token.text.parse::<i64>().ok());
        let number = number.ok_or_else(|| self.unexpected())?;
        self.position += 1;
        Ok(if negative { -number } else { number })
    }

    /// The tokens between the parenthesis that must come next and the one that closes it.
    pub(crate) fn parenthesis(&mut self) -> SqlResult<Vec<Token<'a>>> {
        self.expect("(")?;
        let (mut depth, start) = (1, self.position);
        while let Some(token) = self.next() {
            depth += i32::from(token.is("(")) - i32::from(token.is(")"));
            if depth == 0 {
                return Ok(self.tokens.get(start..self.position - 1).unwrap_or_default().to_vec());
            }
        }
        Err(SqlError::new("42601", "syntax error at end of input"))
    }

    /// A list of names in parentheses that must come next.
    pub(crate) fn names(&mut self) -> SqlResult<Vec<String>> {
        let inner = self.parenthesis()?;
        split(&inner).into_iter().map(|part| Self::new(part).name()).collect()
    }

    /// That nothing comes any more.
    pub(crate) fn end(&self) -> SqlResult<()> {
        if self.at_end() { Ok(()) } else { Err(self.unexpected()) }
    }

    /// The error that the next token should not be there.
    pub(crate) fn unexpected(&self) -> SqlError {
        match self.peek() {
            Some(token) => SqlError::new("42601", format!("syntax error at or near \"{}\"", token.text)),
            None => SqlError::new("42601", "syntax error at end of input"),
        }
    }

    /// The error that a rule forbids the next token.
    pub(crate) fn forbidden(&self, rule: &Rule) -> SqlError {
        SqlError::refused(rule, self.unexpected().message)
    }
}

/// What stands between the commas that are not in parentheses.
pub(crate) fn split<'t, 'a>(tokens: &'t [Token<'a>]) -> Vec<&'t [Token<'a>]> {
    let mut depth = 0;
    tokens
        .split(|token| {
            depth += i32::from(token.is("(") || token.is("[")) - i32::from(token.is(")") || token.is("]"));
            depth == 0 && token.is(",")
        })
        .collect()
}

/// That a name is not too long.
pub(crate) fn check_name(name: &str) -> SqlResult<()> {
    const LONGEST: usize = 127;
    if name.len() <= LONGEST {
        return Ok(());
    }
    Err(SqlError::refused(
        &IDENTIFIERS_ARE_127_BYTES,
        format!("identifier \"{name}\" has {} bytes, at most {LONGEST}", name.len()),
    ))
}
