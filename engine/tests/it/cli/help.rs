//! Help, versions and wrong usage.

use super::bench::{Bench, snapshot};

#[test]
fn help_is_for_someone_who_has_not_read_the_readme() {
    let bench = Bench::new();
    for command in [
        "",
        "run",
        "land",
        "check",
        "plan",
        "replay",
        "crawl",
        "shell",
        "config",
        "redshift-sim",
        "doctor",
        "verify",
        "catalog export glue",
        "state show",
        "state migrate",
    ] {
        let arguments: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
        let ended = bench.engine(&arguments);
        let short = ended.stdout.lines().zip(ended.stdout.lines().skip(1)).find(|(line, next)| {
            // A line that the terminal would have had room for was broken by hand.
            let word = next.split_whitespace().next().unwrap_or_default();
            let is_prose = |line: &str| line.starts_with(char::is_alphabetic) && !line.ends_with(':');
            is_prose(line) && is_prose(next) && line.len() + word.len() < 99 && !line.ends_with('.')
        });
        assert_eq!(short, None, "{command}");
        snapshot!(
            format!("help_{}", if command.is_empty() { "engine".to_owned() } else { command.replace(' ', "-") }),
            bench.shown(&ended)
        );
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
