//! Pipelines whose warehouse is a PostgreSQL database: the same rows as in the lake, once, whatever is killed when.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use testkit::postgres::Postgres;

use crate::lab::Lab;
use crate::pipelines::{REDDIT, Subject, WAREHOUSE};

const DATABASE: &str = "warehouse";

/// A lab with a schema of its own in a database that several share.
pub(crate) fn lab(subject: Subject, server: &Postgres) -> (Lab, String) {
    static LABS: AtomicU32 = AtomicU32::new(0);
    let schema = format!("lab_{}", LABS.fetch_add(1, Ordering::Relaxed));
    let settings =
        BTreeMap::from([("ENGINE_WAREHOUSE_URL".to_owned(), server.url(DATABASE)), ("SCHEMA".to_owned(), schema.clone())]);
    (Lab::local_with(subject, settings), schema)
}

pub(crate) fn server() -> Option<Postgres> {
    let server = Postgres::start_or_skip()?;
    server.create_database(DATABASE).unwrap();
    Some(server)
}

pub(crate) fn sql(server: &Postgres, statement: &str) -> String {
    server.sql(DATABASE, statement).unwrap()
}

/// Each table of [`WAREHOUSE`], as text, and what the ledger says of it.
#[cfg(feature = "failpoints")]
fn contents(server: &Postgres, schema: &str) -> String {
    let tables = ["appended", "latest", "totals"];
    let ledger = "SELECT target, writer_flow, mode, count(*), sum(rows) FROM (
        SELECT *, regexp_replace(writer, '.*:', '') AS writer_flow FROM _engine_loads) AS loads
        WHERE mode <> 'overwrite' GROUP BY 1, 2, 3 ORDER BY 1, 2";
    let select = |table: &&str| format!("SELECT '{table}', t.* FROM {table} t ORDER BY t::text;");
    let all: String = tables.iter().map(select).collect();
    sql(server, &format!("SET search_path = {schema}; {all} {ledger}"))
}

/// What an outside reader sees after a kill: as many rows as the ledger has.
#[cfg(feature = "failpoints")]
fn check_whole(server: &Postgres, schema: &str, context: &str) {
    let there = format!("SELECT to_regclass('{schema}.appended') IS NOT NULL");
    if sql(server, &there) == "t" {
        let whole = format!(
            "SET search_path = {schema};
             SELECT count(*) = (SELECT sum(rows) FROM _engine_loads WHERE target = 'appended'), count(*) = count(DISTINCT id) FROM appended"
        );
        assert_eq!(sql(server, &whole), "t|t", "{context}: part of an epoch is there, or a row twice");
    }
}

#[cfg(feature = "failpoints")]
#[test]
fn a_warehouse_in_postgres_killed_anywhere_loses_and_doubles_nothing() {
    let Some(server) = server() else { return };
    let (undisturbed, schema) = lab(WAREHOUSE, &server);
    let counts = undisturbed.run_counting();
    let expected = contents(&server, &schema);
    assert_eq!(sql(&server, &format!("SELECT count(*) FROM {schema}.appended")), WAREHOUSE.replay_posts.to_string());
    crate::kill::at_each_pass(
        &counts,
        || (),
        |(), point, nth, context| {
            let (lab, schema) = lab(WAREHOUSE, &server);
            assert!(lab.run_killed_at(point, nth), "{context}: was not reached");
            check_whole(&server, &schema, context);
            lab.run_well(context);
            assert_eq!(contents(&server, &schema), expected, "{context}");
            assert_eq!(crate::lab::files_below(&lab.lake().join(".engine")), [""; 0], "{context}: staged files are left");
            sql(&server, &format!("SET client_min_messages = warning; DROP SCHEMA {schema} CASCADE"));
        },
    );
}

#[test]
fn the_shipped_pipeline_fills_postgres_with_the_rows_of_the_lake() {
    let Some(server) = server() else { return };
    let (lab, _) = lab(REDDIT, &server);
    lab.run_well("first");
    let in_lake = lab.rows(&REDDIT.tables[0]).unwrap();
    let mut in_postgres: Vec<String> = sql(&server, AS_ARROW_WRITES_THEM).lines().map(decoded).collect();
    in_postgres.sort();
    assert_eq!(in_postgres.len(), in_lake.len());
    for (postgres, lake) in in_postgres.iter().zip(&in_lake) {
        assert_eq!(postgres, lake);
    }
    assert_eq!(
        sql(&server, "SELECT count(*) FROM pg_constraint WHERE conrelid = 'public.reddit_posts'::regclass AND contype = 'p'"),
        "1"
    );
    let again = lab.run_well("again");
    assert!(String::from_utf8(again.stdout).unwrap().contains("nothing new"));
}

/// The rows as [`Lab::rows`] has them, in hexadecimal: texts have line breaks.
const AS_ARROW_WRITES_THEM: &str = "SELECT encode(convert_to(array_to_string(ARRAY[
    id, subreddit, title, author, author_deleted::text, author_fullname, selftext, text_removed::text, link, url, domain, flair,
    is_self::text, over_18::text, stickied::text, score::text,
    CASE WHEN upvote_ratio = trunc(upvote_ratio) THEN upvote_ratio || '.0' ELSE upvote_ratio::text END,
    num_comments::text, is_discussed::text, to_char(created_at, 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), edited::text,
    to_char(edited_at, 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), created_date::text], ' | ', 'NULL'), 'UTF8'), 'hex')
    FROM public.reddit_posts";

fn decoded(line: &str) -> String {
    String::from_utf8(hex::decode(line).unwrap()).unwrap()
}

#[test]
fn a_flow_whose_warehouse_is_another_now_starts_from_the_beginning_there() {
    let Some(server) = server() else { return };
    let (lab, schema) = lab(WAREHOUSE, &server);
    let first = lab.command().env_remove("ENGINE_WAREHOUSE_URL").output().unwrap();
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    let plan = |warehouse: bool| {
        let mut command = lab.engine(&["plan", "warehouse.sql"]);
        if !warehouse {
            command.env_remove("ENGINE_WAREHOUSE_URL");
        }
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    let in_lake = plan(false);
    assert!(
        in_lake.contains(&format!("WAREHOUSE ${{SCHEMA}}.appended, which is DELTA lake://warehouse/{schema}/appended")),
        "{in_lake}"
    );
    let in_postgres = plan(true);
    assert!(in_postgres.contains("WAREHOUSE ${SCHEMA}.appended in postgres://127.0.0.1:"), "{in_postgres}");
    assert!(in_postgres.contains("from the beginning"), "{in_postgres}");
    lab.run_well("with a warehouse of its own");
    assert_eq!(sql(&server, &format!("SELECT count(*) FROM {schema}.appended")), WAREHOUSE.replay_posts.to_string());
}

#[test]
fn a_flow_goes_on_when_its_database_only_has_another_name() {
    let Some(server) = server() else { return };
    let (lab, schema) = lab(WAREHOUSE, &server);
    lab.run_well("under its address");
    let renamed = server.url(DATABASE).replace("127.0.0.1", "localhost");
    let output = lab.command().env("ENGINE_WAREHOUSE_URL", renamed).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let counted = format!("SELECT count(*), count(DISTINCT id) FROM {schema}.appended");
    assert_eq!(sql(&server, &counted), format!("{0}|{0}", WAREHOUSE.replay_posts));
}
