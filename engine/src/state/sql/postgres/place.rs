//! `[state] url = "postgres://…"`: which database, and which schema of it.

use connectors::postgres::ConnectionConfig;

use crate::state::{Result, StateError};

/// The schema, unless the URL names another.
const SCHEMA: &str = "engine";

/// The parameter of the URL that names the schema; the server's own has none.
const PARAMETER: &str = "schema";

/// Where the tables are.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) connection: ConnectionConfig,
    pub(crate) schema: String,
}

impl Place {
    /// Reads the URL. `password` is one that is given apart.
    ///
    /// # Errors
    /// [`StateError::Unavailable`], which does not show the URL: a password may be in it.
    pub(in crate::state) fn parse(url: &str, password: Option<&str>) -> Result<Self> {
        let (url, schema) = without_schema(url);
        let wrong = |message: String| StateError::Unavailable { message: format!("[state] url: {message}"), source: None };
        let is_name = |name: &str| {
            let mut characters = name.chars();
            let is_first = characters.next().is_some_and(|first| first.is_ascii_lowercase() || first == '_');
            is_first
                && name.len() < 64
                && characters.all(|other| other.is_ascii_lowercase() || other.is_ascii_digit() || other == '_')
        };
        if !is_name(&schema) || schema.starts_with("pg_") {
            return Err(wrong(format!(
                "schema '{schema}' is no name; expected small letters, digits and _, as in schema=engine"
            )));
        }
        let connection = ConnectionConfig::parse(&url, password).map_err(|error| wrong(error.to_string()))?;
        Ok(Self { connection, schema })
    }

    /// In messages.
    pub(in crate::state) fn shown(&self) -> String {
        format!("schema '{}' of {}", self.schema, self.connection.shown())
    }
}

fn without_schema(url: &str) -> (String, String) {
    let Some((address, parameters)) = url.split_once('?') else { return (url.to_owned(), SCHEMA.to_owned()) };
    let mut schema = SCHEMA.to_owned();
    let mut kept = Vec::new();
    for parameter in parameters.split('&') {
        match parameter.split_once('=') {
            Some((PARAMETER, value)) => value.clone_into(&mut schema),
            _ => kept.push(parameter),
        }
    }
    let url = if kept.is_empty() { address.to_owned() } else { format!("{address}?{}", kept.join("&")) };
    (url, schema)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_may_be_named_and_the_rest_is_the_servers() {
        let place = Place::parse("postgres://me@h/db?connect_timeout=3&schema=team_a&sslmode=require", None).unwrap();
        assert_eq!((place.schema.as_str(), place.connection.connect_timeout.as_secs()), ("team_a", 3));
        assert_eq!(Place::parse("postgres://me@h/db", None).unwrap().schema, "engine");
        assert_eq!(Place::parse("postgres://me@h/db?schema=a", None).unwrap().schema, "a");
    }

    #[test]
    fn what_is_wrong_is_named_and_never_the_password() {
        for (url, part) in [
            ("postgres://me:hush@h/db?schema=a\"b", "is no name"),
            ("postgres://me:hush@h/db?schema=", "is no name"),
            ("postgres://me:hush@h/db?schema=pg_x", "is no name"),
            ("postgres://me:hush@h/db?sslmod=x", "did you mean 'sslmode'?"),
        ] {
            let error = Place::parse(url, None).unwrap_err().to_string();
            assert!(error.contains(part) && !error.contains("hush"), "{error}");
        }
    }
}
