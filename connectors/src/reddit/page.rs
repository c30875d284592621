//! The envelope of a page: `{kind: "Listing", data: {after, children: [{kind, data}]}}`, cut into its children without
//! copying them. What is inside a child is [`super::decode`]'s.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::location::Kind;
use crate::error::{Error, Result};

/// Replies nest ten deep at Reddit; more is followed this far.
const DEEPEST: usize = 100;

/// One page of a listing.
#[derive(Debug)]
pub(super) struct Page {
    /// The cursor of the next page; none ends the listing.
    pub(super) after: Option<String>,
    /// What it holds, in its order.
    pub(super) children: Vec<Child>,
    /// Size of the body.
    pub(super) bytes: u64,
}

/// One child of a listing, as sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Child {
    /// The `data` of a child of the kind asked for.
    Data(Bytes),
    /// Something else: all of it, and what is wrong.
    Other(Bytes, String),
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    data: Listing<'a>,
}

#[derive(Deserialize)]
struct Listing<'a> {
    #[serde(default)]
    after: Option<String>,
    #[serde(borrow)]
    children: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Thing<'a> {
    kind: String,
    #[serde(borrow)]
    data: &'a RawValue,
}

#[derive(Deserialize)]
struct Replies<'a> {
    #[serde(borrow, default)]
    replies: Option<&'a RawValue>,
}

impl Child {
    /// What was put aside of a child: its `data`, or all of it.
    pub(super) fn of_record(raw: &[u8], kind: Kind) -> Self {
        let bytes = Bytes::copy_from_slice(raw);
        match serde_json::from_slice::<Thing<'_>>(&bytes) {
            Ok(child) if child.kind == kind.prefix() => Self::Data(bytes.slice_ref(child.data.get().as_bytes())),
            Ok(child) => Self::Other(bytes.clone(), foreign(&child, kind)),
            Err(_) => Self::Data(bytes),
        }
    }
}

/// What is wrong with a child of another kind.
fn foreign(child: &Thing<'_>, kind: Kind) -> String {
    format!("it is of kind '{}', expected '{}' in a listing of {}", child.kind, kind.prefix(), kind.plural())
}

impl Page {
    /// Cuts a body. A comment tree (an array of two listings) becomes its comments, each before its replies; the stubs
    /// that stand for comments not sent (`more`) are left out.
    ///
    /// # Errors
    /// [`Error::Transient`] for what is no JSON (an HTML page, a body cut short); [`Error::Data`] for JSON that is no
    /// listing. A child of another shape is no error here: it is [`Child::Other`].
    pub(super) fn parse(body: &Bytes, kind: Kind) -> Result<Self> {
        let bytes = body.len() as u64;
        let mut children = Vec::new();
        let trees: (serde::de::IgnoredAny, Envelope<'_>);
        let listing = if body.trim_ascii_start().starts_with(b"[") {
            trees = serde_json::from_slice(body).map_err(|error| malformed(&error))?;
            trees.1.data
        } else {
            serde_json::from_slice::<Envelope<'_>>(body).map_err(|error| malformed(&error))?.data
        };
        let after = listing.after.clone();
        collect(body, listing, kind, 0, &mut children)?;
        Ok(Self { after, children, bytes })
    }
}

fn collect(body: &Bytes, listing: Listing<'_>, kind: Kind, depth: usize, children: &mut Vec<Child>) -> Result<()> {
    for raw in listing.children {
        let child = match serde_json::from_str::<Thing<'_>>(raw.get()) {
            Ok(child) if child.kind == "more" => continue,
            Ok(child) if child.kind == kind.prefix() => child,
            other => {
                let why = match other {
                    Ok(child) => foreign(&child, kind),
                    Err(_) => "it is no object with 'kind' and 'data'".to_owned(),
                };
                children.push(Child::Other(body.slice_ref(raw.get().as_bytes()), why));
                continue;
            }
        };
        children.push(Child::Data(body.slice_ref(child.data.get().as_bytes())));
        if kind == Kind::Comment && depth < DEEPEST {
            // A comment that is no object at all is reported when it is decoded.
            let replies = serde_json::from_str::<Replies<'_>>(child.data.get()).ok().and_then(|comment| comment.replies);
            if let Some(replies) = replies.filter(|replies| replies.get().starts_with('{')) {
                let nested: Envelope<'_> = serde_json::from_str(replies.get()).map_err(|error| malformed(&error))?;
                collect(body, nested.data, kind, depth + 1, children)?;
            }
        }
    }
    Ok(())
}

fn malformed(error: &serde_json::Error) -> Error {
    use serde_json::error::Category;
    match error.classify() {
        Category::Data => Error::data(format!("the answer is JSON, but no listing: {error}")),
        _ => Error::transient(format!("the answer is not JSON, or was cut short: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, kind: Kind) -> Result<Page> {
        Page::parse(&Bytes::copy_from_slice(text.as_bytes()), kind)
    }

    #[test]
    fn children_are_kept_byte_for_byte() {
        let text = r#"{"kind":"Listing","data":{"after":"t3_b","children":[{"kind":"t3","data":{"id": "b" }}]}}"#;
        let page = parse(text, Kind::Post).unwrap();
        assert_eq!((page.after.as_deref(), page.bytes), (Some("t3_b"), text.len() as u64));
        assert_eq!(page.children, [Child::Data(Bytes::from_static(br#"{"id": "b" }"#))]);
    }

    #[test]
    fn comment_tree_is_flattened_without_its_stubs() {
        let text = r#"[{"kind":"Listing","data":{"children":[]}},{"kind":"Listing","data":{"after":null,"children":[
            {"kind":"t1","data":{"id":"a","replies":{"kind":"Listing","data":{"children":[
                {"kind":"t1","data":{"id":"b","replies":""}},{"kind":"more","data":{"count":3}}]}}}},
            {"kind":"t1","data":{"id":"c"}}]}}]"#;
        let page = parse(text, Kind::Comment).unwrap();
        let ids: Vec<String> = page
            .children
            .iter()
            .map(|child| match child {
                Child::Data(data) => {
                    serde_json::from_slice::<serde_json::Value>(data).unwrap()["id"].as_str().unwrap().to_owned()
                }
                Child::Other(_, why) => panic!("{why}"),
            })
            .collect();
        assert_eq!(ids, ["a", "b", "c"]);
    }

    #[test]
    fn what_is_no_json_may_pass_and_what_is_no_listing_may_not() {
        assert!(parse("<html>down</html>", Kind::Post).unwrap_err().retry());
        assert!(parse(r#"{"kind":"Listing","data":{"children":[{"kind":"t3","#, Kind::Post).unwrap_err().retry());
        assert!(matches!(parse(r#"{"error":500}"#, Kind::Post).unwrap_err(), Error::Data { .. }));
    }

    #[test]
    fn a_child_of_another_shape_stands_among_the_others() {
        let text = r#"{"data":{"children":[{"kind":"t5","data":{}},{"kind":"t3","data":{}},null,{"kind":"t3"}]}}"#;
        let page = parse(text, Kind::Post).unwrap();
        let Child::Other(raw, why) = &page.children[0] else { panic!("a subreddit is no post") };
        assert_eq!(raw, br#"{"kind":"t5","data":{}}"#.as_slice());
        assert!(why.contains("kind 't5', expected 't3'"), "{why}");
        assert!(matches!(page.children[1], Child::Data(_)));
        assert!(matches!((&page.children[2], &page.children[3]), (Child::Other(..), Child::Other(..))));
    }
}
