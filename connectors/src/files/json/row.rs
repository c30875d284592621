//! From one JSON object to one row.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use catalog::infer::{Evidence, FileObservation, ObservedSchema, Place, ResolveOptions};

use super::parser::{Fault, Kind, Parser, Word};
use crate::files::columns::{Column, Columns};
use crate::files::misfit::Misfit;

/// How the reason ends for which a record is refused that has one column twice, in letters of other cases.
pub(in crate::files) const ONE_COLUMN: &str = "; they are one column";

type Result<T> = std::result::Result<T, Fault>;

/// Which member of an object is which column.
#[derive(Debug)]
struct Members {
    /// By the member's name in lower case. A name in another case than the column's is the column's all the same.
    by_name: HashMap<String, usize>,
    /// A name, and the column that is read for it, if one is.
    names: Vec<(String, Option<usize>)>,
}

impl Members {
    fn new(names: impl IntoIterator<Item = (String, Option<usize>)>) -> Self {
        let names: Vec<(String, Option<usize>)> = names.into_iter().collect();
        // Of two columns that differ by case only, each is found by its exact name, and the first by any other.
        let mut by_name = HashMap::new();
        for (index, (name, _)) in names.iter().enumerate() {
            by_name.entry(name.to_lowercase()).or_insert(index);
        }
        by_name.extend(names.iter().enumerate().map(|(index, (name, _))| (name.clone(), index)));
        Self { by_name, names }
    }

    /// The place of `name` among the names. Objects of a file mostly have their members in one order: `guess` comes first.
    fn find(&self, name: &str, guess: usize) -> Option<usize> {
        if self.names.get(guess).is_some_and(|(expected, _)| expected == name) {
            return Some(guess);
        }
        match self.by_name.get(name) {
            Some(index) => Some(*index),
            None if name.bytes().any(|byte| byte.is_ascii_uppercase() || !byte.is_ascii()) => {
                self.by_name.get(&name.to_lowercase()).copied()
            }
            None => None,
        }
    }
}

/// Objects that are nested deeper stay JSON text: no table has such columns.
const DEEPEST: usize = 20;

/// Appends records to columns.
#[derive(Debug)]
pub struct RowDecoder {
    members: Members,
    /// Nothing follows the buffer, so a number at its end is complete.
    pub last: bool,
    /// Names that are no column, each once.
    unknown: HashSet<String>,
    /// Those that the last record was the first to have.
    fresh: Vec<String>,
    /// Members within columns are looked for too.
    finds_members: bool,
    /// What the records hold, when that is all that is asked.
    observation: Option<FileObservation>,
}

/// More names than this that are no column are not collected: an object used as a map has any number of them.
const MOST_UNKNOWN: usize = 1_000;

impl RowDecoder {
    /// Decodes members into the columns that `names` gives them; those without one are known, and passed over.
    pub fn new(names: impl IntoIterator<Item = (String, Option<usize>)>) -> Self {
        Self {
            members: Members::new(names),
            last: false,
            unknown: HashSet::new(),
            fresh: Vec::new(),
            finds_members: false,
            observation: None,
        }
    }

    /// From here on, records are only looked at.
    pub fn observe(&mut self, observation: FileObservation) {
        self.observation = Some(observation);
    }

    /// Members of objects that no column has are among the unknown ones too, by their paths: `user.born`, `tags[].name`.
    pub fn find_members(&mut self) {
        self.finds_members = true;
    }

    /// The next record begins at this byte; how many are before it is not known.
    pub fn observe_at(&mut self, offset: u64) {
        if let Some(observation) = &mut self.observation {
            observation.jump(offset);
        }
    }

    /// What the records held.
    pub fn observed(self) -> ObservedSchema {
        self.observation.map(|observation| observation.finish(&ResolveOptions::default())).unwrap_or_default()
    }

    /// The last record is one: its names count.
    pub fn accept(&mut self) {
        let room = MOST_UNKNOWN.saturating_sub(self.unknown.len());
        self.unknown.extend(self.fresh.drain(..).take(room));
    }

    /// Members of the records that were accepted that are no column.
    pub fn unknown(&self) -> Vec<String> {
        let mut names: Vec<String> = self.unknown.iter().cloned().collect();
        names.sort();
        names
    }

    /// Appends the object at the parser's place as the row under construction. A value that does not fit its column is NULL,
    /// and the first such misfit is returned beside the row.
    ///
    /// # Errors
    /// When it is no object, or not all of one; the row must be dropped then.
    pub fn row(&mut self, parser: &mut Parser<'_>, columns: &mut Columns) -> Result<Option<Misfit>> {
        if parser.kind()? != Kind::Object {
            return Err(Fault::Syntax { at: parser.at, expected: "an object: {" });
        }
        if let Some(observation) = &mut self.observation {
            // A record that is not all there, or is none, counts for nothing: it is passed once before it is looked at.
            parser.clone().skip(self.last, 0)?;
            observation.begin_row();
            let (root, place) = observation.object();
            members(parser, root, place, self.last, 0)?;
            return Ok(None);
        }
        let mut guess = 0;
        let last = self.last;
        let (members, unknown, fresh) = (&self.members, &self.unknown, &mut self.fresh);
        fresh.clear();
        let (mut nested, mut twice) = (Vec::new(), None);
        // Names that are written otherwise than their columns'.
        let mut written: Vec<(usize, Cow<'_, str>)> = Vec::new();
        let mut notes = Notes { last, misfit: None, unknown: self.finds_members.then_some(&mut nested) };
        parser.members(0, |parser, name| {
            let Some(index) = members.find(&name, guess) else {
                if unknown.len() + fresh.len() < MOST_UNKNOWN && !unknown.contains(name.as_ref()) {
                    fresh.push(name.into_owned());
                }
                return parser.skip(last, 1);
            };
            guess = index + 1;
            let Some(index) = members.names[index].1 else { return parser.skip(last, 1) };
            // Of a name that comes twice, the last value counts, as in most parsers; of two ways to write one there is no telling.
            let is_again = columns.retract(index);
            let own = columns.column(index).field().name();
            if is_again {
                let before = written.iter().rev().find(|(column, _)| *column == index);
                let before = before.map_or(own.as_str(), |(_, name)| name.as_ref());
                let reason = || format!("is in the record as '{before}' and as '{name}'{ONE_COLUMN}");
                if before != name {
                    twice.get_or_insert_with(|| Misfit { column: own.clone(), reason: reason() });
                }
            }
            if name != own.as_str() {
                written.push((index, name));
            }
            value(parser, columns.column(index), 1, &mut notes)
        })?;
        let misfit = twice.or(notes.misfit);
        fresh.append(&mut nested);
        Ok(misfit)
    }
}

/// Looks at the members of the object at the parser's place.
fn members(parser: &mut Parser<'_>, evidence: &mut Evidence, place: &Place, last: bool, depth: usize) -> Result<()> {
    parser.members(depth, |parser, name| look(parser, evidence.child(&name), place, last, depth + 1))
}

/// Looks at the value at the parser's place.
fn look(parser: &mut Parser<'_>, evidence: &mut Evidence, place: &Place, last: bool, depth: usize) -> Result<()> {
    match parser.kind()? {
        Kind::Text => evidence.observe_string(&parser.text()?, place),
        Kind::Number => evidence.observe_number(parser.number(last)?, place),
        Kind::Word => match parser.word(last)? {
            Word::Null => evidence.observe_null(place),
            Word::True => evidence.observe_bool(true, place),
            Word::False => evidence.observe_bool(false, place),
            Word::Nan => evidence.observe_number("NaN", place),
            Word::Infinity => evidence.observe_number("Infinity", place),
        },
        Kind::Object | Kind::List if depth >= DEEPEST => {
            evidence.observe_object(place);
            parser.skip(last, depth)?;
        }
        Kind::Object => {
            evidence.observe_object(place);
            members(parser, evidence, place, last, depth)?;
        }
        Kind::List => {
            evidence.observe_list(place);
            let item = evidence.item();
            parser.items(depth, |parser| look(parser, item, place, last, depth + 1))?;
        }
    }
    Ok(())
}

/// What is noted of a record while its values are appended.
struct Notes<'a> {
    last: bool,
    /// The first value that does not fit its column.
    misfit: Option<Misfit>,
    /// Paths of members that no column has, where they are asked for.
    unknown: Option<&'a mut Vec<String>>,
}

impl Notes<'_> {
    /// How many paths there are.
    fn paths(&self) -> usize {
        self.unknown.as_ref().map_or(0, |unknown| unknown.len())
    }

    fn add(&mut self, path: impl FnOnce() -> String) {
        if let Some(unknown) = self.unknown.as_mut().filter(|unknown| unknown.len() < MOST_UNKNOWN) {
            unknown.push(path());
        }
    }

    /// Makes the paths from `first` on those of what is within something else.
    fn within(&mut self, first: usize, outer: impl Fn(&str) -> String) {
        let paths = self.unknown.as_mut().into_iter().flat_map(|unknown| &mut unknown[first..]);
        paths.for_each(|path| *path = outer(path));
    }
}

/// Appends the value at the parser's place.
fn value(parser: &mut Parser<'_>, column: &mut Column, depth: usize, notes: &mut Notes<'_>) -> Result<()> {
    let (kind, last) = (parser.kind()?, notes.last);
    let appended = match kind {
        Kind::Text => column.text(&parser.text()?),
        Kind::Number => column.number(parser.number(last)?),
        Kind::Word => {
            let start = parser.at;
            match parser.word(last)? {
                Word::Null => {
                    column.null();
                    Ok(())
                }
                Word::True => column.boolean(true),
                Word::False => column.boolean(false),
                Word::Nan | Word::Infinity => column.text(&String::from_utf8_lossy(parser.since(start))),
            }
        }
        Kind::Object if column.members().is_some() => return object(parser, column, depth, notes),
        Kind::List if column.items().is_some() => return list(parser, column, depth, notes),
        Kind::Object | Kind::List => {
            let start = parser.at;
            parser.skip(last, depth)?;
            let raw = String::from_utf8_lossy(parser.since(start));
            if column.is_text() {
                column.text(&raw)
            } else {
                Err(column.misfit(if kind == Kind::Object { "an object" } else { "a list" }))
            }
        }
    };
    if let Err(problem) = appended {
        column.null();
        notes.misfit.get_or_insert(problem);
    }
    Ok(())
}

fn object(parser: &mut Parser<'_>, column: &mut Column, depth: usize, notes: &mut Notes<'_>) -> Result<()> {
    let rows = column.rows();
    let parsed = parser.members(depth, |parser, name| {
        let members = column.members().unwrap_or_default();
        let Some(index) = find_member(members, &name) else {
            notes.add(|| format!("{}.{name}", column.field().name()));
            return parser.skip(notes.last, depth + 1);
        };
        if members[index].rows() > rows {
            column.retract_member(index);
        }
        let Some(member) = column.members().and_then(|members| members.get_mut(index)) else { return Ok(()) };
        let (before, first) = (notes.misfit.is_some(), notes.paths());
        value(parser, member, depth + 1, notes)?;
        let own = column.field().name();
        notes.within(first, |path| format!("{own}.{path}"));
        if !before && let Some(found) = &mut notes.misfit {
            found.column = format!("{own}.{}", found.column);
        }
        Ok(())
    });
    match parsed {
        Ok(()) => column.end_struct(),
        Err(_) => column.abandon(),
    }
    parsed
}

/// The member called `name`; in another case if there is none: SQL writes names in lower case.
fn find_member(members: &[Column], name: &str) -> Option<usize> {
    let exact = members.iter().position(|member| member.field().name() == name);
    exact.or_else(|| members.iter().position(|member| member.field().name().eq_ignore_ascii_case(name)))
}

fn list(parser: &mut Parser<'_>, column: &mut Column, depth: usize, notes: &mut Notes<'_>) -> Result<()> {
    let (before, first) = (notes.misfit.is_some(), notes.paths());
    let mut count = 0_usize;
    let parsed = parser.items(depth, |parser| {
        let Some(item) = column.items() else { return Ok(()) };
        let fine = notes.misfit.is_some();
        value(parser, item, depth + 1, notes)?;
        if !fine && let Some(found) = &mut notes.misfit {
            // The item's own name says nothing; its place does.
            let inner = found.column.split_once('.').map_or(String::new(), |(_, rest)| format!(".{rest}"));
            found.column = format!("[{count}]{inner}");
        }
        count += 1;
        Ok(())
    });
    let own = column.field().name();
    notes.within(first, |path| format!("{own}[]{}", path.strip_prefix("item").unwrap_or(path)));
    if !before && let Some(found) = &mut notes.misfit {
        found.column = format!("{own}{}", found.column);
    }
    match parsed {
        Ok(()) => column.end_list(),
        Err(_) => column.abandon(),
    }
    parsed
}
