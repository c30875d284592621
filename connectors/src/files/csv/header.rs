//! Which column of a file is which column of the table, by name. Whether the file has names is [`mod@super::sniff`]'s.

use std::collections::HashSet;
use std::fmt;

use super::field::{InvalidText, Record};

/// The names of a file's columns: none empty, none twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    names: Vec<String>,
    /// Which names the file has not, so that they were made up.
    unnamed: Vec<bool>,
}

impl Header {
    /// Cleans the cells of a first record: no byte order mark, no blanks or line ends around or within but single spaces. An
    /// empty name becomes `column_4`, a name that was there before, capitals aside, `name_2`.
    pub fn new<'a>(cells: impl IntoIterator<Item = &'a str>) -> Self {
        let mut taken = HashSet::new();
        let (mut names, mut unnamed) = (Vec::new(), Vec::new());
        let cells: Vec<String> = cells.into_iter().map(cleaned).collect();
        let given: HashSet<String> = cells.iter().map(|cell| cell.to_lowercase()).collect();
        for (index, cell) in cells.into_iter().enumerate() {
            unnamed.push(cell.is_empty());
            let wanted = if cell.is_empty() { format!("column_{}", index + 1) } else { cell };
            let mut name = wanted.clone();
            let mut count = 1;
            while (count > 1 && given.contains(&name.to_lowercase())) || !taken.insert(name.to_lowercase()) {
                count += 1;
                name = format!("{wanted}_{count}");
            }
            names.push(name);
        }
        Self { names, unnamed }
    }

    /// Reads the names from the first record.
    ///
    /// # Errors
    /// A name is not UTF-8.
    pub fn read(record: &Record<'_>) -> Result<Self, InvalidText> {
        let mut scratch = Vec::new();
        let cells: Result<Vec<_>, _> = record.fields().map(|field| field.text(&mut scratch).map(str::to_owned)).collect();
        Ok(Self::new(cells?.iter().map(String::as_str)))
    }

    /// The names of a file without a header: `column_1`, `column_2` and so on.
    #[must_use]
    pub fn numbered(width: usize) -> Self {
        Self::new(std::iter::repeat_n("", width))
    }

    /// The names, in the file's order.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Of a table's columns those that were given a name. Names that a file without a header was given are in no header, however a value may
    /// read.
    pub(super) fn told(table: &[String]) -> Vec<String> {
        let numbered = Self::numbered(table.len());
        table.iter().zip(numbered.names()).filter(|(name, number)| name != number).map(|(name, _)| name.clone()).collect()
    }

    /// Whether the file gives no name to a column. A last column without name and values comes of a delimiter too many.
    #[must_use]
    pub fn is_unnamed(&self, column: usize) -> bool {
        self.unnamed.get(column).copied().unwrap_or(true)
    }

    /// The names that a table made of this file would have: those of `renames` in place of the file's, and different in letters or
    /// digits. Of names that differ by punctuation only, all but the first get a number: first comes a new name, then one that needs
    /// no change to be a table's, then the order of the alphabet, so that the order of the columns makes no difference.
    #[must_use]
    pub fn distinct(&self, renames: &Renames) -> Vec<String> {
        let mut names: Vec<String> = self.names.iter().map(|name| cleaned(renames.target(name).unwrap_or(name))).collect();
        let folds: Vec<String> = names.iter().map(|name| folded(name)).collect();
        let mut taken: HashSet<String> = folds.iter().cloned().collect();
        let mut sorted: Vec<usize> = (0..names.len()).collect();
        let is_own = |index: usize| renames.target(&self.names[index]).is_none();
        sorted.sort_by_cached_key(|&index| {
            let small = names[index].to_lowercase();
            (folds[index].as_str(), is_own(index), plain(&names[index]) != small, small)
        });
        for index in sorted.windows(2).filter(|pair| folds[pair[0]] == folds[pair[1]]).map(|pair| pair[1]) {
            let mut numbered = (2_u32..).map(|count| format!("{}_{count}", names[index]));
            if let Some(name) = numbered.find(|name| !taken.contains(&folded(name))) {
                taken.insert(folded(&name));
                names[index] = name;
            }
        }
        names
    }

    /// With the names of `renames` in place of the file's.
    #[must_use]
    pub fn renamed(&self, renames: &Renames) -> Self {
        let names = self.names.iter().map(|name| renames.target(name).unwrap_or(name));
        Self { names: Self::new(names).names, unnamed: self.unnamed.clone() }
    }

    /// Finds the table's columns among the file's. A column of the file serves one of the table; renames go first, then names
    /// that are equal, then those equal but for capitals, then those equal but for punctuation and spaces too, so that
    /// `First name`, `first_name` and `FirstName` are one; where a file has several of these, as [`Header::distinct`] numbers them.
    /// Extra columns are named as [`Header::renamed`] names them.
    #[must_use]
    pub fn matched<S: AsRef<str>>(&self, table: &[S], renames: &Renames) -> Matching {
        let renamed = self.names.iter().map(|name| renames.target(name));
        let targets: Vec<Option<String>> = renamed.map(|target| target.map(folded)).collect();
        let mut columns = vec![None; table.len()];
        let mut used = vec![false; self.names.len()];
        let mut claim = |same: &dyn Fn(usize, &str) -> bool| {
            for (column, name) in columns.iter_mut().zip(table).filter(|(column, _)| column.is_none()) {
                *column = (0..used.len()).find(|&index| !used[index] && same(index, name.as_ref()));
                if let Some(index) = *column {
                    used[index] = true;
                }
            }
        };
        claim(&|index, name| targets[index].as_ref().is_some_and(|target| *target == folded(name)));
        // A renamed column no longer goes by its own name.
        let own = |index: usize| targets[index].is_none().then_some(self.names[index].as_str());
        claim(&|index, name| own(index) == Some(name));
        claim(&|index, name| own(index).is_some_and(|own| own.to_lowercase() == name.trim().to_lowercase()));
        let distinct = self.distinct(renames);
        claim(&|index, name| folded(&distinct[index]) == folded(name));
        claim(&|index, name| own(index).is_some_and(|own| folded(own) == folded(name)));
        let names = self.renamed(renames).names;
        let extra = names.into_iter().enumerate().filter(|(index, _)| !used[*index]).collect();
        Matching { columns, extra }
    }
}

/// Where a table's columns are in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matching {
    /// For each column of the table, its index in the file; nothing for a column that the file has not.
    pub columns: Vec<Option<usize>>,
    /// The columns of the file that the table has not, with their indices.
    pub extra: Vec<(usize, String)>,
}

impl Matching {
    /// Of a file without a header: the first column is the first.
    #[must_use]
    pub fn by_position(table: usize, file: usize) -> Self {
        let columns = (0..table).map(|index| (index < file).then_some(index)).collect();
        let extra = (table..file).map(|index| (index, format!("column_{}", index + 1))).collect();
        Self { columns, extra }
    }
}

/// The `rename` option: names in files and the names that they stand for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Renames(Vec<(String, String)>);

impl Renames {
    /// Reads `VendorID=vendor_id, "Amount, total"=amount`. Names that hold a comma, an equals sign or a quote are quoted, a
    /// quote within doubled. Several names may stand for one column, one name for one column only.
    ///
    /// # Errors
    /// It is not written so; the error quotes the place.
    pub fn parse(option: &str) -> Result<Self, InvalidRename> {
        let mut renames: Vec<(String, String)> = Vec::new();
        let mut rest = option.trim();
        while !rest.is_empty() {
            let wrong = |what: &str| InvalidRename(format!("{what} at `{rest}`; write 'old=new, old=new'"));
            let (from, after) = name(rest).ok_or_else(|| wrong("a quote is not closed"))?;
            let after = after.strip_prefix('=').ok_or_else(|| wrong("`=` is missing"))?;
            let (to, after) = name(after).ok_or_else(|| wrong("a quote is not closed"))?;
            if from.is_empty() || to.is_empty() {
                return Err(wrong("a name is missing"));
            }
            if renames.iter().any(|(other, _)| folded(other) == folded(&from)) {
                return Err(wrong("a column is renamed twice"));
            }
            renames.push((from, to));
            rest = match after.strip_prefix(',') {
                Some(more) => more.trim(),
                None if after.is_empty() => "",
                None => return Err(wrong("`,` is missing")),
            };
        }
        Ok(Self(renames))
    }

    /// What a file's column is to be called; nothing if it keeps its name.
    fn target(&self, name: &str) -> Option<&str> {
        let exact = self.0.iter().find(|(from, _)| from == name);
        exact.or_else(|| self.0.iter().find(|(from, _)| folded(from) == folded(name))).map(|(_, to)| to.as_str())
    }
}

/// The `rename` option is not written as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidRename(String);

impl fmt::Display for InvalidRename {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for InvalidRename {}

/// The name that `text` begins with, and what follows it.
fn name(text: &str) -> Option<(String, &str)> {
    let text = text.trim_start();
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(['=', ',']).unwrap_or(text.len());
        return Some((text[..end].trim().to_owned(), &text[end..]));
    };
    let mut from = 0;
    loop {
        let end = from + quoted[from..].find('"')?;
        if !quoted[end + 1..].starts_with('"') {
            return Some((quoted[..end].replace("\"\"", "\""), quoted[end + 1..].trim_start()));
        }
        from = end + 2;
    }
}

/// A cell as a name.
fn cleaned(cell: &str) -> String {
    cell.trim_start_matches('\u{feff}').split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What two ways of writing one name have in common: its letters and digits, small. Of a name without any, itself.
pub(crate) fn folded(name: &str) -> String {
    let name = cleaned(name);
    // Made small first: what is a letter may be a letter and a dot then.
    let letters: String = name.chars().flat_map(char::to_lowercase).filter(|character| character.is_alphanumeric()).collect();
    if letters.is_empty() { name } else { letters }
}

/// A name as a table's column is called: letters, digits and underscores, small. Of a name without any, itself.
#[must_use]
pub fn plain(name: &str) -> String {
    let mut plain = String::new();
    for character in name.trim().chars() {
        match character {
            character if character.is_alphanumeric() || character == '_' => plain.extend(character.to_lowercase()),
            _ if plain.ends_with('_') || plain.is_empty() => {}
            _ => plain.push('_'),
        }
    }
    let plain = plain.trim_end_matches('_');
    if plain.is_empty() { name.to_lowercase() } else { plain.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(cells: &[&str]) -> Header {
        Header::new(cells.iter().copied())
    }

    #[test]
    fn names_are_cleaned_and_made_unique() {
        let found = header(&["\u{feff}id", " First \n name ", "", "ID", "id_2", "id", "column_3", "%", "#"]);
        assert_eq!(found.names(), ["id", "First name", "column_3", "ID_3", "id_2", "id_4", "column_3_2", "%", "#"]);
        assert!(found.is_unnamed(2) && !found.is_unnamed(6) && found.is_unnamed(99));
        assert_eq!(Header::numbered(2).names(), ["column_1", "column_2"]);
    }

    #[test]
    fn columns_are_matched_however_they_are_written() {
        let found = header(&["Last Name", "AGE", "FirstName", "extra", "e-mail"]);
        let matching = found.matched(&["first_name", "last_name", "age", "email", "phone"], &Renames::default());
        assert_eq!(matching.columns, [Some(2), Some(0), Some(1), Some(4), None]);
        assert_eq!(matching.extra, [(3, "extra".to_owned())]);
    }

    #[test]
    fn the_nearest_writing_is_taken_and_no_column_twice() {
        let found = header(&["A B", "ab", "a_b"]);
        let table = ["a_b", "AB", "a b", "ab"];
        assert_eq!(found.matched(&table, &Renames::default()).columns, [Some(2), None, Some(0), Some(1)]);
    }

    #[test]
    fn names_that_differ_by_punctuation_are_numbered_in_one_order() {
        for cells in [["a-b", "a b", "ab2", "x"], ["a b", "ab2", "x", "a-b"]] {
            let found = header(&cells);
            let mut distinct = found.distinct(&Renames::default());
            let own = found.matched(&distinct, &Renames::default()).columns;
            assert_eq!(own, [Some(0), Some(1), Some(2), Some(3)], "{distinct:?}");
            let matching = found.matched(&["a_b", "a_b_3", "ab2", "x"], &Renames::default());
            let at = |cell: &str| cells.iter().position(|other| *other == cell);
            assert_eq!(matching.columns, [at("a b"), at("a-b"), at("ab2"), at("x")]);
            distinct.sort();
            assert_eq!(distinct, ["a b", "a-b_3", "ab2", "x"]);
        }
    }

    proptest::proptest! {
        #[test]
        fn a_table_made_of_a_file_finds_its_columns_there(
            cells in proptest::collection::vec("[abAx2_ ?\u{e}\u{b}éİΣß.-]{0,4}", 1..7), renamed: bool,
        ) {
            let found = Header::new(cells.iter().map(String::as_str));
            let renames = Renames::parse(if renamed { "x=a" } else { "" }).unwrap();
            let table: Vec<String> = found.distinct(&renames).iter().map(|name| plain(name)).collect();
            let own = found.matched(&table, &renames).columns;
            proptest::prop_assert!(own.iter().enumerate().all(|(index, column)| *column == Some(index)), "{table:?} {own:?}");
        }
    }

    #[test]
    fn renames_go_before_names() {
        let renames = Renames::parse("VendorID=vendor_id, vendor name = vendor_id,PULocationID=pickup_location_id").unwrap();
        let table = ["vendor_id", "pickup_location_id", "fare"];
        let newer = header(&["vendorid", "fare", "PULocationID", "tip"]);
        let matching = newer.matched(&table, &renames);
        assert_eq!(matching, Matching { columns: vec![Some(0), Some(2), Some(1)], extra: vec![(3, "tip".into())] });
        let older = header(&["vendor_name", "Fare"]);
        assert_eq!(older.matched(&table, &renames).columns, [Some(0), None, Some(1)]);
        assert_eq!(newer.renamed(&renames).names(), ["vendor_id", "fare", "pickup_location_id", "tip"]);
    }

    #[test]
    fn a_renamed_column_leaves_its_name_to_another() {
        let renames = Renames::parse("a=b,b=a").unwrap();
        assert_eq!(header(&["a", "b"]).matched(&["a", "b"], &renames).columns, [Some(1), Some(0)]);
    }

    #[test]
    fn renames_are_read_with_quotes_and_refused_with_the_place() {
        let renames = Renames::parse(r#" "a, ""b"" = c" = x , y=z, "#).unwrap();
        assert_eq!(renames, Renames(vec![("a, \"b\" = c".into(), "x".into()), ("y".into(), "z".into())]));
        assert_eq!(Renames::parse(""), Ok(Renames::default()));
        for (option, message) in [
            ("a", "`=` is missing at `a`; write 'old=new, old=new'"),
            ("a=b, c=", "a name is missing at `c=`; write 'old=new, old=new'"),
            ("\"a=b", "a quote is not closed at `\"a=b`; write 'old=new, old=new'"),
            ("a=\"b\"c", "`,` is missing at `a=\"b\"c`; write 'old=new, old=new'"),
            ("a=b,A=c", "a column is renamed twice at `A=c`; write 'old=new, old=new'"),
        ] {
            assert_eq!(Renames::parse(option).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn without_a_header_columns_go_by_position() {
        assert_eq!(Matching::by_position(3, 2).columns, [Some(0), Some(1), None]);
        assert_eq!(Matching::by_position(1, 2).extra, [(1, "column_2".to_owned())]);
    }
}
