//! `[reddit]`: credentials, addresses and the size of the embedded replay. Who fills it from files and environment is the
//! engine; here it is only checked.

use std::fmt;
use std::time::Duration;

use crate::error::{Error, Result};

/// Posts per subreddit in the embedded replay: what a listing of Reddit holds at most.
const REPLAY_POSTS: u64 = 1_000;
/// Reddit answers within seconds; ten seconds of silence happen and pass.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// How to reach Reddit. Without `client_id` and `client_secret` sample posts are replayed instead.
///
/// Credentials come from <https://www.reddit.com/prefs/apps>. The grant follows from what is set: `refresh_token`, else
/// `username` and `password` (script apps), else `device_id` (installed apps), else the application's own rights.
#[derive(Clone)]
pub struct RedditConfig {
    /// The application's id.
    pub client_id: Option<String>,
    /// The application's secret; an installed app has none.
    pub client_secret: Option<String>,
    /// Account of a script app; also named in the user agent.
    pub username: Option<String>,
    /// Password of that account.
    pub password: Option<String>,
    /// A permanent token that a user granted to the application.
    pub refresh_token: Option<String>,
    /// Identifies an installation of an installed app: 20 to 30 characters.
    pub device_id: Option<String>,
    /// Sent with every request, as `<platform>:<app id>:<version> (by /u/<name>)`; made from `username` when not set.
    pub user_agent: Option<String>,
    /// Where listings are read.
    pub api_url: String,
    /// Where tokens are issued.
    pub token_url: String,
    /// Posts per subreddit that the embedded replay holds; 1,000 when not set.
    pub replay_posts: Option<u64>,
    /// How long one request may take, body included.
    pub timeout: Duration,
}

impl Default for RedditConfig {
    fn default() -> Self {
        Self {
            client_id: None,
            client_secret: None,
            username: None,
            password: None,
            refresh_token: None,
            device_id: None,
            user_agent: None,
            api_url: "https://oauth.reddit.com".to_owned(),
            token_url: "https://www.reddit.com/api/v1/access_token".to_owned(),
            replay_posts: None,
            timeout: REQUEST_TIMEOUT,
        }
    }
}

impl fmt::Debug for RedditConfig {
    /// Says which secrets are set, never what they are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let masked = |value: &Option<String>| value.as_ref().map(|_| "***");
        f.debug_struct("RedditConfig")
            .field("client_id", &masked(&self.client_id))
            .field("client_secret", &masked(&self.client_secret))
            .field("username", &self.username)
            .field("password", &masked(&self.password))
            .field("refresh_token", &masked(&self.refresh_token))
            .field("device_id", &masked(&self.device_id))
            .field("user_agent", &self.user_agent)
            .field("api_url", &self.api_url)
            .field("token_url", &self.token_url)
            .field("replay_posts", &self.replay_posts)
            .field("timeout", &self.timeout)
            .finish()
    }
}

impl RedditConfig {
    /// Whether Reddit itself is read, rather than the replay.
    pub fn is_live(&self) -> bool {
        given(&self.client_id).is_some() || given(&self.client_secret).is_some()
    }

    /// Posts per subreddit in the replay.
    pub(super) fn replay_size(&self) -> u64 {
        self.replay_posts.unwrap_or(REPLAY_POSTS)
    }

    /// Which rights are asked for.
    ///
    /// # Errors
    /// [`Error::Config`] when only half of a pair is set.
    pub(super) fn grant(&self) -> Result<Grant> {
        if !self.is_live() {
            return Ok(Grant::Application);
        }
        let missing = |name: &str, why: &str| {
            Error::config_at(
                format!("reddit.{name}"),
                format!("[reddit] {name} is not set, but {why}; see https://www.reddit.com/prefs/apps"),
            )
        };
        if given(&self.client_id).is_none() {
            return Err(missing("client_id", "client_secret is"));
        }
        if given(&self.client_secret).is_none() && given(&self.device_id).is_none() {
            return Err(missing("client_secret", "client_id is (an installed app, which has none, sets device_id)"));
        }
        if let Some(token) = given(&self.refresh_token) {
            return Ok(Grant::RefreshToken(token.to_owned()));
        }
        match (given(&self.username), given(&self.password), given(&self.device_id)) {
            (Some(username), Some(password), _) => {
                Ok(Grant::Password { username: username.to_owned(), password: password.to_owned() })
            }
            (None, Some(_), _) => Err(missing("username", "password is")),
            (_, None, Some(device)) => Ok(Grant::Installed { device_id: device.to_owned() }),
            (_, None, None) => Ok(Grant::Application),
        }
    }

    /// What identifies this program to Reddit, which slows down or refuses clients that do not say who they are
    /// (<https://github.com/reddit-archive/reddit/wiki/API>).
    pub(super) fn agent(&self) -> String {
        if let Some(agent) = given(&self.user_agent) {
            return agent.to_owned();
        }
        let name = given(&self.username).unwrap_or("unknown");
        format!("{}:engine:{} (by /u/{name})", std::env::consts::OS, env!("CARGO_PKG_VERSION"))
    }
}

/// A setting left empty is one that is not set: environments often carry empty variables.
fn given(value: &Option<String>) -> Option<&str> {
    value.as_deref().map(str::trim).filter(|text| !text.is_empty())
}

/// What a token is asked for with.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Grant {
    /// `client_credentials`: the application alone.
    Application,
    /// `password`: a script app and its developer's account.
    Password {
        /// Account.
        username: String,
        /// Its password.
        password: String,
    },
    /// `refresh_token`: a user's permanent grant.
    RefreshToken(String),
    /// An installed app without a secret.
    Installed {
        /// The installation.
        device_id: String,
    },
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Application => "Application",
            Self::Password { .. } => "Password",
            Self::RefreshToken(_) => "RefreshToken",
            Self::Installed { .. } => "Installed",
        })
    }
}

/// What to tell the user when sample posts stand in for Reddit; `None` when Reddit itself is read.
pub fn replay_notice(config: &RedditConfig) -> Option<String> {
    (!config.is_live()).then(|| {
        format!(
            "no Reddit credentials are set: replaying {} sample posts for each of {}.\nTo read Reddit itself, create an \
             application at https://www.reddit.com/prefs/apps and set REDDIT_CLIENT_ID and REDDIT_CLIENT_SECRET, or client_id \
             and client_secret under [reddit] in engine.toml; the pipeline stays as it is.",
            config.replay_size(),
            super::SUBREDDITS.map(|name| format!("r/{name}")).join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live() -> RedditConfig {
        RedditConfig { client_id: Some("app-id-1".into()), client_secret: Some("hush-secret".into()), ..RedditConfig::default() }
    }

    #[test]
    fn debug_shows_no_secret() {
        let config = RedditConfig {
            password: Some("hush-password".into()),
            refresh_token: Some("hush-refresh".into()),
            username: Some("ada".into()),
            ..live()
        };
        let text = format!("{config:?} {:?}", config.grant().unwrap());
        assert!(!text.contains("hush") && !text.contains("app-id-1"), "{text}");
        assert!(text.contains("ada"));
    }

    #[test]
    fn grant_follows_from_what_is_set() {
        assert_eq!(live().grant().unwrap(), Grant::Application);
        let script = RedditConfig { username: Some("ada".into()), password: Some("p".into()), ..live() };
        assert_eq!(script.grant().unwrap(), Grant::Password { username: "ada".into(), password: "p".into() });
        let refresh = RedditConfig { refresh_token: Some("r".into()), ..script };
        assert_eq!(refresh.grant().unwrap(), Grant::RefreshToken("r".into()));
        let installed = RedditConfig { client_secret: None, device_id: Some("d".into()), ..live() };
        assert_eq!(installed.grant().unwrap(), Grant::Installed { device_id: "d".into() });
    }

    #[test]
    fn half_of_a_pair_names_the_other_half() {
        let no_secret = RedditConfig { client_secret: Some(" ".into()), ..live() };
        assert!(no_secret.grant().unwrap_err().to_string().starts_with("[reddit] client_secret is not set"));
        let no_user = RedditConfig { password: Some("p".into()), ..live() };
        assert_eq!(no_user.grant().unwrap_err().subject(), Some("reddit.username"));
    }

    #[test]
    fn notice_only_without_credentials() {
        assert!(replay_notice(&live()).is_none());
        let notice = replay_notice(&RedditConfig::default()).unwrap();
        assert!(notice.contains("1000 sample posts") && notice.contains("REDDIT_CLIENT_ID"), "{notice}");
    }
}
