//! What a pipeline file says of a table in comments: they become the comments of the table and of its columns in the catalog.

use std::ops::Range;

use super::tables::table_name;

/// What begins a comment.
const MARK: &str = "--";

/// What declares a table begins with it.
const CREATE: &str = "CREATE";

/// Comments of one statement.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comments {
    /// The lines right above the statement.
    pub table: Option<String>,
    /// Columns, each with what stands behind it on its line.
    pub columns: Vec<(String, String)>,
}

/// The comments of the `CREATE EXTERNAL TABLE` at `span`; a statement that declares no table has none of one.
pub fn comments(text: &str, span: &Range<usize>) -> Comments {
    let (before, statement) = (&text[..span.start], &text[span.clone()]);
    if !statement.get(..CREATE.len()).is_some_and(|word| word.eq_ignore_ascii_case(CREATE)) {
        return Comments::default();
    }
    let mut above: Vec<&str> = before
        .trim_end_matches([' ', '\t'])
        .strip_suffix('\n')
        .unwrap_or_default()
        .lines()
        .rev()
        .map_while(|line| line.trim().strip_prefix(MARK))
        .map(|line| line.trim_start_matches('-').trim())
        .collect();
    above.reverse();
    let table = above.join(" ");
    // Before the first column only the table itself can be meant.
    let columns = statement.split_once('(').map_or("", |(_, rest)| rest).lines().filter_map(column).collect();
    Comments { table: Some(table).filter(|comment| !comment.is_empty()), columns }
}

/// `id BIGINT, -- of the post` as the column and its comment.
fn column(line: &str) -> Option<(String, String)> {
    let (declared, comment) = line.split_once(MARK)?;
    let declared = declared.trim();
    let end = match declared.strip_prefix('"') {
        Some(quoted) => quoted.find('"')? + 2,
        None => declared.find(char::is_whitespace)?,
    };
    let comment = comment.trim();
    (!comment.is_empty()).then(|| (table_name(&declared[..end]), comment.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_above_a_table_and_behind_its_columns_are_its_own() {
        let text = "SET pipeline.retries = 3;\n-- of the file\n\n-- What the booths report,\n-- day by day.\n\
                    CREATE EXTERNAL TABLE t (\n  id BIGINT, -- of the passage\n  \"Lane\" INT,   -- from the left\n  x INT\n)\n\
                    STORED AS CSV LOCATION 'x';";
        let start = text.find("CREATE").unwrap();
        let found = comments(text, &(start..text.len()));
        assert_eq!(found.table.as_deref(), Some("What the booths report, day by day."));
        let expected = [("id", "of the passage"), ("Lane", "from the left")];
        assert_eq!(found.columns, expected.map(|(name, comment)| (name.to_owned(), comment.to_owned())));
        assert_eq!(comments(text, &(0..24)), Comments::default());
    }
}
