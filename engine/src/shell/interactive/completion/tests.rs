//! Completion over a lake of folders and a file.

use std::collections::BTreeMap;

use tempfile::TempDir;

use super::*;
use crate::config::Settings;
use crate::session::{Purpose, Session};

/// A lake with tables that only their folders are there of, and a CSV file.
struct Lab {
    folder: TempDir,
}

impl Lab {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        for table in ["reddit/posts", "reddit/comments", "a/b/deep", "outside", "bad/p/posts"] {
            std::fs::create_dir_all(folder.path().join(format!("lake/{table}/_delta_log"))).unwrap();
        }
        std::fs::write(folder.path().join("x.csv"), "first,Second\n1,a\n").unwrap();
        Self { folder }
    }

    fn names(&self) -> Names {
        let lake = self.folder.path().join("lake").display().to_string();
        let environment = BTreeMap::from([("ENGINE_LAKE_URL".to_owned(), lake)]);
        let settings = Settings::load(None, &environment).unwrap();
        Names::new(&Workspace::new(&Session::new(settings, environment, Purpose::Look).unwrap()))
    }

    /// What `|` in the text is completed to.
    fn values(&self, names: &mut Names, text: &str) -> Vec<String> {
        let text = text.replace("DIR", &self.folder.path().display().to_string());
        let cursor = text.find('|').unwrap();
        let result = tokio::task::block_in_place(|| names.complete(&text.replace('|', ""), cursor));
        result.suggestions().iter().map(|suggestion| suggestion.value.clone()).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_and_schemas_are_completed_step_by_step() {
    let lab = Lab::new();
    let mut names = lab.names();
    assert_eq!(lab.values(&mut names, "SELECT * FROM po|"), ["posts", "posts$bad"]);
    assert_eq!(lab.values(&mut names, "SELECT * FROM red|"), ["reddit."]);
    assert_eq!(lab.values(&mut names, "SELECT * FROM reddit.|"), ["comments", "posts"]);
    assert_eq!(lab.values(&mut names, "SELECT * FROM lake.|"), ["\"a/b\".", "\"bad/p\".", "public.", "reddit."]);
    assert_eq!(lab.values(&mut names, "SELECT * FROM lake.\"a/b\".|"), ["deep"]);
    assert_eq!(lab.values(&mut names, "SELECT * FROM lake.reddit.c|"), ["comments"]);
    assert_eq!(lab.values(&mut names, "SELECT * FROM system.cr|"), ["crawled_objects"]);
    assert_eq!(lab.values(&mut names, "\\d outs|"), ["outside"]);
    assert_eq!(lab.values(&mut names, "SELECT * FROM nothing|"), ["nothing"], "what is typed stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_come_from_the_tables_that_the_statement_names() {
    let lab = Lab::new();
    let mut names = lab.names();
    assert_eq!(lab.values(&mut names, "SELECT firs| FROM 'DIR/x.csv'")[0], "first");
    assert_eq!(lab.values(&mut names, "SELECT t.| FROM 'DIR/x.csv' t"), ["first", "second"]);
    assert_eq!(lab.values(&mut names, "SELECT * FROM 'DIR/x.csv' t WHERE t.sec|"), ["second"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn keywords_follow_the_case_that_is_typed() {
    let lab = Lab::new();
    let mut names = lab.names();
    assert_eq!(lab.values(&mut names, "SELE|"), ["SELECT"]);
    assert_eq!(lab.values(&mut names, "sele|"), ["select"]);
    assert_eq!(lab.values(&mut names, "\\for|"), ["\\format"]);
    assert_eq!(lab.values(&mut names, "\\format nd|"), ["ndjson"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_completed_within_quotes() {
    let lab = Lab::new();
    let mut names = lab.names();
    let dir = lab.folder.path().display().to_string();
    assert_eq!(lab.values(&mut names, "SELECT * FROM 'DIR/|"), [format!("{dir}/lake/"), format!("{dir}/x.csv'")]);
    assert_eq!(lab.values(&mut names, "SELECT * FROM 'DIR/x|' t"), [format!("{dir}/x.csv")]);
    assert_eq!(lab.values(&mut names, "\\i DIR/x|"), [format!("{dir}/x.csv")]);
}
