//! How one file was written, as far as a bad record of it has to be read again without the file.

use encoding_rs::{Encoding, UTF_8};
use serde::{Deserialize, Serialize};

use super::dialect::Dialect;
use super::encoding::{Choice, Detected};
use super::sniff::Hints;
use crate::error::{Error, Result};

/// What was found out of a file, and its header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Form {
    /// The record that names the columns, as it is written; none in a file without.
    pub header: Option<String>,
    /// Cells of a record.
    pub width: usize,
    delimiter: char,
    quote: Option<char>,
    escape: Option<char>,
    comment: Option<char>,
    trim: bool,
    /// What the file's bytes are; those of its records are converted to UTF-8.
    encoding: String,
    /// A byte order mark said so, which goes before what the table is said to have.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    marked: bool,
}

impl Form {
    /// Of a file that is read by `dialect` and written in what was `detected`.
    #[must_use]
    pub fn new(dialect: &Dialect, detected: &Detected) -> Self {
        Self {
            header: None,
            width: 0,
            delimiter: char::from(dialect.delimiter),
            quote: dialect.quote.map(char::from),
            escape: dialect.escape.map(char::from),
            comment: dialect.comment.map(char::from),
            trim: dialect.trim,
            encoding: detected.encoding.name().to_owned(),
            marked: detected.mark > 0,
        }
    }

    /// Whether the file is written in UTF-8.
    #[must_use]
    pub fn is_utf8(&self) -> bool {
        self.encoding == UTF_8.name()
    }

    /// How its records are to be split: as they were, but for what is given now.
    ///
    /// # Errors
    /// [`Error::Data`] when that makes no dialect.
    pub fn dialect(&self, given: &Hints) -> Result<Dialect> {
        let byte = |character: char| u8::try_from(character).ok();
        let dialect = Dialect {
            delimiter: given.delimiter.or(byte(self.delimiter)).unwrap_or(Dialect::ONE_COLUMN),
            quote: given.quote.unwrap_or_else(|| self.quote.and_then(byte)),
            escape: given.escape.unwrap_or_else(|| self.escape.and_then(byte)),
            comment: given.comment.unwrap_or_else(|| self.comment.and_then(byte)),
            header: self.header.is_some() && given.header != Some(false),
            trim: given.trim.unwrap_or(self.trim),
        };
        dialect.validate().map_err(|error| Error::data(format!("its file cannot be split as the options say now: {error}")))?;
        Ok(dialect)
    }

    /// The same with the records split by `dialect`: by another delimiter, it is not known how many cells they have.
    #[must_use]
    pub fn split_by(&self, dialect: &Dialect) -> Self {
        let width = if char::from(dialect.delimiter) == self.delimiter { self.width } else { 0 };
        Self { width, ..self.clone() }
    }

    /// What the bytes of its records are to be decoded from; none when they are the text already.
    ///
    /// # Errors
    /// [`Error::Data`] when they were converted from another encoding than the table is said to have now: they are not the file's.
    pub fn encoding(&self, choice: Choice) -> Result<Option<&'static Encoding>> {
        let Choice::Named(named) = choice else { return Ok(None) };
        if self.marked || named.name() == self.encoding {
            return Ok(None);
        }
        if self.encoding == UTF_8.name() && named.is_ascii_compatible() {
            return Ok(Some(named));
        }
        Err(Error::data(format!(
            "its file was split as {}, and cannot be read as {} without the file; to read all files again, run with --from-scratch",
            self.encoding,
            named.name()
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detected(encoding: &'static Encoding, mark: usize) -> Detected {
        Detected { encoding, mark, note: None }
    }

    #[test]
    fn what_is_given_now_goes_before_what_was_found() {
        let found = Dialect { delimiter: b';', quote: Some(b'"'), trim: true, ..Dialect::default() };
        let form = Form { header: Some("a;b".into()), width: 2, ..Form::new(&found, &detected(UTF_8, 0)) };
        let text = serde_json::to_string(&form).unwrap();
        let form: Form = serde_json::from_str(&text).unwrap();
        assert_eq!(form.dialect(&Hints::default()).unwrap(), found);
        let now = form.dialect(&Hints { delimiter: Some(b','), quote: Some(None), ..Hints::default() }).unwrap();
        assert_eq!((now.delimiter, now.quote, now.header), (b',', None, true));
        assert_eq!((form.split_by(&found).width, form.split_by(&now).width), (2, 0));
        let clash = form.dialect(&Hints { delimiter: Some(b'"'), ..Hints::default() }).unwrap_err();
        assert!(clash.to_string().contains("quote and delimiter are both"), "{clash}");
    }

    #[test]
    fn bytes_that_were_converted_are_not_decoded_once_more() {
        let utf8 = Form::new(&Dialect::default(), &detected(UTF_8, 0));
        let japanese = Choice::parse("shift_jis").unwrap();
        assert_eq!(utf8.encoding(Choice::Auto).unwrap(), None);
        assert_eq!(utf8.encoding(japanese).unwrap(), Some(encoding_rs::SHIFT_JIS));
        let marked = Form::new(&Dialect::default(), &detected(UTF_8, 3));
        assert_eq!(marked.encoding(japanese).unwrap(), None, "as its mark says, then and now");
        let latin = Form::new(&Dialect::default(), &detected(encoding_rs::WINDOWS_1252, 0));
        assert_eq!(latin.encoding(Choice::parse("latin1").unwrap()).unwrap(), None);
        for (form, choice) in [(&latin, japanese), (&utf8, Choice::parse("utf-16le").unwrap())] {
            assert!(form.encoding(choice).unwrap_err().to_string().contains("--from-scratch"));
        }
    }
}
