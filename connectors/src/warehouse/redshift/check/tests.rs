use arrow::array::{BinaryArray, Date32Array, Int64Array, TimestampMicrosecondArray};
use arrow::datatypes::{Field, Schema};

use super::*;
use crate::sink::WriteMode;
use crate::upserts::Upserts;
use crate::warehouse::redshift::catalog::TableColumn;
use crate::warehouse::redshift::columns::load_columns;
use crate::warehouse::redshift::names::Relation;

/// Checks one column called `v` beside the key `k`, which counts from 41.
fn check(values: ArrayRef, target: Option<ColumnType>, too_long: TooLong) -> Result<(ArrayRef, u64)> {
    let table = Relation::parse("s.t").unwrap();
    let keys: ArrayRef = Arc::new((0..values.len()).map(|row| 41 + row as i64).collect::<Int64Array>());
    let schema = Schema::new(vec![Field::new("k", DataType::Int64, true), Field::new("v", values.data_type().clone(), true)]);
    let there = target.map(|column_type| TableColumn {
        name: "v".into(),
        column_type,
        nullable: true,
        has_default: false,
        is_identity: false,
    });
    let there: Vec<TableColumn> = there.into_iter().collect();
    let columns = load_columns(&table, &schema, Some(&there), &Upserts::default(), WriteMode::Append)?;
    let mut checker = Checker::new(table.to_string(), &columns, &["k".to_owned()], too_long);
    let rows = checker.check(&RecordBatch::try_new(Arc::new(schema), vec![keys, values])?)?;
    Ok((Arc::clone(rows.column(1)), checker.longest()[1]))
}

fn texts(values: &[&str]) -> ArrayRef {
    Arc::new(values.iter().map(|value| Some(*value)).collect::<StringArray>())
}

fn refusal(values: ArrayRef, target: Option<ColumnType>) -> String {
    let error = check(values, target, TooLong::Fail).unwrap_err();
    assert!(matches!(error, Error::Data { .. }), "{error}");
    error.to_string()
}

#[test]
fn width_is_counted_in_bytes() {
    let (_, longest) = check(texts(&["abc", "González"]), None, TooLong::Fail).unwrap();
    assert_eq!(longest, 9);
}

#[test]
fn text_that_no_varchar_holds_names_table_column_row_key_and_value() {
    let message = refusal(texts(&["fits", &"ä".repeat(40_000)]), None);
    assert_eq!(
        message,
        format!(
            "table 's.t', column 'v', row 2 of the epoch (k = 42): '{}...' has 80000 bytes, and the widest VARCHAR holds 65535; set \
             'too_long' 'truncate', or shorten it in the query, as in left(.., 16383), which always fits",
            "ä".repeat(40)
        )
    );
}

#[test]
fn truncation_cuts_between_two_letters() {
    let (values, longest) = check(texts(&["fits", &"ä".repeat(40_000)]), None, TooLong::Truncate).unwrap();
    // 65,535 is odd, and each letter has two bytes.
    assert_eq!(values.as_string::<i32>().value(1).len(), 65_534);
    assert_eq!((values.as_string::<i32>().value(0), longest), ("fits", 65_534));
}

#[test]
fn nul_is_refused_or_left_out() {
    assert!(refusal(texts(&["a\0b"]), None).contains("row 1 of the epoch (k = 41): 'a\\0b' has a NUL in it"));
    let (values, _) = check(texts(&["a\0b"]), None, TooLong::Truncate).unwrap();
    assert_eq!(values.as_string::<i32>().value(0), "ab");
}

#[test]
fn char_holds_ascii_of_its_width() {
    assert!(
        refusal(texts(&["abcd"]), Some(ColumnType::Char(3)))
            .contains("has 4 bytes, and CHAR(3) holds 3; set 'too_long' 'truncate', or")
    );
    assert!(refusal(texts(&["abcd"]), Some(ColumnType::Char(3))).contains("left(.., 3)"));
    assert!(refusal(texts(&["ä"]), Some(ColumnType::Char(3))).contains("letters beyond ASCII"));
}

#[test]
fn decimals_are_rounded_to_nothing_and_overflow_is_named() {
    let wide = arrow::array::Decimal128Array::from(vec![Some(123_456)]).with_precision_and_scale(6, 0).unwrap();
    // Staged for DECIMAL(6,0); somebody made the column DECIMAL(18,0) since, which takes it.
    let (values, _) = check(Arc::new(wide.clone()), Some(ColumnType::Decimal(18, 0)), TooLong::Fail).unwrap();
    assert_eq!(values.data_type(), &DataType::Decimal128(18, 0));
    // And DECIMAL(4,0) does not.
    assert_eq!(
        refusal(Arc::new(wide), Some(ColumnType::Decimal(4, 0))),
        "table 's.t', column 'v', row 1 of the epoch (k = 41): '123456' has more than 4 digits before the point, and the column is DECIMAL(4,0)"
    );
    let fine = |values: Vec<Option<i128>>| {
        Arc::new(arrow::array::Decimal128Array::from(values).with_precision_and_scale(38, 4).unwrap())
    };
    let narrow = || Some(ColumnType::Decimal(6, 2));
    let (values, _) = check(fine(vec![Some(12_500), None, Some(-99_999_900)]), narrow(), TooLong::Fail).unwrap();
    let values: Vec<_> = values.as_primitive::<arrow::datatypes::Decimal128Type>().iter().collect();
    assert_eq!(values, [Some(125), None, Some(-999_999)]);
    // A digit that would be rounded away.
    let lost = refusal(fine(vec![Some(12_500), Some(12_345)]), narrow());
    assert!(lost.contains("row 2 of the epoch (k = 42): '1.2345' has more than 2 digits behind the point"), "{lost}");
    let whole: ArrayRef = Arc::new(Int64Array::from(vec![Some(32_767), Some(32_768)]));
    let large = refusal(whole, Some(ColumnType::SmallInt));
    assert!(
        large.contains("row 2 of the epoch (k = 42): '32768' is not between -32768 and 32767, and the column is SMALLINT"),
        "{large}"
    );
}

#[test]
fn a_number_that_does_not_fit_is_one_misfit_also_where_there_may_be_no_null() {
    let table = Relation::parse("s.t").unwrap();
    let schema = Schema::new(vec![Field::new("v", DataType::Int64, true)]);
    let there = [TableColumn {
        name: "v".into(),
        column_type: ColumnType::SmallInt,
        nullable: false,
        has_default: false,
        is_identity: false,
    }];
    let columns = load_columns(&table, &schema, Some(&there), &Upserts::default(), WriteMode::Append).unwrap();
    let mut checker = Checker::new(table.to_string(), &columns, &["v".to_owned()], TooLong::Fail);
    let values: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), Some(1 << 40), None]));
    let (_, misfits) = checker.examine(&RecordBatch::try_new(Arc::new(schema), vec![values]).unwrap()).unwrap();
    let rows: Vec<_> = misfits.iter().map(|misfit| (misfit.row, misfit.reason.contains("is not between"))).collect();
    assert_eq!(rows, [(1, true), (2, false), (2, false)], "{misfits:?}");
}

#[test]
fn dates_and_moments_have_a_range() {
    let days: ArrayRef = Arc::new(Date32Array::from(vec![Some(0), Some(-2_440_589)]));
    assert!(refusal(days, None).contains("row 2 of the epoch (k = 42)"));
    let moments: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![Some(i64::MIN)]));
    assert!(refusal(moments, None).contains("is not between 4713 BC and AD 294247"));
}

#[test]
fn binary_and_json_have_their_limits() {
    let bytes: ArrayRef = Arc::new(BinaryArray::from_vec(vec![&vec![7_u8; 64_001]]));
    assert!(refusal(bytes, None).contains("64,000 bytes of a VARBYTE"));
    assert!(refusal(texts(&["{\"a\":1}", "{a}"]), Some(ColumnType::Super)).contains("'{a}' is no JSON"));
    assert!(check(texts(&["{\"a\":1}"]), Some(ColumnType::Super), TooLong::Fail).is_ok());
}

fn key_refusal(values: ArrayRef) -> String {
    let table = Relation::parse("s.t").unwrap();
    let schema = Schema::new(vec![Field::new("k", values.data_type().clone(), true)]);
    let columns = load_columns(&table, &schema, None, &Upserts::default(), WriteMode::Append).unwrap();
    let mut checker = Checker::new(table.to_string(), &columns, &["k".to_owned()], TooLong::Fail);
    checker.check(&RecordBatch::try_new(Arc::new(schema), vec![values]).unwrap()).unwrap_err().to_string()
}

#[test]
fn keys_that_equal_nothing_or_too_much_are_refused() {
    let nulls: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None]));
    assert!(key_refusal(nulls).contains("column 'k', row 2 of the epoch: 'NULL' is part of the key and NULL"));
    assert!(key_refusal(texts(&["a", "a "])).contains("row 2 of the epoch: 'a ' is part of the key and ends in a blank"));
}
