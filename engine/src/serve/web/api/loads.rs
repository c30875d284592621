//! The load log: what was loaded into which table, and when it had landed.
//!
//! Parameters and status codes are those of the load log that many a pipeline on DynamoDB and API Gateway has: `table_name`, which must be
//! given, and `landed_timestamp`, from which on loads are wanted. A mistake is told in `error`, besides the members of RFC 9457.

use std::collections::BTreeSet;

use axum::Json as Answer;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};

use crate::catalog::{WAREHOUSE, lake::LAKE};
use crate::serve::web::app::App;
use crate::serve::web::described::described;
use crate::serve::web::given::Parameters;
use crate::serve::web::problem::{Problem, Told};
use crate::serve::web::times;
use crate::state::{LoadPage, LoadRecord};

/// Loads of a page when nobody says how many.
const PAGE: u32 = 100;

/// Loads of the largest page.
const MAX_PAGE: u32 = 1_000;

described! {
    /// Some loads.
    pub(super) struct Loads as "Loads" {
        /// The newest first.
        loads: Vec<Load>,
        /// What `before` is to be for the next page; none when this was the last.
        next: Option<i64>,
    }
}

described! {
    /// What one epoch brought to one table.
    pub(super) struct Load as "Load" {
        /// Where it stands in the log.
        position: i64,
        /// The table, as `LOCATION` has it.
        table_name: String,
        /// As `STORED AS` has it.
        connector: String,
        /// `append`, `overwrite` or `upsert`; of a file of a landing zone `append`, `truncate` or `schema`.
        load_mode: String,
        /// `SUCCESS`, `PENDING` until every table of the epoch is committed, or `FAILED` of a file that a landing zone refused.
        status: &'static str,
        /// When the newest of what was read was written, where the source knows it.
        landed_timestamp: Option<DateTime<Utc>>,
        /// When it was staged.
        staged_timestamp: DateTime<Utc>,
        /// When it was committed.
        loaded_timestamp: Option<DateTime<Utc>>,
        /// Rows loaded.
        rows: u64,
        /// Bytes of the files that they were staged in.
        bytes: u64,
        /// These files.
        files: u64,
        /// Records put aside.
        bad_rows: u64,
        /// The pipeline.
        pipeline: String,
        /// The run.
        run: Option<i64>,
        /// The epoch.
        epoch: u64,
        /// The key of the file, of a landing zone.
        s3_key: Option<String>,
        /// Bytes of that file, as it landed.
        file_size: Option<u64>,
        /// The version of the schema that it was held against; `unknown` where none was given.
        schema_version: Option<String>,
        /// Whether the table was there before.
        table_existed: Option<bool>,
        /// Why it was refused.
        error: Option<String>,
    }
}

impl From<LoadRecord> for Load {
    fn from(load: LoadRecord) -> Self {
        let landed = load.landed.as_ref();
        let is_refusal = load.is_refusal();
        Self {
            position: load.position,
            s3_key: landed.map(|landed| landed.key.clone()),
            file_size: landed.map(|landed| landed.size),
            schema_version: landed.map(|landed| landed.schema_version.clone().unwrap_or_else(|| "unknown".to_owned())),
            table_existed: landed.map(|landed| landed.table_existed),
            error: landed.and_then(|landed| landed.error.clone()),
            table_name: load.table,
            connector: load.connector,
            load_mode: load
                .landed
                .as_ref()
                .map_or_else(|| format!("{:?}", load.mode).to_lowercase(), |landed| landed.action.clone()),
            status: match (is_refusal, load.committed_at) {
                (true, _) => "FAILED",
                (false, Some(_)) => "SUCCESS",
                (false, None) => "PENDING",
            },
            landed_timestamp: load.landed_at,
            staged_timestamp: load.recorded_at,
            loaded_timestamp: load.committed_at.filter(|_| !is_refusal),
            rows: load.rows,
            bytes: load.bytes,
            files: load.files,
            bad_rows: load.bad_rows,
            pipeline: load.pipeline,
            run: load.run,
            epoch: load.epoch,
        }
    }
}

described! {
    /// A problem with the member that clients of such logs look at.
    pub(super) struct ToldOfLoads as "LoadProblem" {
        ..problem: Told;
        /// What is wrong.
        error: String,
    }
}

/// The same, on its way out.
#[derive(Debug)]
pub(super) struct LoadProblem(Problem);

impl From<Problem> for LoadProblem {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl IntoResponse for LoadProblem {
    fn into_response(self) -> Response {
        let help = self.0.help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
        let mut told = self.0.told();
        told.insert("error".to_owned(), format!("{}{help}", self.0.detail).into());
        let mut response = self.0.into_response();
        *response.body_mut() = serde_json::Value::Object(told).to_string().into();
        response
    }
}

/// What was loaded into a table.
pub(super) async fn list(app: App, parameters: Result<Parameters, Problem>) -> Result<Answer<Loads>, LoadProblem> {
    let parameters = parameters?;
    parameters.only(&["table_name", "landed_timestamp", "limit", "before"])?;
    let table = parameters.text("table_name").map(str::trim).filter(|name| !name.is_empty());
    let table = table.ok_or_else(|| Problem::bad_request("table_name parameter is required"))?;
    let since = match parameters.text("landed_timestamp") {
        None => None,
        Some(text) => Some(times::parse(text).map_err(|expected| {
            Problem::bad_request(format!("landed_timestamp is '{text}': timestamp must be an integer or a time")).help(expected)
        })?),
    };
    let limit = parameters.number("limit", 1, MAX_PAGE)?.unwrap_or(PAGE);
    let locations = locations(&app, table);
    let page = LoadPage { locations, since, before: parameters.number("before", 1, i64::MAX)?, limit, ..LoadPage::default() };
    let records = app.control.store().loads(&page).await.map_err(Problem::from)?;
    let next = records.last().filter(|_| records.len() == limit as usize).map(|record| record.position);
    Ok(Answer(Loads { loads: records.into_iter().map(Load::from).collect(), next }))
}

/// Every location that `name` may stand for: written as that, and those of sinks of the pipelines whose last parts are it.
fn locations(app: &App, name: &str) -> Vec<String> {
    let declared = app.control.locations().into_iter().map(|location| location.to_lowercase());
    let locations: BTreeSet<String> =
        written(name).into_iter().chain(declared.filter(|location| is_named(location, name))).collect();
    locations.into_iter().collect()
}

/// The ways to write the location of a table of that name.
fn written(name: &str) -> Vec<String> {
    let name = name.to_lowercase();
    let short = [LAKE, WAREHOUSE].iter().find_map(|catalog| name.strip_prefix(&format!("{catalog}."))).unwrap_or(&name);
    let mut written = vec![name.clone(), short.to_owned()];
    if !name.contains("://") {
        written.push(format!("lake://{}", short.replace('.', "/")));
        if !short.contains('.') {
            written.push(format!("public.{short}"));
        }
        // What lies in the schema `public` of the lake lies in no folder.
        if let Some(bare) = short.strip_prefix("public.") {
            written.extend([bare.to_owned(), format!("lake://{bare}")]);
        }
    }
    written
}

/// Whether the last parts of a location, in lower case, are those of a name.
fn is_named(location: &str, name: &str) -> bool {
    let parts = |text: &str| -> Vec<String> {
        let text = text.split_once("://").map_or(text, |(_, rest)| rest);
        text.split(['.', '/']).map(|part| part.trim_matches('"').to_lowercase()).filter(|part| !part.is_empty()).collect()
    };
    let (location, name) = (parts(location), parts(name));
    !name.is_empty() && location.ends_with(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_known_bare_and_qualified() {
        for (location, name) in [
            ("lake://reddit/posts", "posts"),
            ("lake://reddit/posts", "reddit.posts"),
            ("lake://reddit/posts", "Reddit.Posts"),
            ("public.toll", "toll"),
            ("public.toll", "public.toll"),
            ("\"public\".\"toll\"", "public.toll"),
            ("s3://bucket/lake/reddit/posts", "reddit.posts"),
        ] {
            assert!(is_named(location, name), "{location} {name}");
        }
        for (location, name) in
            [("lake://reddit/posts", "osts"), ("public.toll", "other.toll"), ("lake://posts/old", "posts"), ("posts", "")]
        {
            assert!(!is_named(location, name), "{location} {name}");
        }
    }

    #[test]
    fn names_are_looked_for_as_locations_write_them() {
        assert_eq!(written("Toll"), ["toll", "toll", "lake://toll", "public.toll"]);
        assert!(written("lake.reddit.posts").contains(&"lake://reddit/posts".to_owned()));
        assert!(written("public.toll").contains(&"lake://toll".to_owned()));
        assert_eq!(written("lake://reddit/posts")[0], "lake://reddit/posts");
    }
}
