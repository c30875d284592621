//! Whether a file's first record names its columns, also where every column is text. Splitting is done before.

use std::collections::{HashMap, HashSet};

use super::header::{Header, folded};
use super::kind::{Kind, has_name_word, is_identifier, is_name, shape};

/// Values of a column from which its habits are judged.
const ENOUGH: usize = 2;

/// Whether `rows[0]` is a header, and why, in words for the user. `declared` are the table's columns, if they are known.
pub(super) fn is_header(rows: &[Vec<String>], declared: &[String]) -> (bool, String) {
    let Some((first, rest)) = rows.split_first() else { return (false, "there are no records".into()) };
    let folds: Vec<_> = first.iter().map(|cell| folded(cell)).collect();
    let told = Header::told(declared);
    let known = told.iter().filter(|name| folds.contains(&folded(name))).count();
    if known > 0 && known * 2 >= told.len() {
        return (true, format!("the first record has {known} of {} declared columns", told.len()));
    }
    if first.iter().all(|cell| cell.trim().is_empty()) {
        return (false, "the first record is empty".into());
    }
    let named = first.iter().all(|cell| cell.trim().is_empty() || is_name(cell));
    let unique = repeated(&folds) == 0;
    if rest.is_empty() {
        let likely = first.iter().filter(|cell| has_name_word(cell) || is_identifier(cell)).count();
        let header = named && unique && likely * 2 >= first.len();
        return (header, format!("the only record {} like names", if header { "looks" } else { "does not look" }));
    }
    let mut tally = Tally::default();
    tally.add(-2.0 * repeated(&folds) as f64, || "the first record has a name twice".into());
    let years = are_years(first);
    for (column, cell) in first.iter().enumerate() {
        let values: Vec<_> = rest.iter().filter_map(|row| row.get(column)).map(|value| value.trim()).collect();
        tally.column(column, cell.trim(), &values, years && Kind::of(cell).is_value());
    }
    let header = tally.points > 0.0 || (tally.points == 0.0 && named && unique);
    (header, tally.reason(header))
}

/// How many names occur before. Empty ones count elsewhere.
fn repeated(folds: &[String]) -> usize {
    folds.iter().enumerate().filter(|(index, fold)| !fold.is_empty() && folds[..*index].contains(fold)).count()
}

/// Columns named by years that follow each other, as in a pivoted table, are no values.
fn are_years(first: &[String]) -> bool {
    let years: Vec<u16> = first.iter().filter_map(|cell| cell.trim().parse().ok()).collect();
    let values = first.iter().filter(|cell| Kind::of(cell).is_value()).count();
    let follow = years.windows(2).all(|pair| pair[1] == pair[0] + 1);
    years.len() >= 3 && years.len() == values && years.len() < first.len() && follow && (1900..=2100).contains(&years[0])
}

/// Evidence for a header, above zero, and against it.
#[derive(Debug, Default)]
struct Tally {
    points: f64,
    strongest_for: Option<(f64, String)>,
    strongest_against: Option<(f64, String)>,
}

impl Tally {
    fn add(&mut self, points: f64, why: impl FnOnce() -> String) {
        self.points += points;
        let side = if points > 0.0 { &mut self.strongest_for } else { &mut self.strongest_against };
        if points != 0.0 && side.as_ref().is_none_or(|(most, _)| points.abs() > *most) {
            *side = Some((points.abs(), why()));
        }
    }

    fn reason(&self, header: bool) -> String {
        let side = if header { &self.strongest_for } else { &self.strongest_against };
        side.as_ref().map_or_else(|| "nothing in the first record is unlike a name".into(), |(_, why)| why.clone())
    }

    fn column(&mut self, column: usize, cell: &str, values: &[&str], year: bool) {
        let number = column + 1;
        let filled: Vec<_> = values.iter().copied().filter(|value| Kind::of(value) != Kind::Empty).collect();
        let typed = filled.iter().filter(|value| !matches!(Kind::of(value), Kind::Text)).count();
        match Kind::of(cell) {
            // A pandas index has no name, a trailing delimiter none to have.
            Kind::Empty => {
                self.add(if column == 0 || filled.is_empty() { 0.0 } else { -1.0 }, || format!("column {number} has no name"))
            }
            kind if kind.is_value() && !year => self.add(-3.0, || format!("`{cell}` in column {number} is a value, not a name")),
            _ if filled.is_empty() => {}
            kind if typed * 5 >= filled.len() * 4 => {
                let points = if kind == Kind::Bool && Kind::of(filled[0]) == Kind::Bool { -1.0 } else { 3.0 };
                self.add(points, || format!("`{cell}` stands above values that are not text"));
            }
            _ => self.text(number, cell, &filled),
        }
    }

    /// A column of text: does the first cell differ from those below?
    fn text(&mut self, number: usize, cell: &str, values: &[&str]) {
        if !is_name(cell) {
            self.add(-2.0, || format!("`{}` in column {number} is not like a name", cut(cell)));
        }
        if has_name_word(cell) && !values.iter().take(20).any(|value| has_name_word(value)) {
            self.add(1.5, || format!("`{cell}` is a usual name"));
        }
        if is_identifier(cell) && values.iter().filter(|value| is_identifier(value)).count() * 5 < values.len() {
            self.add(1.5, || format!("`{cell}` is written as a name in a program"));
        }
        if values.contains(&cell) {
            self.add(-1.5, || format!("`{}` occurs in column {number} again", cut(cell)));
        } else if values.len() >= 10 && distinct(values) * 3 <= values.len() {
            self.add(1.5, || format!("column {number} has few different values, and `{}` is none of them", cut(cell)));
        }
        if values.len() < ENOUGH {
            return;
        }
        if let Some(usual) = usual(values.iter().map(|value| shape(value))) {
            let same = usual == shape(cell);
            self.add(if same { -0.5 } else { 1.0 }, || {
                let like = if same { "is written like" } else { "is written unlike" };
                format!("`{}` {like} the rest of column {number}", cut(cell))
            });
        }
        let lengths = values.iter().map(|value| value.chars().count());
        let length = cell.chars().count();
        let (shortest, longest) = (lengths.clone().min().unwrap_or(0), lengths.max().unwrap_or(0));
        if length != longest && shortest == longest && longest > 3 {
            self.add(1.0, || format!("column {number} has {longest} characters in all records but the first"));
        } else if length * 2 < shortest {
            self.add(0.5, || format!("`{cell}` is shorter than all of column {number}"));
        }
    }
}

/// The pattern that most texts have, if there is one.
fn usual(shapes: impl ExactSizeIterator<Item = String>) -> Option<String> {
    let total = shapes.len();
    let mut counts: HashMap<String, usize> = HashMap::new();
    for shape in shapes {
        *counts.entry(shape).or_default() += 1;
    }
    counts.into_iter().find(|(_, count)| *count * 5 > total * 3).map(|(shape, _)| shape)
}

fn distinct(values: &[&str]) -> usize {
    values.iter().collect::<HashSet<_>>().len()
}

/// The beginning of a cell, for a message.
fn cut(cell: &str) -> String {
    match cell.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &cell[..end]),
        None => cell.to_owned(),
    }
}
