//! Help, versions and wrong usage.

use super::bench::{Bench, snapshot};

#[test]
fn help_is_for_someone_who_has_not_read_the_readme() {
    let bench = Bench::new();
    for command in ["", "run", "check", "plan", "replay", "crawl", "shell", "config", "redshift-sim", "doctor", "verify"] {
        let arguments: Vec<&str> = [command, "--help"].into_iter().filter(|word| !word.is_empty()).collect();
        let ended = bench.engine(&arguments);
        snapshot!(format!("help_{}", if command.is_empty() { "engine" } else { command }), bench.shown(&ended));
    }
}

#[test]
fn wrong_usage_is_the_users_error() {
    let bench = Bench::new();
    for arguments in [&["rnu"] as &[&str], &["run"], &["run", "a.sql", "--folow"], &["check"], &[]] {
        let ended = bench.engine(arguments);
        assert_eq!(ended.code, 1, "{arguments:?}: {}", ended.stderr);
        assert!(ended.stdout.is_empty() && !ended.stderr.is_empty(), "{arguments:?}: {ended:?}");
    }
    assert!(bench.engine(&["chek"]).stderr.contains("similar subcommand exists: 'check'"));
    assert_eq!(bench.engine(&["--version"]).code, 0);
}
