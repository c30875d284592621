//! `engine crawl`: what is found, what the next crawl makes of it, and that its statements work in a pipeline.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use object_store::ObjectStoreExt;
use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use serde_json::Value;
use testkit::planted::{PlantedTable, SKIPPED, TABLES, plant};
use testkit::s3::{BUCKET, Operation, S3Server};

use super::bench::{Bench, snapshot};

fn put(bench: &Bench, path: &str, bytes: &[u8]) {
    let path = bench.path(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

fn planted(bench: &Bench, objects: u64) -> Vec<PlantedTable> {
    let mut write = |path: &str, bytes: &[u8]| {
        put(bench, &format!("in/{path}"), bytes);
        Ok(())
    };
    plant(objects, &mut write).unwrap()
}

fn crawl(bench: &Bench, arguments: &[&str]) -> Value {
    let arguments: Vec<&str> = ["crawl"].iter().chain(arguments).chain(&["--json"]).copied().collect();
    serde_json::from_str(&bench.good(&arguments)).unwrap()
}

fn tables(crawl: &Value) -> BTreeMap<&str, &Value> {
    crawl["tables"].as_array().unwrap().iter().map(|table| (table["name"].as_str().unwrap(), table)).collect()
}

fn pairs(fields: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    fields.as_array().unwrap().iter().map(|field| (text(&field["name"]), text(&field["type"]))).collect()
}

/// Compares with what was planted.
fn assert_as_planted(crawl: &Value, planted: &[PlantedTable]) {
    let found = tables(crawl);
    assert_eq!(found.keys().copied().collect::<Vec<_>>(), planted.iter().map(|table| table.name.as_str()).collect::<Vec<_>>());
    for expected in planted {
        let table = found[expected.name.as_str()];
        let context = format!("{expected:?}\n{table:#}");
        let mut columns = pairs(&table["columns"]);
        let mut planted = expected.columns.clone();
        // A column that turns up in a later file is behind the others.
        columns.sort();
        planted.sort();
        assert_eq!(columns, planted, "{context}");
        assert_eq!(pairs(&table["partitions"]), expected.partitions, "{context}");
        assert_eq!(table["format"], expected.format, "{context}");
        assert!(table["location"].as_str().unwrap().ends_with(&format!("/{}", expected.folder)), "{context}");
        assert_eq!((&table["objects"], &table["rows"]), (&expected.objects.into(), &expected.rows.into()), "{context}");
    }
    let skipped: u64 = crawl["skipped"].as_array().unwrap().iter().map(|skipped| skipped["objects"].as_u64().unwrap()).sum();
    assert_eq!(skipped, SKIPPED, "{:#}", crawl["skipped"]);
}

#[test]
fn forty_tables_are_found_as_planted_and_not_read_again() {
    let bench = Bench::new();
    let planted = planted(&bench, 400);
    let plan = crawl(&bench, &["in", "--plan"]);
    assert_as_planted(&plan, &planted);
    assert!(!bench.path(".engine").exists(), "a plan leaves nothing behind");
    let first = crawl(&bench, &["in"]);
    assert_as_planted(&first, &planted);
    assert_eq!(tables(&first).values().filter(|table| table["status"] == "new").count() as u64, TABLES);

    let again = crawl(&bench, &["in"]);
    assert_as_planted(&again, &planted);
    assert!(tables(&again).values().all(|table| table["what"] == "unchanged"), "{again:#}");
    // What cannot be read is tried, and told, again.
    assert_eq!(again["objects"]["read"], 1, "{again:#}");
    assert_eq!(bench.listing(".engine/crawl").len(), 1, "one list of objects is kept");
    let query = "SELECT \"table\", count(*) AS n, sum(bytes) > 0 AS b, count(DISTINCT object) AS d FROM system.crawled_objects \
                 WHERE database = 'raw' GROUP BY 1 ORDER BY 1";
    let counted = bench.good(&["shell", "-c", query, "--format", "csv"]);
    let expected: Vec<String> =
        planted.iter().map(|table| format!("{},{},true,{}", table.name, table.objects, table.objects)).collect();
    assert_eq!(counted.lines().skip(1).collect::<Vec<_>>(), expected);
    // One table's: as the crawl calls its place, and the names that its source reads by.
    let one = &planted[0];
    let query = format!("SELECT object FROM system.crawled_objects WHERE \"table\" = '{}' AND crawled_at IS NOT NULL", one.name);
    let objects = bench.good(&["shell", "-c", &query, "--format", "csv"]);
    assert_eq!(objects.lines().count() as u64, one.objects + 1);
    let is_there = |path: &str| std::path::Path::new(path).is_file() && path.contains(&format!("/in/{}", one.folder));
    assert!(objects.lines().skip(1).all(is_there), "{objects}");
}

#[test]
fn a_lake_on_s3_is_found_as_planted() {
    let server = S3Server::builder().start().unwrap();
    let store = AmazonS3Builder::new()
        .with_endpoint(server.endpoint())
        .with_allow_http(true)
        .with_region(server.region())
        .with_bucket_name(BUCKET)
        .with_access_key_id(server.access_key())
        .with_secret_access_key(server.secret_key())
        .build()
        .unwrap();
    let mut bench = Bench::new();
    bench
        .set("ENGINE_S3_ENDPOINT", server.endpoint())
        .set("ENGINE_S3_REGION", server.region())
        .set("ENGINE_S3_ACCESS_KEY_ID", server.access_key())
        .set("ENGINE_S3_SECRET_ACCESS_KEY", server.secret_key())
        .secret(server.secret_key());
    let planted = crate::lab::block_on(async {
        let mut objects = Vec::new();
        let planted = plant(200, &mut |path, bytes| {
            objects.push((format!("raw/{path}"), bytes.to_vec()));
            Ok(())
        });
        for (path, bytes) in objects {
            store.put(&Path::from(path), bytes.into()).await.unwrap();
        }
        planted.unwrap()
    });
    let location = format!("s3://{BUCKET}/raw");
    assert_as_planted(&crawl(&bench, &[&location]), &planted);

    let before = server.requests().all().len();
    let again = crawl(&bench, &[&location]);
    assert!(tables(&again).values().all(|table| table["what"] == "unchanged"), "{again:#}");
    let requests = server.requests().all().split_off(before);
    let gets = requests.iter().filter(|request| request.operation == Operation::GetObject).count();
    assert_eq!(gets, 1, "only what cannot be read is asked for: {requests:#?}");
    let query = format!("SELECT count(*) AS n FROM system.crawled_objects WHERE object LIKE '{location}/%'");
    let counted = bench.good(&["shell", "-c", &query, "--format", "csv"]);
    assert_eq!(counted, format!("n\n{}\n", planted.iter().map(|table| table.objects).sum::<u64>()));
}

#[test]
fn the_statements_of_a_plan_check_and_load_every_row_typed() {
    let bench = Bench::new();
    let planted = planted(&bench, 160);
    let mut pipeline = bench.good(&["crawl", "in", "--plan"]);
    bench.write("tables.sql", &pipeline);
    assert!(bench.good(&["check", "tables.sql"]).contains("tables.sql: ok"));
    for table in &planted {
        writeln!(pipeline, "CREATE EXTERNAL TABLE into_{0} STORED AS PARQUET LOCATION 'lake://{0}';", table.name).unwrap();
        writeln!(pipeline, "INSERT INTO into_{0} SELECT * FROM {0};", table.name).unwrap();
    }
    let summary = bench.run(&pipeline);
    for table in &planted {
        let sink = &summary["sinks"][format!("into_{}", table.name)];
        assert_eq!(sink["rows_written"], table.rows, "{table:?}: {sink}");
    }
    for table in planted.iter().filter(|table| !table.partitions.is_empty()) {
        let (name, partition) = (&table.name, &table.partitions[0].0);
        let query = format!(
            "SELECT count(*) AS rows, count(DISTINCT \"{partition}\") AS partitions, arrow_typeof(min(\"{partition}\")) AS type FROM lake.\"{name}\""
        );
        let shown: Value = serde_json::from_str(bench.good(&["shell", "--format", "json", "-c", &query]).trim()).unwrap();
        let row = shown.as_array().map_or(&shown, |rows| &rows[0]);
        assert_eq!(row["rows"], table.rows, "{table:?}: {shown}");
        assert!(row["partitions"].as_u64().unwrap() >= 1, "{table:?}: {shown}");
        let expected = match table.partitions[0].1.as_str() {
            "DATE" => "Date32",
            "BIGINT" => "Int64",
            _ => "Utf8",
        };
        assert!(row["type"].as_str().unwrap().starts_with(expected), "{table:?}: {shown}");
    }
}

const ORDERS: &[(&str, &str)] = &[
    ("in/orders/2026/11/20/a.csv", "id,total\n1,10\n2,20\n"),
    ("in/orders/2026/11/21/a.csv", "id,total\n3,30\n"),
    ("in/people/a.json", "{\"name\": \"Ada\", \"born\": \"10/12/1815\"}\n{\"name\": \"Alan\", \"born\": \"23/06/1912\"}\n"),
];

fn orders() -> Bench {
    let bench = Bench::new();
    ORDERS.iter().for_each(|(path, text)| put(&bench, path, text.as_bytes()));
    bench
}

#[test]
fn a_crawl_says_what_it_did_and_the_next_what_changed() {
    let bench = orders();
    let mut all = String::new();
    let mut say = |what: &str, arguments: &[&str]| {
        let arguments: Vec<&str> = ["crawl", "in"].iter().chain(arguments).copied().collect();
        let ended = bench.engine(&arguments);
        all.push_str(&format!("=== {what}\n{}", bench.shown(&ended)));
    };
    say("a plan", &["--plan"]);
    say("the first crawl", &[]);
    say("nothing new", &[]);
    put(&bench, "in/orders/2026/11/22/a.csv", b"id,total,tip\n4,40.5,1\n");
    put(&bench, "in/people/b.json", b"{\"name\": \"Grace\"}\n");
    say("a plan of what is new", &["--plan"]);
    say("a new column, a wider type, a column that is missing", &[]);
    put(&bench, "in/orders/2026/11/23/a.csv", b"id,total,note\n5,50,x\n");
    say("frozen", &["--policy", "orders=freeze"]);
    say("frozen, and nothing new since", &[]);
    say("evolving again", &["--policy", "orders=evolve"]);
    std::fs::remove_dir_all(bench.path("in/people")).unwrap();
    say("a table is lost", &[]);
    say("and pruned", &["--prune"]);
    put(&bench, "in/orders/latest/a.csv", b"id,total\n6,60\n");
    say("a folder that does not fit", &[]);
    say("registered anew", &["--anew", "orders"]);
    say("and kept", &[]);
    snapshot!("crawl", all);
}

#[test]
fn a_column_is_explained_from_all_crawls() {
    let bench = orders();
    crawl(&bench, &["in"]);
    put(&bench, "in/orders/2026/11/22/a.csv", b"id,total\n4,n/a\n");
    let mut all = String::new();
    for column in ["orders.total", "raw.people.born", "orders.month", "orders.totl", "order.total", "orders"] {
        let ended = bench.engine(&["crawl", "in", "--explain", column]);
        all.push_str(&format!("=== {column}\n{}", bench.shown(&ended)));
    }
    snapshot!("crawl_explain", all);
    // It was said, and nothing was changed.
    let again = bench.engine(&["crawl", "in", "--plan", "--json"]);
    assert_eq!(again.code, 1, "a plan that would be refused says so");
    let again: Value = serde_json::from_str(&again.stdout).unwrap();
    assert_eq!(tables(&again)["orders"]["new"], 1);
}

#[test]
fn mistakes_are_told_with_what_to_try() {
    let bench = orders();
    put(&bench, "hidden/.keep", b"");
    let mut all = String::new();
    crawl(&bench, &["in"]);
    std::fs::create_dir(bench.path("empty")).unwrap();
    for arguments in [
        &["ni"] as &[&str],
        &["in/*.csv"],
        &["empty"],
        &["gs://bucket/x"],
        &["in", "--policy", "evolv"],
        &["in", "--policy", "order=freeze"],
        &["in", "--anew", "order"],
        &["in", "--into", "a.b"],
        &["in", "--sample", "1KB"],
        &["in/orders/2026"],
        &["hidden"],
    ] {
        let arguments: Vec<&str> = ["crawl"].iter().chain(arguments).copied().collect();
        let ended = bench.engine(&arguments);
        all.push_str(&format!("=== {}\n{}", arguments.join(" "), bench.shown(&ended)));
    }
    snapshot!("crawl_mistakes", all);
}

#[test]
fn of_large_files_beginning_middle_and_end_are_read() {
    let bench = Bench::new();
    let rows = 60_000;
    let line = |row: usize| match row {
        30_000 => format!("{row},seven,some text to make the file large\n"),
        row if row == rows - 1 => format!("{row},7.5,some text to make the file large\n"),
        row => format!("{row},{row},some text to make the file large\n"),
    };
    let csv: String = std::iter::once("id,middle,text\n".to_owned()).chain((0..rows).map(line)).collect();
    put(&bench, "in/large/a.csv", csv.as_bytes());
    let line = |row: usize| {
        let value = if row == rows - 1 { "7.5".to_owned() } else { row.to_string() };
        format!("{{\"key\": {row}, \"value\": {value}, \"text\": \"some text to make the file large\"}}\n")
    };
    let json: String = (0..rows).map(line).collect();
    put(&bench, "in/logs/a.json", json.as_bytes());
    let found = crawl(&bench, &["in"]);
    let found = tables(&found);
    assert_eq!(found["large"]["rows"], Value::Null, "rows that were not counted are not made up");
    assert_eq!(pairs(&found["large"]["columns"])[1], ("middle".into(), "VARCHAR".into()));
    assert_eq!(pairs(&found["logs"]["columns"])[1], ("value".into(), "DOUBLE".into()));
    let explained = bench.good(&["crawl", "in", "--explain", "large.middle"]);
    assert!(explained.contains("first 'seven' in") && explained.contains("a.csv, byte 1,"), "{explained}");
    let evidence = found["large"]["evidence"].to_string();
    assert!(evidence.contains("of 1 of 1 file, the beginning, the middle and the end were read"), "{evidence}");
}

#[test]
fn awkward_files_are_read_or_named() {
    let bench = Bench::new();
    let python = "{'id': 1, 'seen': True, 'note': None}\n{'id': 2, 'seen': False, 'note': 'x'}\n";
    put(&bench, "in/python/a.json", python.as_bytes());
    put(&bench, "in/events/part-00000", b"{\"kind\": \"click\", \"at\": 1}\n");
    put(&bench, "in/ragged/a.csv", b"a,b,c\n1,2,3\n4,5\n6,7,8\n");
    put(&bench, "in/page/a.json", b"<html><body>not found</body></html>\n");
    put(&bench, "in/photo/a.csv", b"\x89PNG\x00\x00\x01\x02\n\x00\x00");
    put(&bench, "in/notes/LICENSE", b"Everyone may do with this as they like.\nReally.\n");
    put(&bench, "in/fake/a.parquet", b"this is no parquet file at all");
    let found = crawl(&bench, &["in"]);
    let named = tables(&found);
    assert_eq!(named.keys().copied().collect::<Vec<_>>(), ["events", "python", "ragged"], "{found:#}");
    assert!(named["python"]["ddl"].as_str().unwrap().contains("OPTIONS ('mode' 'lenient')"), "{found:#}");
    let evidence = named["ragged"]["evidence"].to_string();
    assert!(evidence.contains("1 record cannot be read, first in") && evidence.contains("row 2"), "{evidence}");
    let skipped: Vec<String> = found["skipped"]
        .as_array()
        .unwrap()
        .iter()
        .map(|skipped| format!("{} {}", skipped["first"].as_str().unwrap(), skipped["reason"].as_str().unwrap()))
        .collect();
    let has = |start: &str| skipped.iter().any(|line| line.starts_with(start));
    assert!(has("page/a.json unreadable: no record of it can be read: not JSON"), "{skipped:#?}");
    assert!(has("photo/a.csv unreadable: it holds bytes that are no text"), "{skipped:#?}");
    assert!(has("notes/LICENSE unknown format"), "{skipped:#?}");
    assert!(has("fake/a.parquet unreadable: "), "{skipped:#?}");
}

#[test]
fn what_others_registered_or_dropped_into_a_folder_is_not_mixed_in() {
    let bench = orders();
    crawl(&bench, &["in"]);
    put(&bench, "in/people/weights.json", b"{\"kg\": 1.5, \"unit\": \"x\", \"scale\": 3}\n");
    put(&bench, "in/people/more.csv", b"name,born\nEdsger,11/05/1930\n");
    let found = crawl(&bench, &["in"]);
    let names: Vec<&str> = tables(&found).into_keys().collect();
    assert_eq!(names, ["orders", "people", "people_csv", "weights"], "{found:#}");
    assert!(tables(&found)["weights"]["location"].as_str().unwrap().ends_with("/in/people/weights.json"), "{found:#}");
    assert_eq!(tables(&found)["people"]["objects"], 1);
    let again = crawl(&bench, &["in"]);
    assert!(tables(&again).values().all(|table| table["what"] == "unchanged"), "{again:#}");
}

#[test]
fn a_file_that_a_known_table_would_misread_is_told_until_it_has_another_name() {
    let bench = Bench::new();
    put(&bench, "in/x/a.csv", b"id,n\n1,2\n");
    crawl(&bench, &["in"]);
    put(&bench, "in/x/part-0", b"{\"kg\":1,\"unit\":\"q\"}\n");
    put(&bench, "in/x/part-1", b"id,n\n2,3\n");
    for _ in 0..2 {
        let ended = bench.engine(&["crawl", "in"]);
        assert_eq!(ended.code, 1, "{ended:?}");
        let told = format!("{}{}", ended.stdout, ended.stderr);
        assert!(told.contains("table raw.x: 1 object is of another format") && told.contains("x/part-0 is JSON"), "{told}");
        assert!(!told.contains("raw.x_json"), "{told}");
    }
    std::fs::rename(bench.path("in/x/part-0"), bench.path("in/x/part-0.json")).unwrap();
    let found = crawl(&bench, &["in"]);
    assert_eq!(
        tables(&found).into_iter().map(|(name, table)| (name, table["objects"].clone())).collect::<Vec<_>>(),
        [("x", 2.into()), ("x_json", 1.into())]
    );
    assert_eq!(bench.good(&["shell", "-c", "SELECT count(*) AS n FROM raw.x", "--format", "csv"]), "n\n2\n");
}

#[test]
fn a_killed_or_forgotten_list_of_objects_costs_a_second_look_and_no_evidence_twice() {
    let bench = orders();
    let before = crawl(&bench, &["in"]);
    std::fs::remove_dir_all(bench.path(".engine/crawl")).unwrap();
    let after = crawl(&bench, &["in"]);
    assert_eq!(after["objects"]["read"], 3);
    for (name, table) in tables(&after) {
        for key in ["evidence", "rows", "objects", "columns"] {
            assert_eq!(table[key], tables(&before)[name][key], "{name}");
        }
        assert!(table["changes"].as_array().unwrap().is_empty(), "{table:#}");
    }
}

#[test]
fn tables_of_one_folder_keep_their_objects_from_crawl_to_crawl() {
    let bench = Bench::new();
    put(&bench, "r/in/one.csv", b"a,b\n1,2\n");
    put(&bench, "r/in/two.csv", b"a,b\n3,4\n");
    put(&bench, "r/in/three.csv", b"x,y,z\n5,6,7\n");
    for arguments in [&["r"] as &[&str], &["r"], &["r", "--prune"], &["r", "--anew", "three"]] {
        let found = crawl(&bench, arguments);
        let objects: Vec<(&str, &Value)> = tables(&found).into_iter().map(|(name, table)| (name, &table["objects"])).collect();
        assert_eq!(objects, [("in", &2.into()), ("three", &1.into())], "{arguments:?}: {found:#}");
        let warned = tables(&found)["in"]["warnings"].to_string();
        assert!(warned.contains("the location matches `in/three.csv` of table three as well; move it"), "{warned}");
    }
}

#[test]
fn a_table_that_turns_up_in_the_folder_of_another_is_told_of() {
    let bench = Bench::new();
    put(&bench, "r/in/one.csv", b"a,b\n1,2\n");
    put(&bench, "r/in/two.csv", b"a,b\n3,4\n");
    let said = "the location matches `in/three.csv` of table three as well; move it to a folder of its own";
    assert!(!bench.good(&["crawl", "r"]).contains("as well"));
    put(&bench, "r/in/three.csv", b"x,y,z\n5,6,7\n");
    for arguments in [&["crawl", "r", "--plan"] as &[&str], &["crawl", "r"], &["crawl", "r"]] {
        let told = bench.good(arguments);
        assert!(told.contains(said), "{arguments:?}: {told}");
    }
    std::fs::create_dir(bench.path("r/three")).unwrap();
    std::fs::rename(bench.path("r/in/three.csv"), bench.path("r/three/three.csv")).unwrap();
    assert!(!bench.good(&["crawl", "r", "--prune"]).contains("as well"));
}

#[test]
fn a_column_that_is_renamed_in_a_small_table_is_drift() {
    let bench = Bench::new();
    put(&bench, "r/t/1.csv", b"id,name\n1,Ada\n");
    crawl(&bench, &["r"]);
    put(&bench, "r/t/1.csv", b"id,full_name\n1,Ada Lovelace\n");
    let found = crawl(&bench, &["r"]);
    assert_eq!(tables(&found).into_keys().collect::<Vec<_>>(), ["t"]);
    let table = tables(&found)["t"].clone();
    assert_eq!((&table["objects"], &table["changed"], &table["status"]), (&1.into(), &1.into(), &"evolved".into()));
    let changes = table["changes"].to_string();
    for change in ["\"added\"", "\"missing\"", "\"renamed\""] {
        assert!(changes.contains(change), "{change} in {changes}");
    }
    let query = "SELECT full_name FROM raw.t";
    assert_eq!(bench.good(&["shell", "--format", "csv", "-c", query]), "full_name\nAda Lovelace\n");
}

#[test]
fn bad_values_that_are_set_aside_hold_up_no_drift() {
    let bench = Bench::new();
    put(&bench, "r/t/1.csv", b"id,age\n1,30\n");
    crawl(&bench, &["r"]);
    put(&bench, "r/t/2.csv", b"id,age\n2,unknown\n");
    let refused = bench.engine(&["crawl", "r"]);
    assert!(refused.code == 1 && refused.stderr.contains("on_error"), "{refused:?}");
    let note = "`age` stays BIGINT: on_error puts rows with other values aside";
    assert!(bench.good(&["crawl", "r", "--option", "t.on_error=quarantine", "--option", "t.max_bad_ratio=1"]).contains(note));
    put(&bench, "r/t/3.csv", b"id,age,town\n3,40,Paris\n");
    assert!(bench.good(&["crawl", "r"]).contains("`town` is new, VARCHAR"));
    let rows = bench.good(&["shell", "--format", "csv", "-c", "SELECT id, age, town FROM raw.t ORDER BY id"]);
    assert_eq!(rows, "id,age,town\n1,30,\n3,40,Paris\n");
}
