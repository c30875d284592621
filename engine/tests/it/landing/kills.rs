//! A landing run killed at every point, and run again: nothing is lost, nothing comes twice, no part of a file is in a table.

use std::collections::BTreeMap;

use super::world::World;
use crate::kill::at_each_pass;

const SCHEMA: &str = r#"{"table_name":"users","columns":[{"name":"id","type":"INT","nullable":false},{"name":"name","type":"VARCHAR(5)"}],
  "allowed_operations":["append"],"schema_version":"20240101_000000"}"#;

/// Tables, and what was loaded into them: before, and after one file more each time.
const TABLES: [&str; 4] = ["users", "plain", "replaced", "shaped"];

fn start() -> World {
    let world = World::new();
    world.put("warehouse/schema/users/a.json", SCHEMA);
    world.put("warehouse/append/users/1.csv", "id,name\n1,a\n2,b\n");
    world.put("nowhere.csv", "id\n1\n");
    world.put("warehouse/append/plain/1.csv", "id\n1\n");
    world.put("warehouse/append/users/wrong.csv", "id,name\n3,abcdef\n");
    world.put("warehouse/append/replaced/1.csv", "id\n1\n");
    world.put("warehouse/truncate/replaced/2.csv", "id\n2\n3\n");
    world.put("warehouse/append/shaped/1.csv", "a,b\n1,2\n");
    world.put("warehouse/schema/shaped/2.csv", "a\nx\n");
    world.put("warehouse/append/plain/2.csv", "id\n2\n");
    world
}

/// What is there in the end.
fn contents(world: &World) -> (Vec<Option<Vec<String>>>, Vec<String>, Vec<String>) {
    let mut log = world.log();
    log.sort();
    (TABLES.map(|name| world.table(name)).to_vec(), log, world.files("in"))
}

/// Rows of a table that a file brought are all there, or none is.
fn check_whole(world: &World, context: &str) {
    let may_be = [("users", vec![0, 2]), ("plain", vec![1, 2]), ("replaced", vec![1, 2]), ("shaped", vec![1])];
    for (name, counts) in may_be {
        if let Some(rows) = world.table(name) {
            assert!(counts.contains(&(rows.len() - 1)), "{context}: {name} has {rows:?}");
        }
    }
    for key in ["nowhere.csv", "warehouse/append/users/wrong.csv"] {
        let (there, copy) = (world.path("in").join(key).exists(), world.path("in/rejected").join(key));
        let reason = world.path("in/rejected").join(format!("{key}.reason.json"));
        assert!(there || (copy.exists() && reason.exists()), "{context}: {key} is lost");
    }
}

#[test]
fn a_landing_killed_anywhere_loses_and_doubles_nothing() {
    let undisturbed = start();
    let counts_file = undisturbed.path("counts");
    let output = undisturbed.command(&["land"]).env("ENGINE_COUNT_POINTS", &counts_file).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let text = std::fs::read_to_string(&counts_file).unwrap();
    let counts: BTreeMap<String, u64> = text
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, count)| (name.to_owned(), count.parse().unwrap()))
        .collect();
    let expected = contents(&undisturbed);
    assert_eq!(expected.1.len(), 10, "{:#?}", expected.1);
    let landing: Vec<&String> = counts.keys().filter(|point| point.starts_with("landing-")).collect();
    assert_eq!(landing.len(), 8, "{landing:?}");
    at_each_pass(
        &counts,
        || (),
        |(), point, nth, context| {
            let world = start();
            let killed = world.command(&["land"]).env("ENGINE_KILL_AT", format!("{point}={nth}")).output().unwrap();
            assert_eq!(killed.status.code(), None, "{context}: was not reached\n{}", String::from_utf8_lossy(&killed.stderr));
            check_whole(&world, context);
            let (code, said) = world.land();
            assert!(code == 0 || code == 1, "{context}: {said}");
            assert_eq!(contents(&world), expected, "{context}: {said}");
            assert!(world.land_well().contains("nothing new"), "{context}");
            assert!(world.engine(&["verify", "landing"]).status.success(), "{context}");
        },
    );
}
