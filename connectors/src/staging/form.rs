//! How a staged file is encoded.

use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use crate::error::Result;

/// Bytes of a page, before compression.
pub(super) const PAGE_BYTES: usize = 256 << 10;

/// What a footer says of the length of texts: for each column the bytes of its longest one, 0 for other types.
const LONGEST: &str = "engine.longest";

/// How files are encoded, and what their footers say.
#[derive(Debug, Clone)]
pub struct FileForm {
    pub(super) options: ArrowWriterOptions,
    /// A file is closed at this size at the latest.
    pub(super) file_bytes: u64,
    /// What the footer says beside what Parquet has it say; with it, how long texts are.
    pub(super) note: Option<(&'static str, String)>,
}

impl FileForm {
    /// That of files which stay.
    ///
    /// # Errors
    /// None that can happen.
    pub(crate) fn lasting() -> Result<Self> {
        Ok(Self::of(ArrowWriterOptions::new().with_properties(lasting_properties()?)))
    }

    /// Of files that are read once and soon, from the local disk: what makes a file small costs more time than it saves.
    pub(super) fn temporary() -> Self {
        let properties = WriterProperties::builder()
            .set_compression(Compression::LZ4_RAW)
            .set_dictionary_enabled(false)
            .set_statistics_enabled(EnabledStatistics::None)
            .set_data_page_size_limit(PAGE_BYTES)
            .set_write_batch_size(128);
        Self::of(ArrowWriterOptions::new().with_properties(properties.build()))
    }

    /// As another reader wants them.
    pub(crate) fn of(options: ArrowWriterOptions) -> Self {
        Self { options, file_bytes: u64::MAX, note: None }
    }

    /// Files of at most so many bytes, that say this, and how long their texts are.
    pub(crate) fn saying(self, file_bytes: u64, key: &'static str, value: String) -> Self {
        Self { file_bytes, note: Some((key, value)), ..self }
    }
}

/// How files are encoded that stay. Pages and dictionaries are smaller than parquet's defaults of 1 MiB: they are buffered raw, once
/// per column and open file.
pub(crate) fn lasting_properties() -> Result<WriterProperties> {
    Ok(WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_dictionary_page_size_limit(256 << 10)
        .set_data_page_size_limit(PAGE_BYTES)
        // A page is cut at the end of a mini batch only: with 1,024 values of 2 KB it would hold 2 MB.
        .set_write_batch_size(128)
        .set_created_by(concat!("engine version ", env!("CARGO_PKG_VERSION")).to_owned())
        .build())
}

/// What a footer says of how long texts are.
pub(super) fn longest_note(longest: &[usize]) -> KeyValue {
    let longest: Vec<String> = longest.iter().map(usize::to_string).collect();
    KeyValue::new(LONGEST.to_owned(), longest.join(","))
}

/// The bytes of the longest text of each column, if `footer` says `value` under `key`, and how long they are.
pub(crate) fn longest_if(footer: Option<&Vec<KeyValue>>, key: &str, value: &str) -> Option<Vec<u64>> {
    let said = |key: &str| footer?.iter().find(|said| said.key == key)?.value.as_deref();
    if said(key)? != value {
        return None;
    }
    said(LONGEST)?.split(',').map(|length| length.parse().ok()).collect()
}
