//! When the outside fails: one paragraph, exit 1, no secret, and a lake as it was.

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, Instant};

use testkit::reddit::{Answer, Reddit, listing, post};
use testkit::s3::S3Server;

use super::bench::{Bench, Ended, TABLES};
use super::sources::live;

/// Nobody waits longer than this for a host that is not there.
const PATIENCE: Duration = Duration::from_secs(30);

fn pipeline() -> String {
    format!("{TABLES}INSERT INTO t SELECT id FROM posts;\n")
}

/// Runs `p.sql`, which has to fail for the user to repair.
fn fails(bench: &Bench, arguments: &[&str], parts: &[&str]) -> Ended {
    let lake = bench.listing("lake");
    bench.write("p.sql", pipeline());
    let ended = bench.engine(&[&["run", "p.sql"], arguments].concat());
    assert_eq!(ended.code, 1, "{ended:?}");
    assert_eq!(ended.stdout, "", "{ended:?}");
    for part in parts {
        assert!(ended.stderr.contains(part), "{part} is not in: {}", ended.stderr);
    }
    let errors: Vec<&str> = ended.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
    assert!(errors.len() == 1 && !ended.stderr.contains("\n\n"), "one paragraph: {}", ended.stderr);
    assert_eq!(bench.listing("lake"), lake, "the lake is as it was");
    ended
}

fn at(api: &str) -> Bench {
    let mut bench = Bench::new();
    bench.set("REDDIT_CLIENT_ID", "app").set("REDDIT_CLIENT_SECRET", "hush-secret").secret("hush-secret");
    bench.set("ENGINE_REDDIT_API_URL", api).set("ENGINE_REDDIT_TOKEN_URL", format!("{api}/token"));
    bench
}

#[test]
fn a_host_that_is_not_there_is_told_soon_and_each_retry_is_announced() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for (api, host) in
        [(format!("http://127.0.0.1:{port}"), "127.0.0.1"), ("http://no-such-host.invalid".to_owned(), "no-such-host.invalid")]
    {
        let started = Instant::now();
        let ended = fails(&at(&api), &[], &["p.sql:1: source 'posts': ", host, "cannot be reached", "after 3 attempts"]);
        assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());
        assert_eq!(ended.stderr.matches("asking reddit again").count(), 2, "{}", ended.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_credentials_are_not_tried_again_and_never_shown() {
    for (answer, part) in [
        (Answer::new(401, "{\"message\": \"Unauthorized\", \"error\": 401}"), "check client_id and client_secret"),
        (Answer::new(200, "{\"error\": \"invalid_grant\"}"), "invalid_grant"),
    ] {
        for verbose in [&[] as &[&str], &["-vv"], &["--log", "json", "-vv"]] {
            let server = Reddit::start().await.unwrap();
            server.push_token(answer.clone());
            let mut bench = live(&server);
            bench.set("REDDIT_USERNAME", "me").set("REDDIT_PASSWORD", "hush-password");
            if verbose.contains(&"json") {
                bench.write("p.sql", pipeline());
                assert_eq!(bench.engine(&[&["run", "p.sql"], verbose].concat()).code, 1);
            } else {
                fails(&bench, verbose, &[part]);
            }
            assert_eq!(server.requests().len(), 1);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_logged_at_the_deepest_level() {
    let server = Reddit::start().await.unwrap();
    server.handle(|_| Answer::json(&listing(&[post("a", 1_795_000_000.0)], None)));
    let mut bench = live(&server);
    bench
        .set("REDDIT_USERNAME", "me")
        .set("REDDIT_PASSWORD", "hush-password")
        .set("ENGINE_LOG", "trace")
        .set("RUST_LOG", "trace");
    bench.set("ENGINE_S3_SECRET_ACCESS_KEY", "hush-key").secret("hush-key");
    bench.write("p.sql", pipeline());
    assert!(!bench.good(&["run", "p.sql"]).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn subreddits_that_cannot_be_read_are_told_apart() {
    for (answer, part) in [
        (Answer::new(403, "{\"reason\": \"private\", \"error\": 403}"), "reason 'private'"),
        (Answer::new(404, "{\"reason\": \"banned\", \"error\": 404}"), "banned"),
        (Answer::new(302, "").header("location", "https://www.reddit.com/subreddits/search?q=x"), "no such subreddit"),
    ] {
        let server = Reddit::start().await.unwrap();
        server.push(answer);
        fails(&live(&server), &[], &["r/rust/new page 1", part]);
    }
}

#[test]
fn an_s3_that_is_not_there_is_told_soon() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut bench = Bench::new();
    bench.set("ENGINE_LAKE_URL", "s3://lake/x").set("ENGINE_S3_ENDPOINT", format!("http://127.0.0.1:{port}"));
    bench
        .set("ENGINE_S3_ACCESS_KEY_ID", "me")
        .set("ENGINE_S3_SECRET_ACCESS_KEY", "hush-key")
        .set("ENGINE_S3_REGION", "us-east-1");
    bench.secret("hush-key").write("p.sql", pipeline());
    let started = Instant::now();
    let ended = bench.engine(&["run", "p.sql"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());
    assert!(ended.stderr.contains(&format!("127.0.0.1:{port}")), "{}", ended.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_s3_keys_are_the_users_error() {
    let server = S3Server::start().await.unwrap();
    let mut bench = Bench::new();
    bench.set("ENGINE_LAKE_URL", "s3://lake/x").set("ENGINE_S3_ENDPOINT", server.endpoint());
    bench.set("ENGINE_S3_ACCESS_KEY_ID", server.access_key()).set("ENGINE_S3_SECRET_ACCESS_KEY", "hush-key");
    bench.set("ENGINE_S3_REGION", server.region()).secret("hush-key").write("p.sql", pipeline());
    let ended = bench.engine(&["run", "p.sql"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(server.object_keys("lake").is_empty());
}

#[test]
fn a_lake_below_a_file_or_in_a_folder_of_others_is_not_written() {
    let mut bench = Bench::new();
    bench.write("file", "not a folder");
    bench.set("ENGINE_LAKE_URL", bench.path("file/lake").display().to_string());
    bench.write("p.sql", pipeline());
    let ended = bench.engine(&["run", "p.sql"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.stderr.contains("file/lake"), "{}", ended.stderr);
    assert_eq!(std::fs::read_to_string(bench.path("file")).unwrap(), "not a folder");
}

#[test]
fn a_state_folder_that_cannot_be_made_is_named() {
    let mut bench = Bench::new();
    bench.write("file", "not a folder");
    bench.set("ENGINE_STATE_URL", bench.path("file/state").display().to_string());
    fails(&bench, &[], &["file/state", "[state] url"]);
}

#[test]
fn a_damaged_state_store_is_told_with_what_to_do() {
    let bench = Bench::new();
    std::fs::create_dir(bench.path(".engine")).unwrap();
    bench.write(".engine/state.db", "this is no database, but it is long enough to be looked at as one".repeat(40));
    let ended = fails(&bench, &[], &["state.db", "damaged", "move it away"]);
    assert_eq!(ended.stderr.matches("not a database").count(), 1, "said once: {}", ended.stderr);
}

#[test]
fn an_unknown_scheme_of_the_lake_names_the_setting() {
    let mut bench = Bench::new();
    bench.set("ENGINE_LAKE_URL", "gs://bucket/lake");
    bench.write("p.sql", pipeline());
    let ended = bench.engine(&["run", "p.sql"]);
    assert_eq!(ended.code, 1);
    assert!(
        ended.stderr.contains("environment ENGINE_LAKE_URL: lake.url is 'gs://bucket/lake', expected a folder or s3://"),
        "{}",
        ended.stderr
    );
}

#[cfg(feature = "failpoints")]
#[test]
fn a_crash_is_one_paragraph_and_exit_code_2_and_the_next_run_goes_on() {
    let bench = Bench::new();
    bench.write("p.sql", pipeline());
    for (log, point) in [("text", "sliced"), ("json", "staged"), ("text", "recorded"), ("text", "commit-after")] {
        let output = bench.command(&["run", "p.sql", "--log", log]).env("ENGINE_PANIC_AT", point).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{point}: {stderr}");
        for part in ["engine crashed: ", "a panic that was asked for", "Progress and tables are safe", "report this"] {
            assert_eq!(stderr.matches(part).count(), 1, "{point}: {part}: {stderr}");
        }
        assert!(!stderr.contains("stack backtrace"), "{stderr}");
        if log == "json" {
            assert!(stderr.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()), "{stderr}");
        }
        assert!(!bench.listing(".engine/tmp").iter().any(|name| name.contains("spill")), "{point}");
    }
    bench.good(&["run", "p.sql"]);
    assert_eq!(bench.query("lake://t", "SELECT count(*) FROM t"), super::bench::POSTS.to_string());
}

#[test]
fn a_run_leaves_no_folder_of_what_it_spilled_and_removes_those_of_the_dead() {
    let bench = Bench::new();
    // No process has this number: it is above what Linux gives.
    std::fs::create_dir_all(bench.path(".engine/tmp/spill-4194305/datafusion-x")).unwrap();
    bench.write("p.sql", pipeline());
    bench.good(&["run", "p.sql"]);
    let left: Vec<_> = std::fs::read_dir(bench.path(".engine/tmp")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with("spill-")), "{left:?}");
}

/// Runs the binary in a mount namespace of its own, where `mount` was done before; `None` when this user may not.
fn with_mount(bench: &Bench, mount: &str) -> Option<Ended> {
    let script = format!("{mount} && exec \"$0\" run p.sql");
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", &script, env!("CARGO_BIN_EXE_engine")]).current_dir(bench.path(""));
    command.env("ENGINE_REDDIT_REPLAY_POSTS", "1000").env("ENGINE_LAKE_URL", bench.path("lake")).process_group(0);
    let allowed =
        Command::new("unshare").args(["-m", "sh", "-c", mount]).current_dir(bench.path("")).output().ok()?.status.success();
    let output = command.output().ok().filter(|_| allowed)?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Some(Ended { code: output.status.code().unwrap_or(-1), stdout: text(&output.stdout), stderr: text(&output.stderr) })
}

#[test]
fn a_full_disk_is_told_and_the_next_run_goes_on() {
    let bench = Bench::new();
    std::fs::create_dir(bench.path("lake")).unwrap();
    bench.write("p.sql", pipeline().replace("SELECT id ", "SELECT id, raw "));
    let Some(ended) = with_mount(&bench, "mount -t tmpfs -o size=64k none lake") else { return };
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.stderr.contains("no space left") && ended.stderr.contains("[lake] url"), "{}", ended.stderr);
    assert!(bench.listing("lake").is_empty());
    bench.good(&["run", "p.sql"]);
    assert_eq!(bench.query("lake://t", "SELECT count(*) FROM t"), super::bench::POSTS.to_string());
}

#[test]
fn a_read_only_lake_is_told() {
    let bench = Bench::new();
    std::fs::create_dir(bench.path("lake")).unwrap();
    bench.write("p.sql", pipeline());
    let Some(ended) = with_mount(&bench, "mount -t tmpfs -o ro none lake") else { return };
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.stderr.contains("read-only"), "{}", ended.stderr);
    assert!(bench.listing("lake").is_empty());
}

/// Runs the binary as a user who owns nothing; `None` when this user may not become another.
fn as_nobody(bench: &Bench) -> Option<Ended> {
    use std::os::unix::fs::PermissionsExt;
    const NOBODY: u32 = 65_534;
    let open = |name: &str, mode: u32| {
        std::fs::set_permissions(bench.path(name), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    std::fs::create_dir_all(bench.path(".engine")).unwrap();
    open("", 0o755);
    open(".engine", 0o777);
    let output = bench.command(&["run", "p.sql"]).uid(NOBODY).gid(NOBODY).output().ok()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Some(Ended { code: output.status.code().unwrap_or(-1), stdout: text(&output.stdout), stderr: text(&output.stderr) })
}

#[test]
fn a_lake_of_somebody_else_is_told() {
    let bench = Bench::new();
    std::fs::create_dir(bench.path("lake")).unwrap();
    bench.write("p.sql", pipeline());
    let Some(ended) = as_nobody(&bench) else { return };
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.stderr.contains("permission denied: check who owns the folder"), "{}", ended.stderr);
    assert!(bench.listing("lake").is_empty());
}
