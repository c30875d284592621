//! Threads that pipelines run on, and others that queries do, beside those of pages and answers: a batch of rows is worked on for as long as it takes,
//! and who asks for a page does not wait for that.

use std::io;

use tokio::runtime::{Builder, Handle, Runtime};

use crate::sql::script::STACK;

/// They are there until this is dropped.
#[derive(Debug)]
pub(super) struct Workers {
    handle: Handle,
    runtime: Option<Runtime>,
}

impl Workers {
    /// Threads of this name.
    pub(super) fn start(name: &str) -> io::Result<Self> {
        let runtime = Builder::new_multi_thread().thread_name(name).thread_stack_size(STACK).enable_all().build()?;
        Ok(Self { handle: runtime.handle().clone(), runtime: Some(runtime) })
    }

    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        // Whoever drops it may not wait.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
