//! What makes a pipeline due beside its schedule: `SET pipeline.trigger`.

use std::fmt;

use connectors::options::nearest;

/// One thing that can happen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trigger {
    /// Files come to a place: a folder, `s3://bucket/prefix*.json`.
    Files(String),
    /// Some pipeline commits to a table: `lake.reddit.posts`, `warehouse.public.posts`.
    Table(String),
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Files(place) => f.write_str(place),
            Self::Table(table) => write!(f, "table {table}"),
        }
    }
}

/// What a pipeline waits for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Triggers {
    /// Each of them.
    pub each: Vec<Trigger>,
    /// All of them have to happen, each at least once since the run before; otherwise one is enough.
    pub all: bool,
}

impl Triggers {
    /// From `s3://bucket/in/*.json`, `table lake.raw.posts`, `any(.., ..)`, `all(.., ..)`.
    ///
    /// # Errors
    /// What is wrong with it, and what is right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let listed = |word: &str| {
            let rest =
                text.get(..word.len()).filter(|start| start.eq_ignore_ascii_case(word)).map(|_| text[word.len()..].trim())?;
            rest.strip_prefix('(')?.strip_suffix(')')
        };
        let (all, list) = match (listed("all"), listed("any")) {
            (Some(list), _) => (true, list),
            (None, Some(list)) => (false, list),
            (None, None) => (false, text),
        };
        let each = parts(list).into_iter().map(one).collect::<Result<Vec<_>, _>>()?;
        if each.is_empty() {
            return Err(format!("'{text}' names nothing; {EXPECTED}"));
        }
        Ok(Self { each, all })
    }
}

const EXPECTED: &str = "expected a place of files as in 's3://bucket/in/*.json' or '/data/in', or 'table lake.raw.posts', or several of them \
                        in any(.., ..) or all(.., ..)";

/// Split at the commas that are not in braces, as those of `{a,b}`.
fn parts(list: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0_u32, 0, Vec::new());
    for (at, letter) in list.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&list[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&list[start..]);
    parts.into_iter().map(str::trim).filter(|part| !part.is_empty()).collect()
}

fn one(text: &str) -> Result<Trigger, String> {
    if let Some((word, rest)) = text.split_once(char::is_whitespace)
        && !text.contains('/')
    {
        if !word.eq_ignore_ascii_case("table") {
            let hint = nearest(word, ["table"])
                .map_or_else(|| EXPECTED.to_owned(), |near| format!("did you mean '{near} {}'?", rest.trim()));
            return Err(format!("'{text}' is no trigger; {hint}"));
        }
        return table(rest.trim());
    }
    if let Some((scheme, _)) = text.split_once("://")
        && !["s3", "s3a", "file", "lake"].contains(&scheme)
    {
        return Err(format!("'{text}' cannot be watched; {EXPECTED}"));
    }
    let is_table = !text.contains('/') && (text.starts_with("lake.") || text.starts_with("warehouse."));
    if is_table {
        return Err(format!("'{text}' is no place of files; did you mean 'table {text}'?"));
    }
    Ok(Trigger::Files(text.to_owned()))
}

fn table(name: &str) -> Result<Trigger, String> {
    let names: Vec<&str> = name.split('.').collect();
    match names.as_slice() {
        ["lake" | "warehouse", schema, table] if !schema.is_empty() && !table.is_empty() => Ok(Trigger::Table(name.to_owned())),
        _ => Err(format!(
            "'{name}' is no table that pipelines write; expected lake.<database>.<table> or warehouse.<schema>.<table>"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(place: &str) -> Trigger {
        Trigger::Files(place.to_owned())
    }

    #[test]
    fn one_or_several_are_understood() {
        let parse = |text| Triggers::parse(text).unwrap();
        assert_eq!(parse("s3://b/in/*.json"), Triggers { each: vec![files("s3://b/in/*.json")], all: false });
        assert_eq!(
            parse("all(/data/{a,b}/*.csv, table lake.raw.posts)"),
            Triggers { each: vec![files("/data/{a,b}/*.csv"), Trigger::Table("lake.raw.posts".into())], all: true }
        );
        assert_eq!(parse("ANY (in, ./out)"), Triggers { each: vec![files("in"), files("./out")], all: false });
        assert_eq!(parse("/data/all (new)/x").each, [files("/data/all (new)/x")]);
    }

    #[test]
    fn what_is_wrong_is_told_with_what_is_right() {
        let error = |text| Triggers::parse(text).unwrap_err();
        assert_eq!(error("tabel lake.a.b"), "'tabel lake.a.b' is no trigger; did you mean 'table lake.a.b'?");
        assert_eq!(error("lake.a.b"), "'lake.a.b' is no place of files; did you mean 'table lake.a.b'?");
        assert!(error("table posts").contains("expected lake.<database>.<table>"));
        assert!(error("any()").contains("names nothing"));
        assert!(error("ftp://x/y").contains("cannot be watched"));
    }
}
