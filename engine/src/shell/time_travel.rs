//! Earlier versions of a table: `posts VERSION AS OF 3`, `posts TIMESTAMP AS OF '2026-11-21'` and `delta_at('posts', 3)`. `FOR` may stand
//! before a clause, as in `posts FOR SYSTEM_TIME AS OF '2026-11-21'`.
//!
//! DataFusion plans none of them; its dialect does not read the first two, and a version in the syntax tree is left out of account. So the
//! clause is written as the arguments of a table function before it is parsed, in exactly the bytes it takes, so that places in errors stay
//! what they are; and in the syntax tree such a function becomes a table whose name says which version is meant: `posts@v3`.

use std::ops::{ControlFlow, Range};

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use connectors::registry::Moment;
use datafusion::sql::parser::{CopyToSource, Statement as Parsed};
use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, Ident, ObjectName, ObjectNamePart, TableAlias, TableFactor, Value, ValueWithSpan,
    VisitMut, VisitorMut,
};
use datafusion::sql::sqlparser::tokenizer::Span;

use super::lexer::{Kind, Piece, pieces};
use crate::sql::Diagnostic;
use crate::sql::script::{offset, word_at};

/// The function that takes a table and a version or time.
pub(super) const FUNCTION: &str = "delta_at";

/// The first argument of a clause that was written as arguments.
const VERSION: &str = "@v";
const TIME: &str = "@t";

/// `text` with every clause as arguments; of the same length, with the same lines.
pub(super) fn clauses_as_arguments(text: &str, statement: &Range<usize>) -> String {
    let moved = |piece: Piece| Piece { span: piece.span.start + statement.start..piece.span.end + statement.start, ..piece };
    let said: Vec<Piece> = pieces(&text[statement.clone()]).filter(Piece::says_something).map(moved).collect();
    let mut rewritten = text.to_owned();
    for (index, window) in said.windows(5).enumerate() {
        let [table, what, r#as, of, value] = window else { continue };
        let is = |piece: &Piece, word: &str| piece.kind == Kind::Word && text[piece.span.clone()].eq_ignore_ascii_case(word);
        let (table, clause) = match index.checked_sub(1).map(|before| &said[before]) {
            Some(before) if is(table, "FOR") => (before, table),
            _ => (table, what),
        };
        let named = matches!(table.kind, Kind::Word | Kind::QuotedName | Kind::Text);
        let tag = match value.kind {
            Kind::Number if is(what, "VERSION") || is(what, "SYSTEM_VERSION") => VERSION,
            Kind::Text if (is(what, "TIMESTAMP") || is(what, "SYSTEM_TIME")) && value.closed => TIME,
            _ => continue,
        };
        if named && is(r#as, "AS") && is(of, "OF") {
            let region = clause.span.start..value.span.end;
            rewritten.replace_range(region.clone(), &arguments(tag, &text[region], &text[value.span.clone()]));
        }
    }
    rewritten
}

/// Whether what is described at `subject` is an earlier version.
pub(super) fn is_earlier_version(text: &str, subject: &Range<usize>) -> bool {
    let starts = text[subject.clone()].get(..FUNCTION.len()).is_some_and(|start| start.eq_ignore_ascii_case(FUNCTION));
    starts || clauses_as_arguments(text, subject) != text
}

/// `('@v',` and blanks where the clause was, and the value one byte to the left to make room for `)`.
fn arguments(tag: &str, clause: &str, value: &str) -> String {
    let head = format!("('{tag}',");
    let blanks = clause.bytes().skip(head.len()).map(|byte| if byte == b'\n' { '\n' } else { ' ' });
    let blanks: String = blanks.take(clause.len().saturating_sub(head.len() + value.len() + 1)).collect();
    format!("{head}{blanks}{value})")
}

/// In the syntax tree, every such function becomes a table.
///
/// # Errors
/// When the version is no number or the time no time.
pub(super) fn functions_as_tables(text: &str, parsed: &mut Parsed) -> Result<(), Diagnostic> {
    let mut rewrite = Rewrite { text };
    let flow = match parsed {
        Parsed::Statement(statement) => statement.visit(&mut rewrite),
        Parsed::Explain(explain) => return functions_as_tables(text, &mut explain.statement),
        Parsed::CopyTo(copy) => match &mut copy.source {
            CopyToSource::Query(query) => query.visit(&mut rewrite),
            CopyToSource::Relation(_) => ControlFlow::Continue(()),
        },
        _ => ControlFlow::Continue(()),
    };
    match flow {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(*error),
    }
}

struct Rewrite<'a> {
    text: &'a str,
}

impl VisitorMut for Rewrite<'_> {
    type Break = Box<Diagnostic>;

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Self::Break> {
        let TableFactor::Table { name, alias, args, .. } = factor else { return ControlFlow::Continue(()) };
        let Some(arguments) = args.as_ref() else { return ControlFlow::Continue(()) };
        let values: Vec<Option<&ValueWithSpan>> = arguments.args.iter().map(literal).collect();
        // In a clause, the value stands a byte to the left of where it was written.
        let (table, called, value, moved) = match values.as_slice() {
            [Some(tag), Some(value)] if !is_function(name) && (is_text(tag, VERSION) || is_text(tag, TIME)) => {
                (written(name), last(name), value, 1)
            }
            _ if !is_function(name) => return ControlFlow::Continue(()),
            [Some(ValueWithSpan { value: Value::SingleQuotedString(table), .. }), Some(value)] => (table.clone(), None, value, 0),
            _ => {
                let at = last(name).and_then(|ident| place(self.text, &ident.span));
                let wrong = Diagnostic::new(format!("{FUNCTION} takes a table and a version or a time"), at);
                let wrong = wrong.help(format!(
                    "for example {FUNCTION}('reddit.posts', 3) or {FUNCTION}('reddit.posts', '2026-11-21T10:00:00Z')"
                ));
                return ControlFlow::Break(Box::new(wrong));
            }
        };
        let moment = match moment(value) {
            Ok(moment) => moment,
            Err(message) => {
                let at = place(self.text, &value.span).map(|at| at.start + moved..at.end + moved);
                return ControlFlow::Break(Box::new(Diagnostic::new(message, at)));
            }
        };
        // Columns go on being qualified by the table's own name.
        if alias.is_none()
            && let Some(called) = called.cloned().or_else(|| Some(Ident::new(table.rsplit('.').next()?.trim_matches('"'))))
        {
            *alias = Some(TableAlias { explicit: true, name: called, columns: Vec::new(), at: None });
        }
        let span = last(name).map_or(Span::empty(), |ident| ident.span);
        let ident = Ident { value: encode(&table, &moment), quote_style: Some('"'), span };
        *name = ObjectName(vec![ObjectNamePart::Identifier(ident)]);
        *args = None;
        ControlFlow::Continue(())
    }
}

fn literal(argument: &FunctionArg) -> Option<&ValueWithSpan> {
    match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(value))) => Some(value),
        _ => None,
    }
}

fn is_text(value: &ValueWithSpan, text: &str) -> bool {
    matches!(&value.value, Value::SingleQuotedString(given) if given == text)
}

fn is_function(name: &ObjectName) -> bool {
    last(name).is_some_and(|ident| ident.value.eq_ignore_ascii_case(FUNCTION))
}

fn last(name: &ObjectName) -> Option<&Ident> {
    name.0.last().and_then(|part| part.as_ident())
}

/// The name as it stands in the statement; one in single quotes is a place.
fn written(name: &ObjectName) -> String {
    match name.0.as_slice() {
        [one] if one.as_ident().is_some_and(|ident| ident.quote_style == Some('\'')) => {
            one.as_ident().map(|ident| ident.value.clone()).unwrap_or_default()
        }
        _ => name.to_string(),
    }
}

fn place(text: &str, span: &Span) -> Option<Range<usize>> {
    let known = |line: u64| line > 0;
    known(span.start.line).then(|| {
        let (start, end) = (offset(text, span.start.line, span.start.column), offset(text, span.end.line, span.end.column));
        if end > start { start..end } else { word_at(text, start) }
    })
}

fn moment(value: &ValueWithSpan) -> Result<Moment, String> {
    match &value.value {
        Value::Number(number, _) => {
            number.parse().map(Moment::Version).map_err(|_| format!("version {number} is not a whole number"))
        }
        Value::SingleQuotedString(text) => parse_time(text)
            .map(Moment::Time)
            .ok_or_else(|| format!("'{text}' is not a time, as in '2026-11-21T10:00:00Z' or '2026-11-21 10:00' (UTC)")),
        other => Err(format!("{other} is neither a version nor a time")),
    }
}

/// A time without a zone is UTC, a day is its beginning.
fn parse_time(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.to_utc());
    }
    let forms = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"];
    let time = forms.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
    let time = time.or_else(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0));
    time.map(|time| time.and_utc())
}

fn encode(table: &str, moment: &Moment) -> String {
    match moment {
        Moment::Version(version) => format!("{table}{VERSION}{version}"),
        Moment::Time(time) => format!("{table}{TIME}{}", time.to_rfc3339()),
    }
}

/// The table and the moment behind such a name.
pub(super) fn decode(name: &str) -> Option<(&str, Moment)> {
    let (table, moment) = name.split_at(name.rfind('@')?);
    let moment = match (moment.strip_prefix(VERSION), moment.strip_prefix(TIME)) {
        (Some(version), _) => Moment::Version(version.parse().ok()?),
        (_, Some(time)) => Moment::Time(DateTime::parse_from_rfc3339(time).ok()?.to_utc()),
        _ => return None,
    };
    Some((table, moment))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::script::parse_statement;

    fn rewritten(text: &str) -> Result<String, Diagnostic> {
        let span = 0..text.len();
        let clauses = clauses_as_arguments(text, &span);
        assert_eq!(clauses.len(), text.len(), "{clauses}");
        let mut parsed = parse_statement(&clauses, &span)?;
        functions_as_tables(text, &mut parsed)?;
        Ok(parsed.to_string())
    }

    #[test]
    fn a_version_becomes_part_of_the_name_and_the_table_keeps_its_own() {
        for (text, expected) in [
            ("SELECT posts.id FROM posts VERSION AS OF 3", "SELECT posts.id FROM \"posts@v3\" AS posts"),
            ("SELECT 1 FROM a.\"B\" version  as of 12 p JOIN c ON true", "SELECT 1 FROM \"a.\"\"B\"\"@v12\" p JOIN c ON true"),
            ("SELECT 1 FROM t TIMESTAMP AS OF '2026-11-21 10:00'", "SELECT 1 FROM \"t@t2026-11-21T10:00:00+00:00\" AS t"),
            ("SELECT 1 FROM t FOR VERSION AS OF 3", "SELECT 1 FROM \"t@v3\" AS t"),
            ("SELECT 1 FROM t for system_time as of '2026-11-21 10:00' x", "SELECT 1 FROM \"t@t2026-11-21T10:00:00+00:00\" x"),
            ("SELECT 1 FROM delta_at('lake.r.t', 0)", "SELECT 1 FROM \"lake.r.t@v0\" AS t"),
            ("EXPLAIN SELECT 1 FROM delta_at('@v', 7) x", "EXPLAIN SELECT 1 FROM \"@v@v7\" x"),
            ("SELECT 1 FROM generate_series(1, 2)", "SELECT 1 FROM generate_series(1, 2)"),
            ("SELECT version AS of FROM t", "SELECT version AS of FROM t"),
            ("SELECT 'VERSION AS OF 3' FROM t", "SELECT 'VERSION AS OF 3' FROM t"),
        ] {
            assert_eq!(rewritten(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_follows_a_clause_stays_where_it_is() {
        let text = "SELECT 'é' FROM t VERSION\n AS OF\n 3 WHERE x";
        let clauses = clauses_as_arguments(text, &(0..text.len()));
        assert_eq!(clauses.find("WHERE"), text.find("WHERE"));
        assert_eq!(clauses.matches('\n').count(), 2, "{clauses}");
    }

    #[test]
    fn a_wrong_version_is_told_where_it_stands() {
        for (text, at, message) in [
            ("SELECT 1 FROM t VERSION AS OF 1.5", "1.5", "not a whole number"),
            ("SELECT 1 FROM t TIMESTAMP AS OF 'yesterday'", "'yesterday'", "is not a time"),
            ("SELECT 1 FROM delta_at('t')", "delta_at", "takes a table"),
        ] {
            let error = rewritten(text).unwrap_err();
            assert!(error.message.contains(message), "{error:?}");
            assert_eq!(&text[error.span.unwrap()], at, "{text}");
        }
    }

    #[test]
    fn names_say_the_moment() {
        assert_eq!(decode("a.b@v3"), Some(("a.b", Moment::Version(3))));
        assert_eq!(decode("me@home"), None);
        assert_eq!(decode("posts"), None);
    }
}
