//! Files that change, and what of it reaches the sinks.

use super::bench::Bench;

/// Rows of a query over a lake table that is called `t` in it: `1|a 2|b`.
fn rows(bench: &Bench, format: &str, location: &str, query: &str) -> String {
    bench.write("q.sql", format!("CREATE EXTERNAL TABLE t STORED AS {format} LOCATION '{location}';\n{query};\n"));
    let table = bench.good(&["run", "q.sql"]);
    let lines = table.lines().filter(|line| line.starts_with('|')).skip(1);
    let cells = |line: &str| line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>().join("|");
    lines.map(cells).collect::<Vec<_>>().join(" ")
}

fn file(bench: &Bench, name: &str, text: &str) {
    std::fs::create_dir_all(bench.path("in")).unwrap();
    std::fs::write(bench.path(&format!("in/{name}")), text).unwrap();
}

#[test]
fn a_new_member_of_an_object_reaches_tables_that_are_appended_to_and_upserted() {
    let bench = Bench::new();
    let pipeline = "CREATE EXTERNAL TABLE events STORED AS JSON LOCATION 'in/';
        CREATE EXTERNAL TABLE delta STORED AS DELTA LOCATION 'lake://delta';
        CREATE EXTERNAL TABLE latest STORED AS DELTA LOCATION 'lake://latest' OPTIONS ('key' 'id');
        CREATE EXTERNAL TABLE files STORED AS PARQUET LOCATION 'lake://files';
        INSERT INTO delta SELECT * FROM events;
        REPLACE INTO latest SELECT * FROM events;
        INSERT INTO files SELECT * FROM events;\n";
    file(&bench, "1.json", "{\"id\":1,\"who\":{\"name\":\"a\"}}\n{\"id\":2,\"who\":{\"name\":\"b\"}}\n");
    bench.run(pipeline);
    file(&bench, "2.json", "{\"id\":2,\"who\":{\"name\":\"c\",\"born\":\"2001-02-03\",\"pets\":[{\"kind\":\"cat\"}]}}\n");
    bench.run(pipeline);
    file(&bench, "3.json", "{\"id\":3,\"who\":{\"pets\":[{\"kind\":\"dog\",\"age\":7}]}}\n");
    bench.run(pipeline);
    let query = "SELECT id, coalesce(who['name'], '-'), coalesce(CAST(who['born'] AS VARCHAR), '-'), \
                 coalesce(CAST(who['pets'][1]['age'] AS VARCHAR), '-') FROM t ORDER BY id, who['name']";
    let all = "1|a|-|- 2|b|-|- 2|c|2001-02-03|- 3|-|-|7";
    assert_eq!(rows(&bench, "DELTA", "lake://delta", query), all);
    assert_eq!(rows(&bench, "PARQUET", "lake://files", query), all);
    assert_eq!(rows(&bench, "DELTA", "lake://latest", query), "1|a|-|- 2|c|2001-02-03|- 3|-|-|7");
}

#[test]
fn a_wider_column_reaches_a_sink_that_holds_it_and_stops_at_one_that_does_not() {
    let bench = Bench::new();
    let pipeline = |conflict: &str, select: &str| {
        format!(
            "CREATE EXTERNAL TABLE events STORED AS JSON LOCATION 'in/' \
             OPTIONS ('type_conflict' '{conflict}'{});
             CREATE EXTERNAL TABLE d STORED AS DELTA LOCATION 'lake://d';
             INSERT INTO d SELECT {select} FROM events;\n",
            if conflict == "quarantine" { ", 'max_bad_ratio' '1'" } else { "" }
        )
    };
    file(&bench, "1.json", "{\"id\":1,\"n\":1}\n{\"id\":2,\"n\":2}\n");
    bench.run(&pipeline("widen", "id, CAST(n AS DOUBLE) AS n"));
    file(&bench, "2.json", "{\"id\":3,\"n\":3}\n{\"id\":4,\"n\":4.5}\n");
    bench.run(&pipeline("widen", "id, CAST(n AS DOUBLE) AS n"));
    let read = |query: &str| rows(&bench, "DELTA", "lake://d", query);
    assert_eq!(read("SELECT id, n FROM t ORDER BY id"), "1|1.0 2|2.0 3|3.0 4|4.5");

    // The column of the sink is a double, and no text is one.
    file(&bench, "3.json", "{\"id\":5,\"n\":5}\n{\"id\":6,\"n\":\"much\"}\n");
    bench.write("p.sql", pipeline("widen", "id, n"));
    let before = bench.listing("lake/d");
    let stopped = bench.engine(&["run", "p.sql"]);
    assert_eq!((stopped.code, bench.listing("lake/d")), (1, before), "{stopped:?}");
    for part in ["column 'n' as Float64, the query gives Utf8", "cast it in the query"] {
        assert!(stopped.stderr.contains(part), "{part}: {}", stopped.stderr);
    }
    bench.run(&pipeline("widen", "id, TRY_CAST(n AS DOUBLE) AS n"));
    assert_eq!(read("SELECT id, coalesce(n, -1.0) FROM t WHERE id > 4 ORDER BY id"), "5|5.0 6|-1.0");

    // As what most of its values are, it is a number again.
    file(&bench, "4.json", "{\"id\":7,\"n\":7.5}\n{\"id\":8,\"n\":\"more\"}\n");
    bench.run(&pipeline("quarantine", "id, n"));
    assert_eq!(read("SELECT id, n FROM t WHERE id > 6 ORDER BY id"), "7|7.5");
    assert_eq!(rows(&bench, "DELTA", "lake://bad/p/events", "SELECT line, \"column\" FROM t"), "2|n");
}
