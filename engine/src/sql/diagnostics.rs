//! What is wrong with a file, and where: collected while it is read, rendered with the line and a caret.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use connectors::options::nearest;
use connectors::secrets::{secrets, without_secrets};
use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;

use super::script::{find_word, offset, word_at};
use super::types;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// What, in one line.
    pub message: String,
    /// Where, in bytes of the file.
    pub span: Option<Range<usize>>,
    /// What to try.
    pub helps: Vec<String>,
}

impl Diagnostic {
    /// Something wrong at `span`.
    pub fn new(message: impl Into<String>, span: Option<Range<usize>>) -> Self {
        Self { message: without_secrets(&message.into()), span, helps: Vec::new() }
    }

    /// With something to try.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.helps.push(help.into());
        self
    }

    /// A planning error of DataFusion, in the statement at `statement`.
    pub fn from_datafusion(text: &str, statement: &Range<usize>, error: &DataFusionError) -> Self {
        let mut result = match error.diagnostic() {
            Some(found) => {
                let span = found.span.map(|span| {
                    let start = offset(text, span.start.line, span.start.column);
                    let end = offset(text, span.end.line, span.end.column);
                    if end > start { start..end } else { word_at(text, start) }
                });
                let mut diagnostic = Self::new(&found.message, span);
                diagnostic.helps.extend(found.notes.iter().map(|note| note.message.clone()));
                diagnostic.helps.extend(found.helps.iter().map(|help| help.message.clone()));
                diagnostic
            }
            None => {
                let message = plain(error);
                let function = message.strip_prefix("function '").and_then(|rest| rest.split('(').next());
                let value = || message.split('\'').nth(1).filter(|_| matches!(root(error), DataFusionError::ArrowError(..)));
                let span = function.or_else(value).and_then(|word| find_word(text, statement, word));
                Self::new(message, span)
            }
        };
        if let Some(name) = result.message.strip_prefix("Invalid function ") {
            result.message = format!("function {name} not found");
            for help in &mut result.helps {
                *help =
                    help.strip_prefix("Possible function ").map_or_else(|| help.clone(), |name| format!("did you mean {name}?"));
            }
        }
        if result.message == "expressions have incompatible types" {
            // Its notes are a type each, and do not say of what.
            (result.message, result.helps) = (plain(error), Vec::new());
        }
        if let Some(given) = types::unknown_type(&result.message).map(str::to_owned) {
            result.span = find_word(text, statement, &given);
            (result.message, result.helps) = (format!("there is no type '{given}'"), vec![types::hint(&given)]);
        }
        result.helps.dedup();
        if let DataFusionError::SchemaError(schema_error, _) = root(error)
            && let SchemaError::FieldNotFound { field, valid_fields } = schema_error.as_ref()
        {
            let names = valid_fields.iter().map(|column| column.name.as_str());
            result.helps = match nearest(&field.name, names.clone()) {
                Some(near) => vec![format!("did you mean '{near}'?")],
                None if valid_fields.is_empty() => Vec::new(),
                None => vec![format!("there are: {}", names.collect::<Vec<_>>().join(", "))],
            };
            result.message = format!("column '{}' not found", field.name);
            result.span = result.span.or_else(|| find_word(text, statement, &field.name));
        }
        result.span = result.span.or_else(|| Some(first_line(text, statement)));
        result
    }

    /// A connector's error in the statement at `statement`: at the option or column it names.
    pub fn from_connector(text: &str, statement: &Range<usize>, error: &connectors::Error) -> Self {
        let span = error.subject().and_then(|subject| find_word(text, statement, subject));
        Self::new(error.to_string(), span.or_else(|| Some(first_line(text, statement))))
    }

    /// With what to check, if `error` is that the table could not be reached, which is STORED AS `connector` at `location`.
    #[must_use]
    pub fn reaching(self, connector: &str, location: &str, error: &connectors::Error) -> Self {
        let is_of_the_lake = location.starts_with("lake://");
        let help = match error {
            connectors::Error::Transient { .. } | connectors::Error::Auth { .. } => match connector {
                "REDDIT" => "check the network and what `engine config` shows under [reddit]",
                "WAREHOUSE" => "check the network and what `engine config` shows under [warehouse]",
                "POSTGRES" => "check the network, and 'url' and 'password' in the table's OPTIONS",
                _ if is_of_the_lake => "check the network and what `engine config` shows under [lake] and [s3]",
                _ if location.starts_with("http") => "check the network and the address that is the table's LOCATION",
                _ => "check the table's LOCATION, the network and what `engine config` shows under [s3]",
            },
            connectors::Error::Storage { .. } if is_of_the_lake => "check the folder that `engine config` shows under [lake]",
            connectors::Error::Storage { .. } => "check the table's LOCATION, and that this user may read what is there",
            _ => return self,
        };
        self.help(help)
    }

    /// As text: message, `file:line:column`, the line, a caret, what to try.
    pub fn render(&self, file: &str, text: &str) -> String {
        if self.span.is_none() {
            let helps: Vec<String> = self.helps.iter().map(|help| format!("\n  = help: {help}")).collect();
            return format!("error: {file}: {}{}", self.message, helps.concat());
        }
        let mut report = Group::with_title(Level::ERROR.primary_title(self.message.as_str()));
        if let Some(span) = &self.span {
            let (shown, span) = shown(text, span);
            let snippet = Snippet::source(shown).path(file).annotation(AnnotationKind::Primary.span(span));
            report = report.element(snippet);
        }
        for help in &self.helps {
            report = report.element(Level::HELP.message(help.as_str()));
        }
        Renderer::plain().render(&[report])
    }

    /// Line and column, both from 1.
    pub fn place(&self, text: &str) -> Option<(usize, usize)> {
        let before = &text[..self.span.as_ref()?.start];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Some((before.matches('\n').count() + 1, before[line_start..].chars().count() + 1))
    }
}

/// `text` without its secrets, and where `span` is in that.
fn shown(text: &str, span: &Range<usize>) -> (String, Range<usize>) {
    let secrets = secrets(text);
    let moved = |at: usize| {
        secrets.iter().take_while(|secret| secret.range.start < at).fold(at, |moved, secret| {
            // Within a secret, all is at its beginning.
            let hidden = secret.range.end.min(at) - secret.range.start;
            moved - hidden + if at >= secret.range.end { secret.shown.len() } else { 0 }
        })
    };
    (without_secrets(text), moved(span.start)..moved(span.end))
}

/// A statement's first line stands for the statement.
fn first_line(text: &str, statement: &Range<usize>) -> Range<usize> {
    let length = text[statement.clone()].find('\n').unwrap_or(statement.len());
    statement.start..statement.start + length
}

fn root(error: &DataFusionError) -> &DataFusionError {
    error.find_root()
}

/// The kinds of error that DataFusion and arrow put in front of what happened.
const PREFIXES: [&str; 8] = [
    "Error during planning: ",
    "Schema error: ",
    "Execution error: ",
    "External error: ",
    "Invalid or Unsupported Configuration: ",
    "Arrow error: ",
    "Cast error: ",
    "Parser error: ",
];

/// DataFusion's message without its prefixes and back trace.
pub fn plain(error: &DataFusionError) -> String {
    let text = root(error).strip_backtrace();
    let text = text.split("\n\nbacktrace:").next().unwrap_or(&text);
    // Of a call that fits no signature, DataFusion tells each failed attempt before what can be used.
    if let Some((_, rest)) = text.split_once("No function matches the given name and argument types '")
        && let Some((call, candidates)) = rest.split_once("'. ")
    {
        return format!(
            "function '{call}' fits none of its forms; {}",
            candidates.replace("\tCandidate", "candidate").replace("\n\t", "\n  ")
        );
    }
    let mut text = text;
    while let Some(rest) = PREFIXES.iter().find_map(|prefix| text.strip_prefix(prefix)) {
        text = rest;
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_quoted_line_keeps_to_itself_is_not_shown_and_the_caret_stays_where_it_was() {
        let text =
            "SELECT 1;\nCREATE EXTERNAL TABLE t STORED AS CSV LOCATION 'https://me:pw@h/x.csv?token=t0k' OPTIONS ('no' '1');\n";
        let at = text.find("'no'").unwrap();
        let told = Diagnostic::new("fetching https://me:pw@h/x.csv?token=t0k failed", Some(at..at + 4)).render("p.sql", text);
        assert!(!told.contains("pw") && !told.contains("t0k"), "{told}");
        assert!(told.contains("LOCATION 'https://h/x.csv?...' OPTIONS"), "{told}");
        let lines: Vec<&str> = told.lines().collect();
        let carets = lines.iter().position(|line| line.contains("^^^^")).unwrap();
        assert_eq!(lines[carets].find('^'), lines[carets - 1].find("'no'"), "{told}");
        // A mistake in the secret itself is shown where that would be.
        let token = text.find("t0k").unwrap();
        let told = Diagnostic::new("m", Some(token..token + 3)).render("p.sql", text);
        assert!(!told.contains("t0k") && told.contains('^'), "{told}");
    }
}
