//! A pattern over paths, and what of a store it need not look at: folders that it enters by no part of a name.

use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use globset::{GlobBuilder, GlobMatcher};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore};

use crate::error::{Error, Result};
use crate::stores::Location;

/// What makes a part of a path a pattern.
pub const WILDCARDS: [char; 4] = ['*', '?', '[', '{'];

/// Objects of a folder that is not entered that are listed before the listing begins anew behind it: a page of S3.
const PASSED: usize = 1_000;

/// Greater than every character of a key.
const LAST: char = char::MAX;

/// A pattern, and its parts.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    /// Over whole paths in the store.
    whole: GlobMatcher,
    /// The names of the folders below the place where the first wildcard is, level by level.
    folders: Vec<GlobMatcher>,
    /// Folders below those are entered too.
    is_deep: bool,
    /// What all paths begin with.
    literal: String,
}

impl Pattern {
    /// `rest` below `prefix`, which is empty or ends in a slash.
    ///
    /// # Errors
    /// When it is no pattern.
    pub(super) fn new(prefix: &str, rest: &str) -> std::result::Result<Self, globset::Error> {
        let glob = |text: &str| Ok(GlobBuilder::new(text).literal_separator(true).build()?.compile_matcher());
        let whole = glob(&format!("{}{rest}", globset::escape(prefix)))?;
        let mut parts: Vec<&str> = rest.split('/').collect();
        parts.pop();
        // A slash within braces parts nothing: from there on, every folder may be meant.
        let known = parts.iter().take_while(|part| !part.contains("**") && is_balanced(part)).count();
        let is_deep =
            known < parts.len() || rest.rsplit('/').next().is_some_and(|file| file.contains("**") || !is_balanced(file));
        let folders = parts[..known].iter().map(|part| glob(part)).collect::<std::result::Result<_, globset::Error>>()?;
        let plain = rest.split(WILDCARDS).next().unwrap_or_default();
        Ok(Self { whole, folders, is_deep, literal: format!("{prefix}{plain}") })
    }

    /// As it was written, over whole paths.
    pub(super) fn text(&self) -> &str {
        self.whole.glob().glob()
    }

    /// Whether it fits a file.
    pub(super) fn fits(&self, path: &Path) -> bool {
        self.whole.is_match(path.as_ref())
    }

    /// Whether files that it fits may be in a folder called `name`, which is so many levels below the place.
    pub(super) fn enters(&self, level: usize, name: &str) -> bool {
        self.folders.get(level).map_or(self.is_deep, |folder| folder.is_match(name))
    }

    /// Of `relative`, a path below the place, the folder that is not entered.
    fn refused<'a>(&self, relative: &'a str) -> Option<&'a str> {
        let slashes = relative.match_indices('/').map(|(at, _)| at);
        let mut start = 0;
        for (level, end) in slashes.enumerate() {
            if !self.enters(level, &relative[start..end]) {
                return Some(&relative[..end]);
            }
            start = end + 1;
        }
        None
    }

    /// Where a listing begins that shows all paths it fits: behind this.
    fn before(&self) -> Option<Path> {
        let (kept, last) = self.literal.char_indices().last().map(|(at, last)| (&self.literal[..at], last))?;
        // Of other characters it is not as plain which one is before.
        let before = last.is_ascii_alphanumeric().then(|| char::from_u32(last as u32 - 1)).flatten()?;
        Path::parse(format!("{kept}{before}{LAST}")).ok()
    }

    /// The objects below `root`, in their order, without most of those that it does not fit: the listing begins with what the paths
    /// have in common, ends behind it, and leaves folders out that are not entered and have many objects.
    ///
    /// # Errors
    /// In the stream: when the store cannot be listed.
    pub(super) fn list(&self, root: &Location) -> BoxStream<'static, Result<ObjectMeta>> {
        let begin = self
            .before()
            .map_or_else(|| root.store.list(Some(&root.path)), |from| root.store.list_with_offset(Some(&root.path), &from));
        let state = (begin, self.clone(), root.clone(), (String::new(), 0_usize, String::new()));
        let listed = stream::try_unfold(state, |(mut objects, pattern, root, (mut folder, mut passed, mut behind))| async move {
            while let Some(object) = objects.try_next().await.map_err(Error::from)? {
                let path = object.location.as_ref();
                if !path.starts_with(&pattern.literal) && path > pattern.literal.as_str() {
                    return Ok(None);
                }
                // A server that knows of no beginning but the first lists all of it once more.
                if path <= behind.as_str() {
                    continue;
                }
                let relative = path.strip_prefix(root.path.as_ref()).unwrap_or(path).trim_start_matches('/');
                let Some(refused) = pattern.refused(relative) else {
                    return Ok(Some((object, (objects, pattern, root, (folder, passed, behind)))));
                };
                if refused != folder {
                    (folder, passed) = (refused.to_owned(), 0);
                }
                passed += 1;
                if passed == PASSED
                    && let Ok(from) = Path::parse(format!("{}/{folder}/{LAST}", root.path).trim_start_matches('/'))
                {
                    objects = root.store.list_with_offset(Some(&root.path), &from);
                    behind = from.to_string();
                }
            }
            Ok::<_, Error>(None)
        });
        listed.boxed()
    }
}

fn is_balanced(part: &str) -> bool {
    let count = |wanted: char| part.chars().filter(|c| *c == wanted).count();
    count('{') == count('}') && count('[') == count(']')
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use object_store::ObjectStoreExt;
    use object_store::memory::InMemory;

    use super::*;

    #[test]
    fn folders_are_entered_as_far_as_the_pattern_goes() {
        let refused = |rest: &str, path: &'static str| Pattern::new("in/", rest).unwrap().refused(path);
        for (rest, path, expected) in [
            ("*.csv", "a.csv", None),
            ("*.csv", "sub/a.csv", Some("sub")),
            ("y=*/a.csv", "y=1/a.csv", None),
            ("y=*/a.csv", "z=1/a.csv", Some("z=1")),
            ("y=*/a.csv", "y=1/m=1/a.csv", Some("y=1/m=1")),
            ("**/a.csv", "y=1/m=1/a.csv", None),
            ("x/**", "x/1/2", None),
            ("x/**", "y/1/2", Some("y")),
            ("{a/b,c}/x.csv", "a/b/x.csv", None),
            ("{a,c}/x.csv", "b/x.csv", Some("b")),
        ] {
            assert_eq!(refused(rest, path), expected, "{rest} {path}");
        }
    }

    #[tokio::test]
    async fn a_listing_has_all_that_the_pattern_fits_in_order_and_little_else() {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let keys = ["in/a.csv", "in/b.csv", "in/b/", "in/b0.csv", "in/c.csv", "in/c1.csv", "other/c.csv"];
        for key in keys.iter().filter(|key| !key.ends_with('/')) {
            store.put(&Path::from(*key), "x".into()).await.unwrap();
        }
        for number in 0..PASSED * 3 {
            store.put(&Path::from(format!("in/b/{number}.csv")), "x".into()).await.unwrap();
        }
        let root = Location { url: "memory:///in".parse().unwrap(), store, path: Path::from("in") };
        for (rest, expected) in [
            ("*.csv", vec!["in/a.csv", "in/b.csv", "in/b0.csv", "in/c.csv", "in/c1.csv"]),
            ("c*", vec!["in/c.csv", "in/c1.csv"]),
            ("a.csv*", vec!["in/a.csv"]),
        ] {
            let pattern = Pattern::new("in/", rest).unwrap();
            let listed: Vec<ObjectMeta> = pattern.list(&root).try_collect().await.unwrap();
            let paths: Vec<&str> = listed.iter().map(|object| object.location.as_ref()).collect();
            assert_eq!(paths, expected, "{rest}");
        }
        let pattern = Pattern::new("in/", "b/7*.csv").unwrap();
        let listed: Vec<ObjectMeta> = pattern.list(&root).try_collect().await.unwrap();
        assert!(listed.iter().all(|object| pattern.fits(&object.location)) && listed.len() == 111, "{}", listed.len());
    }
}
