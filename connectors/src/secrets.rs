//! What a text says that is nobody's business: the users, passwords and tokens of the URLs in it, and the values of secrets wherever they stand.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{PoisonError, RwLock};

/// What stands in the place of a query.
const QUERY: &str = "?...";

/// What stands in the place of a secret's value.
const VALUE: &str = "***";

/// A value that is shorter than this may be a part of any word.
const SHORTEST: usize = 6;

/// The values of secrets that were looked up, as they are and as they are written in URLs.
static VALUES: RwLock<BTreeSet<String>> = RwLock::new(BTreeSet::new());

/// Has the value of a secret be left out of every text from now on.
pub fn leave_out(value: &str) {
    if value.len() < SHORTEST {
        return;
    }
    let encoded: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
    let mut values = VALUES.write().unwrap_or_else(PoisonError::into_inner);
    values.extend([encoded.replace('+', "%20"), encoded, value.to_owned()]);
}

/// Where values of secrets stand in `text`, in order; not as a part of a word, nor as a URL's scheme.
fn values(text: &str) -> Vec<Range<usize>> {
    let values = VALUES.read().unwrap_or_else(PoisonError::into_inner);
    let is_word = |found: Option<char>| found.is_some_and(char::is_alphanumeric);
    let mut found: Vec<Range<usize>> = Vec::new();
    for value in values.iter() {
        for (start, _) in text.match_indices(value.as_str()) {
            let (before, after) = (&text[..start], &text[start + value.len()..]);
            let is_part = is_word(before.chars().next_back()) || is_word(after.chars().next()) || after.starts_with("://");
            if !is_part {
                found.push(start..start + value.len());
            }
        }
    }
    found.sort_by_key(|range| (range.start, std::cmp::Reverse(range.end)));
    found
}

/// `text` without values of secrets; what its URLs say stays.
pub fn without_values(text: &str) -> String {
    let shown = |range| Secret { range, shown: VALUE };
    without(text, apart(values(text).into_iter().map(shown).collect()))
}

/// Those that do not lie in one before.
fn apart(mut secrets: Vec<Secret>) -> Vec<Secret> {
    secrets.sort_by_key(|secret| (secret.range.start, std::cmp::Reverse(secret.range.end)));
    let mut end = 0;
    secrets.retain(|secret| {
        let is_apart = secret.range.start >= end;
        end = end.max(secret.range.end);
        is_apart
    });
    secrets
}

/// Whose URLs name a user that everybody may know; elsewhere it may be a token.
const DATABASES: [&str; 4] = ["postgres", "postgresql", "redshift", "redshift-data"];

/// A part of a text that is not shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// Where it is, in bytes.
    pub range: Range<usize>,
    /// What is shown in its place.
    pub shown: &'static str,
}

/// `text` without what its URLs say behind `?` and before `@`, which is where tokens and passwords are, and without values of secrets.
pub fn without_secrets(text: &str) -> String {
    without(text, secrets(text))
}

fn without(text: &str, secrets: Vec<Secret>) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut from = 0;
    for secret in secrets {
        shown.push_str(&text[from..secret.range.start]);
        shown.push_str(secret.shown);
        from = secret.range.end;
    }
    shown.push_str(&text[from..]);
    shown
}

/// What [`without_secrets`] leaves out, in the order of the text.
pub fn secrets(text: &str) -> Vec<Secret> {
    let mut secrets = Vec::new();
    let mut from = 0;
    while let Some(found) = text[from..].find("://") {
        let start = from + found + 3;
        let end = start + url_length(&text[start..]);
        let url = &text[start..end];
        let user = user_length(url);
        let is_database = DATABASES.iter().any(|scheme| text[..start - 3].ends_with(scheme));
        match url[..user].find(':') {
            Some(colon) if is_database => secrets.push(Secret { range: start + colon..start + user - 1, shown: "" }),
            None if is_database || user == 0 => {}
            _ => secrets.push(Secret { range: start..start + user, shown: "" }),
        }
        if let Some(query) = url[user..].find('?') {
            secrets.push(Secret { range: start + user + query..end, shown: QUERY });
        }
        from = end;
    }
    secrets.extend(values(text).into_iter().map(|range| Secret { range, shown: VALUE }));
    apart(secrets)
}

/// A URL ends where the blank is, but for what closes a quotation or sentence: within it, the same may be a part of a password.
fn url_length(text: &str) -> usize {
    let end = text.find(|c: char| c.is_whitespace() || matches!(c, '<' | '>')).unwrap_or(text.len());
    text[..end].trim_end_matches(['"', '\'', '`', ')', ']', '}', ',', ';', ':', '.', '?', '!']).len()
}

/// The length of user and password with their `@`.
fn user_length(url: &str) -> usize {
    let authority = url.find(['/', '?']).unwrap_or(url.len());
    if let Some(at) = url[..authority].rfind('@') {
        return at + 1;
    }
    // Behind a host there is the number of a port: anything else is a password that has a '/' or '?' in it.
    let port = url[..authority].rsplit_once(':').map_or("", |(_, port)| port);
    let is_port = port.ends_with(']') || port.bytes().all(|byte| byte.is_ascii_digit());
    if is_port { 0 } else { url.rfind('@').map_or(0, |at| at + 1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_of_a_secret_is_not_shown_wherever_it_stands() {
        leave_out("p4ss w0rd/7");
        leave_out("abc");
        for (text, expected) in [
            ("http://host/p4ss%20w0rd%2F7.csv is gone", "http://host/***.csv is gone"),
            ("said 'p4ss w0rd/7'", "said '***'"),
            ("http://u:p4ss+w0rd%2F7@host/x?token=p4ss+w0rd%2F7", "http://host/x?..."),
            ("xp4ss w0rd/7x abc", "xp4ss w0rd/7x abc"),
        ] {
            assert_eq!(without_secrets(text), expected);
        }
        assert_eq!(without_values("https://h/p4ss+w0rd%2F7?part=2"), "https://h/***?part=2");
    }

    #[test]
    fn what_a_url_keeps_to_itself_is_not_shown() {
        for (text, expected) in [
            (
                "GET https://me:pass@h.org/a/b.csv?sig=x&t=1 failed: 403 (see http://h.org/c@d) in 2s",
                "GET https://h.org/a/b.csv?... failed: 403 (see http://h.org/c@d) in 2s",
            ),
            ("s3://b/a and no more", "s3://b/a and no more"),
            ("did you mean 'sqs:https://h/q'?", "did you mean 'sqs:https://h/q'?"),
            ("location 'https://me:pa/ss@host/x.csv': invalid port", "location 'https://host/x.csv': invalid port"),
            ("https://me:p?w@host/x.csv", "https://host/x.csv"),
            ("('https://h/x?token=abc)def', 7)", "('https://h/x?...', 7)"),
            ("'https://h/x?token=it''s' failed", "'https://h/x?...' failed"),
            ("state.url is 'postgres://u:pw@h/db': no", "state.url is 'postgres://u@h/db': no"),
            ("as in 'postgres://user@host:5432/db'", "as in 'postgres://user@host:5432/db'"),
            ("at http://localhost:8080/a@b.csv, or http://[::1]/a@b", "at http://localhost:8080/a@b.csv, or http://[::1]/a@b"),
            ("http://[::1]:80/a@b", "http://[::1]:80/a@b"),
        ] {
            assert_eq!(without_secrets(text), expected);
        }
    }
}
