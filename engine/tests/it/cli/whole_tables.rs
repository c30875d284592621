//! Bad records of tables that are read whole: in their table once, for as long as they are bad.

use serde_json::Value;

use super::bench::Bench;

const CODES: &str = "code,number,since\na,1,2026-01-01\nb,two,2026-01-01\nc,3,soon\n";

fn bench() -> Bench {
    let bench = Bench::new();
    put(&bench, "in/events/1.json", "{\"id\":1,\"code\":\"a\"}\n{\"id\":2,\"code\":\"b\"}\n");
    put(&bench, "in/codes.csv", CODES);
    bench
}

fn put(bench: &Bench, name: &str, text: &str) {
    let path = bench.path(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// Cells as they are, rows on one line.
fn bad(bench: &Bench) -> String {
    let query = "SELECT epoch, line, \"column\", CAST(raw AS VARCHAR), flows, whole FROM t ORDER BY line, \"column\"";
    let rows = bench.query("lake://bad/p/codes", query);
    let rows = rows.lines().map(|row| row.split('|').map(str::trim).collect::<Vec<_>>().join("|"));
    rows.collect::<Vec<_>>().join(" ")
}

/// A folder of events, joined with a file of codes.
fn lookup(options: &str) -> String {
    format!(
        "CREATE EXTERNAL TABLE events (id BIGINT, code VARCHAR) STORED AS JSON LOCATION 'in/events/';
         CREATE EXTERNAL TABLE codes (code VARCHAR, number BIGINT, since DATE) STORED AS CSV LOCATION 'in/codes.csv'
         OPTIONS ('on_error' 'quarantine'{options});
         CREATE EXTERNAL TABLE t STORED AS DELTA LOCATION 'lake://t';
         INSERT INTO t SELECT e.id, c.number FROM events e JOIN codes c ON e.code = c.code;\n"
    )
}

const ALL: &str = ", 'max_bad_ratio' '1'";

#[test]
fn a_lookup_has_its_bad_records_put_aside_once_until_they_are_repaired() {
    let bench = bench();
    let summary = bench.run(&lookup(ALL));
    assert_eq!((&summary["bad"]["codes$bad"]["rows"], &summary["sinks"]["t"]["bad_rows"]), (&1.into(), &1.into()), "{summary}");
    // The column 'since' is not read, and nothing of it is bad.
    assert_eq!(bad(&bench), "1|3|number|b,two,2026-01-01|t|true");

    put(&bench, "in/events/2.json", "{\"id\":3,\"code\":\"a\"}\n");
    let again = bench.run(&lookup(ALL));
    assert_eq!(
        (&again["sinks"]["t"]["epochs"], &again["sinks"]["t"]["bad_rows"], &again["bad"]),
        (&1.into(), &0.into(), &serde_json::json!({}))
    );
    assert_eq!(bad(&bench), "1|3|number|b,two,2026-01-01|t|true");

    // Repaired, and another one broken: the table says what is bad now.
    put(&bench, "in/codes.csv", "code,number,since\na,one,2026-01-01\nb,2,2026-01-01\n");
    put(&bench, "in/events/3.json", "{\"id\":4,\"code\":\"b\"}\n");
    bench.write("p.sql", lookup(ALL));
    let text = bench.good(&["run", "p.sql"]);
    assert!(text.contains("1 bad record is in the Delta table lake://bad/p/codes"), "{text}");
    assert!(text.contains("codes is read whole: repaired, the next run that reads it makes rows of them"), "{text}");
    assert_eq!(bad(&bench), "3|2|number|a,one,2026-01-01|t|true");
    put(&bench, "in/codes.csv", CODES.replace("two", "2").as_str());
    put(&bench, "in/events/4.json", "{\"id\":5,\"code\":\"c\"}\n");
    assert_eq!(bench.run(&lookup(ALL))["bad"], serde_json::json!({}));
    assert_eq!(bad(&bench), "");
    assert_eq!(bench.query("lake://t", "SELECT string_agg(CAST(id AS VARCHAR), ',' ORDER BY id) FROM t"), "1,3,4,5");
    let epochs =
        bench.good(&["shell", "--format", "csv", "-c", "SELECT bad_rows FROM system.epochs WHERE pipeline = 'p' ORDER BY epoch"]);
    assert_eq!(epochs.lines().collect::<Vec<_>>(), ["bad_rows", "1", "0", "1", "0"]);
}

#[test]
fn flows_that_read_other_columns_of_a_table_each_have_their_bad_records_in_it() {
    let bench = bench();
    let text = |first: &str| {
        format!(
            "CREATE EXTERNAL TABLE codes (code VARCHAR, number BIGINT, since DATE) STORED AS CSV LOCATION 'in/codes.csv'
             OPTIONS ('on_error' 'quarantine', 'max_bad_ratio' '1');
             CREATE EXTERNAL TABLE numbers STORED AS DELTA LOCATION 'lake://numbers';
             CREATE EXTERNAL TABLE dates STORED AS DELTA LOCATION 'lake://dates';
             INSERT OVERWRITE numbers SELECT code, CAST({first} AS VARCHAR) AS value FROM codes;
             INSERT OVERWRITE dates SELECT code, since FROM codes;\n"
        )
    };
    bench.run(&text("number"));
    assert_eq!(bad(&bench), "1|3|number|b,two,2026-01-01|numbers|true 2|4|since|c,3,soon|dates|true");
    // A flow that reads another column of it now lets go of its record, and meets that of the other.
    bench.run(&text("since"));
    assert_eq!(bad(&bench), "2|4|since|c,3,soon|dates, numbers|true");
}

#[test]
fn a_complete_flow_is_computed_anew_when_its_table_is_repaired_and_there_is_nothing_to_replay() {
    let bench = bench();
    let text = |options: &str| {
        format!(
            "CREATE EXTERNAL TABLE codes (code VARCHAR, number BIGINT) STORED AS CSV LOCATION 'in/codes.csv'
             OPTIONS ('on_error' 'quarantine'{options});
             CREATE EXTERNAL TABLE t STORED AS DELTA LOCATION 'lake://t';
             INSERT OVERWRITE t SELECT code, number FROM codes;\n"
        )
    };
    bench.write("p.sql", text(""));
    let ended = bench.engine(&["run", "p.sql"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.stderr.contains("1 of 3 records are bad, more than max_bad_ratio 0.1 allows"), "{}", ended.stderr);
    assert!(ended.stderr.contains("in/codes.csv row 2 (line 3), column 'number'"), "{}", ended.stderr);
    assert!(bench.listing("lake").is_empty());

    bench.run(&text(ALL));
    assert_eq!(bad(&bench), "1|3|number|b,two,2026-01-01|t|true");
    for command in [&["replay", "p.sql", "codes"] as &[&str], &["replay", "p.sql", "codes", "--plan"]] {
        let replay = bench.good(command);
        assert!(
            replay.contains("codes: nothing to replay") && replay.contains("the next run that reads the table reads all of it"),
            "{replay}"
        );
    }
    assert_eq!(bad(&bench), "1|3|number|b,two,2026-01-01|t|true");
    assert_eq!(bench.run(&text(ALL))["sinks"]["t"]["epochs"], 0, "nothing has changed");

    let repaired: Value = bench.run(&text(", 'max_bad_ratio' '1', 'null' 'two'"));
    assert_eq!(repaired["sinks"]["t"]["epochs"], 1, "the table is declared otherwise: {repaired}");
    assert_eq!((bad(&bench).as_str(), bench.query("lake://t", "SELECT count(*) FROM t").as_str()), ("", "3"));
}
