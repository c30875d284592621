//! Named points where a test can kill the process. Without the feature `failpoints` they compile to nothing.
//!
//! Two kinds: the steps of the epoch protocol, each by its own name, and every change that is made to an object store
//! ([`crate::stores`] wraps the stores of a test build), before and after it.

/// Before a change to an object store.
pub const BEFORE_EFFECT: &str = "store-before";
/// After a change to an object store, before its caller hears of it.
pub const AFTER_EFFECT: &str = "store-after";
/// Before a change to the state store.
pub const BEFORE_STATE: &str = "state-before";
/// After a change to the state store.
pub const AFTER_STATE: &str = "state-after";

/// A sink has copied the files of a batch into its table's folder; no reader counts them yet.
pub const FILES_COPIED: &str = "table-files-copied";
/// Before the one write that makes a batch visible.
pub const BEFORE_TABLE_COMMIT: &str = "table-commit-before";
/// After that write, before its answer is looked at.
pub const AFTER_TABLE_COMMIT: &str = "table-commit-after";
/// After the record of an overwrite, before the files that it replaced are removed.
pub const BEFORE_REPLACED_REMOVED: &str = "table-replaced-before";

/// Messages of a queue were received; nothing was done with them yet.
pub const MESSAGES_RECEIVED: &str = "messages-received";
/// What they name is in the sinks; they are about to be deleted.
pub const BEFORE_MESSAGES_DELETED: &str = "messages-deleted-before";
/// They were deleted, before the answer is looked at.
pub const AFTER_MESSAGES_DELETED: &str = "messages-deleted-after";

/// The point `name`.
#[cfg_attr(
    not(feature = "failpoints"),
    expect(clippy::missing_const_for_fn, reason = "it does something when failpoints are on")
)]
pub fn point(name: &str) {
    #[cfg(feature = "failpoints")]
    fail::eval(name, |_| ());
    #[cfg(not(feature = "failpoints"))]
    let _ = name;
}
