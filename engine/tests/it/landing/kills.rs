//! A landing run killed at every point, and run again: nothing is lost, nothing comes twice, no part of a file is in a table.

use std::collections::BTreeMap;

use testkit::postgres::Postgres;

use super::world::World;
use crate::kill::at_each_pass;
use crate::redshift::Cluster;
use crate::warehouse::{server, sql};

const SCHEMA: &str = r#"{"table_name":"users","columns":[{"name":"id","type":"INT","nullable":false},{"name":"name","type":"VARCHAR(5)"}],
  "allowed_operations":["append"],"schema_version":"20240101_000000"}"#;

/// Tables, and how many rows each may have at any time: before a file, after it.
const TABLES: [(&str, &[usize]); 4] = [("users", &[0, 2]), ("plain", &[1, 2]), ("replaced", &[1, 2]), ("shaped", &[1])];

/// Points of a run whatever its tables are in.
const ELSEWHERE: [&str; 6] = ["leased", "slice", "stage", "state-", "store-", "recover-"];

/// Where the tables of a zone are.
trait Place: Send {
    /// How many passes of a point are tried: in a database the files that come first and last; those between them are as they are in a lake.
    const MOST_PASSES: u64 = 2;

    /// Whether a run is killed at a point.
    fn is_tried(point: &str) -> bool {
        !ELSEWHERE.iter().any(|elsewhere| point.starts_with(elsewhere))
    }

    /// The settings of a zone that is loaded there, and the folder of the zone that is for it.
    fn settings(&self) -> (BTreeMap<String, String>, String);

    /// A table's columns and then its rows; `None` when there is none.
    fn table(&self, world: &World, name: &str) -> Option<Vec<String>>;

    /// Whether a table is made before the transaction that fills it: it is empty in between, and only then.
    fn makes_tables_first() -> bool {
        false
    }

    /// Nothing is there any more.
    fn clear(&mut self) {}

    /// What loads have left behind.
    fn leftovers(&self, world: &World) -> Vec<String> {
        crate::lab::files_below(&world.path("lake/.engine"))
    }
}

/// The warehouse that is a folder of the lake, which each world has of its own.
struct Lake;

impl Place for Lake {
    const MOST_PASSES: u64 = crate::kill::MOST_PASSES;

    fn is_tried(_point: &str) -> bool {
        true
    }

    fn settings(&self) -> (BTreeMap<String, String>, String) {
        (BTreeMap::new(), "warehouse".to_owned())
    }

    fn table(&self, world: &World, name: &str) -> Option<Vec<String>> {
        world.table(name)
    }
}

impl Place for Postgres {
    fn settings(&self) -> (BTreeMap<String, String>, String) {
        (BTreeMap::from([("ENGINE_WAREHOUSE_URL".to_owned(), self.url("warehouse"))]), "warehouse".to_owned())
    }

    fn table(&self, _world: &World, name: &str) -> Option<Vec<String>> {
        let lines = |statement: &str| sql(self, statement).lines().map(str::to_owned).collect::<Vec<_>>();
        let columns = lines(&format!(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = 'public' AND table_name = '{name}' ORDER BY ordinal_position"
        ));
        let rows = || lines(&format!("SELECT * FROM public.{name} ORDER BY 1"));
        (!columns.is_empty()).then(|| [vec![columns.join(",")], rows()].concat())
    }

    fn clear(&mut self) {
        sql(self, "SET client_min_messages = warning; DROP SCHEMA public CASCADE; CREATE SCHEMA public");
    }
}

impl Place for Cluster {
    fn settings(&self) -> (BTreeMap<String, String>, String) {
        (self.environment(), self.database().to_owned())
    }

    fn table(&self, _world: &World, name: &str) -> Option<Vec<String>> {
        let columns = self.sql(&format!(
            "SELECT column_name FROM svv_columns WHERE table_schema = 'public' AND table_name = '{name}' ORDER BY ordinal_position"
        ));
        let rows = || self.sql(&format!("SELECT * FROM public.{name} ORDER BY 1"));
        (!columns.is_empty()).then(|| [vec![columns.join(",")], rows()].concat())
    }

    fn makes_tables_first() -> bool {
        true
    }

    fn clear(&mut self) {
        self.sql("DROP SCHEMA public CASCADE");
        self.sql("CREATE SCHEMA public");
    }

    fn leftovers(&self, world: &World) -> Vec<String> {
        [crate::lab::files_below(&world.path("lake/.engine")), self.objects("staging/")].concat()
    }
}

fn start(place: &impl Place) -> World {
    let (settings, database) = place.settings();
    let world = World::with("[[landing]]\nurl = './in'\n", settings);
    for (key, content) in [
        ("schema/users/a.json", SCHEMA),
        ("append/users/1.csv", "id,name\n1,a\n2,b\n"),
        ("../nowhere.csv", "id\n1\n"),
        ("append/plain/1.csv", "id\n1\n"),
        ("append/users/wrong.csv", "id,name\n3,abcdef\n"),
        ("append/replaced/1.csv", "id\n1\n"),
        ("truncate/replaced/2.csv", "id\n2\n3\n"),
        ("append/shaped/1.csv", "a,b\n1,2\n"),
        ("schema/shaped/2.csv", "a\nx\n"),
        ("append/plain/2.csv", "id\n2\n"),
    ] {
        let key = key.strip_prefix("../").map_or_else(|| format!("{database}/{key}"), str::to_owned);
        world.put(&key, content);
    }
    world
}

/// What is there in the end.
fn contents(place: &impl Place, world: &World) -> (Vec<Option<Vec<String>>>, Vec<String>, Vec<String>) {
    let mut log = world.log();
    log.sort();
    (TABLES.map(|(name, _)| place.table(world, name)).to_vec(), log, world.files("in"))
}

/// Rows of a table that a file brought are all there, or none is.
fn check_whole<P: Place>(place: &P, world: &World, context: &str) {
    let loaded = |name: &str| world.log().iter().any(|line| line.contains(name) && line.contains("SUCCESS"));
    for (name, counts) in TABLES {
        if let Some(rows) = place.table(world, name) {
            let is_new = rows.len() == 1 && P::makes_tables_first() && !loaded(name);
            assert!(is_new || counts.contains(&(rows.len() - 1)), "{context}: {name} has {rows:?}");
        }
    }
    for key in ["nowhere.csv".to_owned(), format!("{}/append/users/wrong.csv", place.settings().1)] {
        let (there, copy) = (world.path("in").join(&key).exists(), world.path("in/rejected").join(&key).exists());
        let reason = world.path("in/rejected").join(format!("{key}.reason.json"));
        assert!(there || (copy && reason.exists()), "{context}: {key} is lost");
    }
}

/// Kills a run over a place that `make` gives at every point that an undisturbed one passes, and runs it again each time.
fn killed_anywhere<P: Place>(make: impl Fn() -> P + Sync) {
    let mut place = make();
    let undisturbed = start(&place);
    let counts_file = undisturbed.path("counts");
    let output = undisturbed.command(&["land"]).env("ENGINE_COUNT_POINTS", &counts_file).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let text = std::fs::read_to_string(&counts_file).unwrap();
    let mut counts: BTreeMap<String, u64> = text
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, count)| (name.to_owned(), count.parse().unwrap()))
        .collect();
    let expected = contents(&place, &undisturbed);
    assert_eq!(expected.1.len(), 10, "{:#?}", expected.1);
    let landing: Vec<&String> = counts.keys().filter(|point| point.starts_with("landing-")).collect();
    assert_eq!(landing.len(), 8, "{landing:?}");
    counts.retain(|point, _| P::is_tried(point));
    place.clear();
    at_each_pass(&counts, P::MOST_PASSES, make, |place, point, nth, context| {
        let world = start(place);
        let killed = world.command(&["land"]).env("ENGINE_KILL_AT", format!("{point}={nth}")).output().unwrap();
        assert_eq!(killed.status.code(), None, "{context}: was not reached\n{}", String::from_utf8_lossy(&killed.stderr));
        check_whole(place, &world, context);
        let (code, said) = world.land();
        assert!(code == 0 || code == 1, "{context}: {said}");
        assert_eq!(contents(place, &world), expected, "{context}: {said}");
        assert!(world.land_well().contains("nothing new"), "{context}");
        assert!(world.engine(&["verify", "landing"]).status.success(), "{context}");
        assert_eq!(place.leftovers(&world), [""; 0], "{context}");
        place.clear();
    });
}

#[test]
fn a_landing_killed_anywhere_loses_and_doubles_nothing() {
    killed_anywhere(|| Lake);
}

#[test]
fn a_landing_into_postgres_killed_anywhere_loses_and_doubles_nothing() {
    if server().is_some() {
        killed_anywhere(|| server().unwrap());
    }
}

#[test]
fn a_landing_into_redshift_killed_anywhere_loses_and_doubles_nothing() {
    if Cluster::start().is_some() {
        killed_anywhere(|| Cluster::start().unwrap());
    }
}
