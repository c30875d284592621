//! Rows with values that a table of a database cannot hold, found before they are staged.
//!
//! What a gate lets through is checked again when it is loaded: the table may have changed since.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, StringArray};
use arrow::compute::{cast, filter_record_batch, nullif};
use arrow::datatypes::{DataType, Schema};

use crate::error::Result;
use crate::on_error::{MAX_BAD_RATIO, OnError, shown};
use crate::options::Options;
use crate::sink::{Gate, Passed};
use crate::source::BadRecord;
use crate::staging::FileForm;

/// A value that does not fit.
#[derive(Debug)]
pub(crate) struct Misfit {
    pub(crate) row: usize,
    /// Which of the columns.
    pub(crate) column: usize,
    /// What is wrong with it, and what to do.
    pub(crate) reason: String,
    /// Of a text, what fits.
    pub(crate) cut: Option<Cut>,
}

/// What a column holds of a text that does not fit.
#[derive(Debug)]
pub(crate) struct Cut {
    pub(crate) text: String,
    /// What is wrong with the whole of it.
    pub(crate) reason: String,
}

/// The columns of one table.
pub(crate) trait Columns: Send + Sync + std::fmt::Debug {
    /// How the files are to be encoded, if it matters.
    fn form(&self) -> Option<FileForm> {
        None
    }

    /// The values that do not fit.
    ///
    /// # Errors
    /// When they cannot be looked at.
    fn misfits(&self, rows: &RecordBatch) -> Result<Vec<Misfit>>;

    /// What the table calls a column.
    fn name(&self, column: usize) -> &str;

    /// Whether the table takes NULL for it.
    fn may_be_null(&self, column: usize) -> bool;

    /// Whether a row is the same with another value of it: not so of its key.
    fn may_be_cut(&self, column: usize) -> bool;
}

/// What becomes of values that do not fit, as a table's options say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Handling {
    pub(crate) on_error: OnError,
    /// The share of the rows that may be bad.
    pub(crate) max_bad_ratio: f64,
    /// Texts are cut to what fits.
    pub(crate) cuts: bool,
}

impl Handling {
    /// From `on_error`, `too_long` and `max_bad_ratio`: `'on_error' 'truncate'` cuts texts, and puts aside what cannot be cut.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) at the option that makes no sense.
    pub(crate) fn read(options: &Options) -> Result<Self> {
        let on_error = options.choice("on_error", &["fail", "quarantine", "null", "truncate"])?;
        let cuts_too_long = options.choice("too_long", &["fail", "truncate"])? == Some("truncate");
        if on_error == Some("truncate") {
            let max_bad_ratio = options.ratio("max_bad_ratio")?.unwrap_or(MAX_BAD_RATIO);
            return Ok(Self { on_error: OnError::Quarantine, max_bad_ratio, cuts: true });
        }
        let (on_error, max_bad_ratio) = OnError::read(options)?;
        Ok(Self { on_error, max_bad_ratio, cuts: cuts_too_long })
    }
}

/// Looks at the rows of one table.
#[derive(Debug)]
pub(crate) struct ColumnGate<C> {
    pub(crate) columns: C,
    pub(crate) handling: Handling,
}

/// What becomes of a value, the gravest last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Cut,
    Null,
    /// Its row goes.
    Out,
}

impl<C: Columns> ColumnGate<C> {
    fn fate(&self, misfit: &Misfit) -> Fate {
        if self.handling.cuts && misfit.cut.is_some() && self.columns.may_be_cut(misfit.column) {
            Fate::Cut
        } else if self.handling.on_error == OnError::Null && self.columns.may_be_null(misfit.column) {
            Fate::Null
        } else {
            Fate::Out
        }
    }

    /// The record of a row: what is gravest comes first, and the rest behind it.
    fn record(&self, rows: &RecordBatch, misfits: &[Judged]) -> Option<BadRecord> {
        let ((fate, first), others) = misfits.split_first()?;
        let said = |fate: Fate, misfit: &Misfit| match &misfit.cut {
            Some(cut) if fate == Fate::Cut => cut.reason.clone(),
            _ => misfit.reason.clone(),
        };
        let others = others
            .iter()
            .map(|(fate, misfit)| format!("; beside it column '{}': {}", self.columns.name(misfit.column), said(*fate, misfit)));
        let schema = rows.schema();
        Some(BadRecord {
            raw: shown(schema.fields().iter().map(|field| field.name().as_str()), rows.columns(), first.row),
            row: Some(first.row as u64 + 1),
            column: Some(self.columns.name(first.column).to_owned()),
            reason: std::iter::once(said(*fate, first)).chain(others).collect(),
            kept: *fate != Fate::Out,
            ..BadRecord::default()
        })
    }
}

/// A misfit, and what becomes of it.
type Judged = (Fate, Misfit);

impl<C: Columns> Gate for ColumnGate<C> {
    fn form(&self) -> Option<FileForm> {
        self.columns.form()
    }

    fn pass(&self, rows: RecordBatch) -> Result<Passed> {
        let misfits = self.columns.misfits(&rows)?;
        if misfits.is_empty() {
            return Ok(Passed { rows, refused: Vec::new(), cut: Vec::new() });
        }
        let mut misfits: Vec<Judged> = misfits.into_iter().map(|misfit| (self.fate(&misfit), misfit)).collect();
        misfits.sort_by_key(|(fate, misfit)| (misfit.row, std::cmp::Reverse(*fate), misfit.column));
        let mut keep = vec![true; rows.num_rows()];
        let (mut refused, mut cut) = (Vec::new(), Vec::new());
        for of_row in misfits.chunk_by(|a, b| a.1.row == b.1.row) {
            let Some((fate, first)) = of_row.first() else { continue };
            keep[first.row] = *fate != Fate::Out;
            let records: &mut Vec<BadRecord> = if *fate == Fate::Cut { &mut cut } else { &mut refused };
            records.extend(self.record(&rows, of_row));
        }
        let rows = mended(&rows, &misfits)?;
        Ok(Passed { rows: filter_record_batch(&rows, &BooleanArray::from(keep))?, refused, cut })
    }

    fn max_bad_ratio(&self) -> Option<f64> {
        (self.handling.on_error != OnError::Fail).then_some(self.handling.max_bad_ratio)
    }
}

/// The rows with NULL and with cut texts where that becomes of values.
fn mended(rows: &RecordBatch, misfits: &[Judged]) -> Result<RecordBatch> {
    let column = |(index, values): (usize, &ArrayRef)| -> Result<ArrayRef> {
        let of = |wanted: Fate| {
            let found = misfits.iter().filter(move |(fate, misfit)| *fate == wanted && misfit.column == index);
            found.map(|(_, misfit)| (misfit.row, misfit.cut.as_ref().map_or("", |cut| cut.text.as_str())))
        };
        let (nulls, cuts): (Vec<_>, BTreeMap<usize, &str>) = (of(Fate::Null).collect(), of(Fate::Cut).collect());
        let mut values = Arc::clone(values);
        if !nulls.is_empty() {
            let mut mask = vec![false; values.len()];
            nulls.iter().for_each(|(row, _)| mask[*row] = true);
            values = nullif(&values, &BooleanArray::from(mask))?;
        }
        if !cuts.is_empty() {
            let texts = cast(&values, &DataType::Utf8)?;
            let texts = texts.as_string::<i32>().iter().enumerate();
            let shorter: StringArray = texts.map(|(row, text)| cuts.get(&row).copied().or(text)).collect();
            values = cast(&shorter, values.data_type())?;
        }
        Ok(values)
    };
    let columns = rows.columns().iter().enumerate().map(column).collect::<Result<Vec<_>>>()?;
    let nullable = rows.schema().fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect::<Vec<_>>();
    Ok(RecordBatch::try_new(Schema::new(nullable).into(), columns)?)
}

#[cfg(test)]
mod tests {
    use arrow::array::Int64Array;
    use arrow::datatypes::Int64Type;

    use super::*;

    /// A key that is not NULL, and texts of three letters.
    #[derive(Debug)]
    struct Short;

    impl Columns for Short {
        fn misfits(&self, rows: &RecordBatch) -> Result<Vec<Misfit>> {
            let misfit = |row, column, reason: &str, cut| Misfit { row, column, reason: reason.to_owned(), cut };
            let (keys, texts) = (rows.column(0), rows.column(1).as_string::<i32>());
            let cut = |row| Some(Cut { text: texts.value(row)[..3].to_owned(), reason: "was cut".to_owned() });
            let long = (0..texts.len()).filter(|row| texts.value(*row).len() > 3).map(|row| misfit(row, 1, "is long", cut(row)));
            Ok(long.chain((0..keys.len()).filter(|row| keys.is_null(*row)).map(|row| misfit(row, 0, "is NULL", None))).collect())
        }

        fn name(&self, column: usize) -> &str {
            ["k", "v"][column]
        }

        fn may_be_null(&self, column: usize) -> bool {
            column == 1
        }

        fn may_be_cut(&self, column: usize) -> bool {
            column == 1
        }
    }

    fn passed(on_error: OnError, cuts: bool) -> Passed {
        let keys: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), Some(2), None, Some(4)]));
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["abc", "long", "longer", "longest"]));
        let gate = ColumnGate { columns: Short, handling: Handling { on_error, max_bad_ratio: 0.5, cuts } };
        gate.pass(RecordBatch::try_from_iter([("k", keys), ("v", texts)]).unwrap()).unwrap()
    }

    fn said(records: &[BadRecord]) -> Vec<(u64, &str, &str, bool)> {
        let said = |bad: &'_ BadRecord| (bad.row.unwrap(), bad.kept);
        let texts = records.iter().map(|bad| (bad.column.as_deref().unwrap(), bad.reason.as_str()));
        records.iter().map(said).zip(texts).map(|((row, kept), (column, reason))| (row, column, reason, kept)).collect()
    }

    /// What is said of the row that has two misfits.
    const BOTH: &str = "is NULL; beside it column 'v': is long";

    #[test]
    fn rows_that_do_not_fit_are_put_aside_once_each() {
        let passed = passed(OnError::Quarantine, false);
        assert_eq!(passed.rows.column(0).as_primitive::<Int64Type>().values(), &[1]);
        let expected = [(2, "v", "is long", false), (3, "k", BOTH, false), (4, "v", "is long", false)];
        assert_eq!(said(&passed.refused), expected);
        assert_eq!(std::str::from_utf8(&passed.refused[0].raw).unwrap(), r#"{"k":"2","v":"long"}"#);
    }

    #[test]
    fn a_value_becomes_null_where_that_is_asked_for_and_its_row_stays() {
        let passed = passed(OnError::Null, false);
        assert_eq!(passed.rows.column(0).as_primitive::<Int64Type>().values(), &[1, 2, 4]);
        let texts = passed.rows.column(1).as_string::<i32>();
        assert_eq!((texts.value(0), texts.null_count()), ("abc", 2));
        // What may not be NULL goes all the same.
        assert_eq!(said(&passed.refused), [(2, "v", "is long", true), (3, "k", BOTH, false), (4, "v", "is long", true)]);
    }

    #[test]
    fn a_text_is_cut_where_that_is_asked_for_and_the_whole_of_it_noted() {
        for on_error in [OnError::Fail, OnError::Quarantine, OnError::Null] {
            let passed = passed(on_error, true);
            assert_eq!(passed.rows.column(0).as_primitive::<Int64Type>().values(), &[1, 2, 4]);
            let texts: Vec<_> = passed.rows.column(1).as_string::<i32>().iter().flatten().collect();
            assert_eq!(texts, ["abc", "lon", "lon"]);
            assert_eq!(said(&passed.cut), [(2, "v", "was cut", true), (4, "v", "was cut", true)]);
            assert_eq!(std::str::from_utf8(&passed.cut[1].raw).unwrap(), r#"{"k":"4","v":"longest"}"#);
            assert_eq!(said(&passed.refused), [(3, "k", "is NULL; beside it column 'v': was cut", false)]);
        }
    }

    #[test]
    fn texts_are_cut_by_either_option() {
        let read = |given: &[(&str, &str)]| {
            let given: Vec<_> = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let options = crate::registry::Connector::options(&crate::warehouse::Warehouse);
            Handling::read(&Options::parse("WAREHOUSE", options, &given).unwrap())
        };
        let of = |on_error, max_bad_ratio, cuts| Handling { on_error, max_bad_ratio, cuts };
        assert_eq!(read(&[]).unwrap(), of(OnError::Fail, 0.0, false));
        assert_eq!(read(&[("on_error", "truncate")]).unwrap(), of(OnError::Quarantine, 0.1, true));
        assert_eq!(read(&[("on_error", "truncate"), ("max_bad_ratio", "0.5")]).unwrap(), of(OnError::Quarantine, 0.5, true));
        assert_eq!(read(&[("too_long", "truncate")]).unwrap(), of(OnError::Fail, 0.0, true));
        assert_eq!(read(&[("too_long", "truncate"), ("on_error", "null")]).unwrap(), of(OnError::Null, 0.1, true));
        assert!(read(&[("on_error", "cut")]).unwrap_err().to_string().contains("truncate"));
    }
}
