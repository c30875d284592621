//! `engine.toml` as text: sections and keys, each with its line; unknown ones are errors.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail};
use connectors::options::unknown;
use toml::de::{DeTable, DeValue};

use super::landing::{self, LandingSettings};
use super::{KEYS, Origin};

/// What a file says: values by `section.key`, as they stand there, and the landing zones, `${...}` resolved.
#[derive(Debug, Default)]
pub(super) struct Content {
    pub(super) values: BTreeMap<String, (String, Origin)>,
    pub(super) landings: Vec<LandingSettings>,
}

/// What the file at `path` says.
pub(super) fn read(path: &Path, environment: &BTreeMap<String, String>) -> Result<Content> {
    let shown = path.display().to_string();
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
    parse(&text, &shown, environment)
}

fn parse(text: &str, shown: &str, environment: &BTreeMap<String, String>) -> Result<Content> {
    let line_of = |byte: usize| text[..byte.min(text.len())].matches('\n').count() + 1;
    let table = DeTable::parse(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_of(span.start));
        anyhow!("{shown}:{line}: {}", error.message())
    })?;
    let mut found = Content::default();
    for (section, content) in table.get_ref() {
        let line = line_of(section.span().start);
        if section.get_ref().as_ref() == landing::SECTION {
            found.landings = landing::read(content.get_ref(), line, &line_of, shown, environment)?;
            continue;
        }
        let sections: std::collections::BTreeSet<&str> = KEYS.iter().map(|key| key.section).chain([landing::SECTION]).collect();
        if !sections.contains(section.get_ref().as_ref()) {
            bail!("{shown}:{line}: {}", unknown("section", section.get_ref(), "engine.toml", sections));
        }
        let DeValue::Table(content) = content.get_ref() else {
            bail!("{shown}:{line}: '{}' is a section: write [{}] on a line of its own", section.get_ref(), section.get_ref());
        };
        for (name, value) in content {
            let line = line_of(name.span().start);
            let known = KEYS.iter().filter(|key| key.section == section.get_ref().as_ref());
            let Some(key) = known.clone().find(|key| key.name == name.get_ref().as_ref()) else {
                let message = unknown("key", name.get_ref(), &format!("[{}]", section.get_ref()), known.map(|key| key.name));
                bail!("{shown}:{line}: {message}");
            };
            let text = scalar(value.get_ref()).ok_or_else(|| anyhow!("{shown}:{line}: {} takes a single value", key.path()))?;
            if key.kind.is_text() && !matches!(value.get_ref(), DeValue::String(_)) {
                bail!("{shown}:{line}: {} is {text}, expected {}, in quotes", key.path(), key.kind.expected());
            }
            found.values.insert(key.path(), (text, Origin::File { path: shown.to_owned(), line }));
        }
    }
    Ok(found)
}

fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(number.to_string()),
        DeValue::Float(number) => Some(number.to_string()),
        DeValue::Boolean(flag) => Some(flag.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        format!("{:#}", parse(text, "engine.toml", &BTreeMap::new()).unwrap_err())
    }

    #[test]
    fn unknown_key_names_line_and_nearest() {
        assert_eq!(error("[lake]\n\nurll = 'x'\n"), "engine.toml:3: unknown key 'urll' of [lake]; did you mean 'url'?");
        assert_eq!(error("[lakes]\n"), "engine.toml:1: unknown section 'lakes' of engine.toml; did you mean 'lake'?");
    }

    #[test]
    fn wrong_shapes_name_the_line() {
        assert_eq!(error("lake = 3\n"), "engine.toml:1: 'lake' is a section: write [lake] on a line of its own");
        assert_eq!(error("[lake]\nurl = ['a']\n"), "engine.toml:2: lake.url takes a single value");
        assert_eq!(
            error("[lake]\nurl = 3\n"),
            "engine.toml:2: lake.url is 3, expected a folder or s3://bucket/prefix, in quotes"
        );
        assert!(error("[lake]\nurl = \n").starts_with("engine.toml:2: "));
    }

    #[test]
    fn landing_zones_are_several_and_what_is_wrong_with_one_names_its_line() {
        let environment = BTreeMap::from([("BUCKET".to_owned(), "b".to_owned())]);
        let text = "[[landing]]\nurl = 's3://${BUCKET}/in/'\n\n[[landing]]\nname = 'sales'\nurl = './sales'\nschema = 'sales'\n";
        let zones = parse(text, "engine.toml", &environment).unwrap().landings;
        assert_eq!(
            (zones[0].name.as_str(), zones[0].url.as_str(), zones[0].schema.as_str()),
            ("landing", "s3://b/in/", "public")
        );
        assert_eq!((zones[1].name.as_str(), zones[1].rejected.as_str()), ("sales", "rejected/"));
        for (text, message) in [
            ("[[landing]]\nurll = 'x'\n", "engine.toml:2: unknown key 'urll' of [[landing]]; did you mean 'url'?"),
            ("[[landing]]\nname = 'x'\n", "engine.toml:2: a landing zone needs its url: a folder, or s3://bucket/prefix/"),
            ("[[landing]]\nurl = 3\n", "engine.toml:2: landing.url takes a text, in quotes"),
            (
                "[[landing]]\nurl = 'ftp://x'\n",
                "engine.toml:2: landing.url is 'ftp://x', expected a folder or s3://bucket/prefix/, without wildcards",
            ),
            (
                "[[landing]]\nurl = 'a'\nrejected = '../x'\n",
                "engine.toml:3: landing.rejected is '../x', expected a prefix below url, as in 'rejected/'",
            ),
            ("[[landings]]\n", "engine.toml:1: unknown section 'landings' of engine.toml; did you mean 'landing'?"),
        ] {
            assert_eq!(error(text), message);
        }
        assert!(error("[landing]\nurl = 'a'\n").contains("write [[landing]]"));
        let twice = error("[[landing]]\nurl = 'a'\n[[landing]]\nurl = 'b'\n");
        assert_eq!(
            twice,
            "engine.toml:3: two landing zones are called 'landing' (the other one is at engine.toml:1); give each a name, as in name = 'sales'"
        );
    }
}
