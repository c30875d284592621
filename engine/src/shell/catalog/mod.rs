//! Which table a name stands for: the catalogs and schemas that the shell shows DataFusion.
//!
//! | name | table |
//! |---|---|
//! | `lake.reddit.posts`, `reddit.posts` | the table at `lake://reddit/posts` |
//! | `lake.public.posts`, `lake.posts` | the table at `lake://posts` |
//! | `lake."a/b".posts` | the table at `lake://a/b/posts`: the folders of a schema are joined as they are in a location |
//! | `system.runs`, `system.public.runs` | what was run; likewise `warehouse` and every other catalog |
//! | `posts` | what this session declared, else the only table of the lake with that name |
//! | `"posts$bad"` | the bad records of source `posts`: the only `lake://bad/<pipeline>/posts` |
//! | `'x.csv'`, `'s3://bucket/x/*.parquet'`, `'lake://reddit/posts'` | files, or the table, at that place |
//!
//! Which table of the lake that is, is [`crate::catalog::lake`]'s.

mod session;

pub(super) use crate::catalog::lake::{
    FolderKind, LAKE, LakeIndex, LakeTable, PUBLIC, endings, looks_like_a_place, nearest_file, quoted,
};
pub(super) use session::{Declared, SessionCatalog, SessionSchema};
