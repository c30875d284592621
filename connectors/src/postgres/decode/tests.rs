//! The decoder against an encoder of other people's: what `postgres-types` writes is what the server would send.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{Date32Type, Float64Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType};
use bytes::BytesMut;
use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, TimeDelta};
use postgres_types::{IsNull, ToSql, Type};
use proptest::prelude::*;

use super::column::{Column, DAY_MICROS, EPOCH_DAYS, Unfit};
use super::frame::{END, Fields, HEADER, Malformed, SIGNATURE, Tuple, header, tuple};
use crate::postgres::types::Wire;

/// A field with its length.
fn field(value: &dyn ToSql, data_type: &Type, bytes: &mut Vec<u8>) {
    let mut encoded = BytesMut::new();
    match value.to_sql_checked(data_type, &mut encoded).unwrap() {
        IsNull::Yes => bytes.extend((-1_i32).to_be_bytes()),
        IsNull::No => {
            bytes.extend(i32::try_from(encoded.len()).unwrap().to_be_bytes());
            bytes.extend(encoded);
        }
    }
}

/// A row of all types that both sides know.
#[derive(Debug, Clone)]
struct Row {
    flag: Option<bool>,
    small: Option<i16>,
    large: Option<i64>,
    double: Option<f64>,
    text: Option<String>,
    bytes: Option<Vec<u8>>,
    day: Option<i32>,
    moment: Option<i64>,
    list: Option<Vec<Option<i32>>>,
}

const TYPES: [Type; 9] =
    [Type::BOOL, Type::INT2, Type::INT8, Type::FLOAT8, Type::TEXT, Type::BYTEA, Type::DATE, Type::TIMESTAMP, Type::INT4_ARRAY];

fn wires() -> Vec<Wire> {
    vec![
        Wire::Bool,
        Wire::Int16,
        Wire::Int64,
        Wire::Float64,
        Wire::Text,
        Wire::Bytes,
        Wire::Date,
        Wire::Timestamp { zoned: false },
        Wire::List(Box::new(Wire::Int32)),
    ]
}

fn day(days: i32) -> NaiveDate {
    NaiveDate::from_epoch_days(0).unwrap().checked_add_days(Days::new(u64::from(days.unsigned_abs()))).unwrap()
}

fn moment(micros: i64) -> NaiveDateTime {
    DateTime::UNIX_EPOCH.naive_utc() + TimeDelta::microseconds(micros)
}

impl Row {
    fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.extend(9_i16.to_be_bytes());
        let values: [&dyn ToSql; 9] = [
            &self.flag,
            &self.small,
            &self.large,
            &self.double,
            &self.text,
            &self.bytes,
            &self.day.map(day),
            &self.moment.map(moment),
            &self.list,
        ];
        values.iter().zip(&TYPES).for_each(|(value, data_type)| field(*value, data_type, bytes));
    }
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let row = (
        (proptest::option::of(any::<bool>()), proptest::option::of(any::<i16>()), proptest::option::of(any::<i64>())),
        (proptest::option::of(any::<f64>()), proptest::option::of(".{0,20}"), proptest::option::of(any::<Vec<u8>>())),
        (
            proptest::option::of(0..3_000_000_i32),
            proptest::option::of(-60_000_000_000_000_000..200_000_000_000_000_000_i64),
            proptest::option::of(proptest::collection::vec(proptest::option::of(any::<i32>()), 0..5)),
        ),
    );
    let made = row.prop_map(|((flag, small, large), (double, text, bytes), (day, moment, list))| Row {
        flag,
        small,
        large,
        double,
        text,
        bytes,
        day,
        moment,
        list,
    });
    proptest::collection::vec(made, 0..20)
}

proptest! {
    #[test]
    fn rows_are_decoded_as_they_were_encoded_wherever_they_are_cut(rows in rows(), cut in 0..2_000_usize) {
        let mut bytes = Vec::new();
        rows.iter().for_each(|row| row.encode(&mut bytes));
        bytes.extend(END.to_be_bytes());
        let mut columns: Vec<Column> = wires().iter().map(Column::new).collect();
        let mut fields = Fields::new();
        let mut at = 0;
        loop {
            // What is cut short is the beginning of a tuple, and no tuple.
            let end = bytes.len().min(at + cut);
            let part = tuple(&bytes[at..end], 9, &mut fields).unwrap();
            let whole = tuple(&bytes[at..], 9, &mut fields).unwrap();
            prop_assert!(part == Tuple::Partial || part == whole, "{part:?} of {whole:?}");
            let Tuple::Whole(length) = whole else { break };
            for (field, column) in fields.iter().zip(&mut columns) {
                match field {
                    Some(range) => column.append(&bytes[at..][range.clone()]).unwrap(),
                    None => column.append_null(),
                }
            }
            at += length;
        }
        let arrays: Vec<ArrayRef> = columns.iter_mut().map(Column::finish).collect();
        for (index, row) in rows.iter().enumerate() {
            let is = |column: usize| arrays[column].is_valid(index);
            prop_assert_eq!(is(0).then(|| arrays[0].as_boolean().value(index)), row.flag);
            prop_assert_eq!(is(1).then(|| arrays[1].as_primitive::<Int16Type>().value(index)), row.small);
            prop_assert_eq!(is(2).then(|| arrays[2].as_primitive::<Int64Type>().value(index)), row.large);
            let double = is(3).then(|| arrays[3].as_primitive::<Float64Type>().value(index).to_bits());
            prop_assert_eq!(double, row.double.map(f64::to_bits));
            prop_assert_eq!(is(4).then(|| arrays[4].as_string::<i32>().value(index)), row.text.as_deref());
            prop_assert_eq!(is(5).then(|| arrays[5].as_binary::<i32>().value(index)), row.bytes.as_deref());
            prop_assert_eq!(is(6).then(|| arrays[6].as_primitive::<Date32Type>().value(index)), row.day);
            prop_assert_eq!(is(7).then(|| arrays[7].as_primitive::<TimestampMicrosecondType>().value(index)), row.moment);
            let list = is(8).then(|| arrays[8].as_list::<i32>().value(index));
            let list = list.map(|list| list.as_primitive::<Int32Type>().iter().collect::<Vec<_>>());
            prop_assert_eq!(list.as_ref(), row.list.as_ref());
        }
        prop_assert!(arrays.iter().all(|array| array.len() == rows.len()));
    }

    #[test]
    fn whatever_the_bytes_are_nothing_breaks(bytes in any::<Vec<u8>>(), expected in 0..5_usize) {
        let mut fields = Fields::new();
        // What it is does not matter: that it is said does.
        drop((header(&bytes), tuple(&bytes, expected, &mut fields)));
        for wire in wires().into_iter().chain([Wire::Decimal128 { precision: 38, scale: 10 }, Wire::NumericText, Wire::Uuid, Wire::Jsonb]) {
            let mut column = Column::new(&wire);
            drop(column.append(&bytes));
            column.append_null();
            prop_assert_eq!(column.finish().len(), 2);
        }
    }
}

#[test]
fn a_value_that_does_not_fit_is_null_and_told_of() {
    for (wire, bytes, reason) in [
        (Wire::Date, i32::MAX.to_be_bytes().to_vec(), "'infinity' is no DATE"),
        (Wire::Timestamp { zoned: true }, i64::MIN.to_be_bytes().to_vec(), "'-infinity' is no TIMESTAMP"),
        (Wire::Timestamp { zoned: true }, (i64::MAX - 1).to_be_bytes().to_vec(), "a time too far in the future"),
        (Wire::Time, DAY_MICROS.to_be_bytes().to_vec(), "'24:00:00' is no time of a day"),
        (Wire::Text, b"ab\xff".to_vec(), "the bytes ff at 2 are not UTF-8"),
        (Wire::Int32, vec![1, 2], "the bytes are no INT"),
        (Wire::List(Box::new(Wire::Int32)), 2_i32.to_be_bytes().to_vec(), "an array of 2 dimensions is no list"),
    ] {
        let mut column = Column::new(&wire);
        assert_eq!(column.append(&bytes), Err(Unfit(reason.to_owned())));
        assert_eq!(column.finish().null_count(), 1, "{reason}");
    }
}

#[test]
fn an_item_that_does_not_fit_makes_its_list_null_and_leaves_the_next_whole() {
    let list = |items: &[i32]| -> Vec<u8> {
        let head = [1, 0, 1082, i32::try_from(items.len()).unwrap(), 1];
        let items = items.iter().flat_map(|item| [4, *item]);
        head.into_iter().chain(items).flat_map(i32::to_be_bytes).collect()
    };
    let mut column = Column::new(&Wire::List(Box::new(Wire::Date)));
    assert!(column.append(&list(&[1, i32::MAX, 2])).is_err());
    column.append(&list(&[3, 4])).unwrap();
    let lists = column.finish();
    let lists = lists.as_list::<i32>();
    assert!(lists.is_null(0));
    let items: Vec<i32> = lists.value(1).as_primitive::<Date32Type>().values().to_vec();
    assert_eq!(items, [3 + EPOCH_DAYS, 4 + EPOCH_DAYS]);
}

#[test]
fn what_is_no_copy_is_refused() {
    assert_eq!(header(&[0; 40]), Err(Malformed("no signature")));
    assert_eq!(header(SIGNATURE), Ok(None));
    let whole = [SIGNATURE.as_slice(), &[0; 4], &2_u32.to_be_bytes(), &[7, 7]].concat();
    assert_eq!((header(&whole), header(&whole[..20])), (Ok(Some(HEADER + 2)), Ok(None)));
    assert_eq!(tuple(&3_i16.to_be_bytes(), 2, &mut Fields::new()), Err(Malformed("another number of fields than asked for")));
}
