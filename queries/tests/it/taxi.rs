//! What taxi.sql makes of the sample files, against what DuckDB makes of them.

use std::path::{Path, PathBuf};
use std::process::Command;

use testkit::python::venv_with;
use tokio_util::sync::CancellationToken;

use crate::lab::Lab;

/// Counts and sums over all three files.
const DUCKDB: &str = r#"
import duckdb, sys
folder = sys.argv[1]
rows = duckdb.sql(f"""
    WITH trips AS (
        SELECT vendor_id v, pickup_datetime p, passenger_count n, fare_amount f, total_amount t, TRY_CAST(congestion_surcharge AS DOUBLE) c, pickup_location_id l, payment_type y
        FROM read_csv('{folder}/yellow_2018-12.csv')
        UNION ALL
        SELECT "VendorID", tpep_pickup_datetime, passenger_count, fare_amount, total_amount, congestion_surcharge, "PULocationID", payment_type
        FROM read_csv('{folder}/yellow_2021-10.csv')
        UNION ALL
        SELECT "VendorID", tpep_pickup_datetime, passenger_count, fare_amount, total_amount, congestion_surcharge, "PULocationID", payment_type
        FROM read_parquet('{folder}/yellow_2023-02.parquet')
    )
    SELECT CAST(p AS DATE) AS d, count(*), sum(v), sum(n)::BIGINT, count(n), round(sum(f) * 100)::BIGINT, round(sum(t) * 100)::BIGINT,
           round(sum(c) * 100)::BIGINT, count(c), sum(l), count(*) FILTER (WHERE y = 1)
    FROM trips GROUP BY d ORDER BY d
""").fetchall()
for row in rows:
    print("|".join("NULL" if cell is None else str(cell) for cell in row))
"#;

const OURS: &str = "SELECT pickup_date, count(*), sum(vendor_id), CAST(sum(passenger_count) AS BIGINT), count(passenger_count),
    CAST(round(sum(fare_amount) * 100) AS BIGINT), CAST(round(sum(total_amount) * 100) AS BIGINT),
    CAST(round(sum(congestion_surcharge) * 100) AS BIGINT), count(congestion_surcharge), sum(pickup_location_id),
    count(*) FILTER (WHERE payment = 'card')
    FROM taxi_trips GROUP BY pickup_date ORDER BY pickup_date";

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("taxi.sql")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_vintages_are_one_table_with_the_sums_that_duckdb_finds() {
    let (lab, file) = (Lab::new(1), file());
    lab.run(&file, 1_000, &CancellationToken::new()).await;
    let ours = lab.query(&file, OURS).await;
    assert_eq!(ours.len(), 7, "{ours:?}");
    let counts =
        lab.query(&file, "SELECT count(*), count(congestion_surcharge), count(DISTINCT pickup_date) FROM taxi_trips").await;
    assert_eq!(counts, ["2400|1600|7"]);

    let python = match venv_with(&["duckdb"]) {
        Ok(python) => python,
        Err(error) if std::env::var_os("CI").is_none() => return eprintln!("skipped: the Python package duckdb: {error}"),
        Err(error) => panic!("the Python package duckdb: {error}"),
    };
    let output = Command::new(python).args(["-c", DUCKDB, &lab.files("taxi")]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let theirs: Vec<String> = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
    assert_eq!(ours, theirs);
}
