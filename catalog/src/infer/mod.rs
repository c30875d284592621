//! What type a column has, from what was seen in it.
//!
//! [`Evidence`] counts, for one column, how often each kind of value was seen and where first; it merges in any order.
//! [`Evidence::resolve`] chooses the type that all of the values fit, never one that only most do: nothing is narrowed silently.
//! [`FileObservation`] does this for a file that is being read, and [`ObservedSchema`] for a table of many files.

mod evidence;
mod explain;
mod file;
mod form;
mod kind;
mod ordered;
mod place;
mod resolve;
mod schema;
#[cfg(test)]
mod tests;
mod widen;

pub use evidence::{Evidence, MOST_KEYS};
pub use file::FileObservation;
pub use form::{FORM_KEY, Form, forms, with_form};
pub use kind::{EXAMPLE_CHARS, Kind, Tally};
pub use ordered::Ordered;
pub(crate) use place::Grouped;
pub use place::{Place, Position};
pub use resolve::{ResolveOptions, Resolved};
pub use schema::{FileTally, ObservedColumn, ObservedSchema, Refusals};
pub use widen::{widen, widen_fields};
