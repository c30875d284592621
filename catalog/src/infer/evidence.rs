//! What was seen in one column, or one key of an object, or the items of a list.

use arrow_schema::DataType;
use serde::{Deserialize, Serialize};

use super::kind::{Kind, Tally, example};
use super::ordered::Ordered;
use super::place::Place;
use crate::values::{Number, number, trimmed};

/// More keys than these are data, not columns; the object stays JSON text.
pub const MOST_KEYS: usize = 4096;

/// How often each kind of value was seen, and what the choice of a type needs to know of them.
///
/// It is filled by whoever reads: a text file by [`observe_cell`](Self::observe_cell), where text may be anything; JSON by the
/// other methods, where a string is never a number, and objects and lists are entered by [`child`](Self::child) and
/// [`item`](Self::item). How deeply these nest is for the reader to bound. Nothing is allocated for a value of a kind and a key
/// that were seen before. Evidence of parts can be [merged](Self::merge) in any order.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    tallies: Vec<Tally>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    range: Option<(i64, i64)>,
    #[serde(default)]
    digits: Digits,
    /// Of the longest text, in bytes.
    longest: u64,
    #[serde(skip_serializing_if = "Ordered::is_empty", default)]
    children: Ordered<Evidence>,
    /// What was seen under all keys after the [`MOST_KEYS`]th.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    rest: Option<Box<Evidence>>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    item: Option<Box<Evidence>>,
}

/// The most digits seen in numbers that are written without exponent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Digits {
    /// Before the point.
    pub(super) integer: u16,
    /// After the point.
    pub(super) fraction: u16,
    /// In one number, before and after.
    pub(super) significant: u16,
}

impl Evidence {
    /// A cell of a text file. Blanks around it say nothing; one of blanks only is empty.
    pub fn observe_cell(&mut self, text: &str, at: &Place) {
        let (kind, number) = Kind::of_cell(trimmed(text));
        self.longest = self.longest.max(text.len() as u64);
        self.note(number);
        self.count(kind, 1, text, at);
    }

    /// A JSON null, a null marker, or a cell that the row is too short for.
    pub fn observe_null(&mut self, at: &Place) {
        self.count(Kind::Null, 1, "", at);
    }

    /// A JSON `true` or `false`.
    pub fn observe_bool(&mut self, value: bool, at: &Place) {
        let text = if value { "true" } else { "false" };
        self.longest = self.longest.max(text.len() as u64);
        self.count(Kind::Boolean, 1, text, at);
    }

    /// A JSON number, as it is written.
    pub fn observe_number(&mut self, raw: &str, at: &Place) {
        let number = number(raw);
        self.longest = self.longest.max(raw.len() as u64);
        self.note(number);
        self.count(number.map_or(Kind::Text, Kind::of_number), 1, raw, at);
    }

    /// A JSON string, unescaped: a date, a timestamp, a UUID or text, but never a number or a truth value.
    pub fn observe_string(&mut self, text: &str, at: &Place) {
        self.longest = self.longest.max(text.len() as u64);
        self.count(Kind::of_string(text), 1, text, at);
    }

    /// The beginning of a JSON object, whose keys are then observed through [`child`](Self::child).
    pub fn observe_object(&mut self, at: &Place) {
        self.count(Kind::Object, 1, "", at);
    }

    /// The beginning of a JSON array, whose items are then observed through [`item`](Self::item).
    pub fn observe_list(&mut self, at: &Place) {
        self.count(Kind::List, 1, "", at);
    }

    /// `rows` values of a file that declares the column's type, `nulls` of them null.
    pub fn observe_declared(&mut self, data_type: &DataType, rows: u64, nulls: u64, at: &Place) {
        let nulls = nulls.min(rows);
        // An empty file declares its type all the same.
        self.count(Kind::Declared(data_type.clone()), rows - nulls, "", at);
        if nulls > 0 {
            self.count(Kind::Null, nulls, "", at);
        }
    }

    /// The least and the greatest of whole numbers that were not looked at one by one.
    pub fn observe_range(&mut self, low: i64, high: i64) {
        self.range = Some(self.range.map_or((low, high), |(least, greatest)| (least.min(low), greatest.max(high))));
    }

    /// What was seen under this key of an object.
    pub fn child(&mut self, name: &str) -> &mut Self {
        if self.children.len() >= MOST_KEYS && self.children.get(name).is_none() {
            return self.rest.get_or_insert_default();
        }
        self.children.get_or_insert_with(name, Self::default)
    }

    /// What was seen under the key at this position, in order of first appearance.
    pub fn child_at(&mut self, position: usize) -> Option<&mut Self> {
        self.children.at_mut(position)
    }

    /// What was seen in the items of a list.
    pub fn item(&mut self) -> &mut Self {
        self.item.get_or_insert_default()
    }

    /// Adds what was seen elsewhere. The result does not depend on the order, but for that of keys.
    pub fn merge(&mut self, other: &Self) {
        for tally in &other.tallies {
            match self.tallies.iter_mut().find(|mine| mine.kind == tally.kind) {
                Some(mine) => mine.add(tally),
                None => self.tallies.push(tally.clone()),
            }
        }
        self.range = match (self.range, other.range) {
            (Some((low, high)), Some((other_low, other_high))) => Some((low.min(other_low), high.max(other_high))),
            (mine, theirs) => mine.or(theirs),
        };
        self.digits = self.digits.most(other.digits);
        self.longest = self.longest.max(other.longest);
        for (name, evidence) in other.children.iter() {
            self.child(name).merge(evidence);
        }
        if let Some(rest) = &other.rest {
            self.rest.get_or_insert_default().merge(rest);
        }
        if let Some(item) = &other.item {
            self.item().merge(item);
        }
    }

    /// Adds the keys that only the other has, however deep, and nothing else: no type changes but by new members.
    pub fn adopt(&mut self, other: &Self) {
        for (name, theirs) in other.children.iter() {
            let mine = self.children.iter().map(|(mine, _)| mine).find(|mine| mine.eq_ignore_ascii_case(name));
            match mine.map(str::to_owned) {
                Some(mine) => self.child(&mine).adopt(theirs),
                None => self.child(name).merge(theirs),
            }
        }
        if let (Some(mine), Some(theirs)) = (&mut self.item, &other.item) {
            mine.adopt(theirs);
        }
    }

    /// What was seen, the most frequent first.
    pub fn tallies(&self) -> Vec<&Tally> {
        let mut tallies: Vec<&Tally> = self.tallies.iter().collect();
        tallies.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.kind.cmp(&b.kind)));
        tallies
    }

    /// How many values and nulls there were.
    pub fn observed(&self) -> u64 {
        self.tallies.iter().map(|tally| tally.count).sum()
    }

    /// How many of them were nulls or empty cells.
    pub fn nulls(&self) -> u64 {
        self.tallies.iter().filter(|tally| tally.kind.is_null()).map(|tally| tally.count).sum()
    }

    /// The least and the greatest whole number of 64 bits.
    pub fn range(&self) -> Option<(i64, i64)> {
        self.range
    }

    /// The length of the longest value as text, in bytes.
    pub fn longest_bytes(&self) -> u64 {
        self.longest
    }

    /// What was seen under each key, in order of first appearance.
    pub fn children(&self) -> &Ordered<Self> {
        &self.children
    }

    /// What was seen in the items of lists.
    pub fn items(&self) -> Option<&Self> {
        self.item.as_deref()
    }

    /// Whether files declare its type.
    pub(super) fn is_declared(&self) -> bool {
        self.tallies.iter().any(|tally| matches!(tally.kind, Kind::Declared(_)))
    }

    pub(super) fn digits(&self) -> Digits {
        self.digits
    }

    /// Whether there were more than [`MOST_KEYS`] keys.
    pub(super) fn has_too_many_keys(&self) -> bool {
        self.rest.is_some()
    }

    fn note(&mut self, number: Option<Number>) {
        match number {
            Some(Number::Integer(value)) => {
                self.range = Some(self.range.map_or((value, value), |(low, high)| (low.min(value), high.max(value))));
            }
            Some(Number::BigInteger(digits)) => {
                self.digits = self.digits.most(Digits { integer: digits, fraction: 0, significant: digits });
            }
            Some(Number::Decimal { integer_digits: integer, fraction_digits: fraction }) => {
                self.digits = self.digits.most(Digits { integer, fraction, significant: integer + fraction });
            }
            Some(Number::Padded | Number::Float) | None => {}
        }
    }

    fn count(&mut self, kind: Kind, count: u64, text: &str, at: &Place) {
        match self.tallies.iter_mut().find(|tally| tally.kind == kind) {
            Some(tally) => tally.count += count,
            None => self.tallies.push(Tally { kind, count, first: at.clone(), example: example(text) }),
        }
    }
}

impl Digits {
    fn most(self, other: Self) -> Self {
        Self {
            integer: self.integer.max(other.integer),
            fraction: self.fraction.max(other.fraction),
            significant: self.significant.max(other.significant),
        }
    }
}
