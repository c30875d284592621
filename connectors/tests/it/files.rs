//! JSON, CSV and PARQUET files as sources, on local disk and on S3.

use std::sync::Arc;

use arrow::array::{Array, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use connectors::Error;
use connectors::registry::connector;
use connectors::source::SliceLimits;
use connectors::testing::source_contract;
use object_store::ObjectStoreExt;
use testkit::s3::{Operation, S3Server};

use crate::bench::{Bench, HUGE, columns, context_on, error, gzip, id_name, parquet, read, spec};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_format_keeps_the_contract_of_a_source() {
    for (format, ending) in [("JSON", "json"), ("CSV", "csv"), ("PARQUET", "parquet")] {
        let bench = Bench::new();
        for file in 0..4_i64 {
            let ids: Vec<i64> = (file * 10..file * 10 + 3 + file).collect();
            let names: Vec<String> = ids.iter().map(|id| format!("name {id}")).collect();
            let batch = RecordBatch::try_new(
                id_name().unwrap(),
                vec![Arc::new(Int64Array::from(ids.clone())), Arc::new(StringArray::from(names.clone()))],
            )
            .unwrap();
            let json: String =
                ids.iter().zip(&names).map(|(id, name)| format!("{{\"id\":{id},\"name\":\"{name}\"}}\n")).collect();
            let csv: String = ids.iter().zip(&names).map(|(id, name)| format!("{id},{name}\n")).collect();
            let bytes = match format {
                "JSON" if file == 2 => gzip(&json),
                "JSON" => json.into_bytes(),
                "CSV" => format!("id,name\n{csv}").into_bytes(),
                _ => parquet(&batch),
            };
            bench.write(&format!("d/{file}.{ending}"), bytes);
        }
        for declared in [id_name(), None] {
            let source = bench.source(format, declared, &[("file_columns", "true")]).await;
            source_contract(source).await.unwrap_or_else(|broken| panic!("{format}: {broken}"));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_file_is_read_alone_and_a_known_one_never_again() {
    let bench = Bench::new();
    bench.write("b.json", "{\"id\":1,\"name\":\"x\"}\n{\"id\":2}\n");
    let source = bench.source("JSON", id_name(), &[("file_columns", "true")]).await;
    let first = read(&source, None, HUGE).await.unwrap();
    assert_eq!((first.ids(), first.more), (vec![1, 2], false));
    assert!(first.texts("_file")[0].ends_with("/in/b.json"), "{:?}", first.texts("_file"));
    assert_eq!(first.texts("_file_row"), ["1", "2"]);
    bench.write("a.json", "{\"id\":3}");
    let second = read(&source, Some(&first.offset), HUGE).await.unwrap();
    assert_eq!(second.ids(), [3]);
    let third = read(&source, Some(&second.offset), HUGE).await.unwrap();
    assert_eq!((third.ids().len(), &third.offset), (0, &second.offset));
    assert!(source.describe(&third.offset).starts_with("2 files, "), "{}", source.describe(&third.offset));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_in_the_middle_of_a_file_goes_on_behind_what_was_committed() {
    let bench = Bench::new();
    let lines: String = (0..10).map(|id| format!("{{\"id\":{id}}}\n")).collect();
    bench.write("m.json.gz", gzip(&lines));
    bench.write("z.json", "{\"id\":99}");
    let source = bench.source("JSON", id_name(), &[]).await;
    let first = read(&source, None, SliceLimits { rows: 4, bytes: u64::MAX }).await.unwrap();
    assert_eq!((first.ids(), first.more), (vec![0, 1, 2, 3], true));
    // Another process: nothing is remembered but the offset; meanwhile a file came that is before the one that is open.
    bench.write("a.json", "{\"id\":50}");
    let source = bench.source("JSON", id_name(), &[]).await;
    let rest = read(&source, Some(&first.offset), HUGE).await.unwrap();
    assert_eq!(rest.ids(), [4, 5, 6, 7, 8, 9, 50, 99]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_records_fail_are_put_aside_or_become_null() {
    let bench = Bench::new();
    bench.write("a.json", "{\"id\":1}\n{\"id\":\"x\"}\nnonsense\n{\"id\":4}\n");
    let failing = bench.source("JSON", id_name(), &[]).await;
    let text = error(&failing).await;
    for part in ["/in/a.json row 2 (line 2, byte 10), column 'id': 'x' is not a BIGINT", "'on_error' 'quarantine'"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let quarantine = bench.source("JSON", id_name(), &[("on_error", "quarantine"), ("max_bad_ratio", "1")]).await;
    let aside = read(&quarantine, None, HUGE).await.unwrap();
    assert_eq!(aside.ids(), [1, 4]);
    let bad = &aside.bad;
    assert_eq!(
        (bad[0].raw.as_slice(), bad[0].row, bad[0].line, bad[0].offset),
        (&b"{\"id\":\"x\"}"[..], Some(2), Some(2), Some(9))
    );
    assert_eq!((bad[0].column.as_deref(), bad[1].column.as_deref(), bad[1].line), (Some("id"), None, Some(3)));
    let null = bench.source("JSON", id_name(), &[("on_error", "null")]).await;
    let kept = read(&null, None, HUGE).await.unwrap();
    assert_eq!(kept.ids(), [1, -1, 4]);
    assert_eq!(kept.bad.iter().map(|bad| bad.kept).collect::<Vec<_>>(), [true, false]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_truncated_file_is_reported() {
    let bench = Bench::new();
    let lines: String = (0..2_000).map(|id| format!("{{\"id\":{id},\"name\":\"{}\"}}\n", id * 7919 % 1000)).collect();
    let whole = gzip(&lines);
    bench.write("a.json.gz", &whole[..whole.len() / 2]);
    let text = error(&bench.source("JSON", id_name(), &[]).await).await;
    assert!(text.contains("a.json.gz") && text.contains("truncated"), "{text}");
    bench.write("a.json.gz", [whole.clone(), gzip("{\"id\":-5}")].concat());
    let both = read(&bench.source("JSON", id_name(), &[]).await, None, HUGE).await.unwrap();
    assert_eq!((both.ids().len(), both.ids().last()), (2_001, Some(&-5)), "a file of several compressed ones");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn csv_files_of_several_vintages_are_one_table() {
    let bench = Bench::new();
    bench.write("1.csv", "id,name,Zip Code\n1,\"a, b\",00123\n2,,\n");
    bench.write("2.csv", "\u{feff}zip_code;NAME;ID;extra\r\n00456;\"x\ny\";3;e\r\n");
    let mut utf16: Vec<u8> = vec![0xff, 0xfe];
    utf16.extend("label\tid\nz\u{fc}\t4\n".encode_utf16().flat_map(u16::to_le_bytes));
    bench.write("3.tsv", utf16);
    bench.write("4.csv", b"id,name\n5,caf\xe9\n");
    let declared = columns(&[("id", DataType::Int64), ("name", DataType::Utf8), ("zip_code", DataType::Utf8)]);
    let all = read(&bench.source("CSV", declared, &[("rename", "label=name")]).await, None, HUGE).await.unwrap();
    assert_eq!(all.ids(), [1, 2, 3, 4, 5]);
    assert_eq!(all.texts("name"), ["a, b", "", "x\ny", "z\u{fc}", "caf\u{e9}"]);
    assert_eq!(all.texts("zip_code"), ["00123", "", "00456", "", ""]);

    let marked = Bench::new();
    marked.write("a.csv", "\u{feff}id,name\n1,a\nx,b\n");
    let text = error(&marked.source("CSV", id_name(), &[]).await).await;
    assert!(text.contains("row 2 (line 3, byte 16)"), "the mark's three bytes are bytes of the file: {text}");

    let foreign = Bench::new();
    foreign.write("a.csv", "x,y\n1,2\n");
    let text = error(&foreign.source("CSV", id_name(), &[]).await).await;
    assert!(text.contains("none of the table's columns (id, name)") && text.contains("x, y"), "{text}");

    let ragged = Bench::new();
    ragged.write("a.csv", "id,name\n1,a\n2\n3,c,d\n4,e,\n");
    let text = error(&ragged.source("CSV", id_name(), &[]).await).await;
    assert!(text.contains("row 2 (line 3, byte 13): the record has 1 cells, 2 expected"), "{text}");
    let taken = read(&ragged.source("CSV", id_name(), &[("ragged", "true")]).await, None, HUGE).await.unwrap();
    assert_eq!(taken.ids(), [1, 2, 3, 4]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parquet_files_of_several_schemas_are_one_table() {
    let bench = Bench::new();
    let file = |name: &str, field: Field, array: Arc<dyn Array>| {
        let schema = Arc::new(Schema::new(vec![field]));
        bench.write(name, parquet(&RecordBatch::try_new(schema, vec![array]).unwrap()));
    };
    file("1.parquet", Field::new("id", DataType::Int32, true), Arc::new(Int32Array::from(vec![1, 2])));
    file(
        "2.parquet",
        Field::new("ID", DataType::Float64, true),
        Arc::new(arrow::array::Float64Array::from(vec![Some(3.0), None])),
    );
    file(
        "3.parquet",
        Field::new("id", DataType::LargeUtf8, true),
        Arc::new(arrow::array::LargeStringArray::from(vec!["4", "x"])),
    );
    file("4.parquet", Field::new("id", DataType::Null, true), Arc::new(arrow::array::NullArray::new(1)));
    let source = bench.source("PARQUET", columns(&[("id", DataType::Int64)]), &[("on_error", "quarantine")]).await;
    let all = read(&source, None, HUGE).await.unwrap();
    assert_eq!(all.ids(), [1, 2, 3, -1, 4, -1]);
    assert_eq!(all.bad.len(), 1);
    assert_eq!((all.bad[0].row, all.bad[0].column.as_deref()), (Some(2), Some("id")));
    assert!(all.bad[0].reason.contains("x (LargeUtf8) is not a BIGINT"), "{}", all.bad[0].reason);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parquet_numbers_are_not_cut_and_members_are_found_by_name() {
    let bench = Bench::new();
    let doubles = Arc::new(arrow::array::Float64Array::from(vec![1.0, 1.5]));
    let address = arrow::array::StructArray::from(vec![
        (Arc::new(Field::new("street", DataType::Utf8, true)), Arc::new(StringArray::from(vec!["s", "t"])) as Arc<dyn Array>),
        (Arc::new(Field::new("city", DataType::Utf8, true)), Arc::new(StringArray::from(vec!["c", "d"])) as Arc<dyn Array>),
    ]);
    let schema =
        Schema::new(vec![Field::new("id", DataType::Float64, true), Field::new("address", address.data_type().clone(), true)]);
    let batch = RecordBatch::try_new(Arc::new(schema), vec![doubles, Arc::new(address)]).unwrap();
    bench.write("a.parquet", parquet(&batch));
    let member = |name: &str| Field::new(name, DataType::Utf8, true);
    let declared = columns(&[("id", DataType::Int64), ("address", DataType::Struct(vec![member("city"), member("zip")].into()))]);
    let source = bench.source("PARQUET", declared, &[("on_error", "quarantine"), ("max_bad_ratio", "1")]).await;
    let all = read(&source, None, HUGE).await.unwrap();
    assert_eq!((all.ids(), all.texts("address")), (vec![1], vec!["{city: c, zip: }".to_owned()]));
    assert!(all.bad[0].reason.contains("1.5 (Float64) is not a BIGINT"), "{:?}", all.bad);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parquet_values_become_no_others() {
    use arrow::array::{BooleanArray, Float64Array, TimestampMicrosecondArray, TimestampNanosecondArray};
    use arrow::datatypes::TimeUnit::{Microsecond, Nanosecond};

    let (day, noon) = (20_000 * 86_400_000_000_i64, 20_000 * 86_400_000_000 + 43_200_000_000);
    let integers = || Arc::new(Int64Array::from(vec![1_i64 << 53, (1 << 53) + 1])) as Arc<dyn Array>;
    let micros = |zone: Option<&str>| {
        let zone = zone.map(str::to_owned);
        Arc::new(TimestampMicrosecondArray::from(vec![day, noon]).with_timezone_opt(zone)) as Arc<dyn Array>
    };
    let doubles = |values: &[f64]| Arc::new(Float64Array::from(values.to_vec())) as Arc<dyn Array>;
    let kept = async |array: Arc<dyn Array>, declared: DataType| {
        let bench = Bench::new();
        bench.write("a.parquet", parquet(&RecordBatch::try_from_iter([("v", array)]).unwrap()));
        let source =
            bench.source("PARQUET", columns(&[("v", declared)]), &[("on_error", "quarantine"), ("max_bad_ratio", "1")]).await;
        read(&source, None, HUGE).await.unwrap()
    };
    for (array, declared, expected) in [
        (integers(), DataType::Float64, vec!["9007199254740992.0"]),
        (integers(), DataType::Boolean, vec![]),
        (Arc::new(Int64Array::from(vec![0, 1, 2])) as _, DataType::Boolean, vec!["false", "true"]),
        (micros(None), DataType::Date32, vec!["2024-10-04"]),
        (micros(Some("UTC")), DataType::Date32, vec!["2024-10-04"]),
        (micros(None), DataType::Timestamp(Nanosecond, None), vec!["2024-10-04T00:00:00", "2024-10-04T12:00:00"]),
        // Rounding leaves it, and it is no other number than 0.
        (doubles(&[-0.0, 1.0, 0.5]), DataType::Int64, vec!["0", "1"]),
        (doubles(&[-0.0, 1.25, 0.5]), DataType::Decimal128(5, 1), vec!["0.0", "0.5"]),
        // As of text: the nearest that the column has.
        (doubles(&[0.1]), DataType::Float32, vec!["0.1"]),
        (
            Arc::new(TimestampNanosecondArray::from(vec![1_500])) as _,
            DataType::Timestamp(Microsecond, None),
            vec!["1970-01-01T00:00:00.000001"],
        ),
        (Arc::new(BooleanArray::from(vec![true])) as _, DataType::Int64, vec!["1"]),
    ] {
        let (context, rows) = (format!("{} as {declared}", array.data_type()), array.len());
        let read = kept(array, declared).await;
        assert_eq!(read.texts("v"), expected, "{context}");
        assert_eq!(read.bad.len(), rows - expected.len(), "{context}: {:?}", read.bad);
    }
    let time = kept(micros(None), DataType::Int64).await;
    assert!(time.bad[0].reason.contains("a time is no number"), "{:?}", time.bad);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_object_of_s3_is_read_in_parts_and_console_folders_are_passed_over() {
    let server = S3Server::start().await.unwrap();
    let (bucket, context) = (testkit::s3::BUCKET, context_on(&server));
    let put = async |key: &str, text: String| {
        let place = context.locate(&format!("s3://{bucket}/{key}")).unwrap();
        place.store.put(&place.path, text.into()).await.unwrap();
    };
    let lines: String = (0..100_000).map(|id| format!("{{\"id\":{id},\"name\":\"{id:0>60}\"}}\n")).collect();
    let bytes = lines.len();
    assert!(bytes > 6 << 20);
    put("in/big.json", lines).await;
    put("in", String::new()).await;
    let table = spec("JSON", &format!("s3://{bucket}/in"), id_name(), &[]);
    let home = context.locate("lake://.engine/sources/p/t").unwrap();
    let source = connector("JSON").unwrap().source(&table, home, &context).await.unwrap();
    let all = read(&source, None, HUGE).await.unwrap();
    assert_eq!((all.ids().len(), all.ids().last()), (100_000, Some(&99_999)));
    let asked = server.requests().all().into_iter();
    let parts = asked.filter(|request| request.operation == Operation::GetObject && request.key == "in/big.json").count();
    // One of the whole would be cut off by its timeout, and one to see whether it is there would be one too many.
    assert_eq!(parts, 1 + (bytes - (1 << 20)).div_ceil(4 << 20));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn folders_are_columns() {
    let bench = Bench::new();
    bench.write("day=2026-11-20/kind=a%2Fb/x.json", "{\"id\":1}");
    bench.write("day=2026-11-21/kind=__HIVE_DEFAULT_PARTITION__/x.json", "{\"id\":2}");
    let location = format!("{}/", bench.folder.path().join("in").display());
    let declared = columns(&[("id", DataType::Int64), ("day", DataType::Date32)]);
    let mut table = spec("JSON", &location, declared, &[]);
    table.partition_by = vec!["day".into(), "kind".into()];
    let all = read(&bench.open(&table).await.unwrap(), None, HUGE).await.unwrap();
    assert_eq!(all.texts("day"), ["2026-11-20", "2026-11-21"]);
    assert_eq!(all.texts("kind"), ["a/b", ""]);
    bench.write("loose.json", "{\"id\":3}");
    bench.write("day=2026-11-22/kind=b/report#1", "{\"id\":9}");
    let text = error(&bench.open(&table).await.unwrap()).await;
    assert!(text.contains("loose.json' is in no folder 'day=<value>'"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn columns_are_found_and_a_new_one_is_learnt() {
    let bench = Bench::new();
    bench.write("1.json", "{\"Id\":1,\"at\":\"2026-11-21 10:00:00\",\"zip\":\"00123\",\"tags\":[{\"k\":1.5}]}\n");
    let source = bench.source("JSON", None, &[]).await;
    let shown: Vec<String> =
        source.schema().fields().iter().map(|field| format!("{} {}", field.name(), field.data_type())).collect();
    assert_eq!(shown, ["id Int64", "at Timestamp(\u{b5}s)", "zip Utf8", "tags List(Struct(\"k\": Float64))"].map(str::to_owned),);
    let first = read(&source, None, HUGE).await.unwrap();
    bench.write("2.json", "{\"id\":2}\n{\"id\":3,\"more\":true}\n");
    let changed = read(&source, Some(&first.offset), HUGE).await.unwrap_err();
    assert!(matches!(&changed, Error::SchemaChanged { message } if message.contains("more")), "{changed}");
    let source = bench.source("JSON", None, &[]).await;
    assert_eq!(source.schema().fields().last().unwrap().data_type(), &DataType::Boolean);
    let second = read(&source, Some(&first.offset), HUGE).await.unwrap();
    assert_eq!((second.ids(), second.texts("more")), (vec![2, 3], vec![String::new(), "true".to_owned()]));

    let empty = Bench::new();
    empty.write("readme.md", "x");
    let location = format!("{}/", empty.folder.path().join("in").display());
    let text = empty.open(&spec("JSON", &location, None, &[])).await.unwrap_err().to_string();
    assert!(text.contains("there is no file to tell them from at") && text.contains("readme.md' is passed over"), "{text}");
    empty.write("empty.json", " \n");
    let text = empty.open(&spec("JSON", &location, None, &[])).await.unwrap_err().to_string();
    assert!(text.contains("empty.json' to tell them from") && text.contains("there is no record in"), "{text}");
    empty.write("empty.json", "\n{'a': 1}\n");
    let text = empty.open(&spec("JSON", &location, None, &[])).await.unwrap_err().to_string();
    assert!(text.contains("empty.json': row 1 (line 2): ") && text.contains("OPTIONS ('mode' 'lenient')"), "{text}");
    empty.write("empty.json", "{\"a\": ]\n");
    let text = empty.open(&spec("JSON", &location, None, &[])).await.unwrap_err().to_string();
    assert!(text.contains("empty.json': row 1 (line 1): ") && !text.contains("lenient"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_files_are_kept_in_runs_that_go_when_nothing_names_them() {
    let bench = Bench::new();
    for file in 0..700 {
        bench.write(&format!("{file:04}.json"), format!("{{\"id\":{file}}}"));
    }
    let source = bench.source("JSON", id_name(), &[]).await;
    let (mut offset, mut ids, mut offsets) = (None, Vec::new(), Vec::new());
    loop {
        let slice = read(&source, offset.as_ref(), SliceLimits { rows: 150, bytes: u64::MAX }).await.unwrap();
        ids.extend(slice.ids());
        assert!(slice.offset.0.len() < 30_000, "an offset of {} bytes", slice.offset.0.len());
        offsets.push(slice.offset.clone());
        offset = Some(slice.offset);
        if !slice.more {
            break;
        }
    }
    assert_eq!(ids, (0..700).collect::<Vec<_>>());
    let last = offset.unwrap();
    let runs = std::fs::read_dir(bench.folder.path().join("lake/.engine/sources/p/t/ledger")).unwrap().count();
    source.retain(&[&last]).await.unwrap();
    let kept = std::fs::read_dir(bench.folder.path().join("lake/.engine/sources/p/t/ledger")).unwrap().count();
    assert!(kept < runs && kept > 0, "{kept} of {runs} runs are kept");
    // In one go, the same files are known, whatever the runs.
    let other = Bench { folder: bench.folder, context: bench.context };
    let whole = read(&other.source("JSON", id_name(), &[]).await, None, HUGE).await.unwrap();
    assert_eq!(source.mark(&whole.offset), source.mark(&last));
    assert!(read(&source, Some(&last), HUGE).await.unwrap().ids().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_of_s3_are_read_and_one_written_anew_is_noticed() {
    let server = S3Server::start().await.unwrap();
    let (bucket, context) = (testkit::s3::BUCKET, context_on(&server));
    let put = async |key: &str, text: &str| {
        let place = context.locate(&format!("s3://{bucket}/{key}")).unwrap();
        place.store.put(&place.path, text.to_owned().into()).await.unwrap();
    };
    put("in/a b+c.json", "{\"id\":1}").await;
    put("in/sub/d.json", "{\"id\":2}").await;
    put("in/sub/e.csv", "x").await;
    let table = spec("JSON", &format!("s3://{bucket}/in/"), id_name(), &[("on_change", "reprocess")]);
    let home = context.locate("lake://.engine/sources/p/t").unwrap();
    let source = connector("JSON").unwrap().source(&table, home, &context).await.unwrap();
    let first = read(&source, None, HUGE).await.unwrap();
    assert_eq!(first.ids(), [1, 2]);
    put("in/sub/d.json", "{\"id\":3}").await;
    let second = read(&source, Some(&first.offset), HUGE).await.unwrap();
    assert_eq!(second.ids(), [3]);
    assert_eq!(read(&source, Some(&second.offset), HUGE).await.unwrap().ids(), [0_i64; 0]);
    source_contract(source).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn folders_that_do_not_name_their_columns_are_typed_by_a_template() {
    let bench = Bench::new();
    bench.write("eu/2026/11/08/a.json", "{\"id\":1}");
    bench.write("us/2026/12/31/a.json", "{\"id\":2}");
    bench.write("us/b.json", "{\"id\":3}");
    let declared = columns(&[
        ("id", DataType::Int64),
        ("year", DataType::Int16),
        ("month", DataType::Int64),
        ("day", DataType::Utf8),
        ("region", DataType::Utf8),
    ]);
    let location = format!("{}/", bench.folder.path().join("in").display());
    let options = [("partitions", "{region}/{year}/{month}/{day}")];
    let mut table = spec("JSON", &location, declared, &options);
    table.partition_by = ["year", "month", "day", "region"].map(str::to_owned).to_vec();
    let rows = read(&bench.open(&table).await.unwrap(), None, HUGE).await.unwrap();
    assert_eq!(rows.ids(), [1, 2, 3]);
    let expected: [(&str, [&str; 3]); 4] =
        [("year", ["2026", "2026", ""]), ("month", ["11", "12", ""]), ("day", ["08", "31", ""]), ("region", ["eu", "us", "us"])];
    for (column, values) in expected {
        assert_eq!(rows.texts(column), values, "{column}");
    }
    assert_eq!(rows.batches[0].schema().field_with_name("year").unwrap().data_type(), &DataType::Int16);

    bench.write("us/2026/12/31/deeper/c.json", "{\"id\":4}");
    let deep = read(&bench.open(&table).await.unwrap(), None, HUGE).await.unwrap_err().to_string();
    assert!(deep.contains("c.json': folder 'us/2026/12/31/deeper' is deeper than the 4 levels"), "{deep}");
    table.location = format!("{location}us/*/*/*/*.json");
    table.options = vec![("partitions".into(), "{region}/{year}/{month}/{day}".into())];
    let pattern = read(&bench.open(&table).await.unwrap(), None, HUGE).await.unwrap();
    assert_eq!((pattern.ids(), pattern.texts("region")), (vec![2], vec!["us".to_owned()]));

    bench.write("in/us/2027/c.json", "{\"id\":5}");
    table.location = format!("{location}in/**/*.json");
    let deep = read(&bench.open(&table).await.unwrap(), None, HUGE).await.unwrap();
    assert_eq!((deep.ids(), deep.texts("region"), deep.texts("year")), (vec![5], vec!["us".to_owned()], vec!["2027".to_owned()]));
    assert_eq!(deep.texts("month"), [""], "what is above the pattern is none of its folders");

    table.options = vec![("partitions".into(), "{region}/{yaer}/{month}/{day}".into())];
    let wrong = bench.open(&table).await.unwrap_err().to_string();
    assert!(wrong.contains("did you mean `year`?"), "{wrong}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dates_of_folders_and_columns_are_read_in_the_form_that_is_said() {
    let bench = Bench::new();
    bench.write("20261121/a.json", "{\"id\":1,\"born\":\"03/04/2026\",\"user\":{\"since\":\"04/03/2026\"}}");
    let user = DataType::Struct(vec![Field::new("since", DataType::Date32, true)].into());
    let declared = columns(&[("id", DataType::Int64), ("born", DataType::Date32), ("user", user), ("date", DataType::Date32)]);
    let location = format!("{}/", bench.folder.path().join("in").display());
    let open = async |options: &[(&str, &str)]| {
        let mut table = spec("JSON", &location, declared.clone(), options);
        table.partition_by = vec!["date".into()];
        bench.open(&table).await
    };
    let options = [("partitions", "{date}"), ("form.date", "YMD"), ("form.born", "D/M/Y"), ("form.user.since", "M/D/Y")];
    let rows = read(&open(&options).await.unwrap(), None, HUGE).await.unwrap();
    for (column, expected) in [("date", "2026-11-21"), ("born", "2026-04-03"), ("user", "{since: 2026-04-03}")] {
        assert_eq!(rows.texts(column), [expected]);
    }
    let problem = async |options: &[(&str, &str)]| open(options).await.unwrap_err().to_string();
    assert_eq!(problem(&[("form.bron", "D/M/Y")]).await, "unknown column 'bron' of option 'form.bron'; did you mean 'born'?");
    assert_eq!(problem(&[("form.born", "D/M/Y"), ("form.BORN", "M/D/Y")]).await, "option 'form.BORN' is given twice");
    assert!(problem(&[("form.born", "D/M")]).await.contains("unknown form 'D/M' of a date or timestamp"));
    assert_eq!(problem(&[("form.id", "D/M/Y")]).await, "option 'form.id': 'D/M/Y' is a form of dates, and column 'id' is BIGINT");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parquet_columns_of_types_that_no_text_has_are_read_as_they_are() {
    use arrow::array::{
        BinaryArray, Decimal256Array, DurationMicrosecondArray, FixedSizeBinaryArray, MapBuilder, StringBuilder,
        Time64MicrosecondArray,
    };
    let bench = Bench::new();
    let mut map = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    map.keys().append_value("k");
    map.values().append_value("v");
    map.append(true).unwrap();
    let fixed = FixedSizeBinaryArray::try_from_iter([[1_u8, 2]].iter()).unwrap();
    let wide = Decimal256Array::from(vec![arrow::datatypes::i256::from(7)]).with_precision_and_scale(50, 0).unwrap();
    let batch = RecordBatch::try_from_iter([
        ("id", Arc::new(Int32Array::from(vec![1])) as Arc<dyn Array>),
        ("bytes", Arc::new(BinaryArray::from(vec![b"x".as_slice()]))),
        ("fixed", Arc::new(fixed)),
        ("map", Arc::new(map.finish())),
        ("time", Arc::new(Time64MicrosecondArray::from(vec![1_000_000]))),
        ("span", Arc::new(DurationMicrosecondArray::from(vec![1]))),
        ("wide", Arc::new(wide)),
    ])
    .unwrap();
    bench.write("a.parquet", parquet(&batch));
    let source = bench.source("PARQUET", None, &[]).await;
    let all = read(&source, None, HUGE).await.unwrap();
    for field in batch.schema().fields().iter().skip(1) {
        let read = source.schema();
        assert_eq!(read.field_with_name(field.name()).unwrap().data_type(), field.data_type());
        assert_eq!(all.texts(field.name()).len(), 1, "{field}");
    }
    // As text, those that JSON has a word for.
    let text = bench.source("PARQUET", columns(&[("map", DataType::Utf8), ("time", DataType::Utf8)]), &[]).await;
    let all = read(&text, None, HUGE).await.unwrap();
    assert_eq!((all.texts("map"), all.texts("time")), (vec!["{\"k\":\"v\"}".to_owned()], vec!["00:00:01".to_owned()]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_an_object_in_one_parquet_file_and_text_in_another_is_json_text() {
    use arrow::array::StructArray;
    let bench = Bench::new();
    let object = |member: Option<&str>| {
        let field = Arc::new(Field::new("city", DataType::Utf8, true));
        StructArray::from(vec![(field, Arc::new(StringArray::from(vec![member])) as Arc<dyn Array>)])
    };
    let write = |name: &str, value: Arc<dyn Array>| {
        let id = Arc::new(Int32Array::from(vec![1])) as Arc<dyn Array>;
        bench.write(name, parquet(&RecordBatch::try_from_iter([("id", id), ("place", value)]).unwrap()));
    };
    write("1.parquet", Arc::new(object(Some("Bonn"))));
    write("2.parquet", Arc::new(object(None)));
    write("3.parquet", Arc::new(StringArray::from(vec!["Köln"])));
    let source = bench.source("PARQUET", None, &[]).await;
    let all = read(&source, None, HUGE).await.unwrap();
    assert_eq!(all.texts("place"), [r#"{"city":"Bonn"}"#, r#"{"city":null}"#, "Köln"]);
}
