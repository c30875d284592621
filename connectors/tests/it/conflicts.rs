//! Values that their columns cannot hold, by the option `type_conflict`.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int32Array, RecordBatch, StringArray};
use arrow::datatypes::DataType;
use connectors::source::{Offset, SliceLimits, SliceRequest, Source};
use connectors::{Error, Result};

use crate::bench::{Bench, HUGE, Read, error, id_name, parquet, read, spec};

const WIDEN: &[(&str, &str)] = &[("type_conflict", "widen")];

fn type_of(source: &Arc<dyn Source>, column: &str) -> DataType {
    source.schema().field_with_name(column).unwrap().data_type().clone()
}

/// Reads what is new until the columns no longer change; how they changed.
async fn adapting(
    bench: &Bench,
    format: &str,
    options: &[(&str, &str)],
    offset: Option<&Offset>,
) -> (Arc<dyn Source>, Read, Vec<String>) {
    let mut changes = Vec::new();
    loop {
        let source = bench.source(format, None, options).await;
        match read(&source, offset, HUGE).await {
            Err(Error::SchemaChanged { message }) => changes.push(message),
            read => return (source, read.unwrap(), changes),
        }
    }
}

fn number_file(name: &str, array: ArrayRef) -> Vec<u8> {
    parquet(&RecordBatch::try_from_iter([(name, array)]).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_column_becomes_wider_for_what_comes_later_in_every_format() {
    let files: [(&str, [Vec<u8>; 3], &str); 3] = [
        ("JSON", ["{\"n\":1}\n", "{\"n\":2}\n{\"n\":2.5}\n", "{\"n\":3}\n{\"n\":[\"x\"]}\n"].map(Into::into), "[\"x\"]"),
        ("CSV", ["k,n\na,1\n", "k,n\na,2\nb,2.5\n", "k,n\na,3\nb,x\n"].map(Into::into), "x"),
        (
            "PARQUET",
            [
                number_file("n", Arc::new(Int32Array::from(vec![1]))),
                number_file("n", Arc::new(Float64Array::from(vec![2.0, 2.5]))),
                number_file("n", Arc::new(StringArray::from(vec!["3", "x"]))),
            ],
            "x",
        ),
    ];
    for (format, [first, second, third], last) in files {
        let bench = Bench::new();
        let ending = format.to_lowercase();
        bench.write(&format!("1.{ending}"), first);
        let (source, one, changes) = adapting(&bench, format, WIDEN, None).await;
        assert!(type_of(&source, "n").is_integer() && changes.is_empty(), "{format}: {changes:?}");

        bench.write(&format!("2.{ending}"), second);
        let (source, two, changes) = adapting(&bench, format, WIDEN, Some(&one.offset)).await;
        assert_eq!((type_of(&source, "n"), two.texts("n")), (DataType::Float64, vec!["2.0".into(), "2.5".into()]), "{format}");
        for part in [&format!("2.{ending} row 2"), "column 'n': 2.5", "n DOUBLE"] {
            assert!(
                changes.len() == 1 && changes[0].replace('\'', "").contains(&part.replace('\'', "")),
                "{format}: {part}: {changes:?}"
            );
        }

        bench.write(&format!("3.{ending}"), third);
        let (source, three, changes) = adapting(&bench, format, WIDEN, Some(&two.offset)).await;
        assert_eq!((type_of(&source, "n"), three.texts("n")), (DataType::Utf8, vec!["3".into(), last.into()]), "{format}");
        assert!(changes.len() == 1 && changes[0].contains("n VARCHAR"), "{format}: {changes:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_date_becomes_a_timestamp_and_a_member_of_an_object_wider() {
    let bench = Bench::new();
    bench.write("1.json", "{\"at\":\"2026-11-21\",\"user\":{\"age\":36}}\n");
    let (_, one, _) = adapting(&bench, "JSON", WIDEN, None).await;
    bench.write("2.json", "{\"at\":\"2026-11-22 10:30:00\",\"user\":{\"age\":\"36+\"}}\n");
    let (_, two, changes) = adapting(&bench, "JSON", WIDEN, Some(&one.offset)).await;
    assert_eq!(two.texts("at"), ["2026-11-22T10:30:00"]);
    assert_eq!(two.texts("user"), ["{age: 36+}"]);
    assert!(changes[0].contains("at TIMESTAMP(6)") && changes[0].contains("user STRUCT<age VARCHAR>"), "{changes:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_before_the_value_keep_their_type_and_none_comes_twice() {
    let bench = Bench::new();
    bench.write("1.json", "{\"n\":0}\n");
    let (source, one, _) = adapting(&bench, "JSON", WIDEN, None).await;
    let lines: String = (1..=3_000).map(|n| format!("{{\"n\":{n}}}\n")).collect();
    bench.write("2.json", lines + "{\"n\":0.5}\n");
    let request = SliceRequest::new(SliceLimits { rows: u64::MAX, bytes: u64::MAX }, None);
    let mut slice = source.read(Some(&one.offset), &request).await.unwrap();
    let before = slice.next_batch().await.unwrap().unwrap().num_rows();
    assert!(slice.next_batch().await.unwrap().is_none());
    assert!(matches!(slice.take_fault(), Some(Error::SchemaChanged { .. })));
    let end = slice.end().await.unwrap();
    let (_, rest, _) = adapting(&bench, "JSON", WIDEN, Some(&end.offset)).await;
    let expected = (before + 1..=3_000).map(|n| format!("{n}.0")).chain(["0.5".to_owned()]);
    assert_eq!(rest.texts("n"), expected.collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn most_values_tell_the_type_and_the_others_are_put_aside() {
    let bench = Bench::new();
    bench.write("1.json", "{\"n\":1,\"zip\":\"00123\"}\n{\"n\":2,\"zip\":\"5\"}\n{\"n\":\"n/a\"}\n{\"n\":3}\n");
    let source = bench.source("JSON", None, &[("type_conflict", "quarantine"), ("max_bad_ratio", "0.5")]).await;
    assert_eq!(type_of(&source, "n"), DataType::Int64);
    let all = read(&source, None, HUGE).await.unwrap();
    assert_eq!(all.texts("n"), ["1", "2", "3"]);
    assert_eq!((all.bad.len(), all.bad[0].column.as_deref(), all.bad[0].row), (1, Some("n"), Some(3)));
    // What cannot be read at all is another matter.
    bench.write("2.json", "nonsense\n");
    let text = read(&source, Some(&all.offset), HUGE).await.unwrap_err().to_string();
    assert!(text.contains("2.json row 1") && text.contains("'on_error' 'quarantine'"), "{text}");
    // By itself, a table is read as what all of the sample fits.
    let plain = Bench::new();
    plain.write("1.json", "{\"n\":1}\n{\"n\":\"n/a\"}\n");
    assert_eq!(type_of(&plain.source("JSON", None, &[]).await, "n"), DataType::Utf8);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conflict_fails_and_names_file_line_column_and_value() {
    let bench = Bench::new();
    let options = [("type_conflict", "fail"), ("on_error", "quarantine")];
    bench.write("1.csv", "id,n\n1,7\n2,8\n3,n/a\n");
    let location = format!("{}/", bench.folder.path().join("in").display());
    let refused = bench.open(&spec("CSV", &location, None, &options)).await.unwrap_err();
    assert_eq!(refused.subject(), Some("type_conflict"));
    let text = refused.to_string();
    for part in ["column 'n' of table 't'", "2 integers, 1 text (first 'n/a' in ", "1.csv, row 3)", "'quarantine'"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    bench.write("1.csv", "id,n\n1,7\n2,8\n");
    let source = bench.source("CSV", None, &options).await;
    let first = read(&source, None, HUGE).await.unwrap();
    bench.write("2.csv", "id,n\n3,9\n4\n5,x\n");
    let failed: Result<Read> = read(&source, Some(&first.offset), HUGE).await;
    let text = failed.unwrap_err().to_string();
    for part in ["2.csv row 3 (line 4, byte 12), column 'n': 'x' is not a BIGINT", "'type_conflict' 'quarantine'"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_column_changes_the_type_of_no_other() {
    let bench = Bench::new();
    bench.write("1.json", "{\"id\":1}\n");
    let (_, one, _) = adapting(&bench, "JSON", &[], None).await;
    bench.write("2.json", "{\"id\":2,\"more\":true}\n{\"id\":\"x\",\"more\":true}\n");
    let options = [("on_error", "quarantine"), ("max_bad_ratio", "1")];
    let (source, two, changes) = adapting(&bench, "JSON", &options, Some(&one.offset)).await;
    assert_eq!(type_of(&source, "id"), DataType::Int64);
    assert_eq!((two.ids(), two.bad.len(), changes.len()), (vec![2], 1, 1), "{changes:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn declared_columns_are_not_widened() {
    let bench = Bench::new();
    bench.write("1.json", "{\"id\":\"x\"}\n");
    let location = format!("{}/", bench.folder.path().join("in").display());
    let text = bench.open(&spec("JSON", &location, id_name(), WIDEN)).await.unwrap_err().to_string();
    assert!(text.contains("'widen' is for a table that declares no columns"), "{text}");
    let source = bench.source("JSON", id_name(), &[("type_conflict", "quarantine"), ("max_bad_ratio", "1")]).await;
    assert_eq!(read(&source, None, HUGE).await.unwrap().bad.len(), 1);
    let text = error(&bench.source("JSON", id_name(), &[]).await).await;
    assert!(text.contains("'on_error' 'quarantine'"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_epoch_ends_among_files_without_records_too() {
    let bench = Bench::new();
    for file in 0..2_100 {
        bench.write(&format!("{file:04}.csv"), "id,name\n");
    }
    bench.write("9999.csv", "id,name\n1,a\n");
    let source = bench.source("CSV", id_name(), &[]).await;
    let limits = SliceLimits { rows: 1_000, bytes: u64::MAX };
    let first = read(&source, None, limits).await.unwrap();
    assert!(first.more && first.ids().is_empty());
    assert!(source.describe(&first.offset).starts_with("2048 files"), "{}", source.describe(&first.offset));
    let second = read(&source, Some(&first.offset), limits).await.unwrap();
    assert_eq!((second.ids(), second.more), (vec![1], false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_that_differ_by_punctuation_are_columns_of_one_table() {
    let bench = Bench::new();
    bench.write("1.csv", "id,a b,a-b\n1,x,y\n");
    bench.write("2.csv", "A-B,ID,A B\ny,2,x\n");
    let source = bench.source("CSV", None, &[]).await;
    let names: Vec<String> = source.schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(names, ["id", "a_b", "a_b_2"]);
    let all = read(&source, None, HUGE).await.unwrap();
    assert_eq!((all.texts("a_b"), all.texts("a_b_2")), (vec!["x".to_owned(); 2], vec!["y".to_owned(); 2]));
    // Vintages that write a name in several ways have one column.
    let vintages = Bench::new();
    vintages.write("1.csv", "VendorID,fare\n1,2.5\n");
    vintages.write("2.csv", "vendor_id,fare\n2,3.5\n");
    let source = vintages.source("CSV", None, &[]).await;
    assert_eq!(read(&source, None, HUGE).await.unwrap().texts("vendorid"), ["1", "2"]);
}
