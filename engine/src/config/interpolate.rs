//! `${NAME}`, `${NAME:-default}` and `${secret:file:/path}` in settings and table options.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, anyhow, bail};

/// Resolves every `${...}` in `text`; `$$` stands for one `$`.
///
/// # Errors
/// A variable that is not set and has no default, a secret that cannot be read, a `${` that is not closed.
pub fn interpolate(text: &str, environment: &BTreeMap<String, String>) -> Result<String> {
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
            result.push_str(&resolve(&inner[..end], environment)?);
            rest = &inner[end + 1..];
        } else {
            result.push('$');
            rest = after;
        }
    }
    result.push_str(rest);
    Ok(result)
}

fn resolve(reference: &str, environment: &BTreeMap<String, String>) -> Result<String> {
    if let Some(secret) = reference.strip_prefix("secret:") {
        return match secret.strip_prefix("file:") {
            Some(path) => {
                let text = std::fs::read_to_string(path).with_context(|| format!("cannot read the secret file {path}"))?;
                Ok(text.trim_end_matches(['\n', '\r']).to_owned())
            }
            None => bail!("unknown secret '${{{reference}}}'; expected ${{secret:file:/path}}"),
        };
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
        interpolate(text, &BTreeMap::from([("A".to_owned(), "1".to_owned())]))
    }

    #[test]
    fn variables_defaults_and_dollars() {
        assert_eq!(run("x${A}y").unwrap(), "x1y");
        assert_eq!(run("${B:-2}${A:-3}").unwrap(), "21");
        assert_eq!(run("$$ $x $${A}").unwrap(), "$ $x ${A}");
    }

    #[test]
    fn secret_file_is_read_without_its_newline() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "s3cret\n").unwrap();
        assert_eq!(run(&format!("${{secret:file:{}}}", file.path().display())).unwrap(), "s3cret");
        assert_eq!(
            run("${secret:vault:x}").unwrap_err().to_string(),
            "unknown secret '${secret:vault:x}'; expected ${secret:file:/path}"
        );
    }

    #[test]
    fn unclosed_reference_is_an_error() {
        assert_eq!(run("${A").unwrap_err().to_string(), "'${' is not closed by '}'");
    }
}
