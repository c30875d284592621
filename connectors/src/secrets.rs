//! What a text says that is nobody's business: the users, passwords and tokens of the URLs in it.

use std::ops::Range;

/// What stands in the place of a query.
const QUERY: &str = "?...";

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

/// `text` without what its URLs say behind `?` and before `@`: that is where tokens and passwords are.
pub fn without_secrets(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut from = 0;
    for secret in secrets(text) {
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
    secrets
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
