//! What every store must keep, tried on SQLite and on a document.

use std::sync::{Arc, Mutex};

use arrow_schema::{DataType, Field, Fields, Schema, TimeUnit};
use chrono::{DateTime, TimeDelta, Utc};

use super::*;
use crate::drift::{Change, Policy, compare};
use crate::error::Error;
use crate::infer::{FileObservation, Form, ObservedSchema, ResolveOptions};
use crate::partitions::Partitioning;
use crate::values::DateForm;

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_255_872, 0).unwrap()
}

fn schema() -> Schema {
    let nested = Fields::from(vec![Field::new("x", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true)]);
    Schema::new(vec![
        Field::new("id", DataType::Int64, true),
        Field::new("day", DataType::Date32, true).with_metadata(Form::metadata(Some(Form::Date(DateForm::YearSlash)))),
        Field::new("at", DataType::Struct(nested), true),
        Field::new("price", DataType::Decimal128(20, 2), true),
    ])
}

fn registration(name: &str) -> Registration {
    Registration {
        name: name.parse().unwrap(),
        connector: "CSV".into(),
        location: "s3://bucket/toll/".into(),
        options: TableOptions([("delimiter".to_owned(), ";".to_owned())].into()),
        schema: schema(),
        partitioning: Partitioning::infer(["dt=2026-11-21"]),
        key: vec!["id".into()],
        policy: Policy::Evolve,
        comment: Some("what the booths report".into()),
        registered_by: "crawl".into(),
    }
}

/// Where a catalog may be.
enum Place {
    Folder(tempfile::TempDir),
    Document(Arc<Text>),
}

fn places() -> [Place; 2] {
    [Place::Folder(tempfile::tempdir().unwrap()), Place::Document(Arc::default())]
}

async fn open(place: &Place) -> Arc<dyn CatalogStore> {
    match place {
        Place::Folder(folder) => Arc::new(SqliteCatalog::open(&folder.path().join("deep/catalog.db")).await.unwrap()),
        Place::Document(text) => Arc::new(DocumentCatalog::new(Arc::clone(text) as Arc<dyn Document>)),
    }
}

/// A document in memory; its version is how often it was replaced.
#[derive(Debug, Default)]
struct Text(Mutex<Option<(String, u32)>>);

#[async_trait::async_trait]
impl Document for Text {
    async fn load(&self) -> Result<Option<(String, String)>, Error> {
        let kept = self.0.lock().unwrap().clone();
        // Others come between a load and what is made of it.
        tokio::task::yield_now().await;
        Ok(kept.map(|(text, version)| (text, version.to_string())))
    }

    async fn replace(&self, text: &str, version: Option<&str>) -> Result<bool, Error> {
        let mut kept = self.0.lock().unwrap();
        let current = kept.as_ref().map(|(_, version)| *version);
        let is_current = current.map(|current| current.to_string()).as_deref() == version;
        if is_current {
            *kept = Some((text.to_owned(), current.unwrap_or_default() + 1));
        }
        Ok(is_current)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_may_open_a_new_folder_at_once() {
    for _ in 0..5 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/catalog.db");
        let opening: Vec<_> = (0..8)
            .map(|_| {
                tokio::spawn({
                    let path = path.clone();
                    async move { SqliteCatalog::open(&path).await }
                })
            })
            .collect();
        for opened in opening {
            opened.await.unwrap().unwrap();
        }
    }
}

#[tokio::test]
async fn what_is_registered_is_found_again_after_reopening() {
    for folder in places() {
        let registered = open(&folder).await.register(&registration("raw.toll"), "found by a crawl", now()).await.unwrap();
        let catalog = open(&folder).await;
        let found = catalog.get(&"raw.toll".parse().unwrap()).await.unwrap();
        assert_eq!(found, registered);
        assert_eq!(found.registration, registration("raw.toll"));
        assert_eq!(found.version, 1);
        assert_eq!(found.full_schema().fields().len(), 5);
        let databases = catalog.databases().await.unwrap();
        assert_eq!(databases.iter().map(|database| database.name.as_str()).collect::<Vec<_>>(), ["raw"]);
    }
}

#[tokio::test]
async fn a_table_is_registered_once() {
    for folder in places() {
        let catalog = open(&folder).await;
        catalog.register(&registration("raw.toll"), "", now()).await.unwrap();
        let error = catalog.register(&registration("raw.toll"), "", now()).await.unwrap_err();
        assert!(matches!(error, Error::Conflict { .. }));
        assert_eq!(
            error.to_string(),
            "table raw.toll is in the catalog already, registered by crawl, at s3://bucket/toll/; choose another name, or take it \
         out: engine catalog forget raw.toll"
        );
    }
}

#[tokio::test]
async fn schemas_change_one_after_the_other_and_are_remembered() {
    for folder in places() {
        let catalog = open(&folder).await;
        let table = catalog.register(&registration("raw.toll"), "found by a crawl", now()).await.unwrap();
        let mut fields: Vec<Field> = schema().fields().iter().map(|field| field.as_ref().clone()).collect();
        fields.push(Field::new("lane", DataType::Utf8, true));
        let drift = compare(&table.registration.schema, &Schema::new(fields.clone()));
        let version = table.registration.policy.decide("raw.toll", &drift).unwrap().unwrap();
        let later = now() + TimeDelta::hours(1);
        let evolved = catalog.evolve(table.name(), 1, &version, "new in 2026-12.csv", later).await.unwrap();
        assert_eq!((evolved.version, evolved.updated_at, evolved.created_at), (2, later, now()));
        assert_eq!(evolved.registration.schema, Schema::new(fields));

        let stale = catalog.evolve(table.name(), 1, &version, "", later).await.unwrap_err();
        assert_eq!(stale.to_string(), "table raw.toll has schema version 2 by now, and the change was decided for 1");

        let history = catalog.history(table.name()).await.unwrap();
        let told: Vec<(u32, &str)> = history.iter().map(|version| (version.version, version.why.as_str())).collect();
        assert_eq!(told, [(1, "found by a crawl"), (2, "new in 2026-12.csv")]);
        assert_eq!(history[1].changes, [Change::Added { column: "lane".into(), to: "VARCHAR".into() }]);
        assert_eq!(history[0].schema, schema());
    }
}

#[tokio::test]
async fn everything_but_the_schema_can_be_altered() {
    for folder in places() {
        let catalog = open(&folder).await;
        let name = TableName::new("raw", "toll");
        catalog.register(&registration("raw.toll"), "", now()).await.unwrap();
        let statistics = Statistics { rows: Some(3), bytes: Some(u64::MAX), files: None };
        let later = now() + TimeDelta::hours(1);
        let measured = catalog.alter(&name, &Alteration::Statistics(statistics), later).await.unwrap();
        assert_eq!((measured.statistics.rows, measured.statistics.files, measured.updated_at), (Some(3), None, now()));
        let comment = |column: &str, comment: Option<&str>| Alteration::ColumnComment {
            column: column.into(),
            comment: comment.map(str::to_owned),
        };
        for alteration in [
            Alteration::Policy(Policy::Freeze),
            Alteration::Comment(None),
            Alteration::Connector("DELTA".into()),
            Alteration::Location("s3://other/".into()),
            Alteration::Options(TableOptions::default()),
            Alteration::Partitioning(Partitioning::default()),
            Alteration::Key(vec![]),
            comment("id", Some("of the transaction")),
            comment("day", Some("in UTC")),
            comment("day", None),
        ] {
            catalog.alter(&name, &alteration, later).await.unwrap();
        }
        let table = catalog.get(&name).await.unwrap();
        let expected = Registration {
            connector: "DELTA".into(),
            location: "s3://other/".into(),
            options: TableOptions::default(),
            partitioning: Partitioning::default(),
            key: vec![],
            policy: Policy::Freeze,
            comment: None,
            ..registration("raw.toll")
        };
        assert_eq!(table.registration, expected);
        assert_eq!(table.column_comments, [("id".to_owned(), "of the transaction".to_owned())].into());
        assert_eq!(table.updated_at, later);
        let error = catalog.alter(&name, &comment("nope", None), later).await.unwrap_err();
        assert_eq!(error.to_string(), "table raw.toll has no column `nope`; there are: id, day, at, price");
    }
}

#[tokio::test]
async fn tables_are_listed_by_name_and_missing_ones_are_guessed() {
    for folder in places() {
        let catalog = open(&folder).await;
        let missing = |name: &str| name.parse::<TableName>().unwrap();
        let empty = catalog.get(&missing("raw.toll")).await.unwrap_err();
        assert_eq!(
            empty.to_string(),
            "there is no table raw.toll in the catalog; the catalog is empty; register tables with `engine crawl`"
        );
        for name in ["raw.toll", "raw.accounts", "mart.toll"] {
            catalog.register(&registration(name), "", now()).await.unwrap();
        }
        let names = |tables: Vec<Table>| tables.iter().map(|table| table.name().to_string()).collect::<Vec<_>>();
        assert_eq!(names(catalog.list(None).await.unwrap()), ["mart.toll", "raw.accounts", "raw.toll"]);
        assert_eq!(names(catalog.list(Some("raw")).await.unwrap()), ["raw.accounts", "raw.toll"]);
        let error = catalog.history(&missing("raw.tol")).await.unwrap_err();
        assert!(matches!(error, Error::NotFound { .. }));
        assert_eq!(error.to_string(), "there is no table raw.tol in the catalog; did you mean mart.toll or raw.toll?");
        assert_eq!(catalog.find(&missing("raw.zzz")).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_crawl_goes_on_from_what_was_seen_and_goes_with_its_table() {
    for folder in places() {
        let catalog = open(&folder).await;
        let name = TableName::new("raw", "toll");
        catalog.register(&registration("raw.toll"), "", now()).await.unwrap();
        assert_eq!(catalog.crawl_state(&name).await.unwrap(), None);
        let mut file = FileObservation::new("a.csv");
        file.header(["id", "day"]);
        file.begin_row();
        ["1", "01/02/2026"].iter().enumerate().for_each(|(column, cell)| file.cell(column, cell));
        let observed = file.finish(&ResolveOptions::default());
        let state = CrawlState { crawled_at: now(), ledger: "ledgers/toll.parquet".into(), observed };
        catalog.record_crawl(&name, &state).await.unwrap();
        assert_eq!(catalog.crawl_state(&name).await.unwrap(), Some(state.clone()));

        catalog.remove(&name).await.unwrap();
        assert!(matches!(catalog.record_crawl(&name, &state).await, Err(Error::NotFound { .. })));
        assert!(matches!(catalog.remove(&name).await, Err(Error::NotFound { .. })));
        catalog.register(&registration("raw.toll"), "", now()).await.unwrap();
        assert_eq!(catalog.crawl_state(&name).await.unwrap(), None);
        assert_eq!(catalog.history(&name).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_crawl_is_recorded_for_all_of_its_tables_or_for_none() {
    for folder in places() {
        let catalog = open(&folder).await;
        let (toll, gone) = (TableName::new("raw", "toll"), TableName::new("raw", "gone"));
        catalog.register(&registration("raw.toll"), "", now()).await.unwrap();
        let seen = |rows| ObservedSchema { rows, ..ObservedSchema::default() };
        let table = |name: &TableName, observed| CrawledTable { name: name.clone(), observed };
        catalog.record_crawls("1", now(), &[table(&toll, Some(seen(1)))]).await.unwrap();
        let both = [table(&toll, Some(seen(2))), table(&gone, Some(seen(2)))];
        assert!(matches!(catalog.record_crawls("2", now(), &both).await, Err(Error::NotFound { .. })));
        let state = |ledger: &str| CrawlState { crawled_at: now(), ledger: ledger.to_owned(), observed: seen(1) };
        assert_eq!(catalog.crawl_state(&toll).await.unwrap(), Some(state("1")));
        catalog.record_crawls("3", now(), &[table(&toll, None)]).await.unwrap();
        assert_eq!(catalog.crawl_state(&toll).await.unwrap(), Some(state("3")), "what was seen is as it was");
    }
}

#[tokio::test]
async fn two_processes_decide_and_one_wins() {
    for folder in places() {
        let (one, other) = (open(&folder).await, open(&folder).await);
        let table = one.register(&registration("raw.toll"), "", now()).await.unwrap();
        let version = NewVersion { schema: schema(), changes: vec![] };
        let (left, right) = tokio::join!(
            one.evolve(table.name(), 1, &version, "one", now()),
            other.evolve(table.name(), 1, &version, "other", now())
        );
        assert!(left.is_ok() != right.is_ok(), "{left:?} {right:?}");
        assert_eq!(one.history(table.name()).await.unwrap().len(), 2);
    }
}

#[tokio::test]
async fn a_file_that_is_no_catalog_is_named_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("catalog.db");
    std::fs::write(&path, "this is not a database, whatever its name says. ".repeat(100)).unwrap();
    let error = SqliteCatalog::open(&path).await.unwrap_err().to_string();
    assert!(error.contains("catalog.db") && error.contains("the file is damaged"), "{error}");
}

#[test]
fn values_of_options_are_not_shown() {
    let shown = format!("{:?}", registration("raw.toll"));
    assert!(shown.contains("delimiter") && !shown.contains("\";\""), "{shown}");
}
