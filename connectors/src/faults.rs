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
