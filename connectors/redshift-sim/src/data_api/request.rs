//! Requests: what is in them, and statements with their parameters put in.

use serde_json::Value;

use super::Fault;
use crate::sql::{Kind, Token, literal, statements};

/// The longest statement, in bytes (ExecuteStatement).
const LONGEST_STATEMENT: usize = 100_000;
/// The most statements of a batch (BatchExecuteStatement).
const LARGEST_BATCH: usize = 40;

/// A text of a request.
pub(super) fn text<'r>(request: &'r Value, name: &str) -> Option<&'r str> {
    request.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// A text that must be there.
pub(super) fn required<'r>(request: &'r Value, name: &str) -> Result<&'r str, Fault> {
    text(request, name).ok_or_else(|| Fault::invalid(format!("{name} is missing")))
}

/// The one statement of ExecuteStatement.
pub(super) fn statement(request: &Value) -> Result<String, Fault> {
    let sql = checked(required(request, "Sql")?)?;
    match request.get("Parameters").and_then(Value::as_array) {
        Some(parameters) => with_parameters(sql, parameters),
        None => Ok(sql.to_owned()),
    }
}

/// The statements of BatchExecuteStatement.
pub(super) fn batch(request: &Value) -> Result<Vec<String>, Fault> {
    let list = request.get("Sqls").and_then(Value::as_array).ok_or_else(|| Fault::invalid("Sqls is missing"))?;
    if list.is_empty() || list.len() > LARGEST_BATCH {
        return Err(Fault::invalid(format!("Sqls has {} statements, expected 1 to {LARGEST_BATCH}", list.len())));
    }
    let texts = list.iter().map(|sql| sql.as_str().ok_or_else(|| Fault::invalid("Sqls holds something that is no text")));
    texts.map(|sql| checked(sql?).map(str::to_owned)).collect()
}

fn checked(sql: &str) -> Result<&str, Fault> {
    if sql.len() > LONGEST_STATEMENT {
        return Err(Fault::invalid(format!("the statement has {} bytes, at most {LONGEST_STATEMENT}", sql.len())));
    }
    match statements(sql) {
        Ok(parts) if parts.len() > 1 => Err(Fault::invalid("only one statement is allowed: use BatchExecuteStatement")),
        _ => Ok(sql),
    }
}

/// Puts `:name` in as a string of unknown type, as a bound text parameter is.
fn with_parameters(sql: &str, parameters: &[Value]) -> Result<String, Fault> {
    let parts = statements(sql).map_err(|error| Fault::invalid(error.message))?;
    let tokens: &[Token<'_>] = parts.first().map(Vec::as_slice).unwrap_or_default();
    let mut written = String::new();
    let mut colon = false;
    for token in tokens {
        if std::mem::take(&mut colon) {
            written.pop();
            written.push_str(&literal(value_of(token, parameters)?));
            continue;
        }
        written.push_str(token.text);
        colon = token.kind == Kind::Symbol && token.text == ":";
    }
    Ok(written)
}

fn value_of<'p>(token: &Token<'_>, parameters: &'p [Value]) -> Result<&'p str, Fault> {
    let found = parameters.iter().find(|parameter| text(parameter, "name") == Some(token.text));
    let value = found.and_then(|parameter| parameter.get("value")).and_then(Value::as_str);
    value.ok_or_else(|| Fault::invalid(format!("no parameter is named {}", token.text)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn parameters_are_put_in_as_strings() {
        let request = json!({"Sql": "SELECT ':a', x::int, :b", "Parameters": [{"name": "b", "value": "it's"}]});
        assert_eq!(statement(&request).unwrap(), "SELECT ':a', x::int, 'it''s'");
        let request = json!({"Sql": "SELECT :c", "Parameters": []});
        assert!(statement(&request).unwrap_err().message.contains("named c"));
    }

    #[test]
    fn one_statement_is_one_statement() {
        assert!(statement(&json!({"Sql": "SELECT 1; SELECT 2"})).is_err());
        assert!(statement(&json!({"Sql": "x".repeat(100_001)})).is_err());
        assert!(batch(&json!({"Sqls": []})).is_err());
    }
}
