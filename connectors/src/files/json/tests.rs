//! Files as they come, decoded.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Fields, Schema, TimeUnit};
use arrow::util::pretty::pretty_format_batches;
use proptest::prelude::*;

use super::records::JsonDecoder;
use crate::files::columns::Columns;
use crate::files::decode::{Decoder, OnError, Output, Position, Progress, Refused};

fn schema() -> Arc<Schema> {
    let point = Fields::from(vec![Field::new("x", DataType::Int32, true), Field::new("y", DataType::Float64, true)]);
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, true),
        Field::new("name", DataType::Utf8, true),
        Field::new("ok", DataType::Boolean, true),
        Field::new("day", DataType::Date32, true),
        Field::new("at", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true),
        Field::new("price", DataType::Decimal128(10, 2), true),
        Field::new("tags", DataType::List(Arc::new(Field::new("item", DataType::Utf8, true))), true),
        Field::new("point", DataType::Struct(point), true),
    ]))
}

struct Decoded {
    rows: RecordBatch,
    refused: Vec<Refused>,
    numbers: Vec<i64>,
    records: u64,
}

/// Decodes `text`, given in pieces of `chunk` bytes.
fn decode_in(schema: &Arc<Schema>, text: &[u8], lenient: bool, on_error: OnError, chunk: usize) -> Decoded {
    run(schema, JsonDecoder::new(names(schema), lenient, on_error), text, chunk)
}

fn names(schema: &Schema) -> impl Iterator<Item = (String, Option<usize>)> {
    schema.fields().iter().enumerate().map(|(index, field)| (field.name().clone(), Some(index)))
}

fn run(schema: &Arc<Schema>, mut decoder: JsonDecoder, text: &[u8], chunk: usize) -> Decoded {
    let mut columns = Columns::new(Arc::clone(schema)).unwrap();
    let (mut refused, mut numbers) = (Vec::new(), Vec::new());
    let mut chunks = text.chunks(chunk.max(1));
    let mut output = Output { columns: &mut columns, refused: &mut refused, numbers: &mut numbers, room: usize::MAX };
    while decoder.decode(&mut output).unwrap() != Progress::Done {
        match chunks.next() {
            Some(chunk) => decoder.push(chunk),
            None => decoder.finish(),
        }
    }
    Decoded { rows: columns.take().unwrap(), refused, numbers, records: decoder.records() }
}

fn decode(text: &str, lenient: bool, on_error: OnError) -> Decoded {
    let whole = decode_in(&schema(), text.as_bytes(), lenient, on_error, usize::MAX);
    for chunk in [1, 2, 3, 7] {
        let pieces = decode_in(&schema(), text.as_bytes(), lenient, on_error, chunk);
        assert_eq!(pieces.rows, whole.rows, "in pieces of {chunk}: {text}");
        assert_eq!(pieces.refused, whole.refused, "in pieces of {chunk}: {text}");
    }
    whole
}

fn ids(decoded: &Decoded) -> Vec<Option<i64>> {
    use arrow::array::AsArray;
    decoded.rows.column(0).as_primitive::<arrow::datatypes::Int64Type>().iter().collect()
}

fn strict(text: &str) -> Decoded {
    decode(text, false, OnError::Quarantine)
}

fn reasons(decoded: &Decoded) -> Vec<String> {
    decoded.refused.iter().map(|bad| format!("{}:{}:{} {}", bad.row, bad.line, bad.offset, bad.reason)).collect()
}

#[test]
fn records_follow_each_other_in_every_usual_way() {
    let some = |ids: &[i64]| ids.iter().map(|id| Some(*id)).collect::<Vec<_>>();
    for text in [
        "{\"id\":1}\n{\"id\":2}\n",
        "{\"id\":1}\r\n{\"id\":2}",
        "\u{feff}{\"id\":1}\n\n  \n{\"id\":2}\n",
        "{\"id\":1}{\"id\":2}",
        "{\"id\":1} {\"id\":2} ",
        "{\"id\":1},\n{\"id\":2},\n",
        "[{\"id\":1},{\"id\":2}]",
        "[\n  {\n    \"id\": 1\n  },\n  {\n    \"id\": 2\n  }\n]\n",
        "[{\"id\":1}]\n[{\"id\":2}]\n",
        "{\n \"id\":\n 1}\n{\"id\":2\n}",
    ] {
        let decoded = strict(text);
        assert_eq!(ids(&decoded), some(&[1, 2]), "{text}: {:?}", reasons(&decoded));
        assert!(decoded.refused.is_empty(), "{text}: {:?}", reasons(&decoded));
    }
    for text in ["", "\n\n", "[]", "  [ ] ", "\u{feff}"] {
        let decoded = strict(text);
        assert_eq!((decoded.records, decoded.rows.num_rows()), (0, 0), "{text:?}: {:?}", reasons(&decoded));
    }
}

#[test]
fn values_of_every_type_are_read() {
    let decoded = strict(concat!(
        r#"{"id":-5,"name":"\u00fc \ud83d\ude00 \"q\" \\ \n","ok":true,"day":"2026/11/21","at":"2026-11-21T10:00:00.5+01:00","#,
        r#""price":12.3,"tags":["a",null,"b"],"point":{"y":1e3,"x":7,"z":[1,{}]},"extra":{"a":[1,2]}}"#,
        "\n{}\n",
        r#"{"NAME":"case","id":3.0,"price":"7","tags":[],"point":null,"id":9}"#,
    ));
    assert!(decoded.refused.is_empty(), "{:?}", reasons(&decoded));
    let shown = pretty_format_batches(&[decoded.rows]).unwrap().to_string();
    for cell in ["-5", "ü 😀 \"q\" \\", "2026-11-21", "2026-11-21T09:00:00.500Z", "12.30", "[a, , b]", "{x: 7, y: 1000.0}"] {
        assert!(shown.contains(&format!("| {cell} ")), "{cell} is not in\n{shown}");
    }
    assert!(shown.contains("| 9  | case"), "{shown}");
}

#[test]
fn a_value_that_does_not_fit_refuses_its_row_and_no_other() {
    let text = "{\"id\":1}\n{\"id\":\"x\",\"name\":\"n\"}\n{\"id\":3,\"point\":{\"x\":3000000000}}\n{\"id\":4,\"tags\":[\"a\",{\"b\":1}]}\n{\"id\":5,\"day\":\"2026-02-30\"}\n{\"id\":6}\n";
    let decoded = strict(text);
    assert_eq!(ids(&decoded), [Some(1), Some(4), Some(6)]);
    assert_eq!(decoded.numbers, [1, 4, 6]);
    let columns: Vec<_> = decoded.refused.iter().map(|bad| bad.column.clone().unwrap()).collect();
    assert_eq!(columns, ["id", "point.x", "day"]);
    assert_eq!(
        reasons(&decoded),
        [
            "2:2:9 'x' is not a BIGINT",
            "3:3:31 3000000000 is not an INT (-2147483648 to 2147483647)",
            "5:5:95 '2026-02-30' is not a DATE"
        ]
    );
    assert_eq!(decoded.refused[0].raw, b"{\"id\":\"x\",\"name\":\"n\"}");
    assert!(!decoded.refused[0].kept);

    let nulled = decode(text, false, OnError::Null);
    assert_eq!(ids(&nulled), [Some(1), None, Some(3), Some(4), Some(5), Some(6)]);
    assert!(nulled.refused.len() == 3 && nulled.refused.iter().all(|bad| bad.kept));
}

#[test]
fn a_record_with_one_column_in_two_ways_of_writing_is_refused() {
    let text = "{\"ID\":1}\n{\"Id\":2,\"id\":3}\n{\"id\":4,\"id\":5}\n{\"Id\":6,\"Id\":7}\n{\"id\":8,\"ID\":9}\n";
    let decoded = decode(text, false, OnError::Quarantine);
    assert_eq!(ids(&decoded), [Some(1), Some(5), Some(7)]);
    let refused: Vec<(u64, &str)> = decoded.refused.iter().map(|refused| (refused.row, refused.reason.as_str())).collect();
    let reason = |a: &str, b: &str| format!("is in the record as '{a}' and as '{b}'; they are one column");
    assert_eq!(refused, [(2, reason("Id", "id").as_str()), (5, reason("id", "ID").as_str())]);
}

#[test]
fn a_record_that_cannot_be_read_takes_no_other_along() {
    for (text, expected, reason) in [
        ("{\"id\":1}\nnot json\n{\"id\":3}\n", vec![1, 3], "2:2:9 not JSON at byte 1"),
        (
            "{\"id\":1}\n{\"id\":2,\n{\"id\":3}\n",
            vec![1, 3],
            "2:2:9 not JSON at byte 10 of the record: expected a name in quotes, found {",
        ),
        ("{\"id\":1}\n{\"id\":\n{\"id\":3}\n{\"id\":4}\n", vec![1, 3, 4], "2:2:9 not JSON"),
        (
            "{\"id\":1}\n{\"name\":\"open\n{\"id\":3}\n",
            vec![1, 3],
            "2:2:9 not JSON at byte 14 of the record: expected the closing quote",
        ),
        ("{\"id\":1}\n{\"id\":2", vec![1], "2:2:9 the file ends in the middle of this record"),
        (
            "{\"id\":1}\n[1,2]\n{\"id\":3}\n",
            vec![1, 3],
            "2:2:10 not JSON at byte 1 of the record: expected an object: {, found 1",
        ),
        ("{\"id\":1}\n{'id':2}\n{\"id\":3}\n", vec![1, 3], "there is OPTIONS ('mode' 'lenient')"),
        ("[{\"id\":1},{\"id\":x,\"tags\":[\"}\"]},{\"id\":3}]", vec![1, 3], "2:1:10 not JSON at byte 7"),
        (
            "[\n{\"id\":1\n},\n{\"id\" 2\n},\n{\"id\":3}\n]",
            vec![1, 3],
            "2:4:13 not JSON at byte 7 of the record: expected ':', found 2",
        ),
        ("[{\"id\":1},", vec![1], "the file ends before the list"),
        ("{\"id\":1}\n{\"id\":01}\n{\"id\":3}", vec![1, 3], "expected a number"),
        (
            "[null,{\"id\":1},[2],{\"id\":3}]",
            vec![1, 3],
            "3:1:15 not JSON at byte 1 of the record: expected an object: {, found [",
        ),
        ("{\"id\":1}\n{\"id\":2}}\n{\"id\":3}", vec![1, 2, 3], "3:2:17 not JSON"),
    ] {
        let decoded = strict(text);
        assert_eq!(ids(&decoded), expected.iter().map(|id| Some(*id)).collect::<Vec<_>>(), "{text}: {:?}", reasons(&decoded));
        assert!(reasons(&decoded).iter().any(|found| found.contains(reason)), "{text}: {:?}", reasons(&decoded));
    }
}

#[test]
fn lenient_mode_reads_what_python_prints() {
    let text = "{'id': 1, 'name': 'Coupe, Sedan', 'ok': True, 'point': None,}\n\
                {'id': 2, 'name': \"it's\", 'ok': False, 'tags': ['a', 'b',], 'x': NaN}\n\
                {'id': 3, 'name': 'it\\'s \\x41', 'point': {'y': inf}}\n";
    let decoded = decode(text, true, OnError::Quarantine);
    assert!(decoded.refused.is_empty(), "{:?}", reasons(&decoded));
    let shown = pretty_format_batches(&[decoded.rows]).unwrap().to_string();
    for part in ["Coupe, Sedan", "it's A", "[a, b]", "inf"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert_eq!(strict(text).refused.len(), 3);
}

#[test]
fn lenient_mode_reads_tuples_prefixed_strings_and_names_that_are_numbers() {
    let text = "{'id': 1, u'name': u'a', 'tags': ('x', b'y',), 7: (), 'point': {'x': 1}}\n{'id': 2, 'tags': ()}";
    let decoded = decode(text, true, OnError::Quarantine);
    assert_eq!((ids(&decoded), decoded.refused.len()), (vec![Some(1), Some(2)], 0), "{:?}", decoded.refused);
    let shown = pretty_format_batches(&[decoded.rows]).unwrap().to_string();
    assert!(shown.contains("| a ") && shown.contains("[x, y]"), "{shown}");
    assert_eq!(decode(text, false, OnError::Quarantine).refused.len(), 2, "strict JSON has none of it");
}

#[test]
fn depth_is_bounded() {
    let deep = format!("{{\"name\":{}1{}}}\n{{\"id\":2}}", "[".repeat(100_000), "]".repeat(100_000));
    let decoded = decode_in(&schema(), deep.as_bytes(), false, OnError::Quarantine, usize::MAX);
    assert_eq!(ids(&decoded), [Some(2)]);
    assert!(decoded.refused[0].reason.contains("128 levels"), "{}", decoded.refused[0].reason);
}

#[test]
fn a_record_that_is_too_long_is_cut_wherever_the_chunks_end_and_the_next_line_is_read() {
    let long = "x".repeat(100);
    for (text, expected, cut) in [
        (format!("{{\"id\":1}}\n{{\"name\":\"{long}\"}}{{\"id\":5}}\n{{\"id\":3}}\n"), vec![1, 3], "{\"name\":\"xxxxxxxxxxx"),
        (format!("{{\"id\":1}}\n{{\"name\":\"{long}\n{{\"id\":3}}\n"), vec![1, 3], "{\"name\":\"xxxxxxxxxxx"),
        (format!("[{{\"id\":1}},\n{{\"id\":2,\"name\":\"{long}\"}},\n{{\"id\":3}}]"), vec![1, 3], "{\"id\":2,\"name\":\"xxxx"),
        (format!("[{{\"id\":1}},{{\"name\":\"{long}\"}}]"), vec![1], "{\"name\":\"xxxxxxxxxxx"),
        (format!("{{\"id\":1}}\n[{long}"), vec![1], "xxxxxxxxxxxxxxxxxxxx"),
    ] {
        let read = |chunk| {
            let decoder = JsonDecoder::new(names(&schema()), false, OnError::Quarantine).refusing_longer(20);
            run(&schema(), decoder, text.as_bytes(), chunk)
        };
        let whole = read(usize::MAX);
        assert_eq!(ids(&whole), expected.iter().map(|id| Some(*id)).collect::<Vec<_>>(), "{text}: {:?}", reasons(&whole));
        let bad = &whole.refused[0];
        assert_eq!((bad.raw.as_slice(), bad.cut), (cut.as_bytes(), true), "{text}");
        assert!(bad.reason.contains("longer than 20 bytes"), "{}", bad.reason);
        for chunk in [1, 2, 7, 19, 20, 21, 40] {
            let pieces = read(chunk);
            assert_eq!((pieces.rows, &pieces.refused), (whole.rows.clone(), &whole.refused), "in pieces of {chunk}: {text}");
        }
    }
}

#[test]
fn a_record_that_cannot_be_read_names_no_columns() {
    let mut decoder = JsonDecoder::new(names(&schema()), false, OnError::Quarantine);
    let text = b"{\"id\":1,\"new\":2}\n{\"id\":2,\"ghost\":nonsense}\n";
    let mut columns = Columns::new(schema()).unwrap();
    let (mut refused, mut numbers) = (Vec::new(), Vec::new());
    decoder.push(text);
    decoder.finish();
    let mut output = Output { columns: &mut columns, refused: &mut refused, numbers: &mut numbers, room: usize::MAX };
    decoder.decode(&mut output).unwrap();
    assert_eq!((decoder.unknown(), refused.len()), (vec!["new".to_owned()], 1));
}

#[test]
fn not_null_columns_refuse_rows_without_a_value() {
    let schema = Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, false)]));
    let decoded = decode_in(&schema, b"{\"id\":1}\n{}\n{\"id\":null}\n", false, OnError::Null, usize::MAX);
    assert_eq!(ids(&decoded), [Some(1)]);
    assert_eq!(decoded.refused.len(), 2);
    assert!(decoded.refused.iter().all(|bad| bad.reason.contains("NOT NULL") && !bad.kept));
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i32>().prop_map(Into::into),
        any::<f64>().prop_filter_map("finite", |number| serde_json::Number::from_f64(number).map(Into::into)),
        ".{0,12}".prop_map(Into::into),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::hash_map(".{0,4}", inner, 0..4)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    /// Whatever serde_json writes is read, and text columns get each value as it would be written.
    #[test]
    fn what_another_program_writes_is_read(values in prop::collection::vec(json(), 0..6), pretty: bool, chunk in 1_usize..64) {
        let schema = Arc::new(Schema::new(vec![Field::new("v", DataType::Utf8, true)]));
        let mut text = String::new();
        for value in &values {
            let record = serde_json::json!({ "v": value });
            text += &if pretty { serde_json::to_string_pretty(&record).unwrap() } else { record.to_string() };
            text.push('\n');
        }
        let decoded = decode_in(&schema, text.as_bytes(), false, OnError::Quarantine, chunk);
        prop_assert!(decoded.refused.is_empty(), "{:?}", reasons(&decoded));
        use arrow::array::{Array, AsArray};
        let column = decoded.rows.column(0).as_string::<i32>();
        prop_assert_eq!(column.len(), values.len());
        for (row, value) in values.iter().enumerate() {
            match value {
                serde_json::Value::Null => prop_assert!(column.is_null(row)),
                serde_json::Value::String(text) => prop_assert_eq!(column.value(row), text),
                // Read back too, because serde_json does not read every float as it wrote it.
                other => {
                    let again = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
                    prop_assert_eq!(again(column.value(row)), again(&other.to_string()));
                }
            }
        }
    }

    /// Garbage is refused, the same in whatever pieces it comes, and good lines around it are read.
    #[test]
    fn garbage_is_refused_in_the_same_way_in_any_pieces(garbage in prop::collection::vec("[\\[\\]{}\":,a-c0-9\\\\' \n]{0,20}", 0..5), lenient: bool, chunk in 1_usize..16) {
        let text = garbage.join("\n{\"id\":1}\n");
        let whole = decode_in(&schema(), text.as_bytes(), lenient, OnError::Quarantine, usize::MAX);
        let pieces = decode_in(&schema(), text.as_bytes(), lenient, OnError::Quarantine, chunk);
        prop_assert_eq!(whole.rows, pieces.rows);
        prop_assert_eq!(&whole.refused, &pieces.refused);
        for Refused { raw, row, line, offset, reason, .. } in whole.refused {
            let position = Position { row, line, offset };
            let decoder = JsonDecoder::of_record(names(&schema()), lenient, OnError::Quarantine, position);
            let again = run(&schema(), decoder, &raw, usize::MAX);
            prop_assert_eq!(again.rows.num_rows(), 0, "what was refused for '{}' is none the less a row by itself", reason);
        }
    }
}
