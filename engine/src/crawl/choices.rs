//! `--option TABLE.NAME=VALUE`: what the `OPTIONS` of a crawled table say beside what was found, kept from crawl to crawl.

use std::str::FromStr;

use anyhow::{Context as _, Result, bail};
use catalog::store::TableOptions;
use connectors::options::unknown;
use connectors::registry::connector;

use super::outcome::{Decision, TableOutcome};
use crate::catalog::registered::spec_of;
use crate::session::Session;

/// The home of a source that is only looked at; nothing is written there.
const LOOKED_AT: &str = "crawl";

/// One `--option TABLE.NAME=VALUE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptionChoice {
    /// The table.
    pub table: String,
    /// The option, which may have dots in it: `form.user.born`.
    pub name: String,
    /// Its value; none takes it away.
    pub value: Option<String>,
}

impl OptionChoice {
    /// Does what it says to the options of its table. The value before.
    pub(super) fn apply(&self, options: &mut TableOptions) -> Option<String> {
        match &self.value {
            Some(value) => options.0.insert(self.name.clone(), value.clone()),
            None => options.0.remove(&self.name),
        }
    }
}

impl FromStr for OptionChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('=').and_then(|(place, value)| Some((place.split_once('.')?, value)));
        match parts {
            Some(((table, name), value)) if !table.is_empty() && !name.is_empty() => Ok(Self {
                table: table.to_owned(),
                name: name.to_ascii_lowercase(),
                value: Some(value.to_owned()).filter(|value| !value.is_empty()),
            }),
            _ => Err("expected TABLE.NAME=VALUE, as in orders.on_error=quarantine".to_owned()),
        }
    }
}

/// Gives tables the options that were chosen, and opens each to see that it takes them. What came of it, a line each.
///
/// # Errors
/// For a table that is not there or that crawls do not keep, an option that it has not, a value that makes no sense.
pub async fn choose(session: &Session, choices: &[OptionChoice], tables: &mut [TableOutcome]) -> Result<Vec<String>> {
    let mut lines = Vec::with_capacity(choices.len());
    for choice in choices {
        let Some(index) = tables.iter().position(|table| table.name().table == choice.table) else {
            let names = tables.iter().map(|table| table.name().table.as_str());
            bail!("--option: {}", unknown("table", &choice.table, "the location", names));
        };
        let table = &mut tables[index];
        if !table.is_ours() {
            bail!("--option: table {} is kept by {}", table.name(), table.registration.registered_by);
        }
        let before = choice.apply(&mut table.registration.options);
        let said = choice.value.as_ref().map_or_else(|| "not set".to_owned(), |value| format!("'{value}'"));
        table.is_altered |= before != choice.value && table.decision != Decision::Register;
        lines.push(format!("table {}: option {} is {said}", table.name(), choice.name));
    }
    // One option may need another.
    for table in tables.iter().filter(|table| choices.iter().any(|choice| choice.table == table.name().table)) {
        open(session, table).await.with_context(|| format!("--option of table {}", table.name()))?;
    }
    Ok(lines)
}

async fn open(session: &Session, table: &TableOutcome) -> Result<()> {
    let connector = connector(&table.registration.connector)?;
    if !connector.is_source() {
        bail!("{} tables take none from a crawl", connector.name());
    }
    let spec = session.resolve(&spec_of(&table.registration, &table.name().table))?;
    connector.source(&spec, session.source_folder(LOOKED_AT, &spec.name)?, &session.context).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_is_named_with_its_table() {
        let choice = |text: &str| text.parse::<OptionChoice>();
        let expected = |name: &str, value: Option<&str>| {
            Ok(OptionChoice { table: "t".into(), name: name.into(), value: value.map(str::to_owned) })
        };
        assert_eq!(choice("t.on_error=quarantine"), expected("on_error", Some("quarantine")));
        assert_eq!(choice("t.Form.user.born=D/M/Y"), expected("form.user.born", Some("D/M/Y")));
        assert_eq!(choice("t.delimiter=="), expected("delimiter", Some("=")));
        assert_eq!(choice("t.on_error="), expected("on_error", None));
        for wrong in ["t.on_error", "on_error=fail", ".x=1", "t.=1"] {
            assert!(choice(wrong).is_err(), "{wrong}");
        }
    }
}
