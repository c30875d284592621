//! `engine doctor`: misconfigurations are planted one at a time, and each is named with what repairs it.

use redshift_sim::{Isolation, RedshiftSim, SimOptions};
use serde_json::Value;
use testkit::postgres::Postgres;
use testkit::s3::{BUCKET, Fault, FaultKind, Operation, S3Server};

use super::bench::Bench;
use crate::redshift::{of, query, stand_in};
use crate::s3::settings;

const ROLE: &str = "arn:aws:iam::123456789012:role/loader";

/// A stand-in with a bucket, and a folder whose settings name both.
struct Setup {
    sim: RedshiftSim,
    s3: S3Server,
    bench: Bench,
}

impl Setup {
    /// Everything as it should be, but for what `plant` does to how the stand-in is started; `None`, having said so, where there is no
    /// PostgreSQL, which in CI is an error.
    fn start(plant: impl FnOnce(&mut SimOptions)) -> Option<Self> {
        let s3 = S3Server::builder().start().unwrap();
        let mut options = SimOptions { s3: of(&s3), ..SimOptions::default() };
        plant(&mut options);
        let sim = stand_in(options)?;
        let mut bench = Bench::new();
        for (name, value) in settings(s3.environment()) {
            bench.set(&name, value);
        }
        bench.secret("hush-password").secret(s3.secret_key());
        bench.set("ENGINE_WAREHOUSE_URL", format!("redshift://{}@{}/{}", sim.user(), sim.address(), sim.database()));
        bench.set("ENGINE_WAREHOUSE_PASSWORD", sim.password());
        bench.set("ENGINE_WAREHOUSE_STAGING", format!("s3://{BUCKET}/staging")).set("ENGINE_WAREHOUSE_IAM_ROLE", ROLE);
        Some(Self { sim, s3, bench })
    }

    fn sql(&self, statement: &str) -> Vec<String> {
        query(&self.sim.url(), statement)
    }

    /// What is not as it should be, after what was made for looking is gone again.
    fn wrong(&self, arguments: &[&str], exit_code: i32) -> Vec<Wrong> {
        let wrong = wrong(&self.bench, arguments, exit_code);
        assert_eq!(self.s3.object_keys(BUCKET), [""; 0], "something is left on S3");
        wrong
    }

    /// From now on the Data API is the way to it.
    fn by_data_api(&mut self, name: &str) {
        self.bench.set("ENGINE_WAREHOUSE_URL", format!("redshift-data://{name}/{}", self.sim.database()));
        self.bench.set("ENGINE_WAREHOUSE_ENDPOINT", self.sim.data_api_endpoint().unwrap());
    }

    /// The only thing that is not as it should be.
    fn only(&self, exit_code: i32) -> Wrong {
        let mut wrong = self.wrong(&[], exit_code);
        assert_eq!(wrong.len(), 1, "{wrong:#?}");
        wrong.remove(0)
    }
}

/// A finding that is not ok.
#[derive(Debug)]
struct Wrong {
    check: String,
    level: String,
    found: String,
    fix: String,
}

impl Wrong {
    fn is(&self, check: &str, level: &str, found: &str, fix: &str) {
        assert_eq!((self.check.as_str(), self.level.as_str()), (check, level), "{self:#?}");
        assert!(self.found.contains(found), "{self:#?}");
        assert!(self.fix.contains(fix), "{self:#?}");
    }
}

fn findings(bench: &Bench, arguments: &[&str], exit_code: i32) -> Vec<Value> {
    let ended = bench.engine(&[&["doctor", "--json"], arguments].concat());
    assert_eq!(ended.code, exit_code, "{ended:?}");
    let mut report: Value = serde_json::from_str(&ended.stdout).unwrap();
    serde_json::from_value(report["findings"].take()).unwrap()
}

fn wrong(bench: &Bench, arguments: &[&str], exit_code: i32) -> Vec<Wrong> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let wrong = findings(bench, arguments, exit_code).into_iter().filter(|finding| finding["level"] != "ok");
    wrong
        .map(|finding| Wrong {
            check: text(&finding["check"]),
            level: text(&finding["level"]),
            found: text(&finding["found"]),
            fix: text(&finding["fix"]),
        })
        .collect()
}

#[test]
fn what_is_wrong_is_found_by_the_data_api_as_well() {
    let plant = |options: &mut SimOptions| {
        options.data_api_port = Some(0);
        options.isolation = Isolation::Serializable;
    };
    let Some(mut setup) = Setup::start(plant) else { return };
    setup.by_data_api("redshift-sim");
    let fix = "ALTER DATABASE \"dev\" ISOLATION LEVEL SNAPSHOT;";
    setup.only(0).is("isolation", "warning", "SERIALIZABLE", fix);
    let sound = setup.bench.good(&["doctor"]);
    for part in ["database 'dev' of workgroup 'redshift-sim' by the Data API", "a COPY of one row worked", "user 'awsuser' may"] {
        assert!(sound.contains(part), "{part}: {sound}");
    }
    setup.bench.set("ENGINE_WAREHOUSE_URL", "redshift-data://redshift-sim/nosuch");
    setup.only(1).is("warehouse", "problem", "\"nosuch\" does not exist", "a database that are there in [warehouse] url");
}

#[test]
fn a_setup_that_works_is_ok_in_every_point_and_stays_as_it_is() {
    let Some(setup) = Setup::start(|_| ()) else { return };
    assert!(setup.wrong(&[], 0).is_empty(), "{:?}", setup.wrong(&[], 0));
    let checks: Vec<String> =
        findings(&setup.bench, &[], 0).iter().map(|finding| finding["check"].as_str().unwrap().to_owned()).collect();
    assert_eq!(
        checks,
        [
            "config",
            "state",
            "lake",
            "warehouse",
            "warehouse clock",
            "isolation",
            "slices",
            "case",
            "rights",
            "staging",
            "staging clock",
            "role",
            "region"
        ]
    );
    assert!(setup.bench.good(&["doctor"]).ends_with("no problems, no warnings\n"));
    assert_eq!(setup.sql("SELECT COUNT(*) FROM pg_tables WHERE schemaname = 'public'"), ["0"]);
    assert_eq!(setup.bench.listing(""), [""; 0]);
}

#[test]
fn a_wrong_password_is_named_with_the_setting() {
    let Some(mut setup) = Setup::start(|_| ()) else { return };
    setup.bench.set("ENGINE_WAREHOUSE_PASSWORD", "hush-password");
    setup.only(1).is("warehouse", "problem", "password authentication failed", "set [warehouse] password");
}

#[test]
fn a_redshift_at_the_url_of_a_postgres_is_told_by_doctor_and_by_a_run() {
    let Some(mut setup) = Setup::start(|_| ()) else { return };
    setup.bench.set("ENGINE_WAREHOUSE_URL", setup.sim.url());
    setup.only(1).is("warehouse", "problem", "is a Redshift", "url as redshift://user@host");
    setup.bench.write("p.sql", INTO_SHOP);
    let ended = setup.bench.engine(&["check", "p.sql"]);
    assert!(ended.code == 1 && format!("{}{}", ended.stdout, ended.stderr).contains("url as redshift://user@host"), "{ended:?}");
}

#[test]
fn a_bucket_that_is_not_there_is_named_with_the_command_that_makes_it() {
    let Some(mut setup) = Setup::start(|_| ()) else { return };
    setup.bench.set("ENGINE_WAREHOUSE_STAGING", "s3://nowhere/staging");
    setup.only(1).is("staging", "problem", "NoSuchBucket", "aws s3 mb s3://nowhere --region us-east-1");
}

#[test]
fn a_bucket_that_may_not_be_written_is_named_with_the_right() {
    let Some(setup) = Setup::start(|_| ()) else { return };
    setup.s3.faults().push(Fault::new(FaultKind::Forbidden).on(Operation::PutObject).times(10));
    let fix = format!("\"Action\": \"s3:PutObject\", \"Resource\": \"arn:aws:s3:::{BUCKET}/staging/*\"");
    setup.only(1).is("staging", "problem", "cannot be written: AccessDenied", &fix);
}

#[test]
fn keys_that_s3_does_not_know_are_named_with_the_settings() {
    let Some(mut setup) = Setup::start(|_| ()) else { return };
    setup.bench.set("ENGINE_S3_SECRET_ACCESS_KEY", "hush-password");
    setup.only(1).is("staging", "problem", "SignatureDoesNotMatch", "set [s3] access_key_id and secret_access_key");
}

#[test]
fn a_role_that_cannot_read_the_bucket_is_named_with_its_policy() {
    let Some(setup) = Setup::start(|options| options.s3.secret_key = Some("another".to_owned())) else { return };
    let fix = format!(
        "[\"s3:GetObject\", \"s3:ListBucket\"], \"Resource\": [\"arn:aws:s3:::{BUCKET}\", \"arn:aws:s3:::{BUCKET}/staging/*\"]"
    );
    setup.only(1).is("role", "problem", "Access Denied", &fix);
}

#[test]
fn a_role_that_is_not_attached_is_named_with_the_command_that_attaches_it() {
    let other = "arn:aws:iam::123456789012:role/other".to_owned();
    let Some(setup) = Setup::start(|options| options.s3.roles = vec![other]) else { return };
    setup.only(1).is("role", "problem", "not authorized to assume", &format!("--add-iam-roles {ROLE}"));
}

#[test]
fn a_bucket_of_another_region_is_named_as_such() {
    let elsewhere = vec![(BUCKET.to_owned(), "eu-west-1".to_owned())];
    let Some(setup) = Setup::start(|options| options.s3.elsewhere = elsewhere) else { return };
    setup.only(1).is("region", "problem", "in a different region", "aws s3 mb s3://NEW-BUCKET --region");
}

#[test]
fn missing_rights_are_named_with_statements_that_give_them() {
    let Some(mut setup) = Setup::start(|_| ()) else { return };
    setup.sql("CREATE USER loader PASSWORD 'Loader123'");
    setup.sql("CREATE SCHEMA shop");
    setup.sql("CREATE TABLE shop.posts (id VARCHAR(16), title VARCHAR(1024), score BIGINT)");
    setup.bench.set("ENGINE_WAREHOUSE_URL", setup.sim.url().replace("postgres://awsuser:redshift-sim@", "redshift://loader@"));
    setup.bench.set("ENGINE_WAREHOUSE_PASSWORD", "Loader123");
    let pipeline = "CREATE EXTERNAL TABLE posts STORED AS REDDIT LOCATION 'r/rust/new';\n\
                    CREATE EXTERNAL TABLE w STORED AS WAREHOUSE LOCATION 'shop.posts';\n\
                    INSERT INTO w SELECT id, title, score FROM posts;\n";
    setup.bench.write("p.sql", pipeline);
    let closed = setup.wrong(&["p.sql"], 1);
    let [schema] = closed.as_slice() else { panic!("{closed:#?}") };
    let fix = "GRANT USAGE, CREATE ON SCHEMA \"shop\" TO \"loader\";";
    schema.is("rights", "problem", "'loader' lacks USAGE, CREATE on schema 'shop'", fix);
    setup.sql(&schema.fix);
    let open = setup.wrong(&["p.sql"], 1);
    let [table, owner] = open.as_slice() else { panic!("{open:#?}") };
    let fix = "GRANT SELECT, INSERT, UPDATE, DELETE ON \"shop\".\"posts\" TO \"loader\";";
    table.is("rights", "problem", "lacks SELECT, INSERT, UPDATE, DELETE on table", fix);
    owner.is("rights", "warning", "owned by 'awsuser'", "ALTER TABLE \"shop\".\"posts\" OWNER TO \"loader\";");
    setup.sql(&table.fix);
    let left = setup.wrong(&["p.sql"], 0);
    assert!(matches!(left.as_slice(), [owner] if owner.found.contains("owned by")), "{left:#?}");
}

const INTO_SHOP: &str = "CREATE EXTERNAL TABLE posts STORED AS REDDIT LOCATION 'r/rust/new';
CREATE EXTERNAL TABLE w STORED AS WAREHOUSE LOCATION 'shop.posts';
INSERT INTO w SELECT id, title, score FROM posts;
";

/// Who may load a table, and lacks rights to the two tables of its ledger, which somebody else made, is given them.
fn given_the_ledger(bench: &Bench, sql: impl Fn(&str)) {
    let found = wrong(bench, &["p.sql"], 1);
    let problems: Vec<&Wrong> = found.iter().filter(|wrong| wrong.level == "problem").collect();
    assert_eq!(problems.len(), 2, "{found:#?}");
    for problem in problems {
        problem.is(
            "rights",
            "problem",
            "in which loads are noted",
            "GRANT SELECT, INSERT, UPDATE, DELETE ON \"shop\".\"_engine_",
        );
        sql(&problem.fix);
    }
    assert!(wrong(bench, &["p.sql"], 0).iter().all(|wrong| wrong.found.contains("is owned by")));
    bench.good(&["run", "p.sql", "--from-scratch", "--yes"]);
}

#[test]
fn rights_to_the_ledger_of_a_table_that_somebody_else_loaded_are_asked_for() {
    let Some(mut setup) = Setup::start(|_| ()) else { return };
    setup.bench.write("p.sql", INTO_SHOP);
    setup.bench.good(&["run", "p.sql"]);
    setup.sql("CREATE USER loader PASSWORD 'Loader123'");
    setup.sql("GRANT USAGE, CREATE ON SCHEMA shop TO loader");
    setup.sql("GRANT SELECT, INSERT, UPDATE, DELETE ON shop.posts TO loader");
    setup.bench.set("ENGINE_WAREHOUSE_URL", setup.sim.url().replace("postgres://awsuser:redshift-sim@", "redshift://loader@"));
    setup.bench.set("ENGINE_WAREHOUSE_PASSWORD", "Loader123");
    given_the_ledger(&setup.bench, |statement| drop(setup.sql(statement)));
    assert_eq!(setup.sql("SELECT COUNT(DISTINCT writer) FROM shop.\"_engine_loads__posts\""), ["2"]);
}

#[test]
fn rights_to_the_ledger_in_postgres_are_asked_for() {
    let Some(server) = Postgres::start_or_skip() else { return };
    server.create_database("shop").unwrap();
    let mut bench = Bench::new();
    bench.set("ENGINE_WAREHOUSE_URL", server.url("shop")).write("p.sql", INTO_SHOP);
    bench.good(&["run", "p.sql"]);
    let sql = |statement: &str| server.sql("shop", statement).unwrap();
    sql("CREATE ROLE low LOGIN PASSWORD 'Lowly123'; GRANT USAGE, CREATE ON SCHEMA shop TO low");
    sql("GRANT SELECT, INSERT, UPDATE, DELETE ON shop.posts TO low");
    bench.set("ENGINE_WAREHOUSE_URL", with_user(&server.url("shop"), "low")).set("ENGINE_WAREHOUSE_PASSWORD", "Lowly123");
    given_the_ledger(&bench, |statement| drop(sql(statement)));
    assert_eq!(sql("SELECT count(DISTINCT writer) FROM shop._engine_loads"), "2");
}

#[test]
fn a_session_that_tells_case_apart_is_a_warning_with_the_statement() {
    let Some(setup) = Setup::start(|_| ()) else { return };
    setup.sql("ALTER USER awsuser SET enable_case_sensitive_identifier TO on");
    let fix = "ALTER USER \"awsuser\" SET enable_case_sensitive_identifier TO off;";
    setup.only(0).is("case", "warning", "enable_case_sensitive_identifier is on", fix);
    setup.sql(fix);
    assert!(setup.wrong(&[], 0).is_empty());
}

#[test]
fn a_clock_that_is_minutes_off_is_a_problem() {
    let Some(setup) = Setup::start(|options| options.clock_ahead = 600) else { return };
    setup.only(1).is("warehouse clock", "problem", "ahead of this machine; AWS refuses", "timedatectl set-ntp true");
    let Some(setup) = Setup::start(|options| options.clock_ahead = -30) else { return };
    setup.only(0).is("warehouse clock", "warning", "behind this machine", "timedatectl set-ntp true");
}

#[test]
fn serializable_isolation_is_a_warning_with_the_statement() {
    let Some(setup) = Setup::start(|options| options.isolation = Isolation::Serializable) else { return };
    setup.only(0).is("isolation", "warning", "error 1023", "ALTER DATABASE \"dev\" ISOLATION LEVEL SNAPSHOT;");
}

#[test]
fn settings_that_are_missing_are_named() {
    let Some(mut setup) = Setup::start(|_| ()) else { return };
    setup.bench.set("ENGINE_WAREHOUSE_IAM_ROLE", "");
    setup.only(1).is("warehouse", "problem", "[warehouse] iam_role is not set", "correct [warehouse] in engine.toml");
}

#[test]
fn a_lake_on_s3_is_written_to_and_left_as_it_was() {
    let Some(mut setup) = Setup::start(|_| ()) else { return };
    setup.bench.set("ENGINE_LAKE_URL", format!("s3://{BUCKET}/tables"));
    assert!(setup.wrong(&[], 0).is_empty());
    let lake = findings(&setup.bench, &[], 0).into_iter().find(|finding| finding["check"] == "lake").unwrap();
    assert!(lake["found"].as_str().unwrap().contains("an object is created once only"), "{lake}");
    setup.bench.set("ENGINE_LAKE_URL", "s3://nowhere/tables");
    setup.only(1).is("lake", "problem", "NoSuchBucket", "aws s3 mb s3://nowhere");
}

#[test]
fn what_is_wrong_with_a_postgres_is_named_too() {
    let Some(server) = Postgres::start_or_skip() else { return };
    server.create_database("shop").unwrap();
    let sql = |statement: &str| server.sql("shop", statement).unwrap();
    let mut bench = Bench::new();
    bench.secret("hush-password").set("ENGINE_WAREHOUSE_URL", server.url("shop"));
    assert!(wrong(&bench, &[], 0).is_empty());
    sql("CREATE ROLE loader LOGIN PASSWORD 'Loader123'");
    sql("REVOKE CREATE ON SCHEMA public FROM PUBLIC; REVOKE TEMP ON DATABASE shop FROM PUBLIC");
    let url = with_user(&server.url("shop"), "loader");
    bench.set("ENGINE_WAREHOUSE_URL", url).set("ENGINE_WAREHOUSE_PASSWORD", "Loader123");
    let found = wrong(&bench, &[], 1);
    let [temporary, schema] = found.as_slice() else { panic!("{found:#?}") };
    temporary.is("rights", "problem", "may not make temporary tables", "GRANT TEMP ON DATABASE \"shop\" TO \"loader\";");
    schema.is("rights", "problem", "lacks CREATE on schema 'public'", "GRANT CREATE ON SCHEMA \"public\" TO \"loader\";");
    for right in found {
        sql(&right.fix);
    }
    assert!(wrong(&bench, &[], 0).is_empty());
}

#[test]
fn a_folder_that_cannot_be_used_is_named_with_its_setting() {
    let mut bench = Bench::new();
    bench.write("file", "");
    for (name, folder) in [("ENGINE_STATE_URL", "file/state"), ("ENGINE_LAKE_URL", "file/lake")] {
        let path = bench.path(folder).display().to_string();
        bench.set(name, path);
    }
    let found = wrong(&bench, &[], 1);
    let [state, lake] = found.as_slice() else { panic!("{found:#?}") };
    state.is("state", "problem", "is a file", "[state] url");
    lake.is("lake", "problem", "is a file", "[lake] url");
    let shown = bench.engine(&["doctor"]);
    assert!(shown.stdout.contains("fix: remove it, or name a folder in [lake] url"), "{shown:?}");
    assert!(shown.stdout.ends_with("2 problems, no warnings\n"), "{shown:?}");
}

/// `url` for another user, whose password is given apart.
fn with_user(url: &str, user: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap();
    let host = rest.split_once('@').map_or(rest, |(_, host)| host);
    format!("{scheme}://{user}@{host}")
}
