//! What a fuzzer calls: any bytes, read as JSON in every way, and what must hold of the result. Not part of reading.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Float64Type, Int64Type, SchemaRef};
use catalog::infer::FileObservation;
use serde_json::value::RawValue;

use super::records::JsonDecoder;
use crate::files::columns::Columns;
use crate::files::decode::{Decoder, LONGEST_RECORD, OnError, Output, Position, Refused};
use crate::files::fuzz::{Decoded, Setup, WHOLE, covered, decode, in_any_pieces, names, nothing_fits, reads_what_it_saw};
use crate::files::object::Format;

/// Bytes that come at once where it is looked at what is held.
const CHUNK: usize = 16;

/// Reads `data` whole and in pieces, into columns that its first bytes choose and into those that are found in it.
///
/// # Errors
/// A record is lost, or differs by the pieces it came in or from what `serde_json` reads: a bug, said in words.
pub fn fuzz_decode(data: &[u8]) -> Result<(), String> {
    let Some(setup) = Setup::of(data) else { return Ok(()) };
    let (text, schema) = (setup.text, setup.columns());
    let lenient = setup.flag(4, 0);
    let longest = if setup.flag(4, 1) { usize::from(setup.pick(5, &[0_u8, 1, 5, 20, 60])) + 1 } else { LONGEST_RECORD };
    let new = || JsonDecoder::new(names(&schema), lenient, setup.on_error()).refusing_longer(longest);
    let decoded = in_any_pieces(new, &schema, text, setup.pieces())?;

    let none = nothing_fits();
    let new = || JsonDecoder::new(names(&none), lenient, OnError::Quarantine).refusing_longer(longest);
    let all = in_any_pieces(new, &none, text, setup.pieces())?;
    covered(text, &all.refused, is_between, line_ends)?;
    bounded(new(), &none, text, longest)?;
    if all.records != decoded.records {
        return Err(format!("{} records are {} in other columns", all.records, decoded.records));
    }
    for bad in decoded.refused.iter().filter(|bad| !bad.kept && !bad.cut) {
        let position = Position { row: bad.row, line: bad.line, offset: bad.offset };
        let mut alone = JsonDecoder::of_record(names(&schema), lenient, setup.on_error(), position);
        let again = decode(&mut alone, &schema, &bad.raw, WHOLE)?;
        if again.rows.num_rows() > 0 {
            return Err(format!("{bad:?} is a row by itself"));
        }
    }
    if !lenient {
        all.refused.iter().filter(|bad| !bad.cut).try_for_each(same_grammar)?;
        same_values(&all.refused, &decoded)?;
    }
    reads_what_it_saw(
        || JsonDecoder::observing(FileObservation::new("f"), lenient),
        |schema| JsonDecoder::new(names(schema), lenient, OnError::Quarantine),
        Format::Json,
        text,
        setup.pieces(),
    )
}

/// No more is held of a file than a record and what came last.
fn bounded(mut decoder: JsonDecoder, schema: &SchemaRef, text: &[u8], longest: usize) -> Result<(), String> {
    let mut columns = Columns::new(Arc::clone(schema)).map_err(|error| error.to_string())?;
    let (mut refused, mut numbers) = (Vec::new(), Vec::new());
    let mut output = Output { columns: &mut columns, refused: &mut refused, numbers: &mut numbers, room: usize::MAX };
    for chunk in text.chunks(CHUNK) {
        decoder.push(chunk);
        if decoder.held() > longest.saturating_add(2 * CHUNK) {
            return Err(format!("{} bytes are held for records of {longest}", decoder.held()));
        }
        decoder.decode(&mut output).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Blanks, and what is around the records of a list.
fn is_between(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    bytes.iter().all(|byte| byte.is_ascii_whitespace() || b",[]".contains(byte))
}

fn line_ends(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte == b'\n').count()
}

/// A record that can be read is an object to `serde_json`, and one that cannot is none.
fn same_grammar(record: &Refused) -> Result<(), String> {
    let is_read = record.column.is_some();
    let is_object = serde_json::from_slice::<&RawValue>(&record.raw).is_ok_and(|value| value.get().starts_with('{'));
    // Nesting is bounded here and not there.
    if is_read == is_object || record.reason.contains("levels of nesting") {
        return Ok(());
    }
    Err(format!("{record:?} is {} object", if is_object { "an" } else { "no" }))
}

/// The values of the rows are those that `serde_json` reads, of the types that both know.
fn same_values(records: &[Refused], decoded: &Decoded) -> Result<(), String> {
    for (row, number) in decoded.numbers.iter().enumerate() {
        let record = usize::try_from(number - 1).ok().and_then(|index| records.get(index)).ok_or("a row without a record")?;
        // Half a surrogate pair is an error there.
        let Ok(members) = serde_json::from_slice::<HashMap<String, &RawValue>>(&record.raw) else { continue };
        for (field, array) in decoded.rows.schema().fields().iter().zip(decoded.rows.columns()) {
            let mut named = members.iter().filter(|(name, _)| name.to_lowercase() == *field.name());
            let (Some((_, value)), None) = (named.next(), named.next()) else { continue };
            if !is_same(value.get(), array, row) {
                return Err(format!("{value} of {record:?} is not what is in row {row} of {array:?}"));
            }
        }
    }
    Ok(())
}

/// Whether `array` has at `row` what `raw` is, where that is a value of its type.
fn is_same(raw: &str, array: &ArrayRef, row: usize) -> bool {
    // An array of nothing but NULL has no mask that says so.
    let some = *array.data_type() != DataType::Null && array.is_valid(row);
    if raw == "null" {
        return !some;
    }
    match array.data_type() {
        DataType::Utf8 if raw.starts_with('"') => {
            serde_json::from_str::<String>(raw).map_or(true, |text| some && array.as_string::<i32>().value(row) == text)
        }
        DataType::Utf8 => some && array.as_string::<i32>().value(row) == raw,
        DataType::Int64 => raw.parse().map_or(true, |value: i64| some && array.as_primitive::<Int64Type>().value(row) == value),
        DataType::Boolean => raw.parse().map_or(true, |value: bool| some && array.as_boolean().value(row) == value),
        DataType::Float64 => raw.parse().map_or(true, |value: f64| {
            !value.is_finite() || some && array.as_primitive::<Float64Type>().value(row).to_bits() == value.to_bits()
        }),
        DataType::List(_) => serde_json::from_str::<Vec<&RawValue>>(raw).map_or(true, |items| {
            let list = array.as_list::<i32>().value(row);
            some && list.len() == items.len() && items.iter().enumerate().all(|(at, item)| is_same(item.get(), &list, at))
        }),
        DataType::Struct(_) => serde_json::from_str::<HashMap<String, &RawValue>>(raw).map_or(true, |members| {
            let array = array.as_struct();
            let is_same = |(name, member): (&str, &ArrayRef)| {
                let mut named = members.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
                let (Some((_, value)), None) = (named.next(), named.next()) else { return true };
                is_same(value.get(), member, row)
            };
            some && array.column_names().into_iter().zip(array.columns()).all(is_same)
        }),
        _ => true,
    }
}
