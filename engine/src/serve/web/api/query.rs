//! Ad-hoc SQL that reads.

use axum::extract::{FromRequest, Request};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde_json::value::RawValue;

use crate::serve::web::app::App;
use crate::serve::web::described::described;
use crate::serve::web::given::{Parameters, content_type, json};
use crate::serve::web::problem::Problem;
use crate::serve::web::query::{Written, answer};

/// Says of an answer that is no JSON whether rows are missing.
const CUT: HeaderName = HeaderName::from_static("x-engine-truncated");

described! {
    /// What is asked.
    pub(super) input struct Asked as "QueryRequest" {
        /// One statement that reads: SELECT, SUMMARIZE, SHOW, DESCRIBE, EXPLAIN.
        sql: String,
        /// At most so many rows; never more than serve.query_rows.
        rows: Option<usize>,
    }
}

described! {
    /// Rows.
    pub(super) struct Rows as "QueryAnswer" {
        /// In their order.
        columns: Vec<Column>,
        /// An object a row. Of columns with the same name, the second is called `name_2`.
        rows: Box<RawValue>,
        /// How many.
        row_count: usize,
        /// There are more rows than the limits let through.
        truncated: bool,
        /// How long it took.
        elapsed_ms: u64,
    }
}

described! {
    /// A column.
    struct Column as "QueryColumn" {
        /// Its name.
        name: String,
        /// As SQL has it.
        r#type: String,
    }
}

/// Run a statement that reads, and answer with its rows.
pub(super) async fn query(app: App, parameters: Parameters, request: Request) -> Result<Response, Problem> {
    parameters.only(&["format"])?;
    let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let written = Written::wanted(parameters.text("format"), accept)?;
    let kind = content_type(&request);
    let body = Bytes::from_request(request, &()).await?;
    let asked = match kind.as_str() {
        "application/json" => json::<Asked>(&body)?,
        "text/plain" | "application/sql" => {
            let sql = String::from_utf8(body.into()).map_err(|_| Problem::bad_request("the statement is not UTF-8"))?;
            Asked { sql, rows: None }
        }
        other => {
            let detail = format!("the body is '{other}', expected application/json or text/plain");
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
        }
    };
    let (rows, took) = Box::pin(answer(&app, &asked.sql, asked.rows)).await?;
    let (count, is_cut) = (rows.rows, rows.is_cut);
    if written != Written::Json {
        let bytes = written.bytes(rows)?;
        let cut = HeaderValue::from_static(if is_cut { "true" } else { "false" });
        return Ok(
            ([(header::CONTENT_TYPE, HeaderValue::from_static(written.content_type())), (CUT, cut)], bytes).into_response()
        );
    }
    let rows = rows.with_distinct_names();
    let column =
        |field: &arrow::datatypes::FieldRef| Column { name: field.name().clone(), r#type: catalog::sql_type(field.data_type()) };
    let columns = rows.schema.fields().iter().map(column).collect();
    let text = String::from_utf8(Written::Json.bytes(rows)?).map_err(anyhow::Error::from)?;
    let rows = RawValue::from_string(text).map_err(anyhow::Error::from)?;
    let elapsed_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    Ok(axum::Json(Rows { columns, rows, row_count: count, truncated: is_cut, elapsed_ms }).into_response())
}
