//! How the files of a CSV table are written, as far as a sample of them tells: for who has to be told once for all of them, as Athena.

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};

use super::config::{Layout, Text};
use super::connector::Csv;
use super::csv::Dialect;
use super::csv::decode::{CsvDecoder, CsvOptions};
use super::decode::{Decoder, OnError};
use super::infer::{Files, Head, decode_head};
use super::listing::Place;
use super::object::{Format, Object};
use super::open::fetch;
use crate::context::TableSpec;
use crate::error::{Error, Result};
use crate::registry::Connector;
use crate::stores::Stores;

/// What the options of a table say of its files, and what is in some of these.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) options: Arc<CsvOptions>,
    pub(crate) files: Vec<WrittenFile>,
}

/// One file.
#[derive(Debug, Clone)]
pub(crate) struct WrittenFile {
    pub(crate) address: String,
    pub(crate) dialect: Dialect,
    pub(crate) is_utf8: bool,
    /// Its columns are the first of the table, in their order.
    pub(crate) is_in_order: bool,
}

impl Written {
    /// Of the CSV table that `spec` declares with its columns. The beginnings of some files are read.
    ///
    /// # Errors
    /// [`Error::Config`] for an option that is wrong; [`Error::Data`] for a file that cannot be read, or has none of the columns; when
    /// the store does not answer.
    pub(crate) async fn of(spec: &TableSpec, stores: &Stores) -> Result<Self> {
        let text = Text::of(spec, Format::Csv, Csv.options())?;
        let Text::Csv(options) = &text else { return Err(Error::internal("a CSV table is read as another")) };
        let declared = spec.columns.clone().unwrap_or_else(|| Arc::new(Schema::empty()));
        let columns = Layout::new(&declared, &spec.partition_by, None, false)?.columns_in_files();
        let place = Place::parse(stores, &spec.location)?;
        let files = Files { name: &spec.name, place: &place, format: Format::Csv, text: &text };
        let mut written = Self { options: Arc::clone(options), files: Vec::new() };
        for object in files.chosen().await? {
            written.files.extend(look(&place, &object, options, &columns).await?);
        }
        Ok(written)
    }
}

/// Reads a file up to its first record; none when it is gone.
async fn look(place: &Place, object: &Object, options: &Arc<CsvOptions>, columns: &SchemaRef) -> Result<Option<WrittenFile>> {
    let address = place.address(&object.path);
    let Some(body) = fetch(place, object).await? else { return Ok(None) };
    let mut reader = body.open(&address).await?;
    let names = columns.fields().iter().enumerate().map(|(slot, field)| (field.name().clone(), Some(slot)));
    let mut decoder = CsvDecoder::new(Arc::clone(options), names, OnError::Quarantine, &address);
    decode_head(&mut decoder, &mut reader, &address, columns, Head { rows: 1, bytes: u64::MAX }).await?;
    let is_utf8 = decoder.form().is_none_or(|form| form.is_utf8());
    let is_in_order = decoder.is_in_order();
    Ok(decoder.dialect().map(|dialect| WrittenFile { address, dialect, is_utf8, is_in_order }))
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{DataType, Field};

    use super::*;
    use crate::context::TableComments;
    use crate::stores::S3Config;

    #[tokio::test]
    async fn files_are_looked_into_as_the_options_say() {
        let folder = tempfile::tempdir().unwrap();
        let location = format!("{}/", folder.path().display());
        std::fs::write(folder.path().join("a.csv"), "id;name\n1;x, y, z\n").unwrap();
        std::fs::write(folder.path().join("b.csv"), b"name;id\nf\xfcr;2\n").unwrap();
        std::fs::write(folder.path().join("c.csv"), "id\n3\n").unwrap();
        let columns = Schema::new(vec![Field::new("id", DataType::Int64, true), Field::new("name", DataType::Utf8, true)]);
        let options = [("DELIMITER", ";"), ("format.has_header", "true")];
        let spec = TableSpec {
            name: "t".into(),
            connector: "CSV".into(),
            location,
            series: None,
            partition_by: Vec::new(),
            columns: Some(columns.into()),
            primary_key: Vec::new(),
            options: options.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
            comments: TableComments::default(),
        };
        let stores = Stores::new(folder.path().join("lake").to_str().unwrap(), S3Config::default()).unwrap();
        let written = Written::of(&spec, &stores).await.unwrap();
        let files =
            written.files.iter().map(|file| (file.dialect.delimiter, file.dialect.header, file.is_utf8, file.is_in_order));
        let expected = [(b';', true, true, true), (b';', true, false, false), (b';', true, true, true)];
        assert_eq!(files.collect::<Vec<_>>(), expected);
        assert!(written.files[1].address.ends_with("/b.csv"));
    }
}
