//! Which of a table's columns are read.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Schema, SchemaRef};

use super::columns::Columns;
use super::config::{FileTable, Layout};
use super::file_values::{Segment, column};
use super::object::Format;
use crate::error::{Error, Result};
use crate::source::SliceRequest;

/// The columns of a slice's batches.
#[derive(Debug, Clone)]
pub(super) struct Projection {
    /// Of the batches.
    schema: SchemaRef,
    /// Of those of its columns that are in the files.
    in_files: SchemaRef,
    /// By column of the files: its place among those that are read.
    slots: Vec<Option<usize>>,
    /// Places behind the columns of the files.
    others: Vec<usize>,
}

impl Projection {
    /// What `request` asks for of `layout`.
    pub(super) fn new(layout: &Layout, request: &SliceRequest) -> Self {
        let all = layout.schema.fields();
        let wanted = request.columns.clone().unwrap_or_else(|| (0..all.len()).collect());
        let fields = |places: &[usize]| places.iter().map(|place| Arc::clone(&all[*place])).collect::<Vec<_>>();
        let (read, others): (Vec<usize>, Vec<usize>) = wanted.iter().partition(|place| **place < layout.in_files);
        let mut slots = vec![None; layout.in_files];
        for (slot, place) in read.iter().enumerate() {
            slots[*place] = Some(slot);
        }
        Self {
            schema: Arc::new(Schema::new(fields(&wanted))),
            in_files: Arc::new(Schema::new(fields(&read))),
            slots,
            others: others.into_iter().map(|place| place - layout.in_files).collect(),
        }
    }

    /// Of the columns that are read, those that are in the files.
    pub(super) fn in_files(&self) -> SchemaRef {
        Arc::clone(&self.in_files)
    }

    /// Empty columns for the records of a text file.
    ///
    /// # Errors
    /// [`Error::Config`] for a type that cannot be read from text.
    pub(super) fn columns(&self) -> Result<Columns> {
        Columns::new(Arc::clone(&self.in_files))
    }

    /// Empty columns for what is decoded of files of a format: of Parquet files nothing is, whatever their types.
    ///
    /// # Errors
    /// As for [`columns`](Self::columns).
    pub(super) fn columns_of(&self, format: Format) -> Result<Columns> {
        match format {
            Format::Parquet => Ok(Columns::unread(Arc::clone(&self.in_files))),
            Format::Json | Format::Csv => self.columns(),
        }
    }

    /// Names of the columns of the files, and where each is read to.
    pub(super) fn names<'a>(&'a self, table: &'a FileTable) -> impl Iterator<Item = (String, Option<usize>)> + 'a {
        table.layout.schema.fields().iter().zip(&self.slots).map(|(field, slot)| (field.name().clone(), *slot))
    }

    /// A batch without rows.
    pub(super) fn nothing(&self) -> RecordBatch {
        RecordBatch::new_empty(Arc::clone(&self.schema))
    }

    /// A batch of `rows`, which are of the files of `segments`.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub(super) fn batch(&self, rows: &RecordBatch, segments: &[Segment], numbers: &[i64]) -> Result<RecordBatch> {
        let mut arrays: Vec<ArrayRef> = rows.columns().to_vec();
        for place in &self.others {
            arrays.push(column(segments, *place, numbers)?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)
            .map_err(|error| Error::internal(format!("a batch of files does not fit its table: {error}")))
    }
}
