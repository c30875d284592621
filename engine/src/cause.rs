//! What an error says to the person who gets it.

use connectors::secrets::without_values;

/// The error and its causes, each said once, and no secret: the errors of our own name their causes themselves.
pub(crate) fn one_line(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let said = cause.to_string();
        if !text.contains(&said) {
            text = if text.is_empty() { said } else { format!("{text}: {said}") };
        }
        let is_own = cause.is::<connectors::Error>() || cause.is::<crate::state::StateError>() || cause.is::<catalog::Error>();
        if is_own {
            break;
        }
    }
    without_values(&text)
}

/// Whether the error is a bug of ours rather than something the user can repair.
pub(crate) fn is_ours(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        matches!(cause.downcast_ref::<connectors::Error>(), Some(connectors::Error::Internal { .. }))
            || matches!(cause.downcast_ref::<catalog::Error>(), Some(catalog::Error::Internal { .. }))
            || matches!(cause.downcast_ref::<crate::state::StateError>(), Some(crate::state::StateError::Corrupt { .. }))
    })
}
