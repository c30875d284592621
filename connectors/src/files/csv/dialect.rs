//! The characters that a CSV file is written with. Finding them out is [`mod@super::sniff`]'s.

use std::fmt;

/// How a file separates and quotes.
///
/// Doubled quotes within a quoted field are always one quote (RFC 4180, section 2.7); `escape` is understood besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    /// Between fields; [`Dialect::ONE_COLUMN`] for a file of one column.
    pub delimiter: u8,
    /// Around fields that hold a delimiter, a quote or a line end.
    pub quote: Option<u8>,
    /// Takes its meaning from the character that follows, within quotes and outside.
    pub escape: Option<u8>,
    /// A line that begins with it is skipped.
    pub comment: Option<u8>,
    /// The first record names the columns.
    pub header: bool,
    /// Blanks around fields, and around their quotes, do not belong to them. What is within quotes is kept as it is.
    pub trim: bool,
}

impl Dialect {
    /// The delimiter of a file that has one column: a record ends at a line end before it could be split there.
    pub const ONE_COLUMN: u8 = b'\n';

    /// Whether the characters can be told from each other.
    ///
    /// # Errors
    /// Two of them are the same, one is a line end, or one is not ASCII (it would be half a character of UTF-8).
    pub fn validate(&self) -> Result<(), InvalidDialect> {
        let named = [
            ("delimiter", Some(self.delimiter).filter(|&byte| byte != Self::ONE_COLUMN)),
            ("quote", self.quote),
            ("escape", self.escape),
            ("comment", self.comment),
        ];
        for (index, &(name, byte)) in named.iter().enumerate() {
            let Some(byte) = byte else { continue };
            if matches!(byte, b'\n' | b'\r') {
                return Err(InvalidDialect(format!("{name} cannot be a line end")));
            }
            if !byte.is_ascii() {
                return Err(InvalidDialect(format!("{name} must be an ASCII character")));
            }
            if let Some((other, _)) = named[..index].iter().find(|(_, earlier)| *earlier == Some(byte)) {
                return Err(InvalidDialect(format!("{name} and {other} are both {}", printed(byte))));
            }
        }
        Ok(())
    }
}

impl Default for Dialect {
    /// RFC 4180, with a header.
    fn default() -> Self {
        Self { delimiter: b',', quote: Some(b'"'), escape: None, comment: None, header: true, trim: false }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.delimiter == Self::ONE_COLUMN {
            write!(formatter, "one column")?;
        } else {
            write!(formatter, "delimiter {}", printed(self.delimiter))?;
        }
        for (name, byte) in [("quote", self.quote), ("escape", self.escape), ("comment", self.comment)] {
            if let Some(byte) = byte {
                write!(formatter, ", {name} {}", printed(byte))?;
            }
        }
        let header = if self.header { "header" } else { "no header" };
        write!(formatter, ", {header}{}", if self.trim { ", blanks trimmed" } else { "" })
    }
}

/// Reads an option that is one character: itself, `tab`, `space`, `\\t`, `\\u0001`, `\\u{1}`, `\\x01`, or `none` for a file that
/// has not any. Which characters can be what is [`Dialect::validate`]'s.
///
/// # Errors
/// It is not one ASCII character.
pub fn character(option: &str) -> Result<Option<u8>, InvalidDialect> {
    let invalid = || InvalidDialect(format!("`{option}` is not one ASCII character: write it, or `tab`, `\\u{{1}}` or `none`"));
    if let &[byte] = option.as_bytes() {
        return if byte.is_ascii() { Ok(Some(byte)) } else { Err(invalid()) };
    }
    match option.trim().to_ascii_lowercase().as_str() {
        "none" | "" => Ok(None),
        "tab" | "\\t" => Ok(Some(b'\t')),
        "space" => Ok(Some(b' ')),
        "\\\\" => Ok(Some(b'\\')),
        coded => {
            let digits = coded.strip_prefix("\\u{").and_then(|digits| digits.strip_suffix('}'));
            let digits = digits.or_else(|| coded.strip_prefix("\\u")).or_else(|| coded.strip_prefix("\\x"));
            let digits = digits.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
            let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(u8::is_ascii);
            byte.map(Some).ok_or_else(invalid)
        }
    }
}

/// Options that cannot hold together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidDialect(String);

impl fmt::Display for InvalidDialect {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for InvalidDialect {}

/// A character as a person would write it.
pub(super) fn printed(byte: u8) -> String {
    match byte {
        b'\t' => "tab".into(),
        b' ' => "space".into(),
        byte if byte.is_ascii_graphic() => format!("`{}`", char::from(byte)),
        byte => format!("\\u{{{byte:x}}}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_4180_is_valid() {
        assert_eq!(Dialect::default().validate(), Ok(()));
        assert_eq!(Dialect { delimiter: Dialect::ONE_COLUMN, ..Dialect::default() }.validate(), Ok(()));
    }

    #[test]
    fn characters_that_clash_are_named() {
        let clash = Dialect { quote: Some(b','), ..Dialect::default() };
        assert_eq!(clash.validate().unwrap_err().to_string(), "quote and delimiter are both `,`");
        let half = Dialect { delimiter: 0xa7, ..Dialect::default() };
        assert_eq!(half.validate().unwrap_err().to_string(), "delimiter must be an ASCII character");
        let line = Dialect { comment: Some(b'\r'), ..Dialect::default() };
        assert_eq!(line.validate().unwrap_err().to_string(), "comment cannot be a line end");
    }

    #[test]
    fn characters_are_read_as_people_write_them() {
        for (option, byte) in [(",", b','), ("tab", b'\t'), ("\\t", b'\t'), ("\t", b'\t'), (" ", b' '), ("\\\\", b'\\')] {
            assert_eq!(character(option), Ok(Some(byte)), "{option}");
        }
        for option in ["\\u0001", "\\u{1}", "\\x01", "\u{1}"] {
            assert_eq!(character(option), Ok(Some(1)), "{option}");
        }
        assert_eq!(character("none"), Ok(None));
        for option in ["||", "§", "\\u00a7", "\\x+1"] {
            assert!(character(option).is_err(), "{option}");
        }
    }

    #[test]
    fn a_dialect_is_printed_in_words() {
        let dialect = Dialect { delimiter: b'\t', header: false, trim: true, ..Dialect::default() };
        assert_eq!(dialect.to_string(), "delimiter tab, quote `\"`, no header, blanks trimmed");
    }
}
