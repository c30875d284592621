//! Parquet files, each with a schema of its own, read as the columns of one table.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int64Array, ListArray, RecordBatch, RecordBatchOptions, Scalar, StringBuilder,
    StructArray, new_null_array,
};
use arrow::buffer::NullBuffer;
use arrow::compute::kernels::cmp::distinct;
use arrow::compute::kernels::numeric::add;
use arrow::compute::{CastOptions, cast_with_options, filter_record_batch, nullif};
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::json::writer::{EncoderOptions, make_encoder};
use arrow::util::display::array_value_to_string;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use parquet::arrow::{ParquetRecordBatchStreamBuilder, ProjectionMask};
use parquet::errors::ParquetError;

use super::decode::{OnError, Refused};
use super::listing::Place;
use super::misfit::{Misfit, type_name};
use super::object::Object;
use super::open::{SMALL, anew, gone, whole};
use super::row_image;
use crate::error::{Error, Result};
use crate::on_error::shown;
use crate::parquet_object::ObjectReader;

/// Which rows of a file are read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Range {
    /// Rows that were read before.
    pub(super) skip: u64,
    /// Rows that are decoded at once.
    pub(super) batch: usize,
}

/// One file being read.
pub(super) struct ParquetFile {
    batches: BoxStream<'static, parquet::errors::Result<RecordBatch>>,
    fitting: Fitting,
    address: String,
    pub(super) records: u64,
    pub(super) unknown: Vec<String>,
    /// All columns of the file.
    pub(super) columns: Vec<String>,
}

/// How rows of other columns become rows of the table.
pub(super) struct Fitting {
    /// The columns that are read, of the table.
    schema: SchemaRef,
    /// By column: its place in the batches; none where there is no such column.
    places: Vec<Option<usize>>,
    on_error: OnError,
}

/// Rows of a file, and what was wrong with others.
pub(super) struct Rows {
    pub(super) batch: RecordBatch,
    pub(super) numbers: Vec<i64>,
    pub(super) refused: Vec<Refused>,
}

/// A file, of which the footer was read.
pub(super) type Footer = ParquetRecordBatchStreamBuilder<ObjectReader>;

/// Reads here and there in `object`, as it was when it was listed.
pub(super) fn reader(place: &Place, object: &Object) -> ObjectReader {
    let reader = ObjectReader::new(Arc::clone(&place.root.store), object.path.clone(), object.size);
    reader.insisting(place.request(object, None))
}

/// Reads the footer of `object`, and all of it if it is small; none when it is gone.
///
/// # Errors
/// [`Error::Data`] when it is no Parquet file; when the store refuses, or the file was written anew meanwhile.
pub(super) async fn footer(place: &Place, object: &Object) -> Result<Option<Footer>> {
    let address = place.address(&object.path);
    let mut reader = reader(place, object);
    if object.size <= SMALL {
        let Some(bytes) = whole(place, object).await? else { return Ok(None) };
        reader = reader.holding(bytes);
    }
    match Footer::new(reader).await {
        Ok(footer) => Ok(Some(footer)),
        Err(error) if matches!(store_error(&error), Some(object_store::Error::NotFound { .. })) => {
            gone(&address);
            Ok(None)
        }
        Err(error) => Err(fault(error, &address)),
    }
}

/// What the store answered, if that is what went wrong.
pub(super) fn store_error(error: &ParquetError) -> Option<&object_store::Error> {
    let ParquetError::External(cause) = error else { return None };
    cause.downcast_ref()
}

fn fault(error: ParquetError, address: &str) -> Error {
    match store_error(&error) {
        Some(object_store::Error::Precondition { .. } | object_store::Error::NotFound { .. }) => anew(address),
        _ => Error::from(error).context(format!("'{address}'")),
    }
}

impl ParquetFile {
    /// Begins to read `rows` of the file at `address`. `schema` are the columns to read, `names` all of the table's.
    ///
    /// # Errors
    /// [`Error::Data`] when it has none of the columns.
    pub(super) fn begin(
        builder: Footer,
        address: String,
        schema: SchemaRef,
        names: &[String],
        on_error: OnError,
        rows: Range,
    ) -> Result<Self> {
        let found = Arc::clone(builder.schema());
        if !names.is_empty() && names.iter().all(|name| position(&found, name).is_none()) {
            let theirs: Vec<&str> = found.fields().iter().map(|field| field.name().as_str()).collect();
            return Err(Error::data(format!(
                "'{address}' has none of the table's columns ({}): it has {}",
                names.join(", "),
                theirs.join(", ")
            )));
        }
        let is_known = |field: &Field| names.iter().any(|name| name.to_lowercase() == field.name().to_lowercase());
        let unknown = found.fields().iter().filter(|field| !is_known(field)).map(|field| field.name().clone()).collect();
        let columns = found.fields().iter().map(|field| field.name().clone()).collect();
        let wanted: Vec<Option<usize>> = schema.fields().iter().map(|field| position(&found, field.name())).collect();
        let mut read: Vec<usize> = wanted.iter().flatten().copied().collect();
        read.sort_unstable();
        read.dedup();
        let places = wanted.iter().map(|column| column.and_then(|column| read.binary_search(&column).ok())).collect();
        let mask = ProjectionMask::roots(builder.parquet_schema(), read);
        let offset = usize::try_from(rows.skip).unwrap_or(usize::MAX);
        let batches = builder.with_projection(mask).with_batch_size(rows.batch).with_offset(offset).build();
        let batches = batches.map_err(|error| fault(error, &address))?;
        let fitting = Fitting { schema, places, on_error };
        Ok(Self { batches: batches.boxed(), fitting, address, records: rows.skip, unknown, columns })
    }

    /// The next rows; none at the end of the file.
    ///
    /// # Errors
    /// [`Error::Data`] when the file is damaged.
    pub(super) async fn next(&mut self) -> Result<Option<Rows>> {
        let next = self.batches.try_next().await;
        let Some(batch) = next.map_err(|error| fault(error, &self.address))? else {
            return Ok(None);
        };
        let first = self.records + 1;
        self.records += batch.num_rows() as u64;
        self.fitting.rows(&batch, first).map(Some)
    }
}

/// The column called `name`; in another case, if there is none.
pub(super) fn position(schema: &Schema, name: &str) -> Option<usize> {
    let exact = schema.fields().iter().position(|field| field.name() == name);
    exact.or_else(|| schema.fields().iter().position(|field| field.name().to_lowercase() == name.to_lowercase()))
}

impl Fitting {
    /// Of batches of the columns `found`.
    pub(super) fn new(schema: SchemaRef, found: &Schema, on_error: OnError) -> Self {
        let places = schema.fields().iter().map(|field| position(found, field.name())).collect();
        Self { schema, places, on_error }
    }

    /// The rows of `batch`, the first of which has the number `first` in its file.
    ///
    /// # Errors
    /// [`Error::Data`] when no value of a column can be one of the table's.
    pub(super) fn rows(&self, batch: &RecordBatch, first: u64) -> Result<Rows> {
        let rows = batch.num_rows();
        let mut problems: Vec<Option<Misfit>> = vec![None; rows];
        let mut arrays = Vec::with_capacity(self.places.len());
        for (field, place) in self.schema.fields().iter().zip(&self.places) {
            arrays.push(match place {
                Some(place) => fit(batch.column(*place), field, &mut problems)?,
                None => new_null_array(field.data_type(), rows),
            });
        }
        self.settle(batch, first, arrays, &problems)
    }

    fn settle(&self, batch: &RecordBatch, first: u64, arrays: Vec<ArrayRef>, problems: &[Option<Misfit>]) -> Result<Rows> {
        let mut refused = Vec::new();
        let mut keep = Vec::with_capacity(batch.num_rows());
        let mut numbers = Vec::with_capacity(batch.num_rows());
        for (index, problem) in problems.iter().enumerate() {
            let row = first + index as u64;
            let missing =
                self.schema.fields().iter().zip(&arrays).find(|(field, array)| !field.is_nullable() && array.is_null(index));
            let missing = missing.map(|(field, _)| Misfit {
                column: field.name().clone(),
                reason: "is missing or NULL, but the column is NOT NULL".to_owned(),
            });
            let kept = missing.is_none() && (problem.is_none() || self.on_error == OnError::Null);
            keep.push(kept);
            if kept {
                numbers.push(i64::try_from(row).unwrap_or(i64::MAX));
            }
            if let Some(misfit) = missing.or_else(|| problem.clone()) {
                let names = batch.schema_ref().fields().iter().map(|field| field.name().as_str());
                let raw = shown(names, batch.columns(), index);
                refused.push(Refused {
                    raw,
                    row,
                    line: row,
                    offset: 0,
                    column: Some(misfit.column),
                    reason: misfit.reason,
                    kept,
                    cut: false,
                    before_header: false,
                    image: Some(row_image::of(batch, index)?),
                });
            }
        }
        // What is refused may be NULL where the schema allows none, so nullability is checked behind it.
        let loose = Arc::new(Schema::new(
            self.schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect::<Vec<_>>(),
        ));
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let all = RecordBatch::try_new_with_options(loose, arrays, &options)?;
        let kept = if refused.is_empty() { all } else { filter_record_batch(&all, &BooleanArray::from(keep))? };
        let options = RecordBatchOptions::new().with_row_count(Some(kept.num_rows()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), kept.columns().to_vec(), &options)?;
        Ok(Rows { batch, numbers, refused })
    }
}

/// `array` as the column's type; values that are none of it are NULL and noted.
fn fit(array: &ArrayRef, field: &Field, problems: &mut [Option<Misfit>]) -> Result<ArrayRef> {
    if array.data_type() == field.data_type() {
        return Ok(Arc::clone(array));
    }
    let refuse = |error: &dyn std::fmt::Display| {
        let (from, to) = (array.data_type(), type_name(field.data_type()));
        Error::data(format!("column '{}': {from} cannot be read as {to}: {error}", field.name()))
    };
    match (array.data_type(), field.data_type()) {
        (from, to) if from.is_integer() && to.is_temporal() => {
            return Err(refuse(&"a number is no time; declare the column as BIGINT and convert it in the query"));
        }
        (from, to) if from.is_temporal() && to.is_numeric() => {
            return Err(refuse(&"a time is no number; declare the column as TIMESTAMP and convert it in the query"));
        }
        _ => {}
    }
    let array = &as_declared(array, field.data_type()).map_err(|error| refuse(&error))?;
    // Within objects and lists a value that does not fit cannot be told from one that is NULL: there, all have to fit.
    let safe = !array.data_type().is_nested();
    let options = CastOptions { safe, ..CastOptions::default() };
    let cast = cast_with_options(array, field.data_type(), &options).map_err(|error| refuse(&error))?;
    let cast = if may_differ(array.data_type(), field.data_type()) { same_only(array, &cast)? } else { cast };
    let nulls = array.logical_nulls();
    if cast.null_count() > nulls.as_ref().map_or(0, NullBuffer::null_count) {
        for (index, problem) in problems.iter_mut().enumerate() {
            if problem.is_none() && cast.is_null(index) && nulls.as_ref().is_none_or(|nulls| nulls.is_valid(index)) {
                let value = array_value_to_string(array, index)?;
                let reason = format!("{value} ({}) is not {}", array.data_type(), type_name(field.data_type()));
                *problem = Some(Misfit { column: field.name().clone(), reason });
            }
        }
    }
    Ok(cast)
}

/// Objects, lists and maps as JSON; what is NULL as a whole is NULL.
fn json_text(array: &ArrayRef) -> std::result::Result<ArrayRef, ArrowError> {
    let field = Arc::new(Field::new("value", array.data_type().clone(), true));
    let options = EncoderOptions::default().with_explicit_nulls(true);
    let mut encoder = make_encoder(&field, array.as_ref(), &options)?;
    let mut texts = StringBuilder::new();
    let mut bytes = Vec::new();
    for row in 0..array.len() {
        if encoder.is_null(row) {
            texts.append_null();
            continue;
        }
        bytes.clear();
        encoder.encode(row, &mut bytes);
        let text = std::str::from_utf8(&bytes).map_err(|error| ArrowError::JsonError(error.to_string()))?;
        texts.append_value(text);
    }
    Ok(Arc::new(texts.finish()))
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// Whether a cast that is no error may give another value. A DOUBLE that becomes a REAL, and a time whose fraction has fewer digits in
/// its column, are the nearest that the column has, as they are of text.
fn may_differ(from: &DataType, to: &DataType) -> bool {
    let has_fraction = from.is_floating() || is_decimal(from);
    match to {
        DataType::Boolean => from.is_numeric(),
        DataType::Date32 | DataType::Date64 => matches!(from, DataType::Timestamp(..)),
        to if to.is_floating() => from.is_integer(),
        to => has_fraction && (to.is_integer() || is_decimal(to)),
    }
}

fn is_decimal(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) | DataType::Decimal256(..))
}

/// `cast` with NULL where the value of `array` was another.
fn same_only(array: &ArrayRef, cast: &ArrayRef) -> Result<ArrayRef> {
    let back = cast_with_options(cast, array.data_type(), &CastOptions::default())?;
    let differs = if array.data_type().is_floating() {
        // -0.0, which rounding leaves, is 0; to compare is to tell them apart.
        let zero = Scalar::new(cast_with_options(&Int64Array::from(vec![0]), array.data_type(), &CastOptions::default())?);
        distinct(&back, &add(array, &zero)?)?
    } else {
        distinct(&back, array)?
    };
    Ok(nullif(cast, &differs)?)
}

/// The members of objects in the order of `target`, by their names; those that are missing are NULL. What is nested and text there
/// becomes its JSON.
fn as_declared(array: &ArrayRef, target: &DataType) -> std::result::Result<ArrayRef, ArrowError> {
    match (target, array.data_type()) {
        (DataType::Struct(fields), DataType::Struct(_)) => {
            let Some(from) = array.as_struct_opt() else { return Ok(Arc::clone(array)) };
            let member = |field: &Arc<Field>| match from.column_by_name(field.name()) {
                Some(column) => as_declared(column, field.data_type()),
                None => Ok(new_null_array(field.data_type(), from.len())),
            };
            let columns = fields.iter().map(member).collect::<std::result::Result<Vec<_>, _>>()?;
            let named = fields.iter().zip(&columns);
            let fields: Fields =
                named.map(|(field, column)| Field::new(field.name(), column.data_type().clone(), true)).collect();
            Ok(Arc::new(StructArray::try_new_with_length(fields, columns, from.nulls().cloned(), from.len())?))
        }
        (DataType::List(item), DataType::List(_)) => {
            let Some(from) = array.as_list_opt::<i32>() else { return Ok(Arc::clone(array)) };
            let values = as_declared(from.values(), item.data_type())?;
            let item = Arc::new(Field::new(item.name(), values.data_type().clone(), true));
            Ok(Arc::new(ListArray::try_new(item, from.offsets().clone(), values, from.nulls().cloned())?))
        }
        (target, from) if from.is_nested() && is_text(target) => json_text(array),
        _ => Ok(Arc::clone(array)),
    }
}
