//! Text into tokens, and a string of statements into statements.

use crate::sql_error::{SqlError, SqlResult};

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A keyword or a name without quotes.
    Word,
    /// A name in double quotes.
    Quoted,
    /// A string, with its quotes.
    Text,
    /// A number.
    Number,
    /// `$1`.
    Parameter,
    /// One character, or one of the operators of more than one.
    Symbol,
    /// Blanks and comments.
    Space,
}

/// A token: a part of the text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Token<'a> {
    pub(crate) kind: Kind,
    pub(crate) text: &'a str,
    /// Where it begins in the text, in bytes.
    pub(crate) start: usize,
    /// Whether a name in double quotes is kept as it is: enable_case_sensitive_identifier.
    pub(crate) exact: bool,
}

impl Token<'_> {
    /// Whether it is this keyword or symbol. Keywords are compared without regard to case.
    pub(crate) fn is(&self, expected: &str) -> bool {
        matches!(self.kind, Kind::Word | Kind::Symbol) && self.text.eq_ignore_ascii_case(expected)
    }

    /// The name it stands for. Redshift folds also what is in double quotes (r_names).
    pub(crate) fn name(&self) -> Option<String> {
        match self.kind {
            Kind::Word => Some(self.text.to_ascii_lowercase()),
            Kind::Quoted if self.exact => self.unquoted(),
            Kind::Quoted => Some(self.unquoted()?.to_lowercase()),
            _ => None,
        }
    }

    fn unquoted(&self) -> Option<String> {
        Some(self.text.get(1..self.text.len() - 1)?.replace("\"\"", "\""))
    }

    /// The value of a string: quotes doubled inside it are one, and a backslash takes the next character as it is, or as a control
    /// character, as in PostgreSQL 8.
    pub(crate) fn value(&self) -> Option<String> {
        if self.kind != Kind::Text {
            return None;
        }
        if self.text.starts_with('$') {
            let tag = self.text.get(1..)?.find('$')? + 2;
            return Some(self.text.get(tag..self.text.len() - tag)?.to_owned());
        }
        let quote = self.text.find('\'')?;
        let mut value = String::new();
        let mut characters = self.text.get(quote + 1..self.text.len() - 1)?.chars();
        while let Some(character) = characters.next() {
            match character {
                '\\' => value.extend(characters.next().map(unescaped)),
                '\'' => value.extend(characters.next()),
                other => value.push(other),
            }
        }
        Some(value)
    }
}

fn unescaped(character: char) -> char {
    match character {
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        other => other,
    }
}

/// Operators that must not be taken apart.
const OPERATORS: &[&str] = &["::", "||", "<>", "!=", "<=", ">=", "->>", "->", "#>>", "#>", "@>", "<@", ":="];

/// Cuts a text into statements of tokens. Statements without any token but blanks are left out.
pub(crate) fn statements(text: &str) -> SqlResult<Vec<Vec<Token<'_>>>> {
    statements_of(text, false)
}

/// The same in a session that tells case apart, if `exact`.
pub(crate) fn statements_of(text: &str, exact: bool) -> SqlResult<Vec<Vec<Token<'_>>>> {
    let mut statements = vec![Vec::new()];
    let mut start = 0;
    while let Some(rest) = text.get(start..).filter(|rest| !rest.is_empty()) {
        let (kind, length) = token_at(rest)?;
        let token = Token { kind, text: rest.get(..length).unwrap_or(rest), start, exact };
        if token.is(";") {
            statements.push(Vec::new());
        } else if let Some(statement) = statements.last_mut() {
            statement.push(token);
        }
        start += length;
    }
    statements.retain(|tokens| tokens.iter().any(|token| token.kind != Kind::Space));
    Ok(statements)
}

/// Kind and length of the token that a text begins with.
fn token_at(text: &str) -> SqlResult<(Kind, usize)> {
    let first = text.chars().next().unwrap_or(' ');
    let length_while = |test: fn(char) -> bool| text.find(|c: char| !test(c)).unwrap_or(text.len());
    let token = match first {
        c if c.is_whitespace() => (Kind::Space, length_while(char::is_whitespace)),
        '-' if text.starts_with("--") => (Kind::Space, text.find('\n').unwrap_or(text.len())),
        '/' if text.starts_with("/*") => (Kind::Space, comment(text)?),
        '\'' => (Kind::Text, string(text, 0)?),
        'e' | 'E' | 'b' | 'B' | 'x' | 'X' if text.get(1..2) == Some("'") => (Kind::Text, string(text, 1)?),
        '"' => (Kind::Quoted, quoted(text)?),
        '$' if text.get(1..).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit())) => {
            (Kind::Parameter, 1 + text.get(1..).map_or(0, |rest| rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())))
        }
        '$' => (Kind::Text, dollar(text)?),
        c if c.is_ascii_digit() => (Kind::Number, number(text)),
        '.' if text.get(1..).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit())) => (Kind::Number, number(text)),
        c if c == '_' || c.is_alphabetic() => (Kind::Word, length_while(|c| c == '_' || c == '$' || c.is_alphanumeric())),
        c => (Kind::Symbol, OPERATORS.iter().find(|operator| text.starts_with(**operator)).map_or(c.len_utf8(), |o| o.len())),
    };
    Ok(token)
}

fn unterminated(what: &str, text: &str) -> SqlError {
    let beginning: String = text.chars().take(40).collect();
    SqlError::new("42601", format!("unterminated {what} at or near \"{beginning}\""))
}

/// Comments nest.
fn comment(text: &str) -> SqlResult<usize> {
    let (mut depth, mut position) = (0, 0);
    while let Some(rest) = text.get(position..).filter(|rest| !rest.is_empty()) {
        let step = match rest {
            rest if rest.starts_with("/*") => {
                depth += 1;
                2
            }
            rest if rest.starts_with("*/") => {
                depth -= 1;
                2
            }
            rest => rest.chars().next().map_or(1, char::len_utf8),
        };
        position += step;
        if depth == 0 {
            return Ok(position);
        }
    }
    Err(unterminated("/* comment", text))
}

fn string(text: &str, quote: usize) -> SqlResult<usize> {
    let mut characters = text.char_indices().skip(quote + 1).peekable();
    while let Some((position, character)) = characters.next() {
        match character {
            '\\' => {
                characters.next();
            }
            '\'' if characters.peek().is_some_and(|(_, next)| *next == '\'') => {
                characters.next();
            }
            '\'' => return Ok(position + 1),
            _ => {}
        }
    }
    Err(unterminated("quoted string", text))
}

fn quoted(text: &str) -> SqlResult<usize> {
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((position, character)) = characters.next() {
        if character == '"' && characters.next_if(|(_, next)| *next == '"').is_none() {
            return Ok(position + 1);
        }
    }
    Err(unterminated("quoted identifier", text))
}

fn dollar(text: &str) -> SqlResult<usize> {
    let tag_end = text.get(1..).and_then(|rest| rest.find('$')).map(|end| end + 2);
    let tag =
        tag_end.and_then(|end| text.get(..end)).filter(|tag| tag.chars().all(|c| c == '$' || c == '_' || c.is_alphanumeric()));
    let Some(tag) = tag else { return Ok(1) };
    let end = text.get(tag.len()..).and_then(|rest| rest.find(tag)).ok_or_else(|| unterminated("dollar-quoted string", text))?;
    Ok(end + 2 * tag.len())
}

fn number(text: &str) -> usize {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let Some(exponent) = text.get(digits..).filter(|rest| rest.starts_with(['e', 'E'])) else { return digits };
    let sign = usize::from(exponent.get(1..).is_some_and(|rest| rest.starts_with(['+', '-'])));
    let power = exponent.get(1 + sign..).map_or(0, |rest| rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len()));
    if power == 0 { digits } else { digits + 1 + sign + power }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<(Kind, &str)> {
        let statements = statements(text).unwrap();
        statements.into_iter().flatten().filter(|t| t.kind != Kind::Space).map(|t| (t.kind, t.text)).collect()
    }

    #[test]
    fn text_is_kept_whole() {
        let text = "select 'a;b\\'', \"c;\"\"d\", $$;$$, 1.5e-3 /* ; /* ; */ */ from t -- ;\n where x::int8 = $1";
        let parts = statements(text).unwrap();
        assert_eq!(parts.len(), 1);
        assert_eq!(parts[0].iter().map(|token| token.text).collect::<String>(), text);
    }

    #[test]
    fn kinds_are_told_apart() {
        use Kind::{Number, Parameter, Symbol, Text, Word};
        assert_eq!(words("a1.b>=.5"), [(Word, "a1"), (Symbol, "."), (Word, "b"), (Symbol, ">="), (Number, ".5")]);
        assert_eq!(words("E'x' $12::n"), [(Text, "E'x'"), (Parameter, "$12"), (Symbol, "::"), (Word, "n")]);
    }

    #[test]
    fn strings_have_backslash_escapes_as_in_postgresql_8() {
        let value = |text: &str| statements(text).unwrap()[0][0].value().unwrap();
        assert_eq!(value(r"'it''s \'so\' \t\\N'"), "it's 'so' \t\\N");
        assert_eq!(value("$q$it's$q$"), "it's");
    }

    #[test]
    fn quoted_names_are_folded_too() {
        assert_eq!(statements("\"My \"\"T\"\"\"").unwrap()[0][0].name().unwrap(), "my \"t\"");
    }

    #[test]
    fn what_does_not_end_is_refused() {
        for text in ["'a", "\"a", "/* a", "$$ a", "'a\\'"] {
            assert_eq!(statements(text).unwrap_err().code, "42601", "{text}");
        }
    }
}
