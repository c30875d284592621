//! `engine catalog export glue`, against moto's Glue over a lake in moto's S3.

use serde_json::{Value, json};
use testkit::moto::Moto;

use super::bench::{Bench, POSTS};
use crate::checks::skipped;
use crate::lab::block_on;

const BUCKET: &str = "lake";

const WRITES: &str = "\
CREATE EXTERNAL TABLE posts STORED AS REDDIT LOCATION 'r/rust/new';
-- Posts, the newest state of each.
CREATE EXTERNAL TABLE latest STORED AS DELTA LOCATION 'lake://reddit/posts' OPTIONS ('key' 'id');
CREATE EXTERNAL TABLE bands STORED AS PARQUET LOCATION 'lake://reddit/bands' PARTITIONED BY (band);
REPLACE INTO latest SELECT id, score, arrow_cast(score, 'Decimal128(12, 2)') AS price FROM posts;
INSERT INTO bands SELECT id, to_timestamp(created_utc) AS at, CASE WHEN score > 20 THEN 'high' ELSE 'low' END AS band FROM posts;
";

/// None where it is not to be had.
fn moto() -> Option<Moto> {
    block_on(Moto::start()).inspect_err(|error| skipped("moto", error)).ok()
}

fn bench(moto: &Moto) -> Bench {
    let bench = empty(moto);
    bench.write("p.sql", WRITES);
    bench.good(&["run", "p.sql"]);
    bench
}

/// A lake in which nothing is yet.
fn empty(moto: &Moto) -> Bench {
    let mut bench = Bench::new();
    block_on(moto.create_bucket(BUCKET)).unwrap();
    for (name, value) in [
        ("ENGINE_LAKE_URL", format!("s3://{BUCKET}/x")),
        ("ENGINE_S3_ENDPOINT", moto.endpoint()),
        ("ENGINE_GLUE_ENDPOINT", moto.endpoint()),
        ("ENGINE_S3_REGION", "us-east-1".to_owned()),
        ("ENGINE_S3_ACCESS_KEY_ID", "testing".to_owned()),
        ("ENGINE_S3_SECRET_ACCESS_KEY", "very-secret-testing".to_owned()),
    ] {
        bench.set(name, value);
    }
    bench.secret("very-secret-testing");
    bench
}

fn put(moto: &Moto, key: &str, text: &str) {
    block_on(moto.put_object(BUCKET, key, text)).unwrap();
}

/// What Glue answers.
fn ask(moto: &Moto, action: &str, request: Value) -> Value {
    let text = block_on(moto.json("AWSGlue", action, &request.to_string())).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn table(moto: &Moto, database: &str, name: &str) -> Value {
    ask(moto, "GetTable", json!({"DatabaseName": database, "Name": name}))["Table"].clone()
}

/// The partitions of a table: values and place of each, in order.
fn partitions(moto: &Moto, database: &str, name: &str) -> Vec<(Vec<String>, String)> {
    let answer = ask(moto, "GetPartitions", json!({"DatabaseName": database, "TableName": name}));
    let partition = |partition: &Value| {
        let values = partition["Values"].as_array().unwrap().iter().map(|value| value.as_str().unwrap().to_owned()).collect();
        (values, partition["StorageDescriptor"]["Location"].as_str().unwrap().to_owned())
    };
    let mut partitions: Vec<_> = answer["Partitions"].as_array().unwrap().iter().map(partition).collect();
    partitions.sort();
    partitions
}

fn names(columns: &Value) -> Vec<&str> {
    columns.as_array().unwrap().iter().map(|column| column["Name"].as_str().unwrap()).collect()
}

#[test]
fn tables_are_created_then_left_alone_then_updated_where_they_differ() {
    let Some(moto) = moto() else { return };
    let bench = bench(&moto);
    let planned = bench.good(&["catalog", "export", "glue", "--plan"]);
    assert_eq!(
        planned,
        "would create database reddit\nwould create reddit.bands: 3 columns; partitions: 2 new\nwould create reddit.posts: 3 columns\n"
    );
    assert_eq!(ask(&moto, "GetDatabases", json!({}))["DatabaseList"], json!([]), "a plan writes nothing");
    let made = bench.good(&["catalog", "export", "glue"]);
    assert_eq!(made, planned.replace("would create", "created"));
    let again = bench.good(&["catalog", "export", "glue"]);
    assert_eq!(again, "reddit.bands is as it is to be; partitions: 2 as they are to be\nreddit.posts is as it is to be\n");

    let posts = table(&moto, "reddit", "posts");
    assert_eq!(posts["Description"], "Posts, the newest state of each.");
    assert_eq!(posts["Parameters"]["table_type"], "DELTA");
    assert_eq!(posts["Parameters"]["spark.sql.sources.provider"], "delta");
    let columns = posts["StorageDescriptor"]["Columns"].as_array().unwrap();
    let columns: Vec<[&str; 2]> =
        columns.iter().map(|column| ["Name", "Type"].map(|key| column[key].as_str().unwrap())).collect();
    assert_eq!(columns, [["id", "string"], ["score", "bigint"], ["price", "decimal(12,2)"]]);
    assert_eq!(posts["StorageDescriptor"]["Location"], format!("s3://{BUCKET}/x/reddit/posts/"));

    let bands = table(&moto, "reddit", "bands");
    let serde = &bands["StorageDescriptor"]["SerdeInfo"]["SerializationLibrary"];
    assert_eq!(serde, "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe");
    assert_eq!(bands["PartitionKeys"][0]["Name"], "band");
    let place = |band: &str| (vec![band.to_owned()], format!("s3://{BUCKET}/x/reddit/bands/band={band}/"));
    assert_eq!(partitions(&moto, "reddit", "bands"), [place("high"), place("low")]);

    bench.write("p.sql", WRITES.replace("AS band FROM", "AS band, score AS points FROM").replace("'low' END", "NULL END"));
    bench.good(&["run", "p.sql", "--from-scratch", "--yes"]);
    let changed = bench.good(&["catalog", "export", "glue", "reddit.bands"]);
    assert_eq!(changed, "updated reddit.bands: column points is new; partitions: 1 new, 2 as they are to be\n");
    let listed: Value = serde_json::from_str(&bench.good(&["catalog", "list", "--json"])).unwrap();
    assert_eq!(listed[0]["rows"], 2 * POSTS);
}

#[test]
fn a_table_of_somebody_else_and_one_that_is_not_on_s3_are_left_out() {
    let Some(moto) = moto() else { return };
    let bench = bench(&moto);
    ask(&moto, "CreateDatabase", json!({"DatabaseInput": {"Name": "reddit"}}));
    let other = json!({"Name": "posts", "StorageDescriptor": {"Location": "s3://elsewhere/posts/", "Columns": []}});
    ask(&moto, "CreateTable", json!({"DatabaseName": "reddit", "TableInput": other}));
    let local = bench.path("local").display().to_string();
    bench.write(
        "local.sql",
        format!(
            "CREATE EXTERNAL TABLE posts STORED AS REDDIT LOCATION 'r/rust/new';\n\
             CREATE EXTERNAL TABLE here STORED AS DELTA LOCATION '{local}';\nINSERT INTO here SELECT id FROM posts;\n"
        ),
    );
    bench.good(&["run", "local.sql"]);
    let ended = bench.good(&["catalog", "export", "glue"]);
    assert!(ended.contains("left out reddit.posts: Glue has another table of that name, at s3://elsewhere/posts/"), "{ended}");
    assert!(ended.contains("left out local.here: it is at /") && ended.contains("Athena reads S3 only"), "{ended}");
    assert!(ended.contains("created reddit.bands"), "{ended}");
    let json: Value = serde_json::from_str(&bench.good(&["catalog", "export", "glue", "--json", "--database", "Two-3"])).unwrap();
    let done: Vec<[&Value; 2]> = json.as_array().unwrap().iter().map(|table| [&table["glue"], &table["action"]]).collect();
    let expected = json!([["two_3.bands", "create"], ["two_3.here", "skip"], ["two_3.posts", "create"]]);
    assert_eq!(json!(done), expected);
}

#[test]
fn partition_keys_stand_in_the_order_of_their_values() {
    let Some(moto) = moto() else { return };
    let bench = empty(&moto);
    bench.write(
        "days.sql",
        "CREATE EXTERNAL TABLE posts STORED AS REDDIT LOCATION 'r/rust/new';\n\
         CREATE EXTERNAL TABLE days STORED AS PARQUET LOCATION 'lake://reddit/days' PARTITIONED BY (day, band);\n\
         INSERT INTO days SELECT id, CASE WHEN score > 20 THEN 'high' ELSE 'low' END AS band,\n\
         to_date(to_timestamp(created_utc)) AS day, score FROM posts;\n",
    );
    bench.good(&["run", "days.sql"]);
    bench.good(&["catalog", "export", "glue"]);
    let days = table(&moto, "reddit", "days");
    let key = |index: usize| ["Name", "Type"].map(|what| days["PartitionKeys"][index][what].as_str().unwrap());
    assert_eq!([key(0), key(1)], [["day", "date"], ["band", "string"]]);
    assert_eq!(names(&days["StorageDescriptor"]["Columns"]), ["id", "score"]);
    let partitions = partitions(&moto, "reddit", "days");
    assert!(!partitions.is_empty());
    for (values, place) in partitions {
        assert_eq!(place, format!("s3://{BUCKET}/x/reddit/days/day={}/band={}/", values[0], values[1]));
    }
}

#[test]
fn a_table_that_another_of_ours_was_exported_as_is_left_alone() {
    let Some(moto) = moto() else { return };
    let bench = bench(&moto);
    bench.write("mart.sql", WRITES.replace("lake://reddit/", "lake://mart/"));
    bench.good(&["run", "mart.sql"]);
    bench.good(&["catalog", "export", "glue", "reddit.bands", "--database", "analytics"]);
    let before = (table(&moto, "analytics", "bands"), partitions(&moto, "analytics", "bands"));
    let ended = bench.engine(&["catalog", "export", "glue", "mart.bands", "--database", "analytics"]);
    assert_eq!(ended.stdout, "left out analytics.bands: Glue has lake.reddit.bands under that name; choose another --database\n");
    assert_eq!((table(&moto, "analytics", "bands"), partitions(&moto, "analytics", "bands")), before);
}

/// A crawl finds them; names of folders are as people make them.
const AWKWARD: &str = "my%20folder/%C3%A9%3Dx";

#[test]
fn what_athena_would_not_see_is_said_and_is_no_partition() {
    let Some(moto) = moto() else { return };
    let bench = empty(&moto);
    for (name, id) in [("2026/11/a", 1), ("2026/10/a", 2), ("2026/b", 3), ("old", 4)] {
        put(&moto, &format!("{AWKWARD}/orders/{name}.json"), &format!("{{\"id\":{id}}}\n"));
    }
    put(&moto, &format!("{AWKWARD}/zones/z.json"), "{\"zone\":\"a\",\"name\":\"b\"}\n");
    bench.good(&["crawl", "s3://lake/my folder/é=x", "--into", "raw"]);
    // It came later.
    put(&moto, &format!("{AWKWARD}/orders/tmp/x.json"), "{\"id\":5}\n");
    let ended = bench.good(&["catalog", "export", "glue"]);
    let folder = format!("s3://{BUCKET}/my folder/é=x/orders/");
    let unseen = format!("Athena does not see 3 of the files, as '{folder}2026/b.json': it lies above the folders of partitions");
    assert!(ended.contains("created raw.orders: 3 columns; partitions: 2 new\n") && ended.contains(&unseen), "{ended}");
    assert!(ended.contains("created raw.zones: 2 columns\n"), "{ended}");
    let places: Vec<String> = partitions(&moto, "raw", "orders").into_iter().map(|(_, place)| place).collect();
    assert_eq!(places, [format!("{folder}2026/10/"), format!("{folder}2026/11/")]);
    assert_eq!(table(&moto, "raw", "orders")["StorageDescriptor"]["Location"], folder);
}

#[test]
fn csv_is_exported_as_its_files_are_written() {
    let Some(moto) = moto() else { return };
    let bench = empty(&moto);
    // Names of columns that no two tables have: else they would be one.
    let put = |table: &str, file: &str, delimiter: &str, columns: [&str; 3]| {
        let cell = |name: &str, row: u64| if name.ends_with("id") { row.to_string() } else { format!("{name} {row}") };
        let row = |row: u64| columns.map(|name| cell(name, row)).join(delimiter);
        let rows: Vec<String> = (1..20).map(row).collect();
        let header = columns.join(delimiter);
        put(&moto, &format!("raw/{table}/{file}"), &format!("{header}\n{}\n", rows.join("\n")));
    };
    put("tabs", "a.tsv", "\t", ["tab_id", "colour", "shape"]);
    put("semicolons", "a.csv", ";", ["semi_id", "street", "town"]);
    put("both", "a.csv", ";", ["both_id", "left", "right"]);
    put("both", "b.csv", ",", ["both_id", "left", "right"]);
    put("turned", "a.csv", ",", ["turned_id", "first", "second"]);
    put("turned", "b.csv", ",", ["second", "turned_id", "first"]);
    bench.good(&["crawl", "s3://lake/raw"]);
    let ended = bench.good(&["catalog", "export", "glue"]);
    for (name, separator) in [("tabs", "\t"), ("semicolons", ";")] {
        assert!(ended.contains(&format!("created raw.{name}: 3 columns\n")), "{ended}");
        let made = table(&moto, "raw", name);
        assert_eq!(made["StorageDescriptor"]["SerdeInfo"]["Parameters"]["separatorChar"], separator, "{name}");
        assert_eq!(made["Parameters"]["skip.header.line.count"], "1", "{name}");
    }
    let both = "left out raw.both: its files are not all written alike: 's3://lake/raw/both/a.csv' with delimiter `;`";
    assert!(ended.contains(both), "{ended}");
    let turned = "left out raw.turned: Athena takes columns by their position, and those of 's3://lake/raw/turned/b.csv'";
    assert!(ended.contains(turned), "{ended}");
}

#[test]
fn a_table_that_cannot_be_exported_does_not_keep_others_from_it() {
    let Some(moto) = moto() else { return };
    let bench = empty(&moto);
    put(&moto, "raw/broken/a.csv", "id,name\n1,x\n2,y\n3,z\n");
    put(&moto, "raw/whole/a.json", "{\"zone\":1,\"colour\":\"red\"}\n");
    bench.good(&["crawl", "s3://lake/raw"]);
    // It came later.
    put(&moto, "raw/broken/b.csv", "PK\u{3}\u{4}");
    let ended = bench.engine(&["catalog", "export", "glue"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.stdout.contains("not exported raw.broken: 's3://lake/raw/broken/b.csv' is a zip archive"), "{ended:?}");
    assert!(ended.stdout.contains("created raw.whole: 2 columns"), "{ended:?}");
    let ended = bench.engine(&["catalog", "export", "glue", "--json"]);
    let json: Value = serde_json::from_str(&ended.stdout).unwrap();
    let done: Vec<[&Value; 2]> = json.as_array().unwrap().iter().map(|table| [&table["glue"], &table["action"]]).collect();
    assert_eq!((ended.code, json!(done)), (1, json!([["raw.broken", "failed"], ["raw.whole", "none"]])));
}

#[test]
fn a_glue_that_does_not_answer_is_told_with_what_to_check() {
    let Some(moto) = moto() else { return };
    let mut bench = bench(&moto);
    bench.set("ENGINE_GLUE_ENDPOINT", "http://127.0.0.1:9");
    let ended = bench.engine(&["catalog", "export", "glue", "--plan"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.stderr.contains("did not answer") && ended.stderr.contains("[glue] endpoint"), "{ended:?}");
}

#[test]
fn a_table_whose_secret_is_not_there_keeps_no_other_from_being_exported() {
    let Some(moto) = moto() else { return };
    let mut bench = empty(&moto);
    bench.set("KEY_COLUMN", "id");
    bench.write(
        "p.sql",
        "CREATE EXTERNAL TABLE posts STORED AS REDDIT LOCATION 'r/rust/new';
         CREATE EXTERNAL TABLE first STORED AS DELTA LOCATION 'lake://m/first' OPTIONS ('key' '${KEY_COLUMN}');
         CREATE EXTERNAL TABLE second STORED AS DELTA LOCATION 'lake://m/second';
         REPLACE INTO first SELECT id FROM posts;
         INSERT INTO second SELECT id FROM posts;",
    );
    bench.good(&["run", "p.sql"]);
    let export = |arguments: &[&str]| {
        let arguments = [&["catalog", "export", "glue"], arguments].concat();
        let output = bench.command(&arguments).env_remove("KEY_COLUMN").output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, told) = export(&[]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("not exported m.first: ") && told.contains("KEY_COLUMN"), "{told}");
    assert!(told.contains("created m.second: 1 columns"), "{told}");
    assert_eq!(table(&moto, "m", "second")["Name"], "second");
    let (code, told) = export(&["--json"]);
    let outcomes: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((code, &outcomes[0]["action"], &outcomes[1]["action"]), (Some(1), &json!("failed"), &json!("none")), "{outcomes}");
}
