//! The `OPTIONS (...)` of a table: declared once per connector, checked against that declaration, read with units.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::error::{Error, Result};

/// One option of a connector: what `OPTIONS ('name' 'value')` accepts. The text is the user reference.
#[derive(Debug, Clone, Copy)]
pub struct OptionSpec {
    /// As it is written in the file.
    pub name: &'static str,
    /// What holds when it is not given, in words.
    pub default: &'static str,
    /// What it does, its units, an example.
    pub help: &'static str,
}

/// The options of one table, checked: every name is one that the connector declares.
#[derive(Clone, Default)]
pub struct Options(BTreeMap<String, String>);

impl std::fmt::Debug for Options {
    /// Names only: a value may be a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Options {
    /// Checks `given` against what `connector` declares.
    ///
    /// # Errors
    /// [`Error::Config`] for a name that is not declared, with the nearest that is, and for a name given twice.
    pub fn parse(connector: &str, specs: &[OptionSpec], given: &[(String, String)]) -> Result<Self> {
        let mut values = BTreeMap::new();
        for (name, value) in given {
            let name_lower = name.to_ascii_lowercase();
            if !specs.iter().any(|spec| spec.name == name_lower) {
                let names = specs.iter().map(|spec| spec.name);
                return Err(Error::config_at(name, unknown("option", name, &format!("{connector} table"), names)));
            }
            if values.insert(name_lower, value.clone()).is_some() {
                return Err(Error::config_at(name, format!("option '{name}' is given twice")));
            }
        }
        Ok(Self(values))
    }

    /// The value as written.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A list of names separated by commas; empty when not given.
    pub fn list(&self, name: &str) -> Vec<String> {
        let text = self.text(name).unwrap_or_default();
        text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
    }

    /// A whole number.
    ///
    /// # Errors
    /// [`Error::Config`] when it is not one.
    pub fn number(&self, name: &str) -> Result<Option<u64>> {
        self.text(name).map(|text| text.trim().parse().map_err(|_| wrong(name, text, "a whole number, as in '1000'"))).transpose()
    }

    /// A share, from 0 to 1.
    ///
    /// # Errors
    /// [`Error::Config`] when it is not one.
    pub fn ratio(&self, name: &str) -> Result<Option<f64>> {
        let parse = |text: &str| text.trim().parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
        self.text(name).map(|text| parse(text).ok_or_else(|| wrong(name, text, "a share from 0 to 1, as in '0.1'"))).transpose()
    }

    /// A span of time.
    ///
    /// # Errors
    /// [`Error::Config`] when it is not one.
    pub fn duration(&self, name: &str) -> Result<Option<Duration>> {
        self.text(name)
            .map(|text| {
                parse_duration(text).ok_or_else(|| wrong(name, text, "a time span, as in '90s', '15m', '6 hours', '1 day'"))
            })
            .transpose()
    }

    /// A size.
    ///
    /// # Errors
    /// [`Error::Config`] when it is not one.
    pub fn bytes(&self, name: &str) -> Result<Option<u64>> {
        self.text(name)
            .map(|text| parse_bytes(text).ok_or_else(|| wrong(name, text, "a size, as in '64MB' or '1GiB'")))
            .transpose()
    }

    /// One of a few words.
    ///
    /// # Errors
    /// [`Error::Config`] when it is none of them, with the nearest.
    pub fn choice<'a>(&self, name: &str, choices: &[&'a str]) -> Result<Option<&'a str>> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match choices.iter().find(|choice| choice.eq_ignore_ascii_case(text.trim())) {
            Some(choice) => Ok(Some(choice)),
            None => Err(Error::config_at(name, unknown("value", text, &format!("option '{name}'"), choices.iter().copied()))),
        }
    }
}

fn wrong(name: &str, text: &str, expected: &str) -> Error {
    Error::config_at(name, format!("option '{name}' is '{text}', expected {expected}"))
}

/// `"unknown option 'limt' of REDDIT table; did you mean 'limit'?"`, or the list of names when none is near.
pub fn unknown<'a>(kind: &str, given: &str, owner: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    match nearest(given, known.iter().copied()) {
        Some(name) => format!("unknown {kind} '{given}' of {owner}; did you mean '{name}'?"),
        None if known.is_empty() => format!("unknown {kind} '{given}' of {owner}, which takes none"),
        None => format!("unknown {kind} '{given}' of {owner}; there are: {}", known.join(", ")),
    }
}

/// The known name that `given` was probably meant to be.
pub fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let given = given.to_lowercase();
    known
        .into_iter()
        .map(|name| (likeness(&given, &name.to_lowercase()), name))
        .filter(|(score, _)| *score >= 0.8)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| name)
}

/// From 0 to 1. In a short name, one slip (`ulr` for `url`) changes too much for a measure by shares of letters.
fn likeness(given: &str, name: &str) -> f64 {
    let one_slip = given.len() >= 3 && name.len() >= 3 && strsim::osa_distance(given, name) == 1;
    strsim::jaro_winkler(given, name).max(if one_slip { 0.8 } else { 0.0 })
}

/// Reads `"500ms"`, `"90s"`, `"15m"`, `"6 hours"`, `"1 day"`, `"2 weeks"`.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit) = split_unit(text)?;
    let seconds = match unit.as_str() {
        "ms" | "millisecond" | "milliseconds" => 0.001,
        "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
        "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
        "h" | "hour" | "hours" => 3_600.0,
        "d" | "day" | "days" => 86_400.0,
        "w" | "week" | "weeks" => 604_800.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number * seconds).ok()
}

/// Reads `"4096"`, `"64MB"` (both `MB` and `MiB` are 1,048,576 bytes), `"1.5 GB"`.
pub fn parse_bytes(text: &str) -> Option<u64> {
    let (number, unit) = split_unit(text)?;
    let factor: u64 = match unit.as_str() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        "t" | "tb" | "tib" => 1 << 40,
        _ => return None,
    };
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a size typed by a person"
    )]
    let bytes = (number * factor as f64) as u64;
    Some(bytes)
}

fn split_unit(text: &str) -> Option<(f64, String)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..end].parse().ok()?;
    Some((number, text[end..].trim().to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPECS: &[OptionSpec] = &[
        OptionSpec { name: "limit", default: "none", help: "rows" },
        OptionSpec { name: "overlap", default: "1 hour", help: "time" },
    ];

    #[test]
    fn unknown_option_names_the_nearest() {
        let error = Options::parse("REDDIT", SPECS, &[("limti".into(), "1".into())]).unwrap_err();
        assert_eq!(error.to_string(), "unknown option 'limti' of REDDIT table; did you mean 'limit'?");
        assert_eq!(error.subject(), Some("limti"));
    }

    #[test]
    fn one_slip_in_a_short_name_is_near() {
        assert_eq!(nearest("ulr", ["url"]), Some("url"));
        assert_eq!(nearest("t", ["u"]), None);
    }

    #[test]
    fn far_name_lists_all() {
        let error = Options::parse("REDDIT", SPECS, &[("colour".into(), "1".into())]).unwrap_err();
        assert_eq!(error.to_string(), "unknown option 'colour' of REDDIT table; there are: limit, overlap");
    }

    #[test]
    fn values_have_units_and_are_checked() {
        assert_eq!(parse_duration("6 hours"), Some(Duration::from_secs(21_600)));
        assert_eq!(parse_duration("1.5m"), Some(Duration::from_secs(90)));
        assert_eq!(parse_duration("5 parsecs"), None);
        assert_eq!(parse_duration("m"), None);
        assert_eq!(parse_bytes("64MB"), Some(64 << 20));
        assert_eq!(parse_bytes("12"), Some(12));
        assert_eq!(parse_bytes("12 apples"), None);
        let options = Options::parse("REDDIT", SPECS, &[("limit".into(), "many".into())]).unwrap();
        assert_eq!(
            options.number("limit").unwrap_err().to_string(),
            "option 'limit' is 'many', expected a whole number, as in '1000'"
        );
    }
}
