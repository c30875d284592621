//! What a cell looks like: enough to tell names from values, and a good split from a bad one. Types of columns are not
//! inferred here.

/// The look of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing, or what is written for nothing.
    Empty,
    /// A number, with sign, exponent, grouping, currency or percent.
    Number,
    /// A date, a time or both, in digits.
    Date,
    /// A truth value.
    Bool,
    /// Anything else.
    Text,
}

impl Kind {
    /// The look of `text`.
    pub(super) fn of(text: &str) -> Self {
        let text = text.trim();
        if is_nothing(text) {
            Self::Empty
        } else if is_number(text) {
            Self::Number
        } else if is_date(text) {
            Self::Date
        } else if is_one_of(text, &["true", "false", "yes", "no", "t", "f", "y", "n"]) {
            Self::Bool
        } else {
            Self::Text
        }
    }

    /// A name is never written so.
    pub(super) fn is_value(self) -> bool {
        matches!(self, Self::Number | Self::Date)
    }
}

fn is_nothing(text: &str) -> bool {
    matches!(text, "" | "-" | "\\N") || is_one_of(text, &["null", "none", "na", "n/a", "nan", "nil"])
}

/// `text` is one of some short words.
fn is_one_of(text: &str, words: &[&str]) -> bool {
    text.len() <= 5 && words.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// `12`, `-1.5e3`, `1,234.56`, `1.234,56`, `€ 3.50`, `12 %`.
fn is_number(text: &str) -> bool {
    let text = text.trim_start_matches(['-', '+', '$', '€', '£', ' ']).trim_end_matches(['%', '€', ' ']);
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
    let whole = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let separators = mantissa.bytes().filter(|byte| matches!(byte, b'.' | b',')).count();
    let digits = mantissa.bytes().filter(u8::is_ascii_digit).count();
    // Groups are of three digits, so that `1.2.3` and dates with dots are no numbers.
    let mut groups = mantissa.split(['.', ',']).skip(1);
    let grouped = separators < 2 || groups.by_ref().take(separators - 1).all(|group| group.len() == 3);
    whole(exponent) && digits > 0 && digits + separators == mantissa.len() && grouped
}

/// Groups of digits with at least two separators, or a clock: `2026-11-21`, `21.11.2026 10:30`, `10:30`, `2026-11-21T10:30:00.5Z`.
fn is_date(text: &str) -> bool {
    let (mut separators, mut colons, mut digits) = (0, 0, 0);
    for character in text.chars() {
        match character {
            '0'..='9' => digits += 1,
            '-' | '/' => separators += 1,
            ':' => colons += 1,
            '.' => separators += 1,
            'T' | 'Z' | ' ' | '+' => {}
            _ => return false,
        }
    }
    text.starts_with(|first: char| first.is_ascii_digit()) && (3..=26).contains(&digits) && (separators >= 2 || colons >= 1)
}

/// The pattern of a text: runs of small letters, capitals and digits as one `a`, `A`, `9` each, the rest as it is.
pub(super) fn shape(text: &str) -> String {
    let mut shape = String::new();
    for character in text.trim().chars().take(40) {
        let class = match character {
            c if c.is_numeric() => '9',
            c if c.is_uppercase() => 'A',
            c if c.is_alphabetic() => 'a',
            c => c,
        };
        if !shape.ends_with(class) {
            shape.push(class);
        }
    }
    shape
}

/// Words that name columns more often than they are values.
const NAME_WORDS: &str = " account active address age amount average birth birthday brand by category city class code color colour \
    column comment comments company cost count country county created currency customer date datetime day dep department desc \
    description dob email end fax first firstname flag from gender group height hour id ids index industry ip job key kind label \
    last lastname lat latitude length level lng location lon long longitude mail make max mean message min mobile model modified \
    month name names no note notes num number order org organization owner parent path percent phone position postal postcode \
    price product qty quantity rank rate ref region role score sex size source start state status street subject surname \
    target tax tel term text time timestamp title to total type uid unit units updated url user username uuid value vendor version \
    website weight width year zip zipcode zone ";

/// A word of `text` is one that names columns.
pub(super) fn has_name_word(text: &str) -> bool {
    let known = |word: &str| NAME_WORDS.contains(&format!(" {word} "));
    words(text).iter().any(|word| known(word) || word.strip_suffix('s').is_some_and(known))
}

/// `created_at`, `createdAt`, `PULocationID`: a name as programs write it.
pub(super) fn is_identifier(text: &str) -> bool {
    let text = text.trim();
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'));
    let humped = text.as_bytes().windows(2).any(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase());
    plain && (text.contains('_') || humped)
}

/// A text that could name a column: short, begins with a letter, and is no sentence or address.
pub(super) fn is_name(text: &str) -> bool {
    let text = text.trim();
    let lettered = text.starts_with(|c: char| c.is_alphabetic() || matches!(c, '_' | '#' | '%' | '$' | '('));
    let sentence = text.ends_with(['.', '!', '?', ',']) && text.contains(' ');
    lettered && !sentence && text.chars().count() <= 64 && !text.contains(['@', '\n', '\r']) && !text.contains("://")
}

/// The words of a name in small letters: split at what is no letter or digit and where capitals begin.
fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut small = false;
    for character in text.chars() {
        let split = !character.is_alphanumeric() || (small && character.is_uppercase());
        small = character.is_lowercase();
        if split {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| character.is_alphanumeric()) {
            word.extend(character.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_told_by_their_look() {
        for (kind, texts) in [
            (Kind::Empty, &["", " ", "N/A", "null", "\\N", "-"][..]),
            (Kind::Number, &["1", "-1.5", "1,234,567.89", "1.234,5", "1e-9", "$ 3.50", "12 %", ".5", "0012"]),
            (
                Kind::Date,
                &["2026-11-21", "21.11.2026", "11/21/26", "10:30", "2026-11-21T10:30:00.123+01:00", "2026-11-21 10:30:00Z"],
            ),
            (Kind::Bool, &["true", "No"]),
            (Kind::Text, &["id", "1st", "a1", "e5", "1.2.3x", "Q1 2026", "12 Main St", "."]),
        ] {
            for text in texts {
                assert_eq!(Kind::of(text), kind, "{text}");
            }
        }
    }

    #[test]
    fn names_are_told_from_values() {
        for name in ["First name", "tpep_pickup_datetime", "PULocationID", "#chrom", "E-mail (work)"] {
            assert!(is_name(name), "{name}");
        }
        for value in ["a@b.c", "It rained all day.", "https://x.y", "12 Main St"] {
            assert!(!is_name(value), "{value}");
        }
        assert!(is_identifier("created_at") && is_identifier("VendorID") && !is_identifier("Vendor"));
        assert!(has_name_word("PickupDate") && has_name_word("vendor_id") && !has_name_word("Berlin"));
        assert_eq!(shape("Messy Title 42"), "Aa Aa 9");
    }
}
