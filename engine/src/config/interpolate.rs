//! `${NAME}`, `${NAME:-default}`, `${secret:...}` and `${run.date}` in settings and table options.

use std::collections::BTreeMap;

use anyhow::{Result, anyhow, bail};
use chrono::format::{Item, StrftimeItems};
use chrono::{DateTime, Utc};

use super::secrets::Secrets;

/// Resolves every `${...}` in `text`; `$$` stands for one `$`.
///
/// # Errors
/// A variable that is not set and has no default, a secret that cannot be read, a `${` that is not closed.
pub fn interpolate(text: &str, environment: &BTreeMap<String, String>, secrets: &Secrets) -> Result<String> {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('$') {
        result.push_str(&rest[..start]);
        let after = &rest[start + 1..];
        if let Some(escaped) = after.strip_prefix('$') {
            result.push('$');
            rest = escaped;
        } else if let Some(inner) = after.strip_prefix('{') {
            let end = inner.find('}').ok_or_else(|| anyhow!("'${{' is not closed by '}}'"))?;
            result.push_str(&resolve(&inner[..end], environment, secrets)?);
            rest = &inner[end + 1..];
        } else {
            result.push('$');
            rest = after;
        }
    }
    result.push_str(rest);
    Ok(result)
}

/// What a reference to a secret begins with.
const SECRET: &str = "secret:";

/// Whether `text` refers to a secret.
pub(super) fn has_secret(text: &str) -> bool {
    text.contains(&format!("${{{SECRET}"))
}

/// Whether `text` refers to a secret of AWS Secrets Manager.
pub(super) fn is_in_aws(text: &str) -> bool {
    text.contains(&format!("${{{SECRET}aws:"))
}

/// Where the logical date of a run is in the environment of its pipeline: no variable can be called so.
pub const RUN_TIME: &str = "run.time";

/// `run.date`, `run.time`, and either with a form: `run.date:%Y/%m`.
fn run_time(reference: &str, environment: &BTreeMap<String, String>) -> Option<Result<String>> {
    let (name, form) = reference.split_once(':').map_or((reference, None), |(name, form)| (name, Some(form)));
    let usual = match name {
        "run.date" => "%Y-%m-%d",
        "run.time" => "%Y-%m-%dT%H:%M:%S%:z",
        _ if name.starts_with("run.") => {
            return Some(Err(anyhow!(
                "unknown reference '${{{reference}}}'; there are ${{run.date}} and ${{run.time}}, with a form as in ${{run.date:%Y%m%d}}"
            )));
        }
        _ => return None,
    };
    let form = form.unwrap_or(usual);
    let time = environment.get(RUN_TIME).and_then(|text| DateTime::parse_from_rfc3339(text).ok());
    let time = time.unwrap_or_else(|| Utc::now().fixed_offset());
    if StrftimeItems::new(form).any(|item| matches!(item, Item::Error)) {
        return Some(Err(anyhow!("'${{{reference}}}': '{form}' is no form of a time; expected one as in %Y-%m-%d")));
    }
    Some(Ok(time.format(form).to_string()))
}

/// `text` with `(run.date)` for each `${run.date}`; none where it depends on no date.
pub fn without_run_date(text: &str) -> Option<String> {
    let mut parts = text.split("${run.");
    let mut same = parts.next()?.to_owned();
    for part in parts {
        let (form, rest) = part.split_once('}')?;
        same.push_str(&format!("(run.{form}){rest}"));
    }
    (same != text).then_some(same)
}

fn resolve(reference: &str, environment: &BTreeMap<String, String>, secrets: &Secrets) -> Result<String> {
    if let Some(time) = run_time(reference, environment) {
        return time;
    }
    if let Some(secret) = reference.strip_prefix(SECRET) {
        return secrets.find(secret, environment);
    }
    let (name, default) = match reference.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (reference, None),
    };
    match (environment.get(name).filter(|value| !value.is_empty()), default) {
        (Some(value), _) => Ok(value.clone()),
        (None, Some(default)) => Ok(default.to_owned()),
        (None, None) => {
            bail!("environment variable {name} is not set; set it, or give a default with ${{{name}:-...}}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &str) -> Result<String> {
        interpolate(text, &BTreeMap::from([("A".to_owned(), "1".to_owned())]), &Secrets::default())
    }

    #[test]
    fn variables_defaults_and_dollars() {
        assert_eq!(run("x${A}y").unwrap(), "x1y");
        assert_eq!(run("${B:-2}${A:-3}").unwrap(), "21");
        assert_eq!(run("$$ $x $${A}").unwrap(), "$ $x ${A}");
    }

    #[test]
    fn what_is_the_same_for_every_date() {
        assert_eq!(without_run_date("s3://b/x/*.json"), None);
        assert_eq!(without_run_date("${A}/${run.date}/${run.time:%H}.csv").unwrap(), "${A}/(run.date)/(run.time:%H).csv");
    }

    #[test]
    fn secret_file_is_read_without_its_newline() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "s3cret\n").unwrap();
        assert_eq!(run(&format!("${{secret:file:{}}}", file.path().display())).unwrap(), "s3cret");
        assert_eq!(
            run("${secret:vault:x}").unwrap_err().to_string(),
            "unknown secret '${secret:vault:x}'; expected ${secret:file:/path}, ${secret:env:NAME} or ${secret:aws:name#key}"
        );
    }

    #[test]
    fn the_date_of_a_run_has_the_form_that_is_asked_for() {
        let environment = BTreeMap::from([(RUN_TIME.to_owned(), "2026-01-31T23:30:00+01:00".to_owned())]);
        let run = |text| interpolate(text, &environment, &Secrets::default());
        assert_eq!(run("yellow_${run.date:%Y-%m}.parquet").unwrap(), "yellow_2026-01.parquet");
        assert_eq!(run("${run.date} ${run.time}").unwrap(), "2026-01-31 2026-01-31T23:30:00+01:00");
        assert!(run("${run.day}").unwrap_err().to_string().contains("there are ${run.date} and ${run.time}"));
        assert!(run("${run.date:%Q}").unwrap_err().to_string().contains("is no form of a time"));
    }

    #[test]
    fn unclosed_reference_is_an_error() {
        assert_eq!(run("${A").unwrap_err().to_string(), "'${' is not closed by '}'");
    }
}
