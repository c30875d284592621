//! Why a state store did not do what it was asked.

/// What a state store returns.
pub type Result<T, E = StateError> = std::result::Result<T, E>;

/// Why a state store did not do it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// Another run has taken the pipeline over; this one must stop.
    #[error(
        "pipeline '{pipeline}' was taken over by another run (this run held generation {generation}); nothing of this epoch was recorded"
    )]
    Fenced {
        /// The pipeline.
        pipeline: String,
        /// The generation that is no longer current.
        generation: i64,
    },
    /// The store cannot be opened, read or written.
    #[error("{message}")]
    Unavailable {
        /// Which store, what was tried.
        message: String,
        /// The cause.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// What is stored does not make sense.
    #[error("state store: {message} (this is a bug in engine; please report it)")]
    Corrupt {
        /// What does not make sense.
        message: String,
    },
}

impl StateError {
    /// The state is elsewhere by now.
    pub(super) fn moved(to: &str) -> Self {
        let message = format!("the state was moved to {to}: set [state] url (or ENGINE_STATE_URL) to that place");
        Self::Unavailable { message, source: None }
    }

    /// Whether the same may work in a while; nothing was done.
    pub(super) fn is_passing(&self) -> bool {
        let Self::Unavailable { source: Some(source), .. } = self else { return false };
        source.downcast_ref::<connectors::Error>().is_some_and(connectors::Error::retry)
    }
}

impl From<serde_json::Error> for StateError {
    fn from(error: serde_json::Error) -> Self {
        Self::Corrupt { message: error.to_string() }
    }
}
