//! A server that is killed at any time while files come: each is in once, and what depends on them knows all of them.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::world::World;
use super::{appending, ids};

/// Kills, unless `ENGINE_TEST_KILLS` says otherwise.
const KILLS: u64 = 8;
/// A server is killed after so long at most: it is there after half a second, and a run takes less than one.
const LONGEST: Duration = Duration::from_millis(2_500);
/// The longest wait for the next file.
const PAUSE: Duration = Duration::from_millis(500);

const COUNTING: &str = "
SET pipeline.trigger = 'table lake.out.a';
CREATE EXTERNAL TABLE total STORED AS DELTA LOCATION 'lake://out/total';
INSERT OVERWRITE total SELECT count(*) AS id FROM lake.out.a;";

#[test]
fn a_killed_server_leaves_nothing_undone_and_nothing_doubled() {
    let kills = std::env::var("ENGINE_TEST_KILLS").map_or(KILLS, |text| text.parse().unwrap());
    let world = World::new();
    world.put("queries/a.sql", &appending("a", "SET pipeline.trigger = 'in/*.json';"));
    // There is nothing to count before the first commit.
    world.put("in/0.json", "{\"id\":0}\n");
    let first = world.serve();
    world.wait("the first file is in", || ids(&world, "a") == ["0"]);
    drop(first);
    world.put("queries/total.sql", COUNTING);
    let (ended, files) = (AtomicBool::new(false), AtomicU64::new(1));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut dice = StdRng::seed_from_u64(1);
            while !ended.load(Ordering::SeqCst) {
                let number = files.fetch_add(1, Ordering::SeqCst);
                world.put(&format!("in/{number}.json"), &format!("{{\"id\":{number}}}\n"));
                std::thread::sleep(dice.random_range(Duration::ZERO..PAUSE));
            }
        });
        let mut dice = StdRng::seed_from_u64(2);
        for _ in 0..kills {
            let serving = world.serve();
            std::thread::sleep(dice.random_range(Duration::ZERO..LONGEST));
            serving.signal("-KILL");
            assert_eq!(serving.end(), None);
        }
        ended.store(true, Ordering::SeqCst);
    });
    let files = files.into_inner();
    let mut expected: Vec<String> = (0..files).map(|number| number.to_string()).collect();
    let serving = world.serve();
    world.wait("every file is in once", || ids(&world, "a") == expected);
    world.wait("all of them are counted", || ids(&world, "total") == [files.to_string()]);
    serving.signal("-TERM");
    assert_eq!(serving.end(), Some(0));
    assert!(world.engine(&["verify", "a"]).status.success());
    eprintln!("{kills} kills, {files} files, {} runs", world.runs("a").len());
    // What comes now, it is ready for.
    expected.push(files.to_string());
    world.put(&format!("in/{files}.json"), &format!("{{\"id\":{files}}}\n"));
    let serving = world.serve();
    world.wait("one more is in", || ids(&world, "a") == expected);
    drop(serving);
}
