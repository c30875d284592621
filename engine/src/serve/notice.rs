//! Who is told how a run ended: webhooks, and people by e-mail.

use std::fmt;
use std::time::Duration;

use anyhow::{Result, bail};
use connectors::secrets::without_secrets;
use serde_json::{Value, json};
use url::Url;

use super::mail::{Post, address};
use crate::session::Session;
use crate::state::{RunRecord, RunStatus};

/// How long a webhook may take to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// Waits between the attempts to tell one.
const WAITS: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(30)];

/// Where a notice goes: a webhook that takes JSON by POST, or an e-mail address. `${...}` in it is resolved when it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target(String);

impl Target {
    /// From `https://hooks.example.com/x`, `${SLACK_WEBHOOK}` or `team@example.com`.
    ///
    /// # Errors
    /// What is expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let is_url = Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        if is_url || text.starts_with("${") || address(text).is_some() {
            return Ok(Self(text.to_owned()));
        }
        let shown = without_secrets(text);
        Err(format!(
            "'{shown}' is nobody who can be told; expected the URL of a webhook, as in 'https://hooks.example.com/x', or an e-mail \
             address, as in 'team@example.com'"
        ))
    }

    /// Whether it is told by e-mail.
    pub fn is_mail(&self) -> bool {
        address(&self.0).is_some()
    }

    /// Tells it, again and again if need be.
    ///
    /// # Errors
    /// When it does not take the notice.
    pub(super) async fn tell(&self, run: &RunRecord, session: &Session, client: &reqwest::Client) -> Result<()> {
        let to = session.interpolated(&self.0)?;
        let mail = address(&to).map(|address| Post::new(&session.settings).map(|post| (post, address))).transpose()?;
        let mut waits = WAITS.iter();
        loop {
            let told = match &mail {
                Some((post, address)) => post.send(address, run).await,
                None => call(&to, run, client).await,
            };
            let Err((why, again)) = told else { return Ok(()) };
            let Some(wait) = waits.next().filter(|_| again) else { bail!("{self} was not told: {why}") };
            session.context.clock.sleep(*wait).await;
        }
    }
}

/// Calls a webhook once; says why it was not told, and whether trying again may help.
async fn call(url: &str, run: &RunRecord, client: &reqwest::Client) -> Result<(), (String, bool)> {
    match client.post(url).timeout(ANSWER_LIMIT).json(&notice(run)).send().await {
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(answer) => {
            let status = answer.status();
            Err((format!("it answered {status}"), status.is_server_error() || status.as_u16() == 429))
        }
        // Its URL is the secret.
        Err(error) => Err((error.without_url().to_string(), true)),
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(address) = address(&self.0) {
            return write!(f, "{address}");
        }
        // What lets one write there is in its path.
        match Url::parse(&self.0) {
            Ok(url) => write!(f, "the webhook at {}", url.host_str().unwrap_or_default()),
            Err(_) => write!(f, "{}", self.0),
        }
    }
}

/// What is told of a run, in a form that Slack and those that read like it show.
fn notice(run: &RunRecord) -> Value {
    let name = format!("{}/{}", run.pipeline, run.run);
    let text = match (&run.error, run.status) {
        (Some(error), RunStatus::Failed) => {
            let attempts =
                if run.purpose.attempt > 1 { format!(" after {} attempts", run.purpose.attempt) } else { String::new() };
            format!(":red_circle: pipeline {} failed{attempts}: {error} (run {name})", run.pipeline)
        }
        _ => {
            let rows = run.totals.rows_written;
            format!(":large_green_circle: pipeline {} is done: {rows} rows written (run {name})", run.pipeline)
        }
    };
    json!({
        "text": text,
        "pipeline": run.pipeline,
        "run": run.run,
        "status": run.status.to_string(),
        "error": run.error,
        "attempt": run.purpose.attempt,
        "reason": run.purpose.reason,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "rows_written": run.totals.rows_written,
        "bad_rows": run.totals.bad_rows,
        "host": run.holder.host,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_is_named_without_what_lets_one_write_there() {
        let target = Target::parse("https://hooks.slack.com/services/T0/B0/secret").unwrap();
        assert_eq!(target.to_string(), "the webhook at hooks.slack.com");
        assert!(Target::parse("${SLACK_WEBHOOK}").is_ok());
        assert!(Target::parse("team@example.com").unwrap().is_mail() && !target.is_mail());
        assert!(Target::parse("team").unwrap_err().contains("expected the URL of a webhook"));
    }
}
