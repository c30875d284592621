//! What the folders of each level have in common: a few facts, whatever their number.

use super::level::{Level, PartitionType, Segment, hive, hive_value};
use super::{Partitioning, segments};
use crate::values::{DateForm, integer, is_uuid};

/// What was seen of folders, level by level.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartitionEvidence {
    levels: Vec<LevelEvidence>,
    /// How deep the least deep folder is.
    least_depth: Option<usize>,
}

/// What all folders of a level are.
#[derive(Debug, Clone, PartialEq, Eq)]
struct LevelEvidence {
    least: String,
    greatest: String,
    key: Key,
    traits: Traits,
}

/// The key of `key=value`.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Key {
    None,
    Same(String),
    Differing,
}

/// What a folder's name can be read as; of several folders, what all of them can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Traits {
    int: bool,
    date: bool,
    compact_date: bool,
    year: bool,
    month: bool,
    day: bool,
    hour: bool,
}

impl Traits {
    /// A null is everything.
    const NULL: Self = Self { int: true, date: true, compact_date: true, year: true, month: true, day: true, hour: true };

    fn of(text: &str) -> Self {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse::<u32>().ok().filter(|_| digits);
        let short = |least: u32, most: u32| text.len() <= 2 && number.is_some_and(|number| (least..=most).contains(&number));
        let is_year = |year: u32| (1900..2200).contains(&year);
        Self {
            int: !text.starts_with('+') && integer(text).is_some(),
            date: text.len() == 10 && DateForm::YearDash.parse(text).is_some(),
            compact_date: DateForm::Compact.parse(text).is_some() && number.is_some_and(|number| is_year(number / 10_000)),
            year: text.len() == 4 && number.is_some_and(is_year),
            month: short(1, 12),
            day: short(1, 31),
            hour: short(0, 23),
        }
    }

    fn and(self, other: Self) -> Self {
        Self {
            int: self.int && other.int,
            date: self.date && other.date,
            compact_date: self.compact_date && other.compact_date,
            year: self.year && other.year,
            month: self.month && other.month,
            day: self.day && other.day,
            hour: self.hour && other.hour,
        }
    }
}

impl LevelEvidence {
    fn of(segment: &str) -> Self {
        let (key, traits) = match hive(segment) {
            Some((key, value)) => (Key::Same(key.to_owned()), hive_value(value).map_or(Traits::NULL, |value| Traits::of(&value))),
            None => (Key::None, Traits::of(segment)),
        };
        Self { least: segment.to_owned(), greatest: segment.to_owned(), key, traits }
    }

    fn merge(&mut self, other: &Self) {
        if other.least < self.least {
            self.least.clone_from(&other.least);
        }
        if other.greatest > self.greatest {
            self.greatest.clone_from(&other.greatest);
        }
        if self.key != other.key {
            self.key = Key::Differing;
        }
        self.traits = self.traits.and(other.traits);
    }

    /// A level between others that has the same name everywhere says nothing.
    fn is_fixed(&self) -> bool {
        self.key == Key::None && self.least == self.greatest
    }
}

/// The date that a level is a part of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Year,
    Month,
    Day,
    None,
}

impl PartitionEvidence {
    /// A folder, relative to the root.
    pub fn observe(&mut self, directory: &str) {
        let depth = segments(directory).count();
        self.least_depth = Some(self.least_depth.map_or(depth, |least| least.min(depth)));
        for (depth, segment) in segments(directory).enumerate() {
            match self.levels.get_mut(depth) {
                // Most folders differ from the one before in their last levels only.
                Some(known) if known.greatest == *segment => {}
                Some(known) => known.merge(&LevelEvidence::of(segment)),
                None => self.levels.push(LevelEvidence::of(segment)),
            }
        }
    }

    /// The same folders, seen from `segments` higher up.
    pub(crate) fn nest<'a>(&mut self, above: impl Iterator<Item = &'a str>) {
        let depth = self.levels.len();
        self.levels.splice(0..0, above.map(LevelEvidence::of));
        self.least_depth = self.least_depth.map(|least| least + self.levels.len() - depth);
    }

    /// Whether some folders are deeper than others.
    pub(crate) fn is_ragged(&self) -> bool {
        self.least_depth.is_some_and(|least| least < self.levels.len())
    }

    /// Adds the folders seen elsewhere below the same root. The order makes no difference.
    pub fn merge(&mut self, other: &Self) {
        self.least_depth = [self.least_depth, other.least_depth].into_iter().flatten().min();
        for (depth, level) in other.levels.iter().enumerate() {
            match self.levels.get_mut(depth) {
                Some(known) => known.merge(level),
                None => self.levels.push(level.clone()),
            }
        }
    }

    /// What a pattern says of the folders of a level, so that it fits none that the level's type cannot be.
    pub(crate) fn pattern(&self, depth: usize, level: &Level) -> String {
        let begins_with_a_digit = |folder: &str| folder.starts_with(|first: char| first.is_ascii_digit());
        let known = self.levels.get(depth);
        match &level.segment {
            Segment::Fixed(name) => name.clone(),
            Segment::Hive(key) => format!("{key}=*"),
            // What is between two texts that begin with digits begins with one.
            Segment::Plain
                if level.partition_type != PartitionType::Text
                    && known.is_some_and(|level| begins_with_a_digit(&level.least) && begins_with_a_digit(&level.greatest)) =>
            {
                "[0-9]*".to_owned()
            }
            Segment::Plain => "*".to_owned(),
        }
    }

    /// The columns that the levels amount to.
    pub fn resolve(&self) -> Partitioning {
        let mut before = Part::None;
        let mut levels: Vec<Level> = Vec::new();
        for (depth, evidence) in self.levels.iter().enumerate() {
            let (mut level, part) = resolve(evidence, before, depth);
            if let Some(name) = &level.name {
                let taken = |name: &str| levels.iter().any(|level: &Level| level.name.as_deref() == Some(name));
                let unique = (1_u32..).map(|n| if n == 1 { name.clone() } else { format!("{name}_{n}") });
                level.name = unique.into_iter().find(|name| !taken(name));
            }
            before = part;
            levels.push(level);
        }
        Partitioning { levels }
    }
}

/// A level's column, and which part of a date it is.
fn resolve(evidence: &LevelEvidence, before: Part, depth: usize) -> (Level, Part) {
    let traits = evidence.traits;
    if let Key::Same(key) = &evidence.key {
        let partition_type = hive_type(key, traits);
        return (Level { segment: Segment::Hive(key.clone()), name: Some(key.clone()), partition_type }, Part::None);
    }
    let plain =
        |name: &str, partition_type, part| (Level { segment: Segment::Plain, name: Some(name.to_owned()), partition_type }, part);
    let is_plain = evidence.key == Key::None;
    match before {
        Part::Year if is_plain && traits.month => return plain("month", PartitionType::Int, Part::Month),
        Part::Month if is_plain && traits.day => return plain("day", PartitionType::Int, Part::Day),
        Part::Day if is_plain && traits.hour => return plain("hour", PartitionType::Int, Part::None),
        _ if is_plain && traits.year => return plain("year", PartitionType::Int, Part::Year),
        _ if is_plain && traits.date => return plain("date", PartitionType::Date(DateForm::YearDash), Part::Day),
        _ if is_plain && traits.compact_date => return plain("date", PartitionType::Date(DateForm::Compact), Part::Day),
        _ => {}
    }
    if evidence.is_fixed() {
        let segment = Segment::Fixed(evidence.least.clone());
        return (Level { segment, name: None, partition_type: PartitionType::Text }, Part::None);
    }
    let partition_type = if is_plain && traits.int { PartitionType::Int } else { PartitionType::Text };
    plain(&format!("partition_{depth}"), partition_type, Part::None)
}

/// Leading zeros are kept, but where the key says that they mean nothing.
fn hive_type(key: &str, traits: Traits) -> PartitionType {
    if traits == Traits::NULL {
        return PartitionType::Text;
    }
    let padded = match key.to_ascii_lowercase().as_str() {
        "month" | "mm" | "mon" => traits.month,
        "day" | "dd" => traits.day,
        "hour" | "hh" | "hr" => traits.hour,
        _ => false,
    };
    if traits.date {
        PartitionType::Date(DateForm::YearDash)
    } else if traits.int || padded {
        PartitionType::Int
    } else {
        PartitionType::Text
    }
}

/// How much a folder's name looks like one of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Likeness {
    /// It is one: `key=value`, or a part of a date.
    Partition(String),
    /// It may be one: a number or a UUID.
    Perhaps,
    /// It is a name.
    Name,
}

/// Whether a folder is a partition by its name. Folders whose likeness is equal are partitions of one table.
pub(crate) fn likeness(segment: &str) -> Likeness {
    if let Some((key, _)) = hive(segment) {
        return Likeness::Partition(key.to_owned());
    }
    let traits = Traits::of(segment);
    if traits.year || traits.date || traits.compact_date || (segment.len() == 2 && traits.day) {
        Likeness::Partition(String::new())
    } else if traits.int || segment.bytes().all(|byte| byte.is_ascii_digit()) || is_uuid(segment) {
        Likeness::Perhaps
    } else {
        Likeness::Name
    }
}
