//! How a table learns of new files, as `engine check` and `engine plan` say it.

use super::bench::{Bench, snapshot};

fn pipeline(location: &str, options: &str) -> String {
    format!(
        "CREATE EXTERNAL TABLE events (id BIGINT)\nSTORED AS JSON LOCATION '{location}'\nOPTIONS ({options});\n\
         CREATE EXTERNAL TABLE t STORED AS DELTA LOCATION 'lake://t';\nINSERT INTO t SELECT id FROM events;\n"
    )
}

const QUEUE: &str = "https://sqs.eu-west-1.amazonaws.com/123456789012/new-objects";

#[test]
fn wrong_notifications_are_pointed_at() {
    let bench = Bench::new();
    let mut all = String::new();
    for (what, text) in [
        ("nearest", pipeline("s3://b/in/", &format!("'notifications' 'sqss:{QUEUE}'"))),
        ("no scheme", pipeline("s3://b/in/", &format!("'notifications' '{QUEUE}'"))),
        ("an ARN", pipeline("s3://b/in/", "'notifications' 'sqs:arn:aws:sqs:eu-west-1:123456789012:new-objects'")),
        ("a name", pipeline("s3://b/in/", "'notifications' 'sqs:new-objects'")),
        ("a local folder", pipeline("in/", &format!("'notifications' 'sqs:{QUEUE}'"))),
        ("misspelt", pipeline("s3://b/in/", &format!("'notification' 'sqs:{QUEUE}'"))),
    ] {
        bench.write("p.sql", text);
        let ended = bench.engine(&["check", "p.sql"]);
        assert_eq!(ended.code, 1, "{what}: {ended:?}");
        all.push_str(&format!("=== {what}\n{}", bench.shown(&ended)));
    }
    snapshot!("check_notifications", all);
}

#[test]
fn a_plan_says_who_tells_of_new_files() {
    let mut bench = Bench::new();
    bench.set("AWS_ACCESS_KEY_ID", "me").set("AWS_SECRET_ACCESS_KEY", "hush-key").secret("hush-key");
    std::fs::create_dir(bench.path("in")).unwrap();
    for (location, options, said) in [
        ("in/", "'poll' '90s'", "new files: with --follow, the file system tells, all files are listed every 90 s"),
        ("in/", "'notifications' 'none'", "new files: with --follow, all files are listed every 30 s"),
        ("s3://b/in/", "'poll' '15m'", "new files: with --follow, all files are listed every 15 min"),
        (
            "s3://b/in/",
            &format!("'notifications' 'sqs:{QUEUE}'"),
            "new files: with --follow, queue 'new-objects' tells, all files are listed every 1 h",
        ),
    ] {
        bench.write("p.sql", pipeline(location, options));
        let plan = bench.good(&["plan", "p.sql"]);
        assert!(plan.lines().any(|line| line.trim() == said), "{plan}");
    }
}
