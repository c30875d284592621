//! What is told of places never says how one signs in to them.

use testkit::moto::Moto;

use super::bench::Bench;
use crate::checks::skipped;
use crate::lab::block_on;

#[test]
fn users_passwords_and_tokens_of_addresses_are_not_shown() {
    let mut bench = Bench::new();
    bench.secret("hunter2").secret("t0ken");
    // Nobody listens there.
    let address = "http://me:hunter2@127.0.0.1:9/x.csv?sig=t0ken";
    let pipeline = |location: &str, options: &str| {
        format!(
            "CREATE EXTERNAL TABLE s (id BIGINT) STORED AS CSV LOCATION '{location}'{options};\n\
             CREATE EXTERNAL TABLE t STORED AS DELTA LOCATION 'lake://t';\nINSERT INTO t SELECT id FROM s;\n"
        )
    };
    bench.write("p.sql", pipeline(address, ""));
    let plan = bench.good(&["plan", "p.sql"]);
    assert!(plan.contains("source s: CSV http://127.0.0.1:9/x.csv?..."), "{plan}");
    for location in [address, "http://me:hun/hunter2@127.0.0.1:9/x.csv?sig=t0ken", "http://127.0.0.1:9/x.csv?sig=a)t0ken"] {
        bench.write("p.sql", pipeline(location, " OPTIONS ('on_eror' 'fail')"));
        let wrong = bench.engine(&["check", "p.sql"]);
        assert!(wrong.code == 1 && format!("{}{}", wrong.stdout, wrong.stderr).contains("127.0.0.1:9/x.csv?..."), "{wrong:?}");
    }
    // A state that cannot be, and one where nobody listens.
    bench.set("ENGINE_STATE_URL", "mysql://me:hunter2@db/engine");
    let config = bench.engine(&["config"]);
    assert!(config.code == 1 && config.stderr.contains("mysql://me:********@db/engine"), "{config:?}");
    bench.set("ENGINE_STATE_URL", "postgres://me:hunter2@127.0.0.1:9/engine");
    let config = bench.good(&["config"]);
    assert!(config.contains("postgres://me:********@127.0.0.1:9/engine"), "{config}");
    let runs = bench.engine(&["runs"]);
    assert!(runs.code == 1 && runs.stderr.contains("database 'engine' on 127.0.0.1:9 as user 'me'"), "{runs:?}");
}

#[test]
fn the_value_of_a_secret_is_not_shown_where_it_stands_in_a_path() {
    let mut bench = Bench::new();
    bench.secret("p4ssw0rd");
    bench.write("pw.txt", "p4ssw0rd\n");
    bench.write(
        "p.sql",
        "CREATE EXTERNAL TABLE s (id BIGINT) STORED AS CSV LOCATION 'http://user:${secret:file:pw.txt}@127.0.0.1:9/${secret:file:pw.txt}.csv';
         CREATE EXTERNAL TABLE t STORED AS DELTA LOCATION 'lake://t';\nINSERT INTO t SELECT id FROM s;\n",
    );
    let run = bench.engine(&["run", "p.sql"]);
    assert!(run.code == 1 && run.stderr.contains("127.0.0.1:9/***.csv"), "{run:?}");
    let runs = bench.good(&["runs", "p", "--json"]);
    assert!(runs.contains("127.0.0.1:9/***.csv"), "{runs}");
}

#[test]
fn what_cannot_be_listed_cannot_be_crawled() {
    let mut bench = Bench::new();
    bench.secret("hunter2");
    for (location, expected) in [
        ("https://me:hunter2@host/x.csv", "'https://host/x.csv' cannot be crawled: a web server does not list its files"),
        ("gs://bucket/x", "'gs://bucket/x' cannot be crawled: a crawl takes a folder, a file, or s3://bucket/prefix"),
    ] {
        let refused = bench.engine(&["crawl", location]);
        assert!(refused.code == 1 && refused.stderr.contains(expected), "{refused:?}");
    }
}

#[test]
fn secrets_of_aws_secrets_manager_are_used_and_not_shown() {
    let Ok(moto) = block_on(Moto::start()).inspect_err(|error| skipped("moto", error)) else { return };
    let ask = |action: &str, request: serde_json::Value| {
        block_on(moto.json("secretsmanager", action, &request.to_string())).unwrap();
    };
    let mut bench = Bench::new();
    bench.secret("very-secret").secret("h1dden");
    for (name, value) in [
        ("ENGINE_SECRETS_ENDPOINT", moto.endpoint()),
        ("ENGINE_S3_REGION", "us-east-1".to_owned()),
        ("ENGINE_S3_ACCESS_KEY_ID", "testing".to_owned()),
        ("ENGINE_S3_SECRET_ACCESS_KEY", "very-secret-testing".to_owned()),
    ] {
        bench.set(name, value);
    }
    for (folder, row) in [("h1dden-a", "1"), ("h1dden-b", "2")] {
        std::fs::create_dir(bench.path(folder)).unwrap();
        bench.write(&format!("{folder}/x.csv"), format!("id\n{row}\n"));
    }
    ask("CreateSecret", serde_json::json!({ "Name": "prod/in", "SecretString": r#"{"place":"h1dden-a","port":1}"# }));
    bench.write("engine.toml", "[reddit]\nuser_agent = '${secret:aws:prod/in#place}'\n");
    let config = bench.good(&["config"]);
    assert!(config.lines().any(|line| line.contains("user_agent") && line.contains("********")), "{config}");
    let pipeline = |secret: &str| {
        format!(
            "CREATE EXTERNAL TABLE s (id BIGINT) STORED AS CSV LOCATION '${{secret:aws:{secret}}}/x.csv';\n\
             CREATE EXTERNAL TABLE t STORED AS DELTA LOCATION 'lake://t';\nINSERT INTO t SELECT id FROM s;\n"
        )
    };
    bench.write("p.sql", pipeline("prod/in#place"));
    bench.good(&["run", "p.sql"]);
    let token = "00000000-0000-4000-8000-000000000002";
    let changed =
        serde_json::json!({ "SecretId": "prod/in", "ClientRequestToken": token, "SecretString": r#"{"place":"h1dden-b"}"# });
    ask("PutSecretValue", changed);
    bench.good(&["run", "p.sql"]);
    let rows = bench.good(&["shell", "-c", "SELECT id FROM t ORDER BY id", "--format", "csv"]);
    assert_eq!(rows, "id\n1\n2\n");
    for (secret, expected) in [
        ("prod/in#plaice", "the secret 'prod/in' has no key 'plaice'; did you mean 'place'?"),
        ("prod/out", "AWS Secrets Manager gave no secret 'prod/out'"),
        ("prod/out", "check its name, [s3] region, or give its ARN"),
    ] {
        bench.write("p.sql", pipeline(secret));
        let wrong = bench.engine(&["check", "p.sql"]);
        assert!(wrong.code == 1 && format!("{}{}", wrong.stdout, wrong.stderr).contains(expected), "{wrong:?}");
    }
}
