//! One child of a listing: its wanted keys found in one pass over the text, its values read leniently.
//!
//! Reddit's posts changed type key by key over the years, so a value is looked at as it was sent and accepted where
//! nothing is lost; anything else in an optional column is NULL.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

/// What changes on a post or comment after it was made: re-reading compares these.
const CHANGING: [&str; 12] = [
    "author",
    "body",
    "edited",
    "link_flair_text",
    "locked",
    "num_comments",
    "over_18",
    "removed_by_category",
    "score",
    "selftext",
    "stickied",
    "title",
];

/// The JSON keys to look for, sorted.
#[derive(Debug, Clone)]
pub(super) struct Keys(Vec<&'static str>);

impl Keys {
    /// `keys`, and those a fingerprint needs when `changes` are watched.
    pub(super) fn new(keys: impl IntoIterator<Item = &'static str>, changes: bool) -> Self {
        let mut all: Vec<&'static str> = keys.into_iter().filter(|key| !key.is_empty()).collect();
        all.extend(["id", "name", "created_utc"]);
        if changes {
            all.extend(CHANGING);
        }
        all.sort_unstable();
        all.dedup();
        Self(all)
    }

    /// Where the values of `key` are found.
    pub(super) fn slot(&self, key: &str) -> Option<usize> {
        self.0.binary_search(&key).ok()
    }
}

/// The wanted values of one child, as sent.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    values: Vec<Option<&'a str>>,
}

impl<'a> Fields<'a> {
    /// Finds the wanted keys. Of a key given twice the last counts.
    ///
    /// # Errors
    /// When `raw` is no JSON object.
    pub(super) fn parse(raw: &'a str, keys: &Keys) -> serde_json::Result<Self> {
        let mut values = vec![None; keys.0.len()];
        let mut deserializer = serde_json::Deserializer::from_str(raw);
        deserializer.deserialize_map(Object { keys, values: &mut values })?;
        Ok(Self { values })
    }

    /// The text of a slot's value; `None` when the key is missing or null.
    pub(super) fn value(&self, slot: Option<usize>) -> Option<&'a str> {
        slot.and_then(|slot| self.values[slot]).filter(|text| *text != "null")
    }

    /// A fingerprint of what can change, stable over versions and processes.
    pub(super) fn fingerprint(&self, keys: &Keys) -> String {
        let mut hash = Sha256::new();
        for key in CHANGING {
            hash.update(self.value(keys.slot(key)).unwrap_or_default());
            hash.update([0]);
        }
        hex::encode(&hash.finalize()[..8])
    }
}

struct Object<'k, 'v, 'a> {
    keys: &'k Keys,
    values: &'v mut Vec<Option<&'a str>>,
}

impl<'a> Visitor<'a> for Object<'_, '_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(slot) = map.next_key_seed(Key(self.keys))? {
            match slot {
                Some(slot) => self.values[slot] = Some(map.next_value::<&RawValue>()?.get()),
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// Looks a key up without keeping it.
struct Key<'k>(&'k Keys);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.slot(key))
    }
}

/// A string, or the text of a number.
pub(super) fn text(value: &str) -> Option<Cow<'_, str>> {
    match value.as_bytes().first()? {
        b'"' => {
            let inner = value.strip_prefix('"')?.strip_suffix('"')?;
            if !inner.contains('\\') {
                return Some(Cow::Borrowed(inner));
            }
            unescape(value).map(Cow::Owned)
        }
        b'-' | b'0'..=b'9' => Some(Cow::Borrowed(value)),
        _ => None,
    }
}

/// Half a surrogate pair, which no UTF-8 can hold, becomes the replacement character rather than the end of a run.
fn unescape(value: &str) -> Option<String> {
    struct Text;
    impl Visitor<'_> for Text {
        type Value = String;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }
        fn visit_bytes<E>(self, bytes: &[u8]) -> Result<String, E> {
            Ok(String::from_utf8_lossy(bytes).into_owned())
        }
    }
    serde_json::Deserializer::from_str(value).deserialize_bytes(Text).ok()
}

/// A whole number; a float or a string when it is one.
pub(super) fn int(value: &str) -> Option<i64> {
    let number = unquoted(value);
    number.parse().ok().or_else(|| {
        let float = float(number)?;
        // Beyond 2^53 a float no longer says which whole number it was.
        #[expect(clippy::cast_possible_truncation, reason = "a whole number below 2^53")]
        let whole = (float.fract() == 0.0 && float.abs() < 9_007_199_254_740_992.0).then_some(float as i64);
        whole
    })
}

/// A number, also as a string.
pub(super) fn float(value: &str) -> Option<f64> {
    let number = unquoted(value);
    let first = number.bytes().next()?;
    // Rust also reads "inf" and "nan", which are no numbers here.
    (first == b'-' || first.is_ascii_digit()).then(|| number.parse().ok()).flatten().filter(|number: &f64| number.is_finite())
}

/// `true` or `false`.
pub(super) fn boolean(value: &str) -> Option<bool> {
    match value {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// Whether `edited` says so: `true`, or the time of the edit.
pub(super) fn edited(value: &str) -> Option<bool> {
    boolean(value).or_else(|| float(value).map(|time| time > 0.0))
}

fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wanted_keys_are_found_and_the_last_of_two_counts() {
        let keys = Keys::new(["title", "score"], false);
        let fields = Fields::parse(r#"{"x":{"score":1},"score":2,"title":"a","score":3,"id":null}"#, &keys).unwrap();
        assert_eq!(fields.value(keys.slot("score")), Some("3"));
        assert_eq!(fields.value(keys.slot("title")), Some("\"a\""));
        assert_eq!(fields.value(keys.slot("id")), None);
        assert!(Fields::parse("[1]", &keys).is_err());
    }

    #[test]
    fn values_are_accepted_where_nothing_is_lost() {
        assert_eq!(int("12"), Some(12));
        assert_eq!(int("12.0"), Some(12));
        assert_eq!(int("\"-7\""), Some(-7));
        assert_eq!(int("12.5"), None);
        assert_eq!(int("true"), None);
        assert_eq!(int("{}"), None);
        assert_eq!(float("\"1456821458.0\""), Some(1_456_821_458.0));
        assert_eq!(float("\"nan\""), None);
        assert_eq!(boolean("1"), None);
        assert_eq!(text("5").as_deref(), Some("5"));
        assert_eq!(text("[]"), None);
    }

    #[test]
    fn edited_is_false_true_or_a_time() {
        assert_eq!(edited("false"), Some(false));
        assert_eq!((edited("true"), float("true")), (Some(true), None));
        assert_eq!((edited("1456821458.0"), float("1456821458.0")), (Some(true), Some(1_456_821_458.0)));
    }

    #[test]
    fn text_is_unescaped_and_half_a_pair_is_replaced() {
        assert_eq!(text(r#""a\n\"b\" \ud83d\ude00 <&>""#).as_deref(), Some("a\n\"b\" 😀 <&>"));
        assert!(text(r#""x\ud83dy""#).unwrap().contains('\u{fffd}'));
    }

    #[test]
    fn fingerprint_changes_with_the_score_only_when_it_does() {
        let keys = Keys::new([], true);
        let of = |raw: &str| Fields::parse(raw, &keys).unwrap().fingerprint(&keys);
        assert_eq!(of(r#"{"score":1,"clicked":true}"#), of(r#"{"clicked":false,"score":1}"#));
        assert_ne!(of(r#"{"score":1}"#), of(r#"{"score":2}"#));
    }
}
