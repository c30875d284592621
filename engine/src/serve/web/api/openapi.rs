//! The description of the API (OpenAPI 3.1), made from what its handlers take and give.

use std::sync::LazyLock;

use axum::http::header;
use axum::response::IntoResponse;
use serde_json::{Map, Value, json};

use super::{loads, pipelines, query, runs, tables};
use crate::serve::web::described::{Described, Schemas};
use crate::serve::web::problem::Told;

/// A schema, which is made with those that it refers to.
type Make = fn(&mut Schemas) -> Value;

/// One method of one path.
struct Operation {
    method: &'static str,
    path: &'static str,
    summary: &'static str,
    parameters: &'static [Parameter],
    body: Option<Make>,
    /// The status of the answer, and what it is.
    answer: (u16, Option<Make>),
    /// The statuses of problems, besides those that everything may have.
    problems: &'static [u16],
}

/// What stands behind the `?`.
struct Parameter {
    name: &'static str,
    kind: &'static str,
    is_required: bool,
    description: &'static str,
}

const fn optional(name: &'static str, kind: &'static str, description: &'static str) -> Parameter {
    Parameter { name, kind, is_required: false, description }
}

const LIMIT: Parameter = optional("limit", "integer", "At most so many, 1000 at most");
const BEFORE: Parameter = optional("before", "integer", "`next` of the page before");
const TIMES: &str = "epoch seconds or milliseconds, or ISO 8601";

const fn get(path: &'static str, summary: &'static str, answer: Make) -> Operation {
    Operation { method: "get", path, summary, parameters: &[], body: None, answer: (200, Some(answer)), problems: &[] }
}

const fn post(path: &'static str, summary: &'static str, status: u16, answer: Option<Make>) -> Operation {
    Operation { method: "post", path, summary, parameters: &[], body: None, answer: (status, answer), problems: &[403] }
}

fn any_rows(_: &mut Schemas) -> Value {
    json!({"type": "array", "items": {"type": "object"}, "description": "An object a row"})
}

/// Everything that the API does.
const OPERATIONS: &[Operation] = &[
    get("/api/v1/pipelines", "Every pipeline", pipelines::Pipelines::schema),
    Operation {
        problems: &[404],
        ..get("/api/v1/pipelines/{name}", "One pipeline, with its text and graph", pipelines::Detail::schema)
    },
    Operation {
        problems: &[403, 404, 409],
        ..post("/api/v1/pipelines/{name}/run", "Ask for a run now", 202, Some(pipelines::Requested::schema))
    },
    Operation {
        problems: &[403, 404],
        ..post("/api/v1/pipelines/{name}/pause", "Pause: nothing but a person begins a run", 204, None)
    },
    Operation { problems: &[403, 404, 409], ..post("/api/v1/pipelines/{name}/resume", "End a pause", 204, None) },
    Operation {
        body: Some(pipelines::Backfill::schema),
        problems: &[400, 403, 404, 409, 413, 415],
        ..post("/api/v1/pipelines/{name}/backfill", "Run for logical dates of the past", 202, Some(pipelines::Backfilled::schema))
    },
    Operation {
        parameters: &[
            optional("pipeline", "string", "Of this pipeline"),
            optional("status", "string", "`running`, `done`, `failed`, `killed` or `canceled`"),
            optional("since", "string", "Started then or later: epoch seconds or milliseconds, or ISO 8601"),
            LIMIT,
            BEFORE,
        ],
        problems: &[400, 404],
        ..get("/api/v1/runs", "Runs, the newest first", runs::Runs::schema)
    },
    Operation {
        problems: &[404],
        ..get("/api/v1/pipelines/{name}/runs/{run}", "One run, with its epochs and loads", runs::RunDetail::schema)
    },
    Operation {
        problems: &[403, 404, 409],
        ..post(
            "/api/v1/pipelines/{name}/runs/{run}/cancel",
            "End a run of this process: its epoch is abandoned, what is committed stays",
            202,
            None,
        )
    },
    Operation {
        parameters: &[optional("from", "integer", "`next` of the part before; 0 unless it is given")],
        problems: &[400, 404],
        ..get("/api/v1/pipelines/{name}/runs/{run}/log", "What a run has said, from a place on", runs::Log::schema)
    },
    Operation {
        parameters: &[optional("database", "string", "Of this database")],
        problems: &[404],
        ..get("/api/v1/tables", "Every table of the catalog", tables::Tables::schema)
    },
    Operation {
        problems: &[404],
        ..get("/api/v1/tables/{database}/{table}", "One table: its columns, folders, key and size", tables::Detail::schema)
    },
    Operation {
        problems: &[404],
        ..get("/api/v1/tables/{database}/{table}/versions", "Every schema that a table has had", tables::Versions::schema)
    },
    Operation {
        parameters: &[optional("rows", "integer", "At most so many; 20 unless it is given, 1000 at most")],
        problems: &[400, 404, 408, 503],
        ..get("/api/v1/tables/{database}/{table}/sample", "Some rows of a table", any_rows)
    },
    Operation {
        parameters: &[optional(
            "format",
            "string",
            "`json`, `csv`, `arrow` (IPC stream) or `parquet`; unless it is given, as the Accept header says",
        )],
        body: Some(query::Asked::schema),
        problems: &[400, 406, 408, 413, 415, 503],
        ..post(
            "/api/v1/query",
            "The rows of a statement that reads. The body may also be the statement itself, as text/plain. Tables are named by catalog \
             (`lake.reddit.posts`, `system.runs`); files are not read by path",
            200,
            Some(query::Rows::schema),
        )
    },
    Operation {
        parameters: &[
            Parameter {
                name: "table_name",
                kind: "string",
                is_required: true,
                description: "The table, in any case: bare (`posts`), qualified (`public.posts`), with its catalog (`lake.reddit.posts`), \
                              or its location",
            },
            optional("landed_timestamp", "string", "Landed then or later: epoch seconds or milliseconds, or ISO 8601"),
            LIMIT,
            BEFORE,
        ],
        problems: &[400],
        ..get("/api/loads", "What was loaded into a table, the newest first", loads::Loads::schema)
    },
];

/// It is the same for the life of the process.
static DOCUMENT: LazyLock<String> = LazyLock::new(|| format!("{:#}\n", made()));

/// The description itself.
pub(super) async fn document() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT.as_str())
}

#[cfg(test)]
pub(super) fn text() -> &'static str {
    &DOCUMENT
}

fn made() -> Value {
    let mut schemas = Schemas::new();
    let mut paths = Map::new();
    Told::schema(&mut schemas);
    loads::ToldOfLoads::schema(&mut schemas);
    for operation in OPERATIONS {
        let described = operation.described(&mut schemas);
        if let Some(path) = paths.entry(operation.path).or_insert_with(|| json!({})).as_object_mut() {
            path.insert(operation.method.to_owned(), described);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "engine",
            "version": env!("CARGO_PKG_VERSION"),
            "description": format!(
                "Pipelines, their runs, the tables that they write, and SQL over these. Every mistake is answered with problem details \
                 (RFC 9457). Times are answered as RFC 3339 in UTC; asked for, a time is {TIMES}."
            ),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "serve.token, or to read serve.read_token, where they are set"},
            },
        },
        "security": [{"token": []}, {}],
    })
}

impl Operation {
    fn described(&self, schemas: &mut Schemas) -> Value {
        let in_path = self.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        let in_path = in_path.map(|name| {
            let kind = if name == "run" { "integer" } else { "string" };
            json!({"name": name, "in": "path", "required": true, "schema": {"type": kind}})
        });
        let behind = self.parameters.iter().map(|parameter| {
            let Parameter { name, kind, is_required, description } = parameter;
            json!({"name": name, "in": "query", "required": is_required, "description": description, "schema": {"type": kind}})
        });
        let mut described = json!({
            "summary": self.summary,
            "operationId": self.id(),
            "parameters": in_path.chain(behind).collect::<Vec<_>>(),
            "responses": self.responses(schemas),
        });
        if let Some(body) = self.body {
            described["requestBody"] = json!({"required": true, "content": {"application/json": {"schema": body(schemas)}}});
        }
        described
    }

    /// `get_pipelines_name_runs_run`.
    fn id(&self) -> String {
        let path = self.path.trim_start_matches("/api/").trim_start_matches("v1/");
        let words = path.split('/').map(|part| part.trim_matches(['{', '}']));
        std::iter::once(self.method).chain(words).collect::<Vec<_>>().join("_")
    }

    fn responses(&self, schemas: &mut Schemas) -> Map<String, Value> {
        let (status, answer) = self.answer;
        let mut responses = Map::new();
        let mut good = json!({"description": reason(status)});
        if let Some(answer) = answer {
            good["content"] = json!({"application/json": {"schema": answer(schemas)}});
        }
        responses.insert(status.to_string(), good);
        let called = if self.path == "/api/loads" { "LoadProblem" } else { "Problem" };
        let problem = |status: u16, called: &str| {
            let schema = json!({"$ref": format!("#/components/schemas/{called}")});
            json!({"description": reason(status), "content": {"application/problem+json": {"schema": schema}}})
        };
        for status in self.problems {
            responses.insert(status.to_string(), problem(*status, called));
        }
        for status in [401, 429] {
            responses.insert(status.to_string(), problem(status, "Problem"));
        }
        responses
    }
}

fn reason(status: u16) -> &'static str {
    let status = axum::http::StatusCode::from_u16(status).ok();
    status.and_then(|status| status.canonical_reason()).unwrap_or("Answer")
}
