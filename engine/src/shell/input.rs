//! A text as what the shell does one after the other: SQL statements, which end with `;`, and backslash commands, which end
//! with their line, or with `;` as well.

use std::ops::Range;

use super::lexer::{Kind, Piece, pieces};

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item {
    /// SQL, without its `;`.
    Statement(Range<usize>),
    /// `\d posts`, without the line end.
    Command(Range<usize>),
}

/// What is in `text`, and whether the last statement has its `;` (a command needs none).
pub(super) fn split(text: &str) -> (Vec<Item>, bool) {
    let mut items = Vec::new();
    let mut from = 0;
    loop {
        let (item, next) = first(&text[from..]);
        let moved = |span: Range<usize>| span.start + from..span.end + from;
        match item {
            Some(Item::Statement(span)) => items.push(Item::Statement(moved(span))),
            Some(Item::Command(span)) => items.push(Item::Command(moved(span))),
            None => {}
        }
        match next {
            Next::At(next) => from += next,
            Next::End { complete } => return (items, complete),
        }
    }
}

/// Whether `text` can be run as it is, or more has to be typed.
pub(super) fn is_complete(text: &str) -> bool {
    split(text).1
}

/// Where a command begins that is typed on a line of its own below a statement that is not finished, which it leaves as it is.
pub(super) fn command_within(text: &str) -> Option<usize> {
    let start = text.trim_end().rfind('\n')? + 1;
    let (statement, line) = text.split_at(start);
    let (items, complete) = split(statement);
    let is_open = pieces(statement).last().is_some_and(|piece| !piece.closed);
    (line.trim_start().starts_with('\\') && !items.is_empty() && !complete && !is_open).then_some(start)
}

enum Next {
    At(usize),
    End { complete: bool },
}

/// The first item of `text`.
fn first(text: &str) -> (Option<Item>, Next) {
    let mut closed = true;
    let mut said = pieces(text).inspect(|piece| closed = piece.closed).filter(Piece::says_something);
    let Some(begin) = said.next() else {
        // Nothing but blanks and comments; an open comment waits for its end.
        drop(said);
        return (None, Next::End { complete: closed });
    };
    let start = begin.span.start;
    if begin.kind == Kind::Sign && text[start..].starts_with('\\') {
        let (length, whole) = command(&text[start..]);
        let item = Item::Command(start..start + text[start..start + length].trim_end().len());
        let end = start + whole;
        return (Some(item), if end < text.len() { Next::At(end) } else { Next::End { complete: true } });
    }
    let mut end = start;
    for piece in std::iter::once(begin).chain(said) {
        if piece.kind == Kind::Sign && &text[piece.span.clone()] == ";" {
            let item = (end > start).then_some(Item::Statement(start..end));
            return (item, Next::At(piece.span.end));
        }
        end = piece.span.end;
    }
    (Some(Item::Statement(start..end)), Next::End { complete: false })
}

/// Bytes of the command that `text` begins with, to the end of its line or to a `;` that is not in quotes, and with that end.
fn command(text: &str) -> (usize, usize) {
    let line = &text[..text.find('\n').unwrap_or(text.len())];
    let mut quote = None;
    for (at, c) in line.char_indices() {
        match (c, quote) {
            (';', None) => return (at, at + 1),
            // An apostrophe within a word opens nothing.
            ('\'' | '"', None) if line[..at].ends_with(char::is_whitespace) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            _ => {}
        }
    }
    (line.len(), line.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let items = split(text).0.into_iter();
        items
            .map(|item| match item {
                Item::Statement(span) => text[span].to_owned(),
                Item::Command(span) => format!("command {}", &text[span]),
            })
            .collect()
    }

    #[test]
    fn statements_end_with_a_semicolon_and_commands_with_their_line() {
        let text = "-- first; \nSELECT ';' ;; \\d it's\n  SELECT 1 -- last\n; \\timing";
        assert_eq!(shown(text), ["SELECT ';'", "command \\d it's", "SELECT 1", "command \\timing"]);
        assert_eq!(shown("\\x; \\d 'a;b' ; SELECT 1"), ["command \\x", "command \\d 'a;b'", "SELECT 1"]);
    }

    #[test]
    fn a_command_may_stand_below_a_statement_that_is_not_finished() {
        for (text, command) in [
            ("SELECT 1\n\\?", Some("\\?")),
            ("SELECT 1\n  \\timing\n", Some("  \\timing\n")),
            ("SELECT 1;\nSELECT\n\\e", Some("\\e")),
            ("SELECT 1;\n\\?", None),
            ("SELECT 'a\n\\?", None),
            ("SELECT /* a\n\\?", None),
            ("SELECT 1\nFROM t", None),
            ("\\?", None),
        ] {
            assert_eq!(command_within(text).map(|at| &text[at..]), command, "{text}");
        }
    }

    #[test]
    fn a_statement_is_complete_with_its_semicolon() {
        for (text, complete) in [
            ("", true),
            ("SELECT 1", false),
            ("SELECT 1;", true),
            ("SELECT 1; -- done", true),
            ("SELECT 1; SELECT", false),
            ("SELECT ';", false),
            ("SELECT 1 /* ;", false),
            ("/* open", false),
            ("\\d", true),
            ("SELECT \\d", false),
        ] {
            assert_eq!(is_complete(text), complete, "{text}");
        }
    }
}
