//! What a client is told when a statement fails.

use crate::rules::Rule;
use crate::wire::Fields;

/// An error as the protocol has it.
#[derive(Debug, Clone)]
pub(crate) struct SqlError {
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) detail: Option<String>,
    pub(crate) hint: Option<String>,
}

/// A result of reading or running a statement.
pub(crate) type SqlResult<T> = Result<T, SqlError>;

impl SqlError {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), detail: None, hint: None }
    }

    /// A refusal by a rule of the table, with the page it stands on.
    pub(crate) fn refused(rule: &Rule, message: impl Into<String>) -> Self {
        Self::new(rule.code, message).hint(format!("redshift-sim rule {}: {} ({})", rule.id, rule.text, rule.source))
    }

    /// Something that may well be right on Redshift, but that the stand-in does not know.
    pub(crate) fn unknown(what: impl std::fmt::Display) -> Self {
        Self::refused(&crate::rules::UNKNOWN_IS_REFUSED, format!("{what} is not known to redshift-sim"))
    }

    pub(crate) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// As the fields of an `ErrorResponse`.
    pub(crate) fn fields(&self) -> Fields {
        let fields = Fields::default().with(b'S', "ERROR").with(b'V', "ERROR").with(b'C', self.code).with(b'M', &self.message);
        let fields = self.detail.iter().fold(fields, |fields, detail| fields.with(b'D', detail));
        self.hint.iter().fold(fields, |fields, hint| fields.with(b'H', hint))
    }
}
