//! Bad records of files, decoded again after a fix.

use std::sync::Arc;

use arrow::array::{Array, RecordBatch, StringArray};
use arrow::datatypes::DataType;
use connectors::replay::{Purpose, ReplayRequest, Replayed};
use connectors::source::{BadRecord, Offset, Source};
use connectors::{Error, Result};

use crate::bench::{Bench, HUGE, Read, columns, id_name, parquet, read, spec};

/// What a replay gave: the rows, and of each record how many it gave and what of it is still bad.
async fn replay(source: &Arc<dyn Source>, records: &[BadRecord]) -> Result<(Read, Vec<Replayed>)> {
    let mut replay = source.replay(&ReplayRequest { columns: None, purpose: Purpose::Commit })?;
    let mut became = Vec::new();
    for record in records {
        became.push(replay.record(record).await?);
    }
    let batches = replay.batch()?.into_iter().collect();
    assert!(replay.batch()?.is_none(), "rows are handed out once");
    Ok((Read { batches, bad: Vec::new(), offset: Offset(String::new()), more: false }, became))
}

/// The whole number of rows of a record none of which is bad.
fn good(rows: u64) -> Replayed {
    Replayed::Decoded { rows, bad: Vec::new() }
}

/// Why a record that gave no row is still bad.
fn reason(replayed: &Replayed) -> &str {
    match replayed {
        Replayed::Decoded { rows, bad } => {
            assert_eq!(*rows, 0, "{bad:?}");
            &bad[0].reason
        }
        Replayed::Impossible(why) => why,
    }
}

const ASIDE: [(&str, &str); 2] = [("on_error", "quarantine"), ("max_bad_ratio", "1")];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_json_is_decoded_again_with_the_values_of_its_file() {
    let bench = Bench::new();
    bench.write(
        "day=2026-11-20/a.json",
        "{\"id\":1}\n{'id': 2, 'name': None}\n{\"id\":\"x\"}\n{'id': 4} {'id': 5}\n{'id': 6} {oops}\n{'list': [\n{\"id\":7}\n",
    );
    let location = format!("{}/", bench.folder.path().join("in").display());
    let table = |lenient: bool| {
        let mode = if lenient { "lenient" } else { "strict" };
        let options: Vec<_> = ASIDE.into_iter().chain([("file_columns", "true"), ("mode", mode)]).collect();
        let mut table = spec("JSON", &location, id_name(), &options);
        table.partition_by = vec!["day".into()];
        table
    };
    let strict = read(&bench.open(&table(false)).await.unwrap(), None, HUGE).await.unwrap();
    assert_eq!((strict.ids(), strict.bad.len()), (vec![1, 7], 5));
    let modified = strict.texts("_file_modified")[0].clone();
    // Nothing of the file is needed any more.
    std::fs::remove_dir_all(bench.folder.path().join("in")).unwrap();
    bench.write("day=2026-11-21/b.json", "{\"id\":9}");
    let source = bench.open(&table(true)).await.unwrap();
    let (rows, became) = replay(&source, &strict.bad).await.unwrap();
    assert_eq!(rows.ids(), [2, 4, 5, 6]);
    assert_eq!(rows.texts("_file_row"), ["2", "4", "4", "5"], "rows of one record have its number");
    assert_eq!(rows.texts("day"), ["2026-11-20"; 4]);
    assert!(rows.texts("_file_modified").iter().all(|time| *time == modified));
    assert!(rows.texts("_file")[0].ends_with("/in/day=2026-11-20/a.json"));
    assert_eq!((&became[0], &became[2]), (&good(1), &good(2)));
    assert_eq!(reason(&became[1]), "'x' is not a BIGINT");
    let Replayed::Decoded { rows: 1, bad } = &became[3] else { panic!("{:?}", became[3]) };
    assert_eq!((bad[0].raw.as_slice(), bad[0].line, bad[0].offset), (&b"{oops}"[..], Some(5), Some(74)));
    assert_eq!(bad[0].context, strict.bad[3].context);
    assert_eq!(reason(&became[4]), "the record ends before all that is open in it is closed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_record_is_not_searched_for_rows_within_it() {
    let bench = Bench::new();
    bench.write("a.json", "[{\"id\":1},{'name': [\n{\"id\":2}\n]},{\"id\":3}]");
    let strict = bench.source("JSON", id_name(), &ASIDE).await;
    let first = read(&strict, None, HUGE).await.unwrap();
    assert_eq!((first.ids(), first.bad.len()), (vec![1, 3], 1));
    let (rows, became) = replay(&strict, &first.bad).await.unwrap();
    assert!(rows.batches.is_empty() && reason(&became[0]).starts_with("not JSON at byte 2"), "{became:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_csv_is_decoded_again_by_the_header_and_dialect_of_its_file() {
    let bench = Bench::new();
    bench.write("1.csv", "sep=;\nname;Id\n\"ab\";1\n\"ab\";10\n\"ab\";11\n\"ab\";12\n\"c;d\";2.5\ne;3;x\n\"f;4\ng;5\n");
    bench.write(
        "2.csv",
        b"id,name\n6,x\n7,caf\xe9\n8,\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\n",
    );
    let narrow = columns(&[("id", DataType::Int64), ("name", DataType::Utf8)]);
    let wide = columns(&[("name", DataType::Utf8), ("id", DataType::Float64)]);
    let first = read(&bench.source("CSV", narrow.clone(), &ASIDE).await, None, HUGE).await.unwrap();
    assert_eq!((first.ids(), first.bad.len()), (vec![1, 10, 11, 12, 5, 6, 8], 4));
    std::fs::remove_dir_all(bench.folder.path().join("in")).unwrap();

    let (same, became) = replay(&bench.source("CSV", narrow.clone(), &ASIDE).await, &first.bad).await.unwrap();
    assert!(same.batches.is_empty());
    for (record, replayed) in first.bad.iter().zip(&became) {
        let Replayed::Decoded { rows: 0, bad } = replayed else { panic!("{replayed:?}") };
        assert_eq!(bad.as_slice(), std::slice::from_ref(record), "as it was, places and all");
    }

    let fixed: Vec<_> = ASIDE.into_iter().chain([("ragged", "true"), ("encoding", "latin1"), ("quote", "none")]).collect();
    let (rows, became) = replay(&bench.source("CSV", wide, &fixed).await, &first.bad).await.unwrap();
    assert_eq!(rows.texts("id"), ["3.0", "4.0", "7.0"]);
    assert_eq!(rows.texts("name"), ["e", "\"f", "caf\u{e9}"]);
    assert_eq!(reason(&became[0]), "'d\"' is not a DOUBLE", "without quotes, it is cut at its semicolon");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_rows_of_parquet_are_kept_with_their_types() {
    let bench = Bench::new();
    let at = arrow::array::TimestampMicrosecondArray::from(vec![Some(1_795_000_000_123_456), None]);
    let batch = RecordBatch::try_from_iter([
        ("ID", Arc::new(arrow::array::Float64Array::from(vec![1.0, 1.5])) as Arc<dyn Array>),
        ("at", Arc::new(at)),
        ("extra", Arc::new(StringArray::from(vec!["x", "y"]))),
    ]);
    bench.write("a.parquet", parquet(&batch.unwrap()));
    let time = DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, None);
    let source = bench.source("PARQUET", columns(&[("id", DataType::Int64), ("at", time.clone())]), &ASIDE).await;
    let first = read(&source, None, HUGE).await.unwrap();
    assert_eq!((first.ids(), first.bad.len()), (vec![1], 1));
    assert_eq!(String::from_utf8_lossy(&first.bad[0].raw), "{\"ID\":\"1.5\",\"at\":null}", "for a person");
    std::fs::remove_file(bench.folder.path().join("in/a.parquet")).unwrap();
    let (none, became) = replay(&source, &first.bad).await.unwrap();
    assert!(none.batches.is_empty() && reason(&became[0]).contains("1.5 (Float64) is not a BIGINT"), "{became:?}");

    let wide =
        bench.source("PARQUET", columns(&[("at", time), ("id", DataType::Float64), ("new", DataType::Utf8)]), &ASIDE).await;
    let (rows, became) = replay(&wide, &first.bad).await.unwrap();
    assert_eq!((rows.texts("id"), rows.texts("new"), &became[0]), (vec!["1.5".to_owned()], vec![String::new()], &good(1)));

    // A column of the file that nobody asked for was not kept, and is not made up.
    let more = bench.source("PARQUET", columns(&[("id", DataType::Float64), ("extra", DataType::Utf8)]), &ASIDE).await;
    let (_, became) = replay(&more, &first.bad).await.unwrap();
    assert!(reason(&became[0]).contains("column 'extra' of its file is used now and was not"), "{became:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_not_kept_is_not_guessed() {
    let bench = Bench::new();
    bench.write("a.csv", "id,name\n1\n");
    bench.write("a.json", "[{\"id\":1}");
    let csv = read(&bench.source("CSV", id_name(), &ASIDE).await, None, HUGE).await.unwrap().bad;
    let cut_off = read(&bench.source("JSON", id_name(), &ASIDE).await, None, HUGE).await.unwrap().bad;
    let source = bench.source("CSV", id_name(), &[("ragged", "true")]).await;
    let old = BadRecord { context: None, ..csv[0].clone() };
    let cut =
        BadRecord { context: csv[0].context.as_ref().map(|text| text.replacen('{', "{\"cut\":true,", 1)), ..csv[0].clone() };
    let (rows, became) = replay(&source, &[old, cut, csv[0].clone()]).await.unwrap();
    assert_eq!((rows.ids(), &became[2]), (vec![1], &good(1)));
    assert!(reason(&became[0]).contains("--from-scratch"), "{became:?}");
    assert!(
        reason(&became[1]).contains("only its first bytes were kept") && reason(&became[1]).contains("on_change"),
        "{became:?}"
    );
    let (_, became) = replay(&bench.source("JSON", id_name(), &[]).await, &[cut_off[0].clone(), csv[0].clone()]).await.unwrap();
    assert!(reason(&became[0]).contains("there are no bytes of it"), "{became:?}");
    assert!(reason(&became[1]).contains("another format"), "{became:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_that_still_does_not_fit_is_null_where_it_would_be_in_a_run() {
    let bench = Bench::new();
    bench.write("a.json", "{\"id\":\"x\",\"name\":\"n\"}");
    let aside = read(&bench.source("JSON", id_name(), &ASIDE).await, None, HUGE).await.unwrap().bad;
    let null = bench.source("JSON", id_name(), &[("on_error", "null")]).await;
    let (rows, became) = replay(&null, &aside).await.unwrap();
    assert_eq!((rows.ids(), rows.texts("name")), (vec![-1], vec!["n".to_owned()]));
    let Replayed::Decoded { rows: 1, bad } = &became[0] else { panic!("{became:?}") };
    assert!(bad[0].kept);
    // It is a row with that NULL now: only without one does it have another to give.
    let (rows, became) = replay(&null, bad).await.unwrap();
    assert!(rows.batches.is_empty(), "{became:?}");
    let text = columns(&[("id", DataType::Utf8), ("name", DataType::Utf8)]);
    let (rows, became) = replay(&bench.source("JSON", text, &[("on_error", "null")]).await, bad).await.unwrap();
    assert_eq!((rows.texts("id"), &became[0]), (vec!["x".to_owned()], &good(1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_only_a_bad_record_has_becomes_a_column() {
    let bench = Bench::new();
    bench.write("a.json", "{\"id\":1}\n{'id': 2, 'more': 2.5}\n");
    let strict = bench.source("JSON", None, &ASIDE).await;
    let aside = read(&strict, None, HUGE).await.unwrap().bad;
    let lenient: Vec<_> = ASIDE.into_iter().chain([("mode", "lenient")]).collect();
    std::fs::write(bench.folder.path().join("in/a.json"), "{'id': 1}\n").unwrap();
    let source = bench.source("JSON", None, &lenient).await;
    assert_eq!(source.schema().fields().len(), 1);
    let changed = replay(&source, &aside).await.unwrap_err();
    assert!(matches!(&changed, Error::SchemaChanged { message } if message.contains("more")), "{changed}");
    let source = bench.source("JSON", None, &lenient).await;
    let (rows, became) = replay(&source, &aside).await.unwrap();
    assert_eq!((rows.ids(), rows.texts("more"), &became[0]), (vec![2], vec!["2.5".to_owned()], &good(1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_of_a_file_that_is_read_anew_does_not_replace_what_is_read_then() {
    let bench = Bench::new();
    bench.write("a.json", "{'id': 1}");
    let aside = read(&bench.source("JSON", id_name(), &ASIDE).await, None, HUGE).await.unwrap().bad;
    let anew = bench.source("JSON", id_name(), &[("mode", "lenient"), ("on_change", "reprocess")]).await;
    assert_eq!(replay(&anew, &aside).await.unwrap().1, [good(1)], "it has not changed");
    bench.write("a.json", "{\"id\": 2}");
    let (rows, became) = replay(&anew, &aside).await.unwrap();
    assert!(rows.batches.is_empty() && reason(&became[0]).contains("its file has changed since"), "{became:?}");
    let once = bench.source("JSON", id_name(), &[("mode", "lenient"), ("on_change", "ignore")]).await;
    assert_eq!(replay(&once, &aside).await.unwrap().1, [good(1)]);
    std::fs::remove_file(bench.folder.path().join("in/a.json")).unwrap();
    bench.write("b.json", "{}");
    assert_eq!(replay(&anew, &aside).await.unwrap().1, [good(1)], "it is not read any more");
}
