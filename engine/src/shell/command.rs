//! Backslash commands: what there is, and reading one.

use connectors::options::unknown;

use super::Format;

/// A command, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Command {
    /// `\d [TABLE]`: its columns; without a name, as [`Self::Tables`].
    Describe(String),
    /// `\dt [PATTERN]`.
    Tables(Option<String>),
    /// `\dv [PATTERN]`.
    Views(Option<String>),
    /// `\summarize TABLE`.
    Summarize(String),
    /// `\timing [on|off]`.
    Timing(Option<bool>),
    /// `\x [on|off]`.
    Expanded(Option<bool>),
    /// `\format F`; without one, says which holds.
    Format(Option<Format>),
    /// `\e [FILE]`.
    Edit(Option<String>),
    /// `\i FILE`.
    Include(String),
    /// `\o [FILE]`; without one, back to the terminal.
    Output(Option<String>),
    /// `\?`.
    Help,
    /// `\q`.
    Quit,
}

/// Name, argument and purpose of each: `\?` and completion follow it.
pub(super) const COMMANDS: [(&str, &str, &str); 12] = [
    ("\\d", "[TABLE]", "tables; of a table, its columns"),
    ("\\dt", "[PATTERN]", "tables, as in \\dt reddit.*"),
    ("\\dv", "[PATTERN]", "views"),
    ("\\summarize", "TABLE", "types, nulls, distinct values, least and greatest of every column (also: SUMMARIZE TABLE;)"),
    ("\\x", "[on|off]", "one column a line instead of one row a line"),
    ("\\format", "[FORMAT]", "table, vertical, csv, tsv, json, ndjson or markdown"),
    ("\\timing", "[on|off]", "tell how long each statement takes"),
    ("\\o", "[FILE]", "results into a file; without one, back to the terminal"),
    ("\\i", "FILE", "run the statements of a file"),
    ("\\e", "[FILE]", "write the last statement, or a file, in $EDITOR, and run it when it ends with ';'"),
    ("\\?", "", "this help"),
    ("\\q", "", "leave (also: Ctrl-D)"),
];

/// Reads a line that begins with a backslash.
///
/// # Errors
/// What is wrong with it, in one line.
pub(super) fn parse(line: &str) -> Result<Command, String> {
    let line = line.trim().trim_end_matches(';').trim_end();
    let (name, argument) = line.split_once(char::is_whitespace).map_or((line, ""), |(name, rest)| (name, rest.trim()));
    let optional = || Some(argument.to_owned()).filter(|argument| !argument.is_empty());
    let required = |what: &str| optional().ok_or_else(|| format!("{name} takes a {what}"));
    Ok(match name {
        "\\d" if argument.is_empty() => Command::Tables(None),
        "\\d" => Command::Describe(argument.to_owned()),
        "\\dt" => Command::Tables(optional()),
        "\\dv" => Command::Views(optional()),
        "\\summarize" => Command::Summarize(required("table")?),
        "\\timing" => Command::Timing(switch(name, argument)?),
        "\\x" => Command::Expanded(switch(name, argument)?),
        "\\format" => Command::Format(optional().map(|name| Format::parse(&name)).transpose()?),
        "\\e" => Command::Edit(optional().map(|path| unquoted(&path))),
        "\\i" => Command::Include(unquoted(&required("file")?)),
        "\\o" => Command::Output(optional().map(|path| unquoted(&path))),
        "\\?" | "\\h" | "\\help" => Command::Help,
        "\\q" | "\\quit" | "\\exit" => Command::Quit,
        _ => return Err(unknown("command", name, "the shell", COMMANDS.map(|(name, ..)| name))),
    })
}

/// `None` turns it over.
fn switch(name: &str, argument: &str) -> Result<Option<bool>, String> {
    match argument {
        "" => Ok(None),
        "on" => Ok(Some(true)),
        "off" => Ok(Some(false)),
        other => Err(format!("{name} is '{other}', expected on or off")),
    }
}

/// A file name may stand in quotes.
fn unquoted(path: &str) -> String {
    let inner = |quote: char| path.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    inner('\'').or_else(|| inner('"')).unwrap_or(path).to_owned()
}

/// What `\?` prints.
pub(super) fn help() -> String {
    let mut text = String::from(
        "SQL ends with ';'. Tables are lake.<folder>.<table>, <folder>.<table>, or the bare name when there is one only;\n\
         files are 'path.parquet', 's3://bucket/folder/*.csv'. Earlier versions: FROM posts VERSION AS OF 3,\n\
         FROM posts TIMESTAMP AS OF '2026-11-21T10:00:00Z', FROM delta_at('reddit.posts', 3).\n\n",
    );
    for (name, argument, purpose) in COMMANDS {
        text.push_str(&format!("  {:<22}{purpose}\n", format!("{name} {argument}")));
    }
    text.push_str(
        "\nTab completes, Ctrl-R searches the history, Ctrl-C stops a query, Alt-Enter starts a line,\n\
         and a line that begins with a blank is not remembered.\n",
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_with_their_argument() {
        assert_eq!(parse("\\d"), Ok(Command::Tables(None)));
        assert_eq!(parse("\\d  reddit.posts ;"), Ok(Command::Describe("reddit.posts".into())));
        assert_eq!(parse("\\x on"), Ok(Command::Expanded(Some(true))));
        assert_eq!(parse("\\o 'a b.csv'"), Ok(Command::Output(Some("a b.csv".into()))));
        assert_eq!(parse("\\format CSV"), Ok(Command::Format(Some(Format::Csv))));
    }

    #[test]
    fn what_is_wrong_comes_with_what_would_be_right() {
        assert_eq!(parse("\\sumarize t").unwrap_err(), "unknown command '\\sumarize' of the shell; did you mean '\\summarize'?");
        assert_eq!(parse("\\i").unwrap_err(), "\\i takes a file");
        assert_eq!(parse("\\x maybe").unwrap_err(), "\\x is 'maybe', expected on or off");
        assert!(parse("\\format cvs").unwrap_err().contains("did you mean 'csv'?"));
    }
}
