//! Databases and their tables.

use std::collections::BTreeMap;

use ::catalog::store::Table;
use chrono::{DateTime, Utc};
use maud::{Markup, html};

use super::layout::{Page, Place};
use super::words::{bytes, count, plural, when};
use super::{Html, table_at};
use crate::serve::web::api;
use crate::serve::web::app::App;
use crate::serve::web::guard::Caller;
use crate::serve::web::problem::Problem;

pub(super) async fn page(app: App, caller: Caller) -> Result<Html, Problem> {
    let tables = api::known_tables(&app).await?;
    let now = app.control.session().context.clock.now();
    let mut databases: BTreeMap<&str, Vec<&Table>> = BTreeMap::new();
    for table in &tables {
        databases.entry(table.name().database.as_str()).or_default().push(table);
    }
    let body = if databases.is_empty() { empty() } else { filled(&databases, now) };
    Ok(Page { title: "Catalog", place: Place::Catalog, caller: &caller, is_live: false }.around(&body).into())
}

fn empty() -> Markup {
    html! {
        section.empty-page {
            h1 { "The catalog is empty" }
            p { "Tables are registered when a pipeline writes them, and when a location is crawled:" }
            pre { code { "engine crawl s3://bucket/raw/\n" } }
            p { a href="/" { "Pipelines" } " · " a href="/query" { "Query" } }
        }
    }
}

fn filled(databases: &BTreeMap<&str, Vec<&Table>>, now: DateTime<Utc>) -> Markup {
    let all: usize = databases.values().map(Vec::len).sum();
    html! {
        div.title {
            h1 { "Catalog " span.dim { (plural(all as u64, "table")) } }
            input.filter type="search" placeholder="Filter  /" aria-label="Filter tables" data-filter=".tables" autocomplete="off";
        }
        @for (database, tables) in databases {
            section.database {
                h2 { (database) " " span.dim { (plural(tables.len() as u64, "table")) } }
                div.scroll tabindex="0" role="region" aria-label={ "Tables of " (database) } { table.grid.tables {
                    thead { tr {
                        th scope="col" { "Table" } th scope="col" { "Format" } th.num scope="col" { "Columns" } th.num scope="col" { "Schema" }
                        th.num scope="col" { "Rows" } th.num scope="col" { "Files" } th.num scope="col" { "Size" } th scope="col" { "Changed" }
                        th scope="col" { "Location" }
                    } }
                    tbody { @for table in tables { (line(table, now)) } }
                } }
            }
        }
    }
}

fn line(table: &Table, now: DateTime<Utc>) -> Markup {
    let (name, size) = (table.name(), table.statistics);
    html! {
        tr data-name=(format!("{}.{}", name.database, name.table).to_lowercase()) {
            th scope="row" {
                a href=(table_at(&name.database, &name.table)) { (name.table) }
                @if let Some(comment) = &table.registration.comment { span.dim { " " (comment) } }
            }
            td { (table.registration.connector) }
            td.num { (table.full_schema().fields().len()) } td.num { "v" (table.version) }
            td.num { @if let Some(rows) = size.rows { (count(rows)) } } td.num { @if let Some(files) = size.files { (count(files)) } }
            td.num { @if let Some(size) = size.bytes { (bytes(size)) } }
            td { (when(table.updated_at, now)) }
            td { code.place { (::connectors::secrets::without_secrets(&table.registration.location)) } }
        }
    }
}
