//! The simple protocol: a string of statements, which are one transaction unless they say otherwise.

use bytes::Bytes;

use super::{Done, Session, Step};
use crate::rules::STATEMENT_IS_AT_MOST_16_MIB;
use crate::sql::{Plan, plan, statements_of};
use crate::sql_error::SqlError;
use crate::wire::Reader;

/// The longest statement (c_redshift-sql).
const LONGEST_STATEMENT: usize = 16 << 20;

impl Session {
    pub(super) async fn simple(&mut self, body: Bytes) -> Step<()> {
        let text = Reader::new(body).text()?;
        let done = self.statements(&text).await?;
        if self.implicit {
            self.end_implicit(done).await?;
        }
        self.ready().await
    }

    async fn statements(&mut self, text: &str) -> Step<Done> {
        if let Err(error) = check_length(text) {
            return self.fail(&error).await;
        }
        let parts = match statements_of(text, self.exact) {
            Ok(parts) => parts,
            Err(error) => return self.fail(&error).await,
        };
        if parts.is_empty() {
            self.client.write(b'I', &[]).await?;
            return Ok(Done::Well);
        }
        for (position, tokens) in parts.iter().enumerate() {
            self.register_names(tokens).await?;
            let plan = match plan(tokens) {
                Ok(plan) => plan,
                Err(error) => return self.fail(&error).await,
            };
            let more = parts.len() > 1 && position + 1 < parts.len();
            let done = Box::pin(self.one_of(&plan, more)).await?;
            if done == Done::Failed {
                return Ok(done);
            }
        }
        Ok(Done::Well)
    }

    /// One statement of a string. The first that needs it opens the transaction that holds them together.
    async fn one_of(&mut self, plan: &Plan, more: bool) -> Step<Done> {
        let opens = matches!(plan, Plan::Run(run) if run.alone.is_none()) || matches!(plan, Plan::Copy(_) | Plan::Unload(_));
        if more && opens && self.backend.status == b'I' && !self.implicit {
            self.silently("BEGIN").await?;
            self.implicit = true;
        }
        self.execute(plan).await
    }
}

/// That a statement is not too long.
pub(super) fn check_length(text: &str) -> Result<(), SqlError> {
    if text.len() <= LONGEST_STATEMENT {
        return Ok(());
    }
    let message =
        format!("Statement is too large. Statement Size: {} bytes. Maximum Allowed: {LONGEST_STATEMENT} bytes", text.len());
    Err(SqlError::refused(&STATEMENT_IS_AT_MOST_16_MIB, message))
}
