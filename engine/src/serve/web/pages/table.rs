//! A table: its columns, its history, some of its rows, what is in its columns.

use std::collections::BTreeMap;

use ::catalog::sql_type;
use ::catalog::store::{SchemaVersion, Table};
use axum::extract::Path;
use chrono::{DateTime, Utc};
use connectors::secrets::without_secrets;
use maud::{Markup, html};

use super::layout::{Page, Place};
use super::words::{bytes, count, exactly, plural, span, when};
use super::{Html, segment, sql, table_at};
use crate::catalog::lake::quoted;
use crate::serve::web::api;
use crate::serve::web::app::App;
use crate::serve::web::guard::Caller;
use crate::serve::web::problem::Problem;
use crate::serve::web::query;
use crate::shell::Answer;

/// Rows of a sample.
const SAMPLE: usize = 50;

/// Partitions that are counted.
const PARTITIONS: usize = 200;

pub(super) async fn page(app: App, caller: Caller, Path((database, name)): Path<(String, String)>) -> Result<Html, Problem> {
    let api::Found { table, versions } = api::table(&app, &database, &name).await?;
    let now = app.control.session().context.clock.now();
    let at = table_at(&database, &name);
    let title = format!("{database}.{name}");
    let body = html! {
        nav.crumbs aria-label="Breadcrumb" {
            a href="/catalog" { "Catalog" } " / " span { (database) } " / " span aria-current="page" { (name) }
        }
        div.title {
            h1 { (title) }
            div.actions { a.button.primary href={ "/query?sql=" (segment(&api::selection(table.name(), 100))) } { "Query" } }
        }
        @if let Some(comment) = &table.registration.comment { p.lead { (comment) } }
        (facts(&table, now))
        section aria-labelledby="columns" { h2 id="columns" { "Columns" } (columns(&table)) }
        section aria-labelledby="sample" {
            h2 id="sample" { "Rows" }
            div data-load={ (at) "/sample" } { noscript { a href={ (at) "/sample" } { "Show some rows" } } }
        }
        @if !table.registration.partitioning.fields().is_empty() {
            (asked_for("partitions", "Partitions", &format!("{at}/partitions"), "Count the rows of every partition"))
        }
        (asked_for("profile", "Profile", &format!("{at}/profile"), "Profile every column"))
        section aria-labelledby="history" { h2 id="history" { "Schema history" } (history(&versions, now)) }
        section aria-labelledby="ddl" { h2 id="ddl" { "Statement" } (sql::numbered(&without_secrets(&table.ddl()), &BTreeMap::new())) }
    };
    Ok(Page { title: &title, place: Place::Catalog, caller: &caller, is_live: false }.around(&body).into())
}

/// A section with what costs more than a page may: it is loaded when somebody asks for it.
fn asked_for(id: &str, title: &str, address: &str, label: &str) -> Markup {
    html! {
        section aria-labelledby=(id) {
            h2 id=(id) { (title) }
            div data-load=(address) data-load-by=(label) { noscript { a href=(address) { (label) } } }
        }
    }
}

fn facts(table: &Table, now: DateTime<Utc>) -> Markup {
    let (registration, size) = (&table.registration, table.statistics);
    let unknown = || html! { span.dim { "not measured" } };
    html! {
        dl.facts {
            div { dt { "Format" } dd { (registration.connector) } }
            div { dt { "Location" } dd { code.place { (without_secrets(&registration.location)) } } }
            div { dt { "Rows" } dd { @if let Some(rows) = size.rows { (count(rows)) } @else { (unknown()) } } }
            div { dt { "Size" } dd {
                @if let Some(size) = size.bytes { (bytes(size)) } @else { (unknown()) }
                @if let Some(files) = size.files { " in " (count(files)) " files" }
            } }
            @if !registration.key.is_empty() { div { dt { "Key" } dd { @for column in &registration.key { code { (column) } " " } } } }
            @if !registration.partitioning.levels().is_empty() {
                div { dt { "Partitions" } dd { code { (registration.partitioning.template()) } } }
            }
            div { dt { "On drift" } dd { (registration.policy) } }
            div { dt { "Registered" } dd { (when(table.created_at, now)) " by " (registration.registered_by) } }
        }
    }
}

fn columns(table: &Table) -> Markup {
    let partitions = table.registration.partitioning.fields();
    let is_partition = |name: &str| partitions.iter().any(|partition| partition.name() == name);
    html! {
        div.scroll tabindex="0" role="region" aria-label="Columns" { table.grid {
            thead { tr { th scope="col" { "Column" } th scope="col" { "Type" } th scope="col" { "Role" } th scope="col" { "Comment" } } }
            tbody { @for field in table.full_schema().fields() { tr {
                th scope="row" { (field.name()) } td { code { (sql_type(field.data_type())) } }
                td {
                    @if is_partition(field.name()) { span.badge { "partition" } " " }
                    @if table.registration.key.contains(field.name()) { span.badge { "key" } " " }
                    @if !field.is_nullable() { span.badge { "not null" } }
                }
                td { @if let Some(comment) = table.column_comments.get(field.name()) { (comment) } }
            } } }
        } }
    }
}

/// The newest version first, each with what it added and took.
fn history(versions: &[SchemaVersion], now: DateTime<Utc>) -> Markup {
    html! {
        ol.versions reversed {
            @for (at, version) in versions.iter().enumerate().rev() {
                li {
                    p { strong { "v" (version.version) } " " (when(version.at, now)) span.dim { " · " (exactly(version.at)) " · " (version.why) } }
                    @if let Some(before) = at.checked_sub(1).and_then(|before| versions.get(before)) {
                        @let difference = difference(before, version);
                        @if difference.0.is_empty() {
                            @for change in &version.changes { p.dim { (change) } }
                        } @else { (difference) }
                    } @else {
                        p.dim { (version.schema.fields().len()) " columns" }
                    }
                }
            }
        }
    }
}

/// Columns that went with a `-`, those that came with a `+`; of one whose type changed, both.
fn difference(before: &SchemaVersion, after: &SchemaVersion) -> Markup {
    let columns = |version: &SchemaVersion| -> Vec<(String, String)> {
        version.schema.fields().iter().map(|field| (field.name().clone(), sql_type(field.data_type()))).collect()
    };
    let (old, new) = (columns(before), columns(after));
    let lines = |from: &[(String, String)], other: &[(String, String)]| -> Vec<String> {
        from.iter().filter(|column| !other.contains(column)).map(|(name, kind)| format!("{name} {kind}")).collect()
    };
    let (gone, come) = (lines(&old, &new), lines(&new, &old));
    html! {
        @if !gone.is_empty() || !come.is_empty() {
            pre.diff {
                @for line in gone { del { "- " (line) } "\n" }
                @for line in come { ins { "+ " (line) } "\n" }
            }
        }
    }
}

/// Some rows, as a part of the page.
pub(super) async fn sample(app: App, Path((database, name)): Path<(String, String)>) -> Result<Html, Problem> {
    let table = api::table(&app, &database, &name).await?.table;
    let selection = api::selection(table.name(), SAMPLE + 1);
    let (answer, took) = Box::pin(query::answer(&app, &selection, Some(SAMPLE))).await?;
    let took = chrono::TimeDelta::from_std(took).unwrap_or_default();
    let shown = html! {
        @if answer.rows == 0 {
            p.empty { "The table has no rows." }
        } @else {
            (grid(&answer, "Rows")?)
            p.dim { (plural(answer.rows as u64, "row")) @if answer.is_cut { " of more" } ", in " (span(took)) }
        }
    };
    Ok(shown.into())
}

/// What is in every column, as a part of the page.
pub(super) async fn profile(app: App, Path((database, name)): Path<(String, String)>) -> Result<Html, Problem> {
    let table = api::table(&app, &database, &name).await?.table;
    let (answer, _) = Box::pin(query::answer(&app, &format!("SUMMARIZE {}", api::reference(table.name())), None)).await?;
    Ok(grid(&answer, "Profile of the columns")?.into())
}

/// How many rows every partition has, the last ones first, as a part of the page.
pub(super) async fn partitions(app: App, Path((database, name)): Path<(String, String)>) -> Result<Html, Problem> {
    let table = api::table(&app, &database, &name).await?.table;
    let fields = table.registration.partitioning.fields();
    let columns: Vec<String> = fields.iter().map(|field| quoted(field.name())).collect();
    if columns.is_empty() {
        return Ok(html! { p.empty { "The table has no partitions." } }.into());
    }
    let order: Vec<String> = columns.iter().map(|column| format!("{column} DESC")).collect();
    let (columns, order, reference) = (columns.join(", "), order.join(", "), api::reference(table.name()));
    let counted = format!("SELECT {columns}, count(*) AS rows FROM {reference} GROUP BY {columns} ORDER BY {order}");
    let (answer, _) = Box::pin(query::answer(&app, &counted, Some(PARTITIONS))).await?;
    let shown = html! {
        (grid(&answer, "Rows by partition")?)
        p.dim { @if answer.is_cut { "The last " (PARTITIONS) " are shown." } @else { (plural(answer.rows as u64, "partition")) } }
    };
    Ok(shown.into())
}

/// Rows as a table.
///
/// # Errors
/// When a value has no text.
pub(super) fn grid(answer: &Answer, label: &str) -> Result<Markup, Problem> {
    let cells = answer.cells().map_err(anyhow::Error::from)?;
    let fields = answer.schema.fields();
    let is_number: Vec<bool> = fields.iter().map(|field| field.data_type().is_numeric()).collect();
    Ok(html! {
        div.scroll.result tabindex="0" role="region" aria-label=(label) { table.grid {
            thead { tr { @for (field, is_number) in fields.iter().zip(&is_number) {
                th.num[*is_number] scope="col" title=(sql_type(field.data_type())) { (field.name()) }
            } } }
            tbody { @for row in &cells { tr { @for (cell, is_number) in row.iter().zip(&is_number) {
                @match cell {
                    Some(text) => { td.num[*is_number] { (text) } }
                    None => { td.null { "NULL" } }
                }
            } } } }
        } }
    })
}
