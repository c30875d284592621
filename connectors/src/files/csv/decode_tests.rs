//! That how a file comes makes no difference to what is in it.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};

use super::decode::CsvDecoder;
use super::encoding::Choice;
use super::{Hints, Renames};
use crate::files::columns::Columns;
use crate::files::csv::decode::CsvOptions;
use crate::files::decode::{Decoder, OnError, Output};

/// Rows, and what was wrong with the others, of a file that comes in chunks of `size`.
fn decoded(file: &[u8], size: usize) -> (usize, Vec<(u64, String)>) {
    let fields = vec![Field::new("id", DataType::Int64, true), Field::new("name", DataType::Utf8, true)];
    let options = CsvOptions {
        hints: Hints::default(),
        encoding: Choice::Auto,
        renames: Renames::default(),
        nulls: Vec::new(),
        ragged: false,
    };
    let names = [("id".to_owned(), Some(0)), ("name".to_owned(), Some(1))];
    let mut decoder = CsvDecoder::new(Arc::new(options), names, OnError::Quarantine, "x.csv");
    let mut columns = Columns::new(Arc::new(Schema::new(fields))).unwrap();
    let (mut refused, mut numbers) = (Vec::new(), Vec::new());
    let mut decode = |decoder: &mut CsvDecoder| {
        let mut output = Output { columns: &mut columns, refused: &mut refused, numbers: &mut numbers, room: usize::MAX };
        decoder.decode(&mut output).unwrap();
    };
    for chunk in file.chunks(size) {
        decoder.push(chunk);
        decode(&mut decoder);
    }
    decoder.finish();
    decode(&mut decoder);
    (numbers.len(), refused.into_iter().map(|refused| (refused.row, refused.reason)).collect())
}

#[test]
fn what_a_file_is_does_not_depend_on_the_chunks_that_it_came_in() {
    let mut file = b"id,name\n".to_vec();
    while file.len() < 262_200 {
        file.extend_from_slice(b"1,plain\n");
    }
    // Behind what its encoding is told from: in Latin-1, a letter.
    file.extend_from_slice(b"2,caf\xe9\n3,plain\n");
    let expected = decoded(&file, 1_000);
    assert_eq!(expected.1.len(), 1, "{:?}", expected.1);
    for size in [4_096, 70_000, 262_144, file.len()] {
        assert_eq!(decoded(&file, size), expected, "in chunks of {size}");
    }
}
