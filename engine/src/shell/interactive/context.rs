//! What could be typed at the cursor, judged by the words before it and the tables that the statement names.

use std::collections::BTreeMap;

use super::keywords::KEYWORDS;
use crate::shell::catalog::quoted;
use crate::shell::input::{Item, split};
use crate::shell::lexer::{Kind, Piece, pieces};

/// Words before the name of a table.
const BEFORE_A_TABLE: [&str; 9] = ["FROM", "JOIN", "DESCRIBE", "DESC", "SUMMARIZE", "TABLE", "INTO", "UPDATE", "VIEW"];

/// What stands before the cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expected {
    /// A backslash command.
    Command,
    /// An argument of the command with that name.
    Argument(String),
    /// A path, within quotes.
    Path,
    /// A table or a schema; with what stands before the last dot.
    Table(Option<String>),
    /// A column of the table with that name or alias.
    ColumnOf(String),
    /// A column, function or keyword.
    Expression,
    /// Nothing that is known.
    Nothing,
}

/// The cursor's surroundings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Context {
    pub(super) expected: Expected,
    /// Where the word that is being typed begins.
    pub(super) start: usize,
    /// The tables that the statement names, by alias or name, as they are written.
    pub(super) tables: BTreeMap<String, String>,
}

impl Context {
    /// At `cursor` in `text`.
    pub(super) fn at(text: &str, cursor: usize) -> Self {
        let statement = current(text, cursor);
        let before = &text[statement.start..cursor];
        if before.trim_start().starts_with('\\') {
            return Self::of_command(statement.start, before);
        }
        let tables = tables(&text[statement]);
        let start_of_statement = cursor - before.len();
        let said: Vec<Piece> = pieces(before).collect();
        let mut start = cursor;
        let mut rest = said.as_slice();
        match said.last() {
            Some(open) if !open.closed => {
                let inner = start_of_statement + open.span.start + 1;
                return match open.kind {
                    Kind::Text => Self { expected: Expected::Path, start: inner, tables },
                    Kind::QuotedName => {
                        let expected = table_or_column(before, &said[..said.len() - 1]).unwrap_or(Expected::Expression);
                        Self { expected, start: inner - 1, tables }
                    }
                    _ => Self { expected: Expected::Nothing, start: cursor, tables },
                };
            }
            Some(Piece { kind: Kind::Comment, .. }) => {
                return Self { expected: Expected::Nothing, start: cursor, tables };
            }
            Some(word) if word.kind == Kind::Word => {
                start = start_of_statement + word.span.start;
                rest = &said[..said.len() - 1];
            }
            Some(number) if number.kind == Kind::Number => {
                return Self { expected: Expected::Nothing, start: cursor, tables };
            }
            _ => {}
        }
        let expected = table_or_column(before, rest).unwrap_or(Expected::Expression);
        Self { expected, start, tables }
    }

    fn of_command(begin: usize, before: &str) -> Self {
        let indent = before.len() - before.trim_start().len();
        let line = &before[indent..];
        let tables = BTreeMap::new();
        match line.find(char::is_whitespace) {
            None => Self { expected: Expected::Command, start: begin + indent, tables },
            Some(end) => {
                let argument = line[end..].trim_start();
                let start = begin + before.len() - argument.len();
                // Of `reddit.po`, the part behind the dot is being typed.
                let dot = argument.rfind('.').filter(|_| matches!(&line[..end], "\\d" | "\\dt" | "\\summarize"));
                let start = dot.map_or(start, |dot| start + dot + 1);
                Self { expected: Expected::Argument(line[..end].to_owned()), start, tables }
            }
        }
    }
}

/// The statement around the cursor.
fn current(text: &str, cursor: usize) -> std::ops::Range<usize> {
    for item in split(text).0 {
        let (Item::Statement(span) | Item::Command(span)) = item;
        let silent = |rest: &str| !pieces(rest).any(|piece| piece.says_something());
        let end = if cursor > span.end && silent(&text[span.end..cursor]) { cursor } else { span.end };
        if span.start <= cursor && cursor <= end {
            return span.start..end.max(cursor);
        }
    }
    cursor..cursor
}

/// By the words before the one that is being typed: after FROM a table, after a dot what the name before it holds.
fn table_or_column(text: &str, before: &[Piece]) -> Option<Expected> {
    let said: Vec<&Piece> = before.iter().filter(|piece| piece.says_something()).collect();
    let word = |piece: &Piece| text[piece.span.clone()].to_owned();
    let mut end = said.len();
    // The names before dots, back to the first.
    let mut qualifier: Vec<String> = Vec::new();
    while end >= 2 && word(said[end - 1]) == "." && matches!(said[end - 2].kind, Kind::Word | Kind::QuotedName) {
        qualifier.insert(0, word(said[end - 2]));
        end -= 2;
    }
    let qualifier = (!qualifier.is_empty()).then(|| qualifier.join("."));
    // `FROM a, b`: back over the names and aliases to the word that began the list.
    let in_list = |piece: &Piece| match piece.kind {
        Kind::QuotedName | Kind::Text => true,
        Kind::Word => !is_keyword(&word(piece)),
        _ => matches!(word(piece).as_str(), "," | "."),
    };
    let begin = said[..end].iter().rposition(|piece| !in_list(piece))?;
    let opener = word(said[begin]).to_uppercase();
    let directly = begin + 1 == end || (opener == "FROM" && word(said[end - 1]) == ",");
    // DESC also ends a list of ORDER BY.
    let opens = BEFORE_A_TABLE.contains(&opener.as_str()) && (opener != "DESC" || begin == 0);
    match qualifier {
        _ if opens && directly => Some(Expected::Table(qualifier)),
        Some(name) => Some(Expected::ColumnOf(name)),
        None => None,
    }
}

fn is_keyword(word: &str) -> bool {
    KEYWORDS.iter().any(|keyword| keyword.eq_ignore_ascii_case(word))
}

/// The tables after FROM, JOIN and the like, by alias and by their own last name.
fn tables(statement: &str) -> BTreeMap<String, String> {
    let said: Vec<Piece> = pieces(statement).filter(Piece::says_something).collect();
    let word = |at: usize| said.get(at).map(|piece| &statement[piece.span.clone()]).unwrap_or_default();
    let is_name = |at: usize| said.get(at).is_some_and(|piece| matches!(piece.kind, Kind::Word | Kind::QuotedName | Kind::Text));
    let mut tables = BTreeMap::new();
    let mut at = 0;
    while at < said.len() {
        let opens = BEFORE_A_TABLE.iter().any(|opener| opener.eq_ignore_ascii_case(word(at)));
        at += 1;
        while opens && is_name(at) && !is_keyword(word(at)) {
            let first = at;
            while is_name(at) && word(at + 1) == "." && is_name(at + 2) {
                at += 2;
            }
            let reference: String = (first..=at).map(word).collect();
            tables.insert(plain(word(at)), reference.clone());
            at += 1;
            at += usize::from(word(at).eq_ignore_ascii_case("AS"));
            if is_name(at) && !is_keyword(word(at)) {
                tables.insert(plain(word(at)), reference);
                at += 1;
            }
            if word(at) != "," {
                break;
            }
            at += 1;
        }
    }
    tables
}

/// A name without its quotes; one that has none is lower case.
pub(super) fn plain(name: &str) -> String {
    for quote in ['"', '\'', '`'] {
        if let Some(inner) = name.strip_prefix(quote) {
            return inner.strip_suffix(quote).unwrap_or(inner).to_owned();
        }
    }
    name.to_lowercase()
}

/// A name as it would be typed.
pub(super) fn typed(name: &str) -> String {
    quoted(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// At the `|` in `text`.
    fn at(text: &str) -> (Expected, String) {
        let cursor = text.find('|').unwrap();
        let text = text.replace('|', "");
        let context = Context::at(&text, cursor);
        (context.expected, text[context.start..cursor].to_owned())
    }

    #[test]
    fn what_is_expected_follows_from_the_words_before() {
        for (text, expected, word) in [
            ("SELECT * FROM po|", Expected::Table(None), "po"),
            ("SELECT * FROM |", Expected::Table(None), ""),
            ("SELECT * FROM reddit.po|", Expected::Table(Some("reddit".into())), "po"),
            ("SELECT * FROM lake.reddit.|", Expected::Table(Some("lake.reddit".into())), ""),
            ("SELECT * FROM a, b.|", Expected::Table(Some("b".into())), ""),
            ("SELECT * FROM a x, |", Expected::Table(None), ""),
            ("SELECT * FROM a JOIN b|", Expected::Table(None), "b"),
            ("SELECT p.sc| FROM posts p", Expected::ColumnOf("p".into()), "sc"),
            ("SELECT sc| FROM posts", Expected::Expression, "sc"),
            ("SELECT * FROM posts WHERE |", Expected::Expression, ""),
            ("SELECT * FROM posts WH|", Expected::Expression, "WH"),
            ("SELECT * FROM 'data/x|", Expected::Path, "data/x"),
            ("SELECT 1; SELECT * FROM t|", Expected::Table(None), "t"),
            ("SELECT 1 -- FROM |", Expected::Nothing, ""),
            ("\\su|", Expected::Command, "\\su"),
            ("\\d red|", Expected::Argument("\\d".into()), "red"),
            ("\\i da|", Expected::Argument("\\i".into()), "da"),
            ("SEL|", Expected::Expression, "SEL"),
            ("SUMMARIZE |", Expected::Table(None), ""),
            ("SELECT * FROM \"po|", Expected::Table(None), "\"po"),
            ("SELECT * FROM t ORDER BY n DESC |", Expected::Expression, ""),
            ("SELECT * FROM a JOIN b ON a.id = b.|", Expected::ColumnOf("b".into()), ""),
            ("p.|", Expected::Expression, ""),
        ] {
            assert_eq!(at(text), (expected, word.to_owned()), "{text}");
        }
    }

    #[test]
    fn tables_are_known_by_alias_and_name() {
        let found =
            tables("SELECT x FROM lake.reddit.posts p, \"b c\" JOIN 'x.csv' AS f ON true WHERE y IN (SELECT 1 FROM other)");
        let found: Vec<(&str, &str)> = found.iter().map(|(name, table)| (name.as_str(), table.as_str())).collect();
        let expected = [
            ("b c", "\"b c\""),
            ("f", "'x.csv'"),
            ("other", "other"),
            ("p", "lake.reddit.posts"),
            ("posts", "lake.reddit.posts"),
            ("x.csv", "'x.csv'"),
        ];
        assert_eq!(found, expected);
    }
}
