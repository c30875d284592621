//! A secret that somebody shows to be let in.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// A secret, kept as its digest: comparing two digests takes as long whatever was shown, however long it is.
#[derive(Clone)]
pub struct Token([u8; 32]);

impl Token {
    /// Of its text.
    pub fn new(text: &str) -> Self {
        Self(Sha256::digest(text).into())
    }

    /// Whether `shown` is it.
    pub fn is(&self, shown: &str) -> bool {
        self.0.ct_eq(&Self::new(shown).0).into()
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(********)")
    }
}

/// A text that nobody can guess: 244 random bits.
pub(super) fn random() -> String {
    format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_text_itself_is_it() {
        let token = Token::new("0123456789abcdef");
        assert!(token.is("0123456789abcdef"));
        for other in ["", "0123456789abcde", "0123456789abcdef ", "0123456789abcdeF"] {
            assert!(!token.is(other), "{other}");
        }
    }

    #[test]
    fn random_texts_differ() {
        assert_ne!(random(), random());
        assert_eq!(random().len(), 64);
    }
}
