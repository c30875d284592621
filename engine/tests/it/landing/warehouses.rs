//! The same protocol with a bucket as the zone, into PostgreSQL and Redshift.

use std::collections::BTreeMap;

use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use testkit::s3::{BUCKET, S3Server};

use super::world::World;
use crate::lab::block_on;
use crate::redshift::Cluster;
use crate::s3::settings;

const USERS: &str = r#"{"table_name":"users","columns":[{"name":"id","type":"BIGINT","nullable":false},{"name":"First name","type":"VARCHAR(5)"}],
  "allowed_operations":["append","truncate"],"schema_version":"20240101_000000"}"#;

const ZONE: &str = "[[landing]]\nurl = 's3://${BUCKET}/landing/'\n";

/// A client of the bucket.
fn store(environment: &BTreeMap<String, String>) -> impl ObjectStore {
    AmazonS3Builder::new()
        .with_bucket_name(BUCKET)
        .with_endpoint(&environment["ENGINE_S3_ENDPOINT"])
        .with_region(&environment["ENGINE_S3_REGION"])
        .with_access_key_id(&environment["ENGINE_S3_ACCESS_KEY_ID"])
        .with_secret_access_key(&environment["ENGINE_S3_SECRET_ACCESS_KEY"])
        .with_allow_http(true)
        .build()
        .unwrap()
}

/// A zone in a bucket whose tables are in a database.
struct Zone<'a> {
    world: World,
    store: Box<dyn ObjectStore>,
    rows: &'a dyn Fn(&str) -> Vec<String>,
    database: String,
}

impl Zone<'_> {
    fn put(&self, key: &str, text: &str) {
        let path = Path::parse(format!("landing/{}/{key}", self.database)).unwrap();
        block_on(self.store.put(&path, text.to_owned().into())).unwrap();
        // A bucket tells times by the second.
        std::thread::sleep(std::time::Duration::from_millis(1_100));
    }

    fn reason(&self, key: &str) -> serde_json::Value {
        let path = Path::parse(format!("landing/rejected/{}/{key}.reason.json", self.database)).unwrap();
        let bytes = block_on(async { self.store.get(&path).await.unwrap().bytes().await.unwrap() });
        let there = Path::parse(format!("landing/{}/{key}", self.database)).unwrap();
        assert!(block_on(self.store.head(&there)).is_err(), "{key} is still there");
        let copy = Path::parse(format!("landing/rejected/{}/{key}", self.database)).unwrap();
        assert!(block_on(self.store.head(&copy)).is_ok(), "{key} is not aside");
        serde_json::from_slice(&bytes).unwrap()
    }

    /// The main cases.
    fn protocol(&self) {
        let rows = |sql: &str| (self.rows)(sql);
        self.put("append/items/a.csv", "id,Name,code\n1,a,007\n");
        self.put("append/items/b.csv", "CODE,id,name\n008,2,b\n");
        self.put("schema/users/users.json", USERS);
        self.put("append/users/a.csv", "First name,ID\nAnn,1\n,2\n");
        self.world.land_well();
        assert_eq!(rows("SELECT id, name, code FROM public.items ORDER BY id"), ["1|a|007", "2|b|008"]);
        assert_eq!(rows("SELECT id, first_name FROM public.users ORDER BY id"), ["1|Ann", "2|-"]);
        self.put("truncate/items/c.csv", "id,name,code\n3,c,009\n");
        self.put("append/users/long.csv", "id,first name\n3,abcdef\n");
        self.put("append/users/null.csv", "id,first name\n,a\n");
        self.put("append/items/header.csv", "id,name\n4,d\n");
        let said = self.world.land_badly();
        assert_eq!(rows("SELECT id, name, code FROM public.items"), ["3|c|009"], "{said}");
        let long = self.reason("append/users/long.csv");
        assert_eq!((long["line"].as_u64(), long["column"].as_str()), (Some(2), Some("first_name")), "{long}");
        assert!(self.reason("append/users/null.csv")["reason"].as_str().unwrap().contains("NOT NULL"));
        assert!(self.reason("append/items/header.csv")["reason"].as_str().unwrap().contains("missing in the file: code"));
        assert_eq!(rows("SELECT count(*) FROM public.users"), ["2"]);
        // A column fewer, another type, a new one.
        self.put("schema/items/d.csv", "id,code,more\nx,1,2.5\n");
        self.world.land_well();
        assert_eq!(rows("SELECT * FROM public.items"), ["x|1|2.5"]);
        self.put("schema/items/e.csv", "id\n");
        self.put("append/items/f.csv", "id\n5\n");
        self.world.land_well();
        assert_eq!(rows("SELECT * FROM public.items"), ["5"]);
        self.put(
            "schema/users/wider.json",
            &USERS
                .replace("20240101", "20250101")
                .replace("(5)", "(9)")
                .replace("}],", "},{\"name\":\"age\",\"type\":\"INT\"}],"),
        );
        self.put("append/users/b.csv", "id,first name,age\n3,abcdefghi,40\n");
        self.world.land_well();
        assert_eq!(rows("SELECT id, first_name, age FROM public.users WHERE id = 3"), ["3|abcdefghi|40"]);
        self.put(
            "schema/users/type.json",
            &USERS
                .replace("20240101", "20260101")
                .replace("(5)", "(9)")
                .replace("BIGINT", "TEXT")
                .replace("}],", "},{\"name\":\"age\",\"type\":\"INT\"}],"),
        );
        assert!(self.world.land_badly().contains("ALTER TABLE public.users ALTER COLUMN id TYPE"));
        assert!(self.world.land_well().contains("nothing new"));
        let log = self.world.log();
        assert_eq!(log.iter().filter(|line| line.contains(",FAILED,")).count(), 4, "{log:#?}");
    }
}

fn zone<'a>(mut environment: BTreeMap<String, String>, database: &str, rows: &'a dyn Fn(&str) -> Vec<String>) -> Zone<'a> {
    environment.insert("BUCKET".to_owned(), BUCKET.to_owned());
    let store = Box::new(store(&environment));
    Zone { world: World::with(ZONE, environment), store, rows, database: database.to_owned() }
}

#[test]
fn a_bucket_is_loaded_into_postgres() {
    let Some(server) = crate::warehouse::server() else { return };
    let s3 = S3Server::builder().start().unwrap();
    let mut environment = settings(s3.environment());
    environment.insert("ENGINE_WAREHOUSE_URL".to_owned(), server.url("warehouse"));
    let rows = |sql: &str| {
        let text = crate::warehouse::sql(&server, sql);
        text.lines()
            .map(|line| line.split('|').map(|cell| if cell.is_empty() { "-" } else { cell }).collect::<Vec<_>>().join("|"))
            .collect()
    };
    zone(environment, "warehouse", &rows).protocol();
}

#[test]
fn a_bucket_is_loaded_into_redshift() {
    let Some(cluster) = Cluster::start() else { return };
    let rows = |sql: &str| cluster.sql(sql);
    zone(cluster.environment(), cluster.database(), &rows).protocol();
}

#[test]
fn rows_that_postgres_refuses_are_the_files_fault_and_leave_nothing_behind() {
    let Some(server) = crate::warehouse::server() else { return };
    let environment = BTreeMap::from([("ENGINE_WAREHOUSE_URL".to_owned(), server.url("warehouse"))]);
    let world = World::with("[[landing]]\nurl = './in'\n", environment);
    crate::warehouse::sql(&server, "CREATE TABLE public.t (id bigint PRIMARY KEY, name varchar(3))");
    world.put("warehouse/append/t/1.csv", "id,name\n1,a\n");
    world.put("warehouse/append/t/twice.csv", "id,name\n2,b\n1,c\n");
    world.put("warehouse/append/t/long.csv", "id,name\n3,abcd\n");
    world.put("warehouse/append/t/4.csv", "id,name\n4,d\n");
    let said = world.land_badly();
    assert_eq!(crate::warehouse::sql(&server, "SELECT string_agg(id::text, ',' ORDER BY id) FROM t"), "1,4", "{said}");
    assert!(world.reason("warehouse/append/t/twice.csv")["reason"].as_str().unwrap().contains("duplicate key"), "{said}");
    assert!(world.reason("warehouse/append/t/long.csv")["reason"].as_str().unwrap().contains("name"), "{said}");
    // What depends on a column keeps it.
    crate::warehouse::sql(&server, "CREATE VIEW public.names AS SELECT name FROM public.t");
    world.put("warehouse/schema/t/shape.csv", "id\n9\n");
    let said = world.land_badly();
    assert!(said.contains("refused") && said.contains("DROP COLUMN"), "{said}");
    assert_eq!(crate::warehouse::sql(&server, "SELECT count(*) FROM public.names"), "2");
    // A warehouse that is away refuses nothing: the file waits.
    world.put("warehouse/append/t/5.csv", "id,name\n5,e\n");
    let away = world.command(&["land"]).env("ENGINE_WAREHOUSE_URL", "postgres://u@127.0.0.1:1/warehouse").output().unwrap();
    assert_eq!(away.status.code(), Some(1), "{}", String::from_utf8_lossy(&away.stderr));
    assert!(world.path("in/warehouse/append/t/5.csv").exists() && !world.path("in/rejected/warehouse/append/t/5.csv").exists());
    world.land_well();
    assert_eq!(crate::warehouse::sql(&server, "SELECT count(*) FROM t"), "3");
}
