//! From evidence to a type: the one that all values fit, and why it is that one.
//!
//! | seen | type |
//! |---|---|
//! | integers | `Int64`; beyond 64 bits `Decimal128(20 to 38, 0)` |
//! | decimals and floats, perhaps integers | `Float64`; decimals on request, and where a double would lose digits, `Decimal128` |
//! | a number with leading zeros | text |
//! | dates, all in one form | `Date32` |
//! | timestamps without zone, perhaps dates, all in one form | `Timestamp(µs)` |
//! | timestamps with zone, all in one form | `Timestamp(µs, UTC)` |
//! | objects; lists | `Struct`; `List` |
//! | objects or lists and anything else; objects without keys | JSON text |
//! | anything else together; dates that may be `D/M/Y` or `M/D/Y`; nothing | text |
//!
//! Types that a file declares are widened by [`widen`].

use std::cmp::Reverse;

use arrow_schema::{DataType, Field, Fields, TimeUnit};

use super::evidence::Evidence;
use super::form::Form;
use super::kind::{Kind, Tally};
use super::place::{Grouped, Place};
use super::widen::widen;
use crate::sql_type;
use crate::values::{DateForm, DateForms, TimestampForm};

/// What the user may choose.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ResolveOptions {
    /// Numbers with a decimal point become decimals of as many digits as were seen, not doubles.
    pub decimals: bool,
    /// A column, key or list that had no value has the type `Null`, not text: to compare with a schema, not to make one.
    pub null_types: bool,
    /// Where only text would hold all values, the type is that of most of them, see [`Evidence::conflict`].
    pub majority: bool,
}

/// The type of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The type that every value seen fits.
    pub data_type: DataType,
    /// How the values are written, when that matters.
    pub form: Option<Form>,
    /// Whether a null or an empty cell was seen.
    pub nullable: bool,
    /// Whether there was any value to go by.
    pub seen: bool,
    /// What led to the type, in words.
    pub why: String,
    /// The first value that was decisive: of a conflict, the rarest one.
    pub decided_at: Option<Place>,
}

impl Resolved {
    /// The column. It may be null in any case: a sample says nothing about the rows that were not read.
    pub fn field(&self, name: &str) -> Field {
        Field::new(name, self.data_type.clone(), true).with_metadata(Form::metadata(self.form))
    }

    /// The type in SQL's words, with its form: `DATE D/M/Y`.
    pub fn type_name(&self) -> String {
        match self.form.filter(|form| !form.is_iso()) {
            Some(form) => format!("{} {form}", sql_type(&self.data_type)),
            None => sql_type(&self.data_type),
        }
    }
}

/// A type and the reason for it.
type Choice = (DataType, Option<Form>, String);

/// The digits that a double keeps of any decimal number that was written from one.
const DOUBLE_DIGITS: u16 = 17;
/// Up to here a double holds every integer.
const DOUBLE_INTEGER: u64 = 1 << 53;
const DECIMAL_DIGITS: u16 = 38;
/// As many as an unsigned integer of 64 bits has.
const BIG_INTEGER_DIGITS: u16 = 20;

/// What can only share a column with its like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Boolean,
    Number,
    Padded,
    Day,
    Zoned,
    Mail,
    Text,
    Object,
    List,
}

fn class(kind: &Kind) -> Option<Class> {
    Some(match kind {
        Kind::Null | Kind::Empty | Kind::Declared(_) => return None,
        Kind::Boolean => Class::Boolean,
        Kind::Integer | Kind::BigInteger | Kind::Decimal | Kind::Float => Class::Number,
        Kind::Padded => Class::Padded,
        Kind::Date(_) | Kind::Local(_) => Class::Day,
        Kind::Zoned(_) => Class::Zoned,
        Kind::Rfc2822 => Class::Mail,
        Kind::Uuid | Kind::Text => Class::Text,
        Kind::Object => Class::Object,
        Kind::List => Class::List,
    })
}

impl Evidence {
    /// The type that all values fit.
    pub fn resolve(&self, options: &ResolveOptions) -> Resolved {
        let tallies = self.tallies();
        let values: Vec<&Tally> = tallies.iter().copied().filter(|tally| class(&tally.kind).is_some()).collect();
        let declared: Vec<&Tally> = tallies.iter().copied().filter(|tally| is_declared(&tally.kind)).collect();
        let (data_type, form, why) = match (values.is_empty(), declared.is_empty()) {
            (false, true) => self.by_values(&values, options),
            (true, false) => by_declaration(&declared, options),
            (false, false) => both(self.by_values(&values, options), by_declaration(&declared, options)),
            (true, true) => (nothing(options), None, "no value was seen; text holds whatever comes".to_owned()),
        };
        Resolved {
            data_type,
            form,
            nullable: self.nulls() > 0,
            seen: !(values.is_empty() && declared.is_empty()),
            why,
            // Of equally rare kinds the last, which is the wider one.
            decided_at: declared.iter().chain(&values).max_by_key(|tally| Reverse(tally.count)).map(|tally| tally.first.clone()),
        }
    }

    /// The column, or the path into it, in which most values are of one type and others are not, and what was seen there. Where
    /// most are text, text is no conflict, nor is it for numbers some of which have leading zeros. `name` is the column's.
    pub fn conflict(&self, name: &str) -> Option<(String, String)> {
        let tallies = self.tallies();
        let values: Vec<&Tally> = tallies.iter().copied().filter(|tally| class(&tally.kind).is_some()).collect();
        let declared: Vec<&Tally> = tallies.iter().copied().filter(|tally| is_declared(&tally.kind)).collect();
        if majority(&values).is_some() {
            return Some((name.to_owned(), conflict(&values).2));
        }
        if declared.len() > 1 && widest(&declared).is_none() {
            return Some((name.to_owned(), conflict(&declared).2));
        }
        let within = self.children().iter().find_map(|(child, evidence)| evidence.conflict(&format!("{name}.{child}")));
        within.or_else(|| self.items()?.conflict(&format!("{name}[]")))
    }

    fn by_values(&self, values: &[&Tally], options: &ResolveOptions) -> Choice {
        let mut classes: Vec<Class> = values.iter().filter_map(|tally| class(&tally.kind)).collect();
        classes.dedup();
        let first = classes[0];
        if classes.iter().any(|other| *other != first) {
            let most = if options.majority { majority(values) } else { None };
            return most.map_or_else(|| conflict(values), |most| self.by_values(&most, options));
        }
        let all = summary(values);
        match first {
            Class::Boolean => (DataType::Boolean, None, all),
            Class::Number => self.number(values, options),
            Class::Padded => (DataType::Utf8, None, format!("{all}, which would lose digits as numbers")),
            Class::Day => day(values),
            Class::Zoned => zoned(values),
            Class::Mail => timestamp(TimestampForm::Rfc2822, all),
            Class::Text => (DataType::Utf8, None, all),
            Class::Object => self.object(all, options),
            Class::List => {
                let item = self
                    .items()
                    .map_or_else(|| Field::new("item", nothing(options), true), |item| item.resolve(options).field("item"));
                (DataType::List(item.into()), None, all)
            }
        }
    }

    fn object(&self, all: String, options: &ResolveOptions) -> Choice {
        if self.has_too_many_keys() {
            return (DataType::Utf8, Some(Form::Json), format!("{all} with too many keys to be columns; kept as JSON text"));
        }
        if self.children().is_empty() && options.null_types {
            return (DataType::Struct(Fields::empty()), None, all);
        }
        if self.children().is_empty() {
            return (DataType::Utf8, Some(Form::Json), format!("{all} without keys; kept as JSON text"));
        }
        let fields = self.children().iter().map(|(name, child)| child.resolve(options).field(name)).collect();
        (DataType::Struct(fields), None, all)
    }

    fn number(&self, values: &[&Tally], options: &ResolveOptions) -> Choice {
        let has = |kind| values.iter().any(|tally| tally.kind == kind);
        let all = summary(values);
        let (big, points) = (has(Kind::BigInteger), has(Kind::Decimal));
        let greatest = self.range().map_or(0, |(low, high)| low.unsigned_abs().max(high.unsigned_abs()));
        let digits = self.digits();
        let rounds = big || greatest > DOUBLE_INTEGER || digits.significant > DOUBLE_DIGITS;
        if has(Kind::Float) {
            return if rounds {
                (DataType::Utf8, None, format!("{all}: a double would round some of them, and a decimal does not hold all"))
            } else {
                (DataType::Float64, None, all)
            };
        }
        if !big && !points {
            let range =
                self.range().map_or_else(String::new, |(low, high)| format!(", from {} to {}", Signed(low), Signed(high)));
            return (DataType::Int64, None, format!("{all}{range}"));
        }
        if points && !options.decimals && !rounds {
            return (DataType::Float64, None, all);
        }
        let integer_digits = digits.integer.max(decimal_digits(greatest));
        let precision = match (points, digits.fraction) {
            (true, fraction) => (integer_digits + fraction).max(1),
            (false, _) => integer_digits.max(BIG_INTEGER_DIGITS),
        };
        match (u8::try_from(precision), i8::try_from(digits.fraction)) {
            (Ok(precision), Ok(scale)) if u16::from(precision) <= DECIMAL_DIGITS => {
                let why = if rounds { format!("{all}, which a double would round") } else { all };
                (DataType::Decimal128(precision, scale), None, why)
            }
            _ => (DataType::Utf8, None, format!("{all} of up to {precision} digits, more than any number type has")),
        }
    }
}

/// The type of what had no value.
fn nothing(options: &ResolveOptions) -> DataType {
    if options.null_types { DataType::Null } else { DataType::Utf8 }
}

fn day(values: &[&Tally]) -> Choice {
    let forms = values.iter().map(|tally| match tally.kind {
        Kind::Date(forms) | Kind::Local(forms) => forms,
        _ => DateForms::default(),
    });
    let times = values.iter().any(|tally| matches!(tally.kind, Kind::Local(_)));
    match one_form(forms, values) {
        Ok(form) if times => timestamp(TimestampForm::Local(form), summary(values)),
        Ok(form) => (DataType::Date32, Some(Form::Date(form)), summary(values)),
        Err(why) => (DataType::Utf8, None, why),
    }
}

fn zoned(values: &[&Tally]) -> Choice {
    let forms = values.iter().map(|tally| match tally.kind {
        Kind::Zoned(forms) => forms,
        _ => DateForms::default(),
    });
    match one_form(forms, values) {
        Ok(form) => timestamp(TimestampForm::Zoned(form), summary(values)),
        Err(why) => (DataType::Utf8, None, why),
    }
}

/// The form that reads every value, or why there is none.
fn one_form(forms: impl Iterator<Item = DateForms>, values: &[&Tally]) -> Result<DateForm, String> {
    let Some(common) = forms.reduce(DateForms::intersection).filter(|common| !common.is_empty()) else {
        return Err(format!("{}: no one form reads all of them", conflict(values).2));
    };
    common.only().ok_or_else(|| {
        format!("{}: no value tells whether they are {common}; declare the column's type and form to read them", summary(values))
    })
}

fn timestamp(form: TimestampForm, why: String) -> Choice {
    let zone = form.is_zoned().then(|| "UTC".into());
    (DataType::Timestamp(TimeUnit::Microsecond, zone), Some(Form::Timestamp(form)), why)
}

fn conflict(values: &[&Tally]) -> Choice {
    let nested = values.iter().any(|tally| matches!(tally.kind, Kind::Object | Kind::List));
    let rarest = values.last().map_or_else(String::new, |tally| format!(" ({})", tally.first_seen()));
    (DataType::Utf8, nested.then_some(Form::Json), format!("{}{rarest}", summary(values)))
}

/// The values of the class that most are of, when others are not; none where most are text, which holds them all.
fn majority<'a>(values: &[&'a Tally]) -> Option<Vec<&'a Tally>> {
    let of = |wanted: Class| values.iter().copied().filter(move |tally| class(&tally.kind) == Some(wanted));
    let count = |wanted: &Class| of(*wanted).map(|tally| tally.count).sum::<u64>();
    // Of equally many, those that come first.
    let most = values.iter().rev().filter_map(|tally| class(&tally.kind)).max_by_key(count)?;
    let has_padded = of(Class::Padded).next().is_some();
    let is_text = matches!(most, Class::Text | Class::Padded) || (most == Class::Number && has_padded);
    let chosen: Vec<&Tally> = of(most).collect();
    (!is_text && chosen.len() < values.len()).then_some(chosen)
}

fn is_declared(kind: &Kind) -> bool {
    matches!(kind, Kind::Declared(data_type) if *data_type != DataType::Null)
}

fn by_declaration(declared: &[&Tally], options: &ResolveOptions) -> Choice {
    match widest(declared) {
        Some(data_type) => (data_type, None, summary(declared)),
        None if options.majority => {
            let most = types(declared).reduce(|widest, data_type| widen(&widest, &data_type).unwrap_or(widest));
            (most.unwrap_or(DataType::Utf8), None, summary(declared))
        }
        None => conflict(declared),
    }
}

/// The type that holds all that files declare; none where only text does.
fn widest(declared: &[&Tally]) -> Option<DataType> {
    let mut kinds: Vec<&Tally> = declared.to_vec();
    kinds.sort_by(|a, b| a.kind.cmp(&b.kind));
    types(&kinds).try_fold(DataType::Null, |widest, data_type| widen(&widest, &data_type))
}

fn types(declared: &[&Tally]) -> impl Iterator<Item = DataType> {
    declared.iter().filter_map(|tally| match &tally.kind {
        Kind::Declared(data_type) => Some(data_type.clone()),
        _ => None,
    })
}

/// Values of files without types and types of other files.
fn both((left, form, why): Choice, (right, _, declared): Choice) -> Choice {
    let data_type = widen(&left, &right).unwrap_or(DataType::Utf8);
    let form = match form {
        Some(Form::Date(date)) if matches!(data_type, DataType::Timestamp(..)) => {
            Some(Form::Timestamp(TimestampForm::Local(date)))
        }
        form => form.filter(|form| (*form == Form::Json) == (data_type == DataType::Utf8)),
    };
    (data_type, form, format!("{why}, {declared}"))
}

fn summary(values: &[&Tally]) -> String {
    let parts: Vec<String> = values.iter().map(|tally| tally.summary()).collect();
    parts.join(", ")
}

fn decimal_digits(number: u64) -> u16 {
    if number == 0 { 0 } else { u16::try_from(number.ilog10()).unwrap_or(0) + 1 }
}

struct Signed(i64);

impl std::fmt::Display for Signed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", if self.0 < 0 { "-" } else { "" }, Grouped(self.0.unsigned_abs()))
    }
}
