//! Listings: which keys and common prefixes a page holds, and the two shapes in which S3 answers.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use s3s::dto::*;
use s3s::{S3Response, S3Result, s3_error};

use super::objects::length;
use super::store::{Object as Stored, Store};

/// Where a page begins.
#[derive(Debug, Clone, PartialEq, Eq)]
enum From {
    Start,
    /// After this key. The common prefix of a later key is listed, even if it comes before the key itself.
    Key(String),
    /// After this entry of the page before, a key or a common prefix.
    Entry(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Entry<'a> {
    Key(&'a str),
    Prefix(&'a str),
}

impl<'a> Entry<'a> {
    fn of(key: &'a str, prefix: &str, delimiter: &str) -> Self {
        let rest = key.get(prefix.len()..).unwrap_or_default();
        match rest.find(delimiter).filter(|_| !delimiter.is_empty()) {
            Some(at) => Self::Prefix(key.get(..prefix.len() + at + delimiter.len()).unwrap_or(key)),
            None => Self::Key(key),
        }
    }

    fn text(&self) -> &'a str {
        match self {
            Self::Key(text) | Self::Prefix(text) => text,
        }
    }
}

/// The entries of a page, and whether there are more.
fn page<'a>(
    keys: impl Iterator<Item = &'a str>,
    (prefix, delimiter): (&str, &str),
    from: &From,
    size: usize,
) -> (Vec<Entry<'a>>, bool) {
    let mut entries: Vec<Entry<'a>> = Vec::new();
    if size == 0 {
        return (entries, false);
    }
    for key in keys.filter(|key| key.starts_with(prefix)) {
        let entry = Entry::of(key, prefix, delimiter);
        let passed = match from {
            From::Start => false,
            From::Key(after) => key <= after.as_str(),
            From::Entry(after) => entry.text() <= after.as_str(),
        };
        if passed || entries.last() == Some(&entry) {
            continue;
        }
        if entries.len() == size {
            return (entries, true);
        }
        entries.push(entry);
    }
    (entries, false)
}

/// A page in the words of the API.
struct Page {
    contents: Vec<Object>,
    prefixes: Vec<CommonPrefix>,
    last: Option<String>,
    truncated: bool,
}

struct Query<'a> {
    prefix: &'a str,
    delimiter: &'a str,
    from: From,
    max_keys: i32,
    encoded: bool,
}

impl Query<'_> {
    fn run(&self, objects: &BTreeMap<String, Stored>, page_size: usize) -> Page {
        let size = usize::try_from(self.max_keys).unwrap_or(0).min(page_size);
        let (entries, truncated) = page(objects.keys().map(String::as_str), (self.prefix, self.delimiter), &self.from, size);
        let last = entries.last().map(|entry| entry.text().to_owned());
        let (mut contents, mut prefixes) = (Vec::new(), Vec::new());
        for entry in entries {
            let text = encode(entry.text(), self.encoded);
            match entry {
                Entry::Prefix(_) => prefixes.push(CommonPrefix { prefix: Some(text) }),
                Entry::Key(key) => contents.extend(objects.get(key).map(|object| Object {
                    key: Some(text),
                    size: Some(length(&object.body)),
                    e_tag: Some(ETag::Strong(object.etag.clone())),
                    last_modified: Some(object.modified.into()),
                    ..Default::default()
                })),
            }
        }
        Page { contents, prefixes, last, truncated }
    }
}

pub(super) fn list_v2(store: &Store, page_size: usize, input: ListObjectsV2Input) -> S3Result<S3Response<ListObjectsV2Output>> {
    let max_keys = max_keys(input.max_keys)?;
    let from = match (&input.continuation_token, &input.start_after) {
        (Some(token), _) => From::Entry(from_token(token)?),
        (None, Some(key)) => From::Key(key.clone()),
        (None, None) => From::Start,
    };
    let encoded = is_encoded(input.encoding_type.as_ref());
    let (prefix, delimiter) = (input.prefix.unwrap_or_default(), input.delimiter.unwrap_or_default());
    let query = Query { prefix: &prefix, delimiter: &delimiter, from, max_keys, encoded };
    let page = store.read(|state| state.bucket(&input.bucket).map(|objects| query.run(objects, page_size)))?;
    let count = page.contents.len() + page.prefixes.len();
    Ok(S3Response::new(ListObjectsV2Output {
        name: Some(input.bucket),
        prefix: Some(encode(&prefix, encoded)),
        delimiter: some_text(&delimiter, encoded),
        max_keys: Some(max_keys),
        key_count: i32::try_from(count).ok(),
        is_truncated: Some(page.truncated),
        continuation_token: input.continuation_token,
        next_continuation_token: page.last.filter(|_| page.truncated).map(hex::encode),
        start_after: input.start_after.map(|key| encode(&key, encoded)),
        encoding_type: input.encoding_type,
        contents: Some(page.contents),
        common_prefixes: Some(page.prefixes),
        ..Default::default()
    }))
}

pub(super) fn list(store: &Store, page_size: usize, input: ListObjectsInput) -> S3Result<S3Response<ListObjectsOutput>> {
    let max_keys = max_keys(input.max_keys)?;
    let encoded = is_encoded(input.encoding_type.as_ref());
    let from = input.marker.clone().map_or(From::Start, From::Entry);
    let (prefix, delimiter) = (input.prefix.unwrap_or_default(), input.delimiter.unwrap_or_default());
    let query = Query { prefix: &prefix, delimiter: &delimiter, from, max_keys, encoded };
    let page = store.read(|state| state.bucket(&input.bucket).map(|objects| query.run(objects, page_size)))?;
    Ok(S3Response::new(ListObjectsOutput {
        name: Some(input.bucket),
        prefix: Some(encode(&prefix, encoded)),
        delimiter: some_text(&delimiter, encoded),
        marker: Some(encode(&input.marker.unwrap_or_default(), encoded)),
        max_keys: Some(max_keys),
        is_truncated: Some(page.truncated),
        next_marker: page.last.filter(|_| page.truncated).map(|last| encode(&last, encoded)),
        encoding_type: input.encoding_type,
        contents: Some(page.contents),
        common_prefixes: Some(page.prefixes),
        ..Default::default()
    }))
}

fn max_keys(asked: Option<i32>) -> S3Result<i32> {
    match asked.unwrap_or(1_000) {
        negative if negative < 0 => Err(s3_error!(InvalidArgument, "max-keys must not be negative")),
        keys => Ok(keys),
    }
}

fn from_token(token: &str) -> S3Result<String> {
    let entry = hex::decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    entry.ok_or_else(|| s3_error!(InvalidArgument, "the continuation token provided is incorrect"))
}

fn is_encoded(encoding: Option<&EncodingType>) -> bool {
    encoding.is_some_and(|encoding| encoding.as_str() == EncodingType::URL)
}

fn some_text(text: &str, encoded: bool) -> Option<String> {
    (!text.is_empty()).then(|| encode(text, encoded))
}

/// `encoding-type=url` of S3: everything but unreserved characters and slashes is percent-encoded.
fn encode(text: &str, encoded: bool) -> String {
    if !encoded {
        return text.to_owned();
    }
    text.bytes().fold(String::with_capacity(text.len()), |mut encoded, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => encoded.push(char::from(byte)),
            _ => write!(encoded, "%{byte:02X}").unwrap_or_default(),
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [&str; 6] = ["a", "b/1", "b/2", "c+d", "e/f/1", "g"];

    fn pages(prefix: &str, delimiter: &str, size: usize) -> Vec<Vec<String>> {
        let (mut pages, mut from) = (Vec::new(), From::Start);
        loop {
            let (entries, truncated) = page(KEYS.into_iter(), (prefix, delimiter), &from, size);
            let texts: Vec<String> = entries.iter().map(|entry| entry.text().to_owned()).collect();
            from = texts.last().cloned().map_or(From::Start, From::Entry);
            pages.push(texts);
            if !truncated {
                return pages;
            }
        }
    }

    #[test]
    fn pages_of_any_size_list_the_same() {
        for size in 1..8 {
            assert_eq!(pages("", "/", size).concat(), ["a", "b/", "c+d", "e/", "g"], "size {size}");
            assert_eq!(pages("", "", size).concat(), KEYS, "size {size}");
            assert_eq!(pages("e/", "/", size).concat(), ["e/f/"], "size {size}");
        }
    }

    #[test]
    fn a_page_that_holds_exactly_the_rest_is_the_last() {
        assert_eq!(pages("", "/", 5).len(), 1);
        assert_eq!(pages("b/", "", 2).len(), 1);
    }

    #[test]
    fn starting_after_a_key_still_lists_the_prefix_of_later_keys() {
        let (entries, _) = page(KEYS.into_iter(), ("", "/"), &From::Key("b/1".into()), 10);
        assert_eq!(entries, [Entry::Prefix("b/"), Entry::Key("c+d"), Entry::Prefix("e/"), Entry::Key("g")]);
    }

    #[test]
    fn url_encoding_keeps_slashes_and_escapes_the_rest() {
        assert_eq!(encode("a b+ü/c.json", true), "a%20b%2B%C3%BC/c.json");
    }
}
