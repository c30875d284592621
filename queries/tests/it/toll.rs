//! What toll.sql makes of the sample files.

use std::path::{Path, PathBuf};

use connectors::context::{TableComments, TableSpec};
use connectors::registry::connector;
use tokio_util::sync::CancellationToken;

use crate::lab::Lab;

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("toll.sql")
}

async fn rows_of(lab: &Lab, location: &str) -> usize {
    let session = lab.session(1);
    let table = TableSpec {
        name: "t".into(),
        connector: "DELTA".into(),
        location: location.into(),
        series: None,
        partition_by: vec![],
        columns: None,
        primary_key: vec![],
        options: vec![],
        comments: TableComments::default(),
    };
    let found = connector("DELTA").unwrap().table(&table, &session.context).await.unwrap().unwrap();
    session.datafusion().read_table(found.provider).unwrap().count().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn toll_holds_the_good_lines_typed_and_the_bad_one_is_aside() {
    let (lab, file, stop) = (Lab::new(1), file(), CancellationToken::new());
    lab.run(&file, 1_000, &stop).await;
    let truth = "SELECT count(*), count(DISTINCT transaction_id), min(transaction_date), arrow_typeof(min(transaction_date)),
        arrow_typeof(min(transaction_id)), arrow_typeof(min(transaction_amount)), count(*) FILTER (WHERE vehicle_make = 'O''Gara') > 0,
        max(cardinality(vehicle_categories)), bool_and(source_row > 0), count(DISTINCT source_file)
        FROM toll";
    assert_eq!(lab.query(&file, truth).await, ["99|99|2026-11-01|Date32|Int64|Float32|true|3|true|2"]);
    assert_eq!(rows_of(&lab, "lake://bad/toll/transactions").await, 1);

    let again = lab.run(&file, 1_000, &stop).await;
    assert!(!again.summary.is_new(), "the same files were read again");

    let line = "{'transaction_id': 7, 'transaction_date': '2026/11/30', 'toll_booth': 'york_rd', 'vehicle_make': None, \
                'vehicle_category': 'SUV', 'transaction_amount': 1.5}\n";
    let new = format!("{}{}", line.replace("None", "'Audi'"), line);
    std::fs::write(Path::new(&lab.files("toll")).join("sample_data-2026-11-20-12-00.json"), new).unwrap();
    // Half of the new records are bad: the NOT NULL make is missing.
    let session_error = lab.try_run(&file, 1_000).await.unwrap_err();
    assert!(format!("{session_error:#}").contains("1 of 2 records are bad, more than max_bad_ratio 0.1"), "{session_error:#}");
    std::fs::write(Path::new(&lab.files("toll")).join("sample_data-2026-11-20-12-00.json"), line.replace("None", "'Audi'"))
        .unwrap();
    lab.run(&file, 1_000, &stop).await;
    assert_eq!(lab.query(&file, "SELECT count(*), count(*) FILTER (WHERE transaction_id = 7) FROM toll").await, ["100|1"]);
}
