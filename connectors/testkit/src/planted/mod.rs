//! A lake nobody described: forty tables in folders, with what a crawler has to find out about each.
//!
//! ```text
//! sales/orders_00/2026/11/03/000007.json.gz     fifteen combinations of format and layout, six of compression, five of drift
//! ops/orders_23/dt=2026-11-04/country=FR/…      beside files that are no data
//! ```
//! The same number of objects is always the same lake.

mod content;

use std::io;

use content::{Content, Dates};

/// How many tables there are.
pub const TABLES: u64 = 40;

/// A table, as it should be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlantedTable {
    /// Its name.
    pub name: String,
    /// Its folder, with a slash at its end.
    pub folder: String,
    /// `JSON`, `CSV` or `PARQUET`.
    pub format: &'static str,
    /// Names and types of its columns, in SQL's words.
    pub columns: Vec<(String, String)>,
    /// The same of its partitions.
    pub partitions: Vec<(String, String)>,
    /// How many objects it has.
    pub objects: u64,
    /// How many rows.
    pub rows: u64,
}

/// How the folders of a table are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// There are none.
    Flat,
    /// `dt=2026-11-21/country=DE`.
    Hive,
    /// `2026/11/21`.
    Dated,
    /// `2026-11-21`.
    Days,
    /// `eu/7`.
    Unnamed,
}

impl Layout {
    fn folder(self, object: u64) -> String {
        let (day, month) = (object % 28 + 1, object / 28 % 12 + 1);
        match self {
            Self::Flat => String::new(),
            Self::Hive => format!("dt=2026-{month:02}-{day:02}/country={}/", ["DE", "FR", "NL"][of_three(object)]),
            Self::Dated => format!("2026/{month:02}/{day:02}/"),
            Self::Days => format!("2026-{month:02}-{day:02}/"),
            Self::Unnamed => format!("{}/{}/", ["ap", "eu", "us"][of_three(object)], object / 3 % 4 + 1),
        }
    }

    fn partitions(self) -> Vec<(String, String)> {
        let columns: &[(&str, &str)] = match self {
            Self::Flat => &[],
            Self::Hive => &[("dt", "DATE"), ("country", "VARCHAR")],
            Self::Dated => &[("year", "BIGINT"), ("month", "BIGINT"), ("day", "BIGINT")],
            Self::Days => &[("date", "DATE")],
            Self::Unnamed => &[("partition_0", "VARCHAR"), ("partition_1", "BIGINT")],
        };
        columns.iter().map(|(name, data_type)| ((*name).to_owned(), (*data_type).to_owned())).collect()
    }
}

/// What the files of a table disagree about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Drift {
    /// Nothing.
    None,
    /// The last third has a column more.
    Added,
    /// Whole numbers, and in the last file a decimal one.
    Widened,
    /// Whole numbers, and in one file a text.
    Conflict,
    /// Nothing in the first half, whole numbers in the second.
    Nulls,
}

/// The value of the column that drifts, in one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Drifted {
    Absent,
    Null,
    Whole,
    Decimal,
    Text,
}

impl Drift {
    fn of(self, object: u64, objects: u64) -> Drifted {
        match self {
            Self::None => Drifted::Absent,
            Self::Added if object < objects * 2 / 3 => Drifted::Absent,
            Self::Widened if object == objects - 1 => Drifted::Decimal,
            Self::Conflict if object == objects / 2 => Drifted::Text,
            Self::Nulls if object < objects / 2 => Drifted::Null,
            Self::Added | Self::Widened | Self::Conflict | Self::Nulls => Drifted::Whole,
        }
    }

    fn data_type(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Added | Self::Nulls => Some("BIGINT"),
            Self::Widened => Some("DOUBLE"),
            Self::Conflict => Some("VARCHAR"),
        }
    }
}

/// Files that are no data, from a table's folder.
const NO_DATA: [(&str, &[u8]); 5] = [
    ("_SUCCESS", b""),
    (".part-0.crc", b"crc"),
    ("upload.csv.tmp", b"a,b\n"),
    ("nothing.json", b""),
    ("readme.md", b"# What this is\n"),
];

/// How many objects are no data, whatever the number of others.
pub const SKIPPED: u64 = (TABLES / 4) * NO_DATA.len() as u64 + 1;

/// Plants `objects`, at least four a table, and files that are no data among them. `put` is given the path and bytes of each, in no
/// order.
///
/// # Errors
/// What `put` fails with, and what a file cannot be written with.
pub fn plant(objects: u64, put: &mut dyn FnMut(&str, &[u8]) -> io::Result<()>) -> io::Result<Vec<PlantedTable>> {
    let each = (objects / TABLES).max(4);
    let mut tables = Vec::new();
    for number in 0..TABLES {
        let table = Planter::new(number, each);
        table.plant(put)?;
        if number % 4 == 0 {
            for (name, bytes) in NO_DATA {
                put(&format!("{}{name}", table.folder), bytes)?;
            }
        }
        tables.push(table.describe());
    }
    let whole = content::gzip(b"{\"a\": 1}\n{\"a\": 2}\n")?;
    put("ops/broken/cut.json.gz", &whole[..whole.len() - 10])?;
    Ok(tables)
}

struct Planter {
    number: u64,
    name: String,
    folder: String,
    objects: u64,
    layout: Layout,
    drift: Drift,
    content: Content,
}

impl Planter {
    fn new(number: u64, objects: u64) -> Self {
        let layouts = [Layout::Flat, Layout::Hive, Layout::Dated, Layout::Days, Layout::Unnamed];
        let drifts = [Drift::None, Drift::Added, Drift::Widened, Drift::Conflict, Drift::Nulls];
        let pick = |by: u64, of: u64| usize::try_from(number / by % of).unwrap_or(0);
        let name = format!("orders_{number:02}");
        let folder = format!("{}/{name}/", if number < TABLES / 2 { "sales" } else { "ops" });
        let dates = [Dates::Iso, Dates::DayFirst][pick(2, 2)];
        let content = Content::new(&format!("t{number:02}"), ["JSON", "CSV", "PARQUET"][pick(5, 3)], dates);
        Self { number, name, folder, objects, layout: layouts[pick(1, 5)], drift: drifts[pick(3, 5)], content }
    }

    fn plant(&self, put: &mut dyn FnMut(&str, &[u8]) -> io::Result<()>) -> io::Result<()> {
        let mut files = std::collections::HashMap::new();
        for object in 0..self.objects {
            let drifted = self.drift.of(object, self.objects);
            let compression = self.compression(object);
            let bytes = match files.entry((drifted, compression)) {
                std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
                std::collections::hash_map::Entry::Vacant(new) => {
                    new.insert(content::compress(&self.content.file(drifted)?, compression)?)
                }
            };
            let ending = if compression.is_empty() { String::new() } else { format!(".{compression}") };
            let folder = self.layout.folder(object);
            put(&format!("{}{folder}{object:06}.{}{ending}", self.folder, self.content.format.to_lowercase()), bytes)?;
        }
        Ok(())
    }

    /// One for all files, or mixed.
    fn compression(&self, object: u64) -> &'static str {
        if self.content.format == "PARQUET" {
            return "";
        }
        let all = ["", "gz", "zst", "bz2", "xz"];
        let number = if self.number % 6 == 5 { object } else { self.number % 6 };
        all[usize::try_from(number % 5).unwrap_or(0)]
    }

    fn describe(&self) -> PlantedTable {
        PlantedTable {
            name: self.name.clone(),
            folder: self.folder.clone(),
            format: self.content.format,
            columns: self.content.columns(self.drift.data_type()),
            partitions: self.layout.partitions(),
            objects: self.objects,
            rows: self.objects * content::ROWS as u64,
        }
    }
}

fn of_three(object: u64) -> usize {
    usize::try_from(object % 3).unwrap_or(0)
}
