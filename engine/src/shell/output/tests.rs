//! Every format, over values that are hard on it.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};

use super::*;

const LIMITS: TableLimits = TableLimits { rows: 3, cell_width: 12 };

fn batch() -> RecordBatch {
    let n: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(-300)]));
    let s: ArrayRef = Arc::new(StringArray::from(vec![Some("a|b, \"c\""), Some(""), None]));
    RecordBatch::try_from_iter([("n", n), ("wide s", s)]).unwrap()
}

fn written(format: Format, batches: &[RecordBatch]) -> String {
    let mut writer = format.writer(&batch().schema(), LIMITS);
    let mut out = Vec::new();
    for batch in batches {
        writer.write(batch, &mut out).unwrap();
    }
    writer.finish(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn values_are_quoted_and_nulls_told_from_empty_texts() {
    let batches = [batch()];
    assert_eq!(written(Format::Csv, &batches), "n,wide s\n1,\"a|b, \"\"c\"\"\"\n,\"\"\n-300,\n");
    assert_eq!(written(Format::Tsv, &batches), "n\twide s\n1\ta|b, \"c\"\n\\N\t\n-300\t\\N\n");
    assert_eq!(
        written(Format::Markdown, &batches),
        "| n | wide s |\n|--:|---|\n| 1 | a\\|b, \"c\" |\n| NULL |  |\n| -300 | NULL |\n"
    );
    assert_eq!(
        written(Format::Ndjson, &batches),
        "{\"n\":1,\"wide s\":\"a|b, \\\"c\\\"\"}\n{\"n\":null,\"wide s\":\"\"}\n{\"n\":-300,\"wide s\":null}\n"
    );
}

#[test]
fn a_table_is_aligned_and_limited() {
    let expected = "\
+------+----------+
|    n | wide s   |
+------+----------+
|    1 | a|b, \"c\" |
| NULL |          |
| -300 | NULL     |
+------+----------+
";
    assert_eq!(written(Format::Table, &[batch()]), expected);
    assert_eq!(written(Format::Table, &[batch(), batch()]), expected, "no more than the limit");
}

#[test]
fn a_value_in_a_table_stays_on_its_line_and_in_its_cell() {
    let s: ArrayRef = Arc::new(StringArray::from(vec!["two\nlines \u{1b}[31m", "日本語日本語日本語"]));
    let batch = RecordBatch::try_from_iter([("s", s)]).unwrap();
    let mut table = Format::Table.writer(&batch.schema(), LIMITS);
    let mut out = Vec::new();
    table.write(&batch, &mut out).unwrap();
    table.finish(&mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.contains("| two\\nlines …|") || text.contains("| two\\nlines … |"), "{text}");
    assert!(text.contains("| 日本語日本…  |") || text.contains("| 日本語日本… |"), "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
}

#[test]
fn nothing_is_still_a_result() {
    assert_eq!(written(Format::Csv, &[]), "n,wide s\n");
    assert_eq!(written(Format::Json, &[]), "[]\n");
    assert_eq!(written(Format::Ndjson, &[]), "");
    assert!(written(Format::Table, &[]).contains("| n | wide s |"));
    assert_eq!(written(Format::Json, &[batch().slice(0, 1), batch().slice(2, 1)]).lines().count(), 2);
}
