//! A file as statements, each parsed on its own and with its place in the file.
//!
//! Statements are parsed one by one so that one mistake does not hide the next.

use std::ops::Range;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use connectors::options::nearest;
use datafusion::error::DataFusionError;
use datafusion::sql::parser::{DFParserBuilder, Statement as Parsed};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer, Whitespace};

use super::diagnostics::Diagnostic;

/// What a statement may begin with.
const FIRST_WORDS: [&str; 8] = ["SET", "CREATE", "INSERT", "REPLACE", "SELECT", "COPY", "EXPLAIN", "SHOW"];

/// One statement of a file.
#[derive(Debug, Clone)]
pub struct Statement {
    /// Its bytes in the file, without the semicolon.
    pub span: Range<usize>,
    /// What it says.
    pub parsed: Parsed,
}

/// A parsed file; what could not be parsed is in `errors`.
#[derive(Debug, Default)]
pub struct Script {
    /// In the order of the file.
    pub statements: Vec<Statement>,
    /// One per statement that could not be parsed.
    pub errors: Vec<Diagnostic>,
}

/// Reads a pipeline file, without a byte order mark.
///
/// # Errors
/// When it cannot be read, or is not UTF-8: then with the place.
pub fn read(path: &Path) -> Result<String> {
    if path.is_dir() {
        bail!("{} is a folder; name a .sql file in it", path.display());
    }
    decode(std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?, path)
}

/// The bytes of the pipeline file at `path` as text, without a byte order mark.
///
/// # Errors
/// When they are not UTF-8: with the place.
pub fn decode(bytes: Vec<u8>, path: &Path) -> Result<String> {
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text)),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let before = String::from_utf8_lossy(&error.as_bytes()[..at]).into_owned();
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
            bail!("{}:{line}:{column}: the file is not UTF-8; save it as UTF-8", path.display())
        }
    }
}

/// Parses a file.
pub fn parse(text: &str) -> Script {
    let mut script = Script::default();
    let tokens = match tokenize(text) {
        Ok(tokens) => tokens,
        Err(error) => {
            script.errors.push(error);
            return script;
        }
    };
    for chunk in tokens.split(|token| token.token == Token::SemiColon) {
        let mut words = chunk.iter().filter(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF));
        let Some(first) = words.next() else { continue };
        let last = words.next_back().unwrap_or(first);
        let span = start_of(text, first.span.start)..start_of(text, last.span.end);
        match parse_statement(text, &span) {
            Ok(parsed) => script.statements.push(Statement { span, parsed }),
            Err(error) => script.errors.push(error),
        }
    }
    script
}

fn tokenize(text: &str) -> std::result::Result<Vec<TokenWithSpan>, Diagnostic> {
    Tokenizer::new(&GenericDialect {}, text).tokenize_with_location().map_err(|error| {
        let at = start_of(text, error.location);
        Diagnostic::new(error.message, Some(word_at(text, at)))
    })
}

/// Bytes of a thread's stack that plans statements; what is not used costs nothing.
pub const STACK: usize = 128 << 20;

/// Words and signs of a statement that may be one within the other, as in `1 + 1 + 1`: more of them do not fit into [`STACK`].
const MOST_WORDS: usize = 10_000;

/// Whether a statement is too deep, perhaps.
fn check_depth(text: &str, span: &Range<usize>) -> std::result::Result<(), Diagnostic> {
    let statement = &text[span.clone()];
    let Ok(tokens) = tokenize(statement) else { return Ok(()) };
    let is_flat = |token: &Token| {
        let is_value = matches!(token, Token::Number(..) | Token::SingleQuotedString(_) | Token::Whitespace(_));
        is_value || matches!(token, Token::Comma | Token::LParen | Token::RParen | Token::EOF)
    };
    let mut words = tokens.iter().filter(|token| !is_flat(&token.token));
    let Some(one_too_many) = words.nth(MOST_WORDS) else { return Ok(()) };
    let at = span.start + start_of(statement, one_too_many.span.start);
    let all = MOST_WORDS + 1 + words.count();
    let message = format!("the statement has {all} words and operators; {MOST_WORDS} are the most that are understood");
    Err(Diagnostic::new(message, Some(word_at(text, at)))
        .help("write x IN (1, 2, ..) for x = 1 OR x = 2 OR .., and join with a table of many values instead of naming each"))
}

/// Parses the statement at `span` with everything before it blanked out, so that places in errors are those of the file.
///
/// # Errors
/// With the place at which it breaks.
pub fn parse_statement(text: &str, span: &Range<usize>) -> std::result::Result<Parsed, Diagnostic> {
    check_depth(text, span)?;
    let blank: String = text[..span.start].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
    let padded = format!("{blank}{}", &text[span.clone()]);
    let parsed = DFParserBuilder::new(padded.as_str())
        .with_dialect(&GenericDialect {})
        .build()
        .and_then(|mut parser| parser.parse_statements());
    match parsed {
        Ok(mut statements) => match (statements.pop_front(), statements.is_empty()) {
            (Some(statement), true) => Ok(statement),
            _ => Err(Diagnostic::new("expected one statement; is a ';' missing?", Some(span.clone()))),
        },
        Err(error) => Err(parse_error(text, span, &error)),
    }
}

fn parse_error(text: &str, span: &Range<usize>, error: &DataFusionError) -> Diagnostic {
    let message = error.strip_backtrace();
    let message = message.trim_start_matches("SQL error: ").to_owned();
    let inner = ["ParserError(\"", "TokenizerError(\""].iter().find_map(|prefix| message.strip_prefix(prefix));
    let message = inner.map_or(message.as_str(), |inner| inner.trim_end_matches("\")"));
    match message.find(" at Line: ") {
        Some(at) => {
            let numbers: Vec<u64> = message[at..].split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok()).collect();
            let place = match numbers.as_slice() {
                [line, column, ..] => offset(text, *line, *column),
                _ => span.start,
            };
            let at_word = word_at(text, place);
            let near = if at_word.start == span.start { nearest(&text[at_word.clone()], FIRST_WORDS) } else { None };
            let diagnostic = Diagnostic::new(message[..at].trim_start_matches("sql parser error: "), Some(at_word));
            let diagnostic =
                near.into_iter().fold(diagnostic, |diagnostic, word| diagnostic.help(format!("did you mean {word}?")));
            match next_statement(text, span, place) {
                Some((word, line)) => diagnostic.help(format!("is a ';' missing before {word} on line {line}?")),
                None => diagnostic,
            }
        }
        None => Diagnostic::new(message.trim_start_matches("sql parser error: "), Some(end_of(text, span))),
    }
}

/// The first word of the line of `place` when it begins another statement than the one at `span`, and the line.
fn next_statement(text: &str, span: &Range<usize>, place: usize) -> Option<(String, usize)> {
    let start = text[..place].rfind('\n').map_or(0, |newline| newline + 1);
    let word = text[start..].split_whitespace().next()?.to_uppercase();
    let begins = start > span.start && FIRST_WORDS.contains(&word.as_str()) && word != "SELECT";
    begins.then(|| (word, text[..start].matches('\n').count() + 1))
}

/// The last character of a statement: where something is missing.
fn end_of(text: &str, span: &Range<usize>) -> Range<usize> {
    let start = text[span.clone()].char_indices().next_back().map_or(span.start, |(index, _)| span.start + index);
    start..span.end
}

/// The byte of a line and column, both from 1, the column in characters.
pub fn offset(text: &str, line: u64, column: u64) -> usize {
    let line = usize::try_from(line).unwrap_or(1).max(1) - 1;
    let column = usize::try_from(column).unwrap_or(1).max(1) - 1;
    let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    text[start..].char_indices().nth(column).map_or(text.len(), |(index, _)| start + index)
}

fn start_of(text: &str, location: Location) -> usize {
    offset(text, location.line, location.column)
}

/// The word, or the one character, that begins at `start`.
pub fn word_at(text: &str, start: usize) -> Range<usize> {
    let length = text[start..].find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len() - start);
    let one = text[start..].chars().next().map_or(0, char::len_utf8);
    start..start + length.max(one)
}

/// Where in the statement `name` stands as a word, quoted or not, or as a text.
pub fn find_word(text: &str, span: &Range<usize>, name: &str) -> Option<Range<usize>> {
    let tokens = tokenize(text).ok()?;
    let found = tokens.iter().find(|token| {
        let inside = span.contains(&start_of(text, token.span.start));
        inside
            && match &token.token {
                Token::Word(word) => word.value.eq_ignore_ascii_case(name),
                Token::SingleQuotedString(value) => value == name,
                Token::Whitespace(Whitespace::Space) => false,
                _ => false,
            }
    })?;
    Some(start_of(text, found.span.start)..start_of(text, found.span.end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_keep_their_place() {
        let text = "-- a; comment\nSELECT 1;\n\n  SELECT ';' ;;\n";
        let script = parse(text);
        assert!(script.errors.is_empty());
        let spans: Vec<&str> = script.statements.iter().map(|s| &text[s.span.clone()]).collect();
        assert_eq!(spans, ["SELECT 1", "SELECT ';'"]);
    }

    #[test]
    fn each_broken_statement_is_reported_where_it_breaks() {
        let text = "SELECT 1;\nSELEC 2;\nSELECT 3 FORM x y;\nSELECT (4;\n";
        let script = parse(text);
        assert_eq!(script.statements.len(), 1);
        let places: Vec<&str> = script.errors.iter().map(|e| &text[e.span.clone().unwrap()]).collect();
        assert_eq!(places, ["SELEC", "x", "4"]);
    }

    #[test]
    fn what_is_not_closed_is_reported_at_the_end_of_the_text_too() {
        let script = parse("SELECT 1; /* no end");
        assert_eq!(script.errors.len(), 1);
        assert!(script.errors[0].render("x.sql", "SELECT 1; /* no end").contains("x.sql:1"), "{:?}", script.errors);
    }

    #[test]
    fn unclosed_quote_is_reported() {
        let script = parse("SELECT 'abc;\n");
        assert!(script.errors[0].message.contains("Unterminated string"), "{:?}", script.errors);
    }
}
