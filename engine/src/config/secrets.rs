//! Where `${secret:...}` is looked up: files, the environment, AWS Secrets Manager.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use connectors::aws::secrets::{SecretsManager, member};

/// How long a secret of AWS Secrets Manager is used before it is asked for again: one that was changed is picked up by then.
const KEPT: Duration = Duration::from_secs(300);

/// Looks up secrets. Those that a service keeps are asked for once in a while.
#[derive(Debug, Default)]
pub struct Secrets {
    manager: Option<SecretsManager>,
    kept: Mutex<BTreeMap<String, Kept>>,
}

struct Kept {
    text: String,
    since: Instant,
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept").field("since", &self.since).finish_non_exhaustive()
    }
}

impl Secrets {
    /// Those of `manager` as well as those of this machine.
    pub(super) fn new(manager: SecretsManager) -> Self {
        Self { manager: Some(manager), kept: Mutex::default() }
    }

    /// The secret that `${secret:<reference>}` names.
    ///
    /// # Errors
    /// When there is none, or it may not be read.
    pub(super) fn find(&self, reference: &str, environment: &BTreeMap<String, String>) -> Result<String> {
        let found = self.look_up(reference, environment);
        if let Ok(value) = &found {
            connectors::secrets::leave_out(value);
        }
        found
    }

    fn look_up(&self, reference: &str, environment: &BTreeMap<String, String>) -> Result<String> {
        match reference.split_once(':') {
            Some(("file", path)) => {
                let text = std::fs::read_to_string(path).with_context(|| format!("cannot read the secret file {path}"))?;
                Ok(text.trim_end_matches(['\n', '\r']).to_owned())
            }
            Some(("env", name)) => match environment.get(name).filter(|value| !value.is_empty()) {
                Some(value) => Ok(value.clone()),
                None => bail!("the secret in environment variable {name} is not set"),
            },
            Some(("aws", secret)) => match secret.split_once('#') {
                Some((name, key)) => Ok(member(name, &self.of_aws(name)?, key)?),
                None => self.of_aws(secret),
            },
            _ => bail!(
                "unknown secret '${{secret:{reference}}}'; expected ${{secret:file:/path}}, ${{secret:env:NAME}} or ${{secret:aws:name#key}}"
            ),
        }
    }

    /// The text of a secret of AWS Secrets Manager. When it cannot be asked for now, what it was before goes on.
    fn of_aws(&self, name: &str) -> Result<String> {
        let Some(manager) = &self.manager else {
            bail!(
                "the secret '{name}' of AWS Secrets Manager cannot be a setting of [s3] or [secrets]: these are needed to ask for it"
            )
        };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let before = kept.get(name);
        if let Some(fresh) = before.filter(|kept| kept.since.elapsed() < KEPT) {
            return Ok(fresh.text.clone());
        }
        match (ask(manager, name), before) {
            (Ok(text), _) => {
                kept.insert(name.to_owned(), Kept { text: text.clone(), since: Instant::now() });
                Ok(text)
            }
            (Err(error), Some(before)) if error.downcast_ref().is_some_and(connectors::Error::retry) => {
                tracing::warn!(
                    secret = name,
                    error = format!("{error:#}"),
                    "the secret could not be asked for again; it is used as it was"
                );
                Ok(before.text.clone())
            }
            (Err(error), _) => Err(error),
        }
    }
}

/// Asks by a thread of its own: settings are looked up where nothing can be awaited, and seldom from afar.
fn ask(manager: &SecretsManager, name: &str) -> Result<String> {
    let asked = std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            Ok(runtime.block_on(manager.get(name))?)
        });
        thread.join()
    });
    asked.map_err(|_| anyhow!("asking for the secret '{name}' was broken off (this is a bug in engine; please report it)"))?
}
