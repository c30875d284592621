//! SQL text as pieces, for what has to work on text that is not finished: colours, completion, the search for the `;`.
//!
//! It never fails: what is open at the end of the text is a piece that is not closed.

use std::ops::Range;

/// What a piece is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Blanks and line ends.
    Blank,
    /// `-- ...` or `/* ... */`.
    Comment,
    /// A name or keyword.
    Word,
    /// `"..."`.
    QuotedName,
    /// `'...'` or `$$...$$`.
    Text,
    /// `12.5e3`.
    Number,
    /// One character of anything else.
    Sign,
}

/// A part of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) kind: Kind,
    pub(crate) span: Range<usize>,
    /// False when the text ends before the quote or comment does.
    pub(crate) closed: bool,
}

impl Piece {
    /// Neither a blank nor a comment.
    pub(super) fn says_something(&self) -> bool {
        !matches!(self.kind, Kind::Blank | Kind::Comment)
    }
}

/// The whole of `text`, in order and without gaps.
pub(crate) fn pieces(text: &str) -> impl Iterator<Item = Piece> + '_ {
    let mut start = 0;
    std::iter::from_fn(move || {
        let (kind, length, closed) = next(text.get(start..).filter(|rest| !rest.is_empty())?);
        let span = start..start + length;
        start += length;
        Some(Piece { kind, span, closed })
    })
}

/// Kind and length of the piece that `text` begins with, and whether it is closed.
fn next(text: &str) -> (Kind, usize, bool) {
    let Some(first) = text.chars().next() else { return (Kind::Blank, 0, true) };
    match first {
        _ if first.is_whitespace() => (Kind::Blank, run(text, char::is_whitespace), true),
        '-' if text.starts_with("--") => (Kind::Comment, text.find('\n').unwrap_or(text.len()), true),
        '/' if text.starts_with("/*") => block_comment(text),
        '\'' => quoted(text, '\'', Kind::Text),
        '"' => quoted(text, '"', Kind::QuotedName),
        '`' => quoted(text, '`', Kind::QuotedName),
        '$' if text.starts_with("$$") => match text[2..].find("$$") {
            Some(end) => (Kind::Text, end + 4, true),
            None => (Kind::Text, text.len(), false),
        },
        _ if first.is_ascii_digit() => (Kind::Number, number(text), true),
        _ if is_word_start(first) => (Kind::Word, run(text, is_word_part), true),
        _ => (Kind::Sign, first.len_utf8(), true),
    }
}

/// Bytes of the longest prefix whose characters all `fit`.
fn run(text: &str, fit: impl Fn(char) -> bool) -> usize {
    text.find(|c: char| !fit(c)).unwrap_or(text.len())
}

fn is_word_start(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

/// As in the SQL that statements are parsed as, a name may go on with `$`: `posts$bad`.
pub(super) fn is_word_part(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '$')
}

fn number(text: &str) -> usize {
    let mut length = run(text, |c| c.is_ascii_digit() || c == '.');
    if text[length..].starts_with(['e', 'E']) {
        let sign = usize::from(text[length + 1..].starts_with(['+', '-']));
        let digits = run(&text[length + 1 + sign..], |c| c.is_ascii_digit());
        if digits > 0 {
            length += 1 + sign + digits;
        }
    }
    length
}

/// A doubled quote stands for itself.
fn quoted(text: &str, quote: char, kind: Kind) -> (Kind, usize, bool) {
    let mut at = 1;
    while let Some(found) = text[at..].find(quote) {
        at += found + 1;
        if !text[at..].starts_with(quote) {
            return (kind, at, true);
        }
        at += 1;
    }
    (kind, text.len(), false)
}

/// Comments nest.
fn block_comment(text: &str) -> (Kind, usize, bool) {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest.starts_with("*/") {
            (depth, at) = (depth.saturating_sub(1), at + 2);
            if depth == 0 {
                return (Kind::Comment, at, true);
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    (Kind::Comment, text.len(), false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<(Kind, &str)> {
        let said = pieces(text).filter(Piece::says_something);
        said.map(|piece| (piece.kind, &text[piece.span])).collect()
    }

    #[test]
    fn pieces_cover_the_text_whatever_it_is() {
        for text in
            ["", "SELECT 'a''b', \"c\"\"d\", 1.5e-3 -- x\n/* a /* b */ c */;", "'open", "/* open", "é'ü", "$$ a ' b", "1e", "`x"]
        {
            let all: String = pieces(text).map(|piece| text[piece.span].to_owned()).collect();
            assert_eq!(all, text);
        }
    }

    #[test]
    fn quotes_comments_and_numbers_are_told_apart() {
        let expected = [
            (Kind::Word, "a"),
            (Kind::Sign, "."),
            (Kind::QuotedName, "\"b;\"\"\""),
            (Kind::Sign, "="),
            (Kind::Text, "'it''s'"),
            (Kind::Sign, "+"),
            (Kind::Number, "1.5e-3"),
            (Kind::Sign, ";"),
            (Kind::Word, "t$bad"),
        ];
        assert_eq!(shown("a.\"b;\"\"\" = 'it''s' /* ; /* ; */ */ + 1.5e-3; -- ;\nt$bad"), expected);
    }

    #[test]
    fn what_is_open_at_the_end_is_not_closed() {
        for (text, closed) in [("'a", false), ("'a'", true), ("'a''", false), ("/* /* */", false), ("-- a", true), ("\"", false)]
        {
            assert_eq!(pieces(text).last().map(|piece| piece.closed), Some(closed), "{text}");
        }
    }
}
