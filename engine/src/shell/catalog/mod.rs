//! Which table a name stands for: the catalogs and schemas that the shell shows DataFusion.
//!
//! | name | table |
//! |---|---|
//! | `lake.reddit.posts`, `reddit.posts` | the table at `lake://reddit/posts` |
//! | `lake.public.posts`, `lake.posts` | the table at `lake://posts` |
//! | `lake."a/b".posts` | the table at `lake://a/b/posts`: the folders of a schema are joined as they are in a location |
//! | `posts` | what this session declared, else the only table of the lake with that name |
//! | `"posts$bad"` | the bad records of source `posts`: the only `lake://bad/<pipeline>/posts` |
//! | `'x.csv'`, `'s3://bucket/x/*.parquet'`, `'lake://reddit/posts'` | files, or the table, at that place |
//!
//! A name costs requests when it is asked for: one table is looked at in its folder, and the lake is walked only for bare names, lists of
//! tables and completion, and then at most every few seconds.

mod files;
mod index;
mod lake;
mod session;

use connectors::context::TableSpec;

pub(super) use files::{endings, looks_like_a_place, nearest_file};
pub(super) use index::{FolderKind, LakeIndex, LakeTable, quoted};
pub(super) use session::{Declared, SessionCatalog, SessionSchema};

/// The schema of what lies in no folder.
pub(super) const PUBLIC: &str = "public";

/// The catalog of the lake.
pub(super) const LAKE: &str = "lake";

/// A table that nothing but its place is known of.
fn spec(name: &str, connector: &str, location: &str) -> TableSpec {
    TableSpec {
        name: name.to_owned(),
        connector: connector.to_owned(),
        location: location.to_owned(),
        partition_by: Vec::new(),
        columns: None,
        primary_key: Vec::new(),
        options: Vec::new(),
    }
}
