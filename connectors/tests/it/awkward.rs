//! Files as other tools write them, one by one: what becomes of each without a word about its columns.
//!
//! Where a case comes from stands beside it: a crawler that names columns `col0`, loaders that fail on one value, pipelines that
//! were written around a file.

use arrow::array::ArrayRef;
use arrow::util::display::array_value_to_string;
use catalog::sql_type;

use crate::bench::{Bench, HUGE, gzip, read};

/// Columns with their types, rows of cells, and how many records are bad.
async fn read_all(format: &str, options: &[(&str, &str)], files: &[(&str, &[u8])]) -> (String, Vec<String>, usize) {
    let bench = Bench::new();
    for (name, bytes) in files {
        bench.write(name, bytes);
    }
    let options: Vec<_> = [("on_error", "quarantine"), ("max_bad_ratio", "1")].iter().chain(options).copied().collect();
    let source = bench.source(format, None, &options).await;
    let all = read(&source, None, HUGE).await.unwrap();
    let schema = source.schema();
    let columns = schema.fields().iter().map(|field| format!("{} {}", field.name(), sql_type(field.data_type())));
    let columns = columns.collect::<Vec<_>>().join(", ");
    let rows = all.batches.iter().flat_map(|batch| {
        (0..batch.num_rows()).map(|row| {
            let cell = |array: &ArrayRef| array_value_to_string(array, row).unwrap();
            batch.columns().iter().map(cell).collect::<Vec<_>>().join("|")
        })
    });
    (columns, rows.collect(), all.bad.len())
}

#[track_caller]
fn check(what: &str, found: (String, Vec<String>, usize), columns: &str, rows: &[&str], bad: usize) {
    assert_eq!(
        (found.0.as_str(), found.1.iter().map(String::as_str).collect::<Vec<_>>(), found.2),
        (columns, rows.to_vec(), bad),
        "{what}"
    );
}

/// A case of one file.
struct Case {
    what: &'static str,
    bytes: &'static [u8],
    columns: &'static str,
    rows: &'static [&'static str],
    bad: usize,
}

async fn run(format: &str, options: &[(&str, &str)], cases: &[Case]) {
    for Case { what, bytes, columns, rows, bad } in cases {
        check(what, read_all(format, options, &[("a.data", bytes)]).await, columns, rows, *bad);
    }
}

const CSV: &[Case] = &[
    Case {
        what: "a file of texts only keeps its header, which Glue takes for a row",
        bytes: b"city,country\nParis,France\nRome,Italy\nBerlin,Germany\n",
        columns: "city VARCHAR, country VARCHAR",
        rows: &["Paris|France", "Rome|Italy", "Berlin|Germany"],
        bad: 0,
    },
    Case {
        what: "commas, quotes and line ends in quotes, which Glue's default reader splits at",
        bytes: b"id,note\n1,\"a, b\"\n2,\"say \"\"hi\"\"\"\n3,\"two\r\nlines\"\n",
        columns: "id BIGINT, note VARCHAR",
        rows: &["1|a, b", "2|say \"hi\"", "3|two\r\nlines"],
        bad: 0,
    },
    Case {
        what: "numbers with leading zeros, and one beyond 64 bits, keep their digits",
        bytes: b"zip,account\n00501,12345678901234567890\n94105,7\n",
        columns: "zip VARCHAR, account DECIMAL(20, 0)",
        rows: &["00501|12345678901234567890", "94105|7"],
        bad: 0,
    },
    Case {
        what: "codes that a data frame wrote as doubles",
        bytes: b"ratecode,payment\n1.0,2\n,1.0\n5.0,\n",
        columns: "ratecode DOUBLE, payment DOUBLE",
        rows: &["1.0|2.0", "|1.0", "5.0|"],
        bad: 0,
    },
    Case {
        what: "names with spaces, a mark, and a delimiter too many",
        bytes: b"\xef\xbb\xbfFirst name,Last name,\r\nAda,Lovelace,\r\nAlan,Turing,\r\n",
        columns: "first_name VARCHAR, last_name VARCHAR, column_3 VARCHAR",
        rows: &["Ada|Lovelace|", "Alan|Turing|"],
        bad: 0,
    },
    Case {
        what: "a semicolon, a decimal comma and Latin-1, as a German spreadsheet saves",
        bytes: b"Stadt;Preis\nK\xf6ln;3,50\nM\xfcnchen;4,00\n",
        columns: "stadt VARCHAR, preis VARCHAR",
        rows: &["K\u{f6}ln|3,50", "M\u{fc}nchen|4,00"],
        bad: 0,
    },
    Case {
        what: "Ctrl-A, as Hive writes",
        bytes: b"id\x01name\n1\x01a\n2\x01b\n",
        columns: "id BIGINT, name VARCHAR",
        rows: &["1|a", "2|b"],
        bad: 0,
    },
    Case {
        what: "dates that may be D/M/Y or M/D/Y are not guessed",
        bytes: b"id,day\n1,01/02/2026\n2,03/04/2026\n",
        columns: "id BIGINT, day VARCHAR",
        rows: &["1|01/02/2026", "2|03/04/2026"],
        bad: 0,
    },
    Case {
        what: "a quote that is never closed costs its line",
        bytes: b"id,name\n1,\"a, b\"\n6,\"x, y\"\n7,\"p, q\"\n8,\"r, s\"\n2,\"open\n3,c\n4,d\n5,e\n",
        columns: "id BIGINT, name VARCHAR",
        rows: &["1|a, b", "6|x, y", "7|p, q", "8|r, s", "3|c", "4|d", "5|e"],
        bad: 1,
    },
    Case {
        what: "a cell that says nothing in words is text, not a number lost",
        bytes: b"id,age\n1,36\n2,n/a\n3,41\n",
        columns: "id BIGINT, age VARCHAR",
        rows: &["1|36", "2|n/a", "3|41"],
        bad: 0,
    },
    Case {
        what: "a zero byte within text",
        bytes: b"id,name\n1,a\0b\n2,c\n",
        columns: "id BIGINT, name VARCHAR",
        rows: &["1|a\0b", "2|c"],
        bad: 0,
    },
    Case {
        what: "an unnamed first column, as pandas writes its index",
        bytes: b",score\n0,1.5\n1,2.5\n",
        columns: "column_1 BIGINT, score DOUBLE",
        rows: &["0|1.5", "1|2.5"],
        bad: 0,
    },
    Case {
        what: "a name twice",
        bytes: b"id,name,name\n1,a,b\n2,c,d\n",
        columns: "id BIGINT, name VARCHAR, name_2 VARCHAR",
        rows: &["1|a|b", "2|c|d"],
        bad: 0,
    },
    Case {
        what: "CR alone, as an old Mac writes",
        bytes: b"id,name\r1,a\r2,b\r",
        columns: "id BIGINT, name VARCHAR",
        rows: &["1|a", "2|b"],
        bad: 0,
    },
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn csv_as_spreadsheets_loaders_and_people_write_it() {
    run("CSV", &[], CSV).await;
}

const JSON: &[Case] = &[
    Case {
        what: "a value that is false or a time, as Reddit's 'edited'",
        bytes: b"{\"id\":\"a\",\"edited\":false}\n{\"id\":\"b\",\"edited\":1710000000.0}\n",
        columns: "id VARCHAR, edited VARCHAR",
        rows: &["a|false", "b|1710000000.0"],
        bad: 0,
    },
    Case {
        what: "an author who is gone",
        bytes: b"{\"id\":\"a\",\"author\":\"x\"}\n{\"id\":\"b\",\"author\":null}\n{\"id\":\"c\"}\n",
        columns: "id VARCHAR, author VARCHAR",
        rows: &["a|x", "b|", "c|"],
        bad: 0,
    },
    Case {
        what: "names that differ by case are one column, and a record that has it twice is none",
        bytes: b"{\"ID\":1}\n{\"id\":2,\"Id\":3}\n",
        columns: "id BIGINT",
        rows: &["1"],
        bad: 1,
    },
    Case {
        what: "an object that is empty, a list that is, and one of several kinds",
        bytes: b"{\"o\":{},\"l\":[],\"m\":[1,\"a\",null]}\n{\"o\":{},\"l\":[],\"m\":[]}\n",
        columns: "o VARCHAR, l ARRAY<VARCHAR>, m ARRAY<VARCHAR>",
        rows: &["{}|[]|[1, a, ]", "{}|[]|[]"],
        bad: 0,
    },
    Case {
        what: "half a surrogate pair, a line separator, an emoji",
        bytes: b"{\"t\":\"\\ud83d x\"}\n{\"t\":\"a\xe2\x80\xa8b\"}\n{\"t\":\"\\ud83d\\ude95\"}\n",
        columns: "t VARCHAR",
        rows: &["\u{fffd} x", "a\u{2028}b", "\u{1f695}"],
        bad: 0,
    },
    Case {
        what: "numbers that a double would change",
        bytes: b"{\"n\":12345678901234567890,\"d\":0.1234567890123456789}\n{\"n\":1,\"d\":1}\n",
        columns: "n DECIMAL(20, 0), d DECIMAL(20, 19)",
        rows: &["12345678901234567890|0.1234567890123456789", "1|1.0000000000000000000"],
        bad: 0,
    },
    Case {
        what: "a number that no type holds",
        bytes: b"{\"n\":1e400}\n{\"n\":1}\n",
        columns: "n VARCHAR",
        rows: &["1e400", "1"],
        bad: 0,
    },
    Case {
        what: "a list of records over several lines, with a mark",
        bytes: b"\xef\xbb\xbf[\n  {\n    \"id\": 1,\n    \"tags\": [\"a\"]\n  },\n  {\"id\": 2}\n]\n",
        columns: "id BIGINT, tags ARRAY<VARCHAR>",
        rows: &["1|[a]", "2|"],
        bad: 0,
    },
    Case {
        what: "a line cut off by a crash, and the program going on",
        bytes: b"{\"id\":1,\"t\":\"a\"}\n{\"id\":2,\"t\":\"b{\"id\":3,\"t\":\"c\"}\n{\"id\":4,\"t\":\"d\"}\n",
        columns: "id BIGINT, t VARCHAR",
        rows: &["1|a", "4|d"],
        bad: 1,
    },
    Case {
        what: "times of one column with zones and without",
        bytes: b"{\"at\":\"2024-03-08 01:27:24\"}\n{\"at\":\"2024-03-09T16:00:00+00:00\"}\n",
        columns: "at VARCHAR",
        rows: &["2024-03-08 01:27:24", "2024-03-09T16:00:00+00:00"],
        bad: 0,
    },
    Case {
        what: "text that looks like numbers stays text",
        bytes: b"{\"zip\":\"00501\",\"n\":\"7\"}\n{\"zip\":\"94105\",\"n\":\"8\"}\n",
        columns: "zip VARCHAR, n VARCHAR",
        rows: &["00501|7", "94105|8"],
        bad: 0,
    },
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn json_as_interfaces_and_programs_write_it() {
    run("JSON", &[], JSON).await;
    let python = Case {
        what: "what Python prints for a dict",
        bytes: b"{'id': 1, 'date': '2026/11/21', 'category': 'Coupe, Sedan', 'paid': True, 'note': None, 'x': nan}\n\
                 {'id': 2, 'date': '2026/11/22', 'category': \"Driver's\", 'paid': False, 'note': 'a\\'b', 'x': 1.5}\n",
        columns: "id BIGINT, date DATE, category VARCHAR, paid BOOLEAN, note VARCHAR, x DOUBLE",
        rows: &["1|2026-11-21|Coupe, Sedan|true||NaN", "2|2026-11-22|Driver's|false|a'b|1.5"],
        bad: 0,
    };
    run("JSON", &[("mode", "lenient")], &[python]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_of_one_table_that_are_not_alike() {
    let packed = gzip("{\"id\":3}\n");
    let found = read_all(
        "JSON",
        &[],
        &[
            ("1.json", b"{\"id\":1}\n"),
            ("2.json", b"[{\"id\":2}]"),
            ("3.json", &packed),
            ("4.json", b""),
            ("5.json", b"\n\n"),
            ("_SUCCESS", b""),
            ("6.json", b"[]"),
        ],
    )
    .await;
    check("lines, a list, a compressed file, and four with nothing", found, "id BIGINT", &["1", "2", "3"], 0);
    let found = read_all(
        "CSV",
        &[],
        &[
            ("2021.csv", b"id,fare\n1,2.5\n"),
            ("2022.csv", b"fare;id\n3;2\n"),
            ("2023.csv", b"ID\tFare\ttip\n3\t4\t1\n"),
            ("2024.csv", b"id,fare\n"),
        ],
    )
    .await;
    check(
        "vintages with other delimiters, orders and columns",
        found,
        "id BIGINT, fare DOUBLE, tip BIGINT",
        &["1|2.5|", "2|3.0|", "3|4.0|1"],
        0,
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_of_many_columns_long_values_and_deep_nesting() {
    let names: Vec<String> = (0..600).map(|column| format!("c{column}")).collect();
    let wide = format!("{}\n{}\n", names.join(","), (0..600).map(|n| n.to_string()).collect::<Vec<_>>().join(","));
    let (columns, rows, bad) = read_all("CSV", &[], &[("a.csv", wide.as_bytes())]).await;
    assert_eq!((columns.split(", ").count(), rows.len(), bad), (600, 1, 0));
    assert!(rows[0].ends_with("|598|599"));

    // Redshift's longest VARCHAR is 65,535 bytes; what a sink makes of it is the sink's.
    let long = "\u{fc}".repeat(100_000);
    let (_, rows, bad) = read_all("JSON", &[], &[("a.json", format!("{{\"t\":\"{long}\"}}\n").as_bytes())]).await;
    assert_eq!((rows, bad), (vec![long], 0));

    // As many keys as there are users: no columns, but JSON text.
    let map: Vec<String> = (0..5_000).map(|key| format!("\"user{key}\":{key}")).collect();
    let text = format!("{{\"id\":1,\"by_user\":{{{}}}}}\n", map.join(","));
    let (columns, rows, bad) = read_all("JSON", &[], &[("a.json", text.as_bytes())]).await;
    assert_eq!((columns.as_str(), rows.len(), bad), ("id BIGINT, by_user VARCHAR", 1, 0));

    let deep = format!("{{\"id\":1,\"d\":{}1{}}}\n{{\"id\":2}}\n", "{\"x\":".repeat(100), "}".repeat(100));
    let (columns, rows, bad) = read_all("JSON", &[], &[("a.json", deep.as_bytes())]).await;
    assert!(columns.starts_with("id BIGINT, d "), "{columns}");
    assert_eq!((rows.len(), bad), (2, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_forms_of_a_time_are_read_where_the_column_is_declared() {
    use arrow::datatypes::{DataType, TimeUnit};
    let bench = Bench::new();
    bench.write("old.csv", "id,created_utc\n1,2024-03-08 01:27:24\n");
    bench.write("new.csv", "id,created_utc\n1,2024-03-09T16:00:00+00:00\n");
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let declared = crate::bench::columns(&[("id", DataType::Int64), ("created_utc", time)]);
    let all = read(&bench.source("CSV", declared, &[]).await, None, HUGE).await.unwrap();
    assert_eq!(all.texts("created_utc"), ["2024-03-09T16:00:00Z", "2024-03-08T01:27:24Z"]);
}
