//! `engine config` and mistakes in `engine.toml`.

use super::bench::{Bench, snapshot};

#[test]
fn settings_are_shown_with_their_origin_and_without_secrets() {
    let mut bench = Bench::new();
    bench.write("secret", "hush-password\n");
    let toml = format!(
        "[lake]\nurl = 's3://${{BUCKET}}/lake'\n\n[reddit]\nclient_id = 'app'\nusername = 'me'\npassword = '${{secret:file:{}}}'\n",
        bench.path("secret").display()
    );
    bench.write("engine.toml", toml);
    bench.set("BUCKET", "data").set("REDDIT_CLIENT_SECRET", "hush-secret").set("ENGINE_RUN_MEMORY", "1GB");
    bench.secret("hush-secret").secret("hush-password");
    let ended = bench.engine(&["config"]);
    snapshot!("config", bench.shown(&ended));
    assert!(bench.good(&["config", "--help-keys"]).contains("ENGINE_LAKE_URL"));
}

#[test]
fn mistakes_in_the_settings_name_the_line() {
    let mut bench = Bench::new();
    bench.secret("hush");
    let mut all = String::new();
    for text in [
        "[lake]\nulr = 'x'\n",
        "[laek]\nurl = 'x'\n",
        "[run]\n\nmemory = 'much'\n",
        "[lake]\nurl = '${NOWHERE}'\n",
        "[lake\n",
        "[lake]\nurl = ''\n",
        "[lake]\nurl = 'ftp://x'\n",
        "[lake]\nurl = 3\n",
        "[state]\nurl = 'mysql://me:hush@h/db'\n",
    ] {
        bench.write("engine.toml", text).write("p.sql", "SELECT 1;");
        for command in [&["config"] as &[&str], &["run", "p.sql"]] {
            let ended = bench.engine(command);
            assert_eq!((ended.code, ended.stdout.as_str()), (1, ""), "{text}");
            assert!(ended.stderr.contains("engine.toml:"), "{}", ended.stderr);
            if command == ["config"] {
                all.push_str(&bench.shown(&ended));
            }
        }
    }
    snapshot!("config_mistakes", all);
    let mut other = Bench::new();
    other.set("ENGINE_LAKE_URLL", "x");
    let ended = other.engine(&["config"]);
    let warning =
        "warning: environment variable ENGINE_LAKE_URLL is no setting and has no effect; did you mean ENGINE_LAKE_URL?\n";
    assert_eq!((ended.code, ended.stderr.as_str()), (0, warning));
    other.set("ENGINE_LAKE_URL", "gs://b/lake").write("p.sql", "SELECT 1;");
    let ended = other.engine(&["run", "p.sql"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(other.engine(&["config", "--config", "nowhere.toml"]).stderr.contains("nowhere.toml"));
}
