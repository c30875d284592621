//! Partitions as a whole: what folders become, and that evidence merges in any order.

use proptest::prelude::*;

use super::*;
use crate::infer::Form;
use crate::sql_type;

fn columns(directories: &[&str]) -> Vec<String> {
    let fields = Partitioning::infer(directories.iter().copied()).fields();
    fields.iter().map(|field| format!("{} {}", field.name(), sql_type(field.data_type()))).collect()
}

#[test]
fn folders_become_typed_columns() {
    for (directories, expected) in [
        (&["dt=2026-11-21/country=DE", "dt=2026-11-22/country=FR"][..], &["dt DATE", "country VARCHAR"][..]),
        (&["2026/11/21/00", "2026/12/01/23"], &["year BIGINT", "month BIGINT", "day BIGINT", "hour BIGINT"]),
        (&["2026/1/2"], &["year BIGINT", "month BIGINT", "day BIGINT"]),
        (&["2026-11-21", "2026-11-22"], &["date DATE"]),
        (&["20261121/07"], &["date DATE", "hour BIGINT"]),
        (&["eu/17", "us/4"], &["partition_0 VARCHAR", "partition_1 BIGINT"]),
        (&["eu/007", "us/4"], &["partition_0 VARCHAR", "partition_1 VARCHAR"]),
        (&["year=2026/month=02", "year=2026/month=11"], &["year BIGINT", "month BIGINT"]),
        (&["id=007", "id=8"], &["id VARCHAR"]),
        (&["id=7", "id=__HIVE_DEFAULT_PARTITION__"], &["id BIGINT"]),
        (&["raw/2026", "raw/2027"], &["year BIGINT"]),
        (&["1234/11", "2026/13"], &["partition_0 BIGINT", "partition_1 BIGINT"]),
        (&["a=1", "b=2"], &["partition_0 VARCHAR"]),
        (&["x=1/x=2"], &["x BIGINT", "x_2 BIGINT"]),
        (&[""], &[]),
    ] {
        assert_eq!(columns(directories), expected, "{directories:?}");
    }
}

#[test]
fn values_are_decoded_and_typed() {
    use PartitionValue::{Date, Int, Text};
    let hive = Partitioning::infer(["dt=2026-11-21/city=K%C3%B6ln"]);
    assert_eq!(hive.values("dt=2026-11-22/city=a%2Fb").unwrap(), [Some(Date(20_779)), Some(Text("a/b".into()))]);
    assert_eq!(hive.values("dt=__HIVE_DEFAULT_PARTITION__").unwrap(), [None, None]);
    assert!(hive.is_hive());
    let dated = Partitioning::infer(["raw/2026/11/21", "raw/2026/01/02"]);
    assert_eq!(dated.values("raw/2026/02/03/").unwrap(), [Some(Int(2026)), Some(Int(2)), Some(Int(3))]);
    assert_eq!(dated.template(), "raw/{year}/{month}/{day}");
}

#[test]
fn a_folder_that_does_not_fit_is_named() {
    let partitioning = Partitioning::infer(["id=7", "id=8"]);
    let problem = |directory| partitioning.values(directory).unwrap_err().to_string();
    assert_eq!(
        problem("id=x"),
        "folder 'id=x': 'x' is not a whole number, as all other values of `id` are; declare `id` as VARCHAR to keep it"
    );
    assert_eq!(problem("key=7"), "folder 'key=7': expected 'id=…', found 'key=7'; crawl the location again");
    assert_eq!(problem("id=7/a"), "folder 'id=7/a' is deeper than the one level of 'id={id}'; crawl the location again");
}

#[test]
fn a_template_is_read_back_with_the_columns_types() {
    for folders in
        [&["raw/2026/11/21", "raw/2026/12/01"][..], &["20261121/eu/x", "20261122/us/x"], &["dt=2026-11-21/7", "dt=2026-11-22/8"]]
    {
        let inferred = Partitioning::infer(folders.iter().copied());
        let form = |level: &Level| match level.partition_type {
            PartitionType::Date(form) => Form::metadata(Some(Form::Date(form))),
            _ => Form::metadata(None),
        };
        let levels = inferred.levels().iter().filter(|level| level.name.is_some());
        let fields: Vec<Field> =
            inferred.fields().into_iter().zip(levels).map(|(field, level)| field.with_metadata(form(level))).collect();
        assert_eq!(Partitioning::parse(&inferred.template(), &fields).unwrap(), inferred);
    }
}

#[test]
fn a_template_that_does_not_fit_the_columns_says_so() {
    let fields = [Field::new("year", DataType::Int64, true), Field::new("month", DataType::Int64, true)];
    let problem = |template| Partitioning::parse(template, &fields).unwrap_err().to_string();
    assert_eq!(
        problem("{yaer}/{month}"),
        "'partitions' names `yaer`, which is not in PARTITIONED BY (year, month); did you mean `year`?"
    );
    assert_eq!(
        problem("{year}"),
        "'partitions' '{year}' does not say which folder `month` is; expected a template such as '{year}/{month}'"
    );
    assert!(problem("{year}/m{month}").starts_with("'partitions': 'm{month}' is no level of folders; expected"));
    assert!(problem("{year}/{year}/{month}").starts_with("'partitions' names `year` twice"));
}

fn any_folder() -> impl Strategy<Value = String> {
    let segment = proptest::sample::select(vec![
        "2026",
        "11",
        "02",
        "2026-11-21",
        "20261121",
        "eu",
        "us",
        "17",
        "007",
        "dt=2026-11-21",
        "dt=x",
        "n=5",
        "n=",
    ]);
    proptest::collection::vec(segment, 0..4).prop_map(|segments| segments.join("/"))
}

fn evidence(folders: &[String]) -> PartitionEvidence {
    let mut evidence = PartitionEvidence::default();
    folders.iter().for_each(|folder| evidence.observe(folder));
    evidence
}

proptest! {
    #[test]
    fn what_was_observed_has_values(folders in proptest::collection::vec(any_folder(), 1..6)) {
        let partitioning = evidence(&folders).resolve();
        for folder in &folders {
            let values = partitioning.values(folder);
            prop_assert!(values.is_ok(), "{values:?} of {folder} in {partitioning:?}");
            prop_assert_eq!(values.unwrap().len(), partitioning.fields().len());
        }
    }

    #[test]
    fn order_makes_no_difference(a in proptest::collection::vec(any_folder(), 0..4), b in proptest::collection::vec(any_folder(), 0..4)) {
        let (mut left, mut right) = (evidence(&a), evidence(&b));
        let both = evidence(&[a, b].concat());
        left.merge(&right);
        right.merge(&evidence(&[]));
        prop_assert_eq!(&left, &both);
        let other = left.clone();
        left.merge(&other);
        prop_assert_eq!(left, both);
    }
}
