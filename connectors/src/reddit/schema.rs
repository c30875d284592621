//! The columns of posts and comments, and where in Reddit's JSON each comes from.
//!
//! Names and meaning are the API's (<https://www.reddit.com/dev/api>); every value is as sent. Where a post has no such
//! key, or a value of another type, the column is NULL and `raw` still has it. `id`, `name`, `created_utc` and `raw` are
//! never NULL.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::location::Kind;

/// How a JSON value becomes a column's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A string; a number becomes its text.
    Text,
    /// A whole number, also when sent as a float or a string.
    Int,
    /// A number, also when sent as a string.
    Float,
    /// `true` or `false`.
    Bool,
    /// Whether `edited` is anything but `false`: it is a time for edits since 2012 or so, `true` for older ones.
    Edited,
    /// The time in `edited`, when it is one.
    EditedTime,
    /// The full name; made from `id` where it is missing.
    Name,
    /// The whole object, byte for byte.
    Raw,
}

/// One column.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    /// In the table.
    pub(super) name: &'static str,
    /// In the JSON.
    pub(super) key: &'static str,
    /// From the one to the other.
    pub(super) form: Form,
    /// Never NULL.
    pub(super) required: bool,
}

const fn column(name: &'static str, form: Form) -> Column {
    Column { name, key: name, form, required: false }
}

const fn required(name: &'static str, form: Form) -> Column {
    Column { name, key: name, form, required: true }
}

const fn keyed(name: &'static str, key: &'static str, form: Form) -> Column {
    Column { name, key, form, required: false }
}

/// Posts (`t3`).
const POST: &[Column] = &[
    required("id", Form::Text),
    required("name", Form::Name),
    column("subreddit", Form::Text),
    column("subreddit_id", Form::Text),
    column("title", Form::Text),
    column("author", Form::Text),
    column("author_fullname", Form::Text),
    required("created_utc", Form::Float),
    column("score", Form::Int),
    column("ups", Form::Int),
    column("downs", Form::Int),
    column("upvote_ratio", Form::Float),
    column("num_comments", Form::Int),
    column("num_crossposts", Form::Int),
    column("total_awards_received", Form::Int),
    column("gilded", Form::Int),
    column("view_count", Form::Int),
    column("selftext", Form::Text),
    column("url", Form::Text),
    column("permalink", Form::Text),
    column("domain", Form::Text),
    column("thumbnail", Form::Text),
    column("post_hint", Form::Text),
    column("link_flair_text", Form::Text),
    column("author_flair_text", Form::Text),
    column("is_self", Form::Bool),
    column("is_video", Form::Bool),
    column("is_gallery", Form::Bool),
    column("is_original_content", Form::Bool),
    column("over_18", Form::Bool),
    column("spoiler", Form::Bool),
    column("stickied", Form::Bool),
    column("locked", Form::Bool),
    column("archived", Form::Bool),
    column("pinned", Form::Bool),
    column("hidden", Form::Bool),
    column("clicked", Form::Bool),
    column("quarantine", Form::Bool),
    keyed("edited", "edited", Form::Edited),
    keyed("edited_utc", "edited", Form::EditedTime),
    column("approved_at_utc", Form::Float),
    column("distinguished", Form::Text),
    column("removed_by_category", Form::Text),
    column("crosspost_parent", Form::Text),
    Column { name: "raw", key: "", form: Form::Raw, required: true },
];

/// Comments (`t1`).
const COMMENT: &[Column] = &[
    required("id", Form::Text),
    required("name", Form::Name),
    column("parent_id", Form::Text),
    column("link_id", Form::Text),
    column("link_title", Form::Text),
    column("subreddit", Form::Text),
    column("subreddit_id", Form::Text),
    column("body", Form::Text),
    column("author", Form::Text),
    column("author_fullname", Form::Text),
    required("created_utc", Form::Float),
    column("score", Form::Int),
    column("ups", Form::Int),
    column("controversiality", Form::Int),
    column("total_awards_received", Form::Int),
    column("gilded", Form::Int),
    column("depth", Form::Int),
    column("permalink", Form::Text),
    column("author_flair_text", Form::Text),
    column("is_submitter", Form::Bool),
    column("score_hidden", Form::Bool),
    column("stickied", Form::Bool),
    column("locked", Form::Bool),
    column("archived", Form::Bool),
    keyed("edited", "edited", Form::Edited),
    keyed("edited_utc", "edited", Form::EditedTime),
    column("distinguished", Form::Text),
    Column { name: "raw", key: "", form: Form::Raw, required: true },
];

impl Form {
    /// The column's type.
    pub(super) fn data_type(self) -> DataType {
        match self {
            Self::Text | Self::Name | Self::Raw => DataType::Utf8,
            Self::Int => DataType::Int64,
            Self::Float | Self::EditedTime => DataType::Float64,
            Self::Bool | Self::Edited => DataType::Boolean,
        }
    }
}

/// The columns of a listing of `kind`.
pub(super) fn columns(kind: Kind) -> &'static [Column] {
    match kind {
        Kind::Post => POST,
        Kind::Comment => COMMENT,
    }
}

/// The same as an Arrow schema.
pub(super) fn schema(columns: &[Column]) -> SchemaRef {
    let field = |column: &Column| Field::new(column.name, column.form.data_type(), !column.required);
    Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
}
