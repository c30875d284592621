//! Who a connection is made as: the user and password of the URL or, without a password, temporary ones that AWS gives.
//!
//! `GetClusterCredentials` of Redshift's API for a cluster, `GetCredentials` of Redshift Serverless' for a workgroup; which of them it
//! is, its name and its region stand in the host. The engine's AWS identity needs `redshift:GetClusterCredentials` or
//! `redshift-serverless:GetCredentials`.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use tokio::sync::Mutex;

use crate::aws::service::{Answer, Service as Aws};
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::postgres::ConnectionConfig;
use crate::stores::Stores;

/// How long credentials are asked for, in seconds: the default of both services.
const DURATION_SECONDS: u32 = 900;
/// How long they are used: they need only last until a connection is made.
const USED_FOR: Duration = Duration::from_secs(600);

/// Who gives temporary credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Service {
    Cluster { identifier: String },
    Serverless { workgroup: String },
}

/// A user and a password that are good for a while.
#[derive(Clone)]
struct Login {
    user: String,
    password: String,
}

/// Asks for temporary credentials, and keeps them for a while.
#[derive(Debug)]
pub(crate) struct Issuer {
    service: Service,
    aws: Aws,
    user: String,
    database: String,
    clock: Arc<dyn Clock>,
    kept: Mutex<Option<(DateTime<Utc>, Login)>>,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

impl Issuer {
    /// For the host of `connection`, if it is one of AWS and there is no password. `endpoint` is asked instead of AWS's own.
    ///
    /// # Errors
    /// [`Error::Config`] for a setting of `[s3]` that is wrong.
    pub(crate) fn of(
        connection: &ConnectionConfig,
        endpoint: Option<&str>,
        stores: &Stores,
        clock: &Arc<dyn Clock>,
    ) -> Result<Option<Self>> {
        if connection.password.is_some() {
            return Ok(None);
        }
        let Some((service, region)) = service(&connection.host) else { return Ok(None) };
        let name = match service {
            Service::Cluster { .. } => "redshift",
            Service::Serverless { .. } => "redshift-serverless",
        };
        Ok(Some(Self {
            service,
            aws: Aws::new(name, region, endpoint, stores, clock)?,
            user: connection.user.clone(),
            database: connection.database.clone(),
            clock: Arc::clone(clock),
            kept: Mutex::new(None),
        }))
    }

    /// `connection` with credentials that are good now.
    ///
    /// # Errors
    /// [`Error::Auth`] when AWS gives none.
    pub(crate) async fn log_in(&self, connection: &ConnectionConfig) -> Result<ConnectionConfig> {
        let mut kept = self.kept.lock().await;
        let now = self.clock.now();
        let login = match kept.as_ref().filter(|(until, _)| *until > now) {
            Some((_, login)) => login.clone(),
            None => {
                let login = self.ask().await?;
                *kept = Some((now + USED_FOR, login.clone()));
                login
            }
        };
        Ok(ConnectionConfig { user: login.user, password: Some(login.password), ..connection.clone() })
    }

    async fn ask(&self) -> Result<Login> {
        match &self.service {
            Service::Cluster { identifier } => {
                let body = form(&[
                    ("Action", "GetClusterCredentials"),
                    ("Version", "2012-12-01"),
                    ("ClusterIdentifier", identifier),
                    ("DbUser", &self.user),
                    ("DbName", &self.database),
                    ("AutoCreate", "false"),
                    ("DurationSeconds", &DURATION_SECONDS.to_string()),
                ]);
                let answer = self.post(&[("content-type", "application/x-www-form-urlencoded")], body).await?;
                let (user, password) = (element(&answer, "DbUser"), element(&answer, "DbPassword"));
                user.zip(password).map(|(user, password)| Login { user, password }).ok_or_else(|| self.not_understood())
            }
            Service::Serverless { workgroup } => {
                let body = serde_json::json!({
                    "workgroupName": workgroup, "dbName": self.database, "durationSeconds": DURATION_SECONDS,
                });
                let headers =
                    [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", "RedshiftServerless.GetCredentials")];
                let answer = self.post(&headers, body.to_string()).await?;
                let given: ServerlessCredentials = serde_json::from_str(&answer).map_err(|_| self.not_understood())?;
                Ok(Login { user: given.user, password: given.password })
            }
        }
    }

    async fn post(&self, headers: &[(&'static str, &str)], body: String) -> Result<String> {
        let answer = self.aws.post(headers, body, "for temporary credentials").await?;
        if answer.is_good() {
            return Ok(answer.text);
        }
        let Answer { status, .. } = answer;
        let message =
            format!("{} gave no temporary credentials for {} ({status}): {}", self.aws.endpoint(), self.shown(), answer.shown());
        Err(if answer.passes() { Error::transient(message) } else { self.refused(message) })
    }

    fn shown(&self) -> String {
        match &self.service {
            Service::Cluster { identifier } => format!("user '{}' of cluster '{identifier}'", self.user),
            Service::Serverless { workgroup } => format!("workgroup '{workgroup}'"),
        }
    }

    fn refused(&self, message: String) -> Error {
        let action = match self.service {
            Service::Cluster { .. } => "redshift:GetClusterCredentials",
            Service::Serverless { .. } => "redshift-serverless:GetCredentials",
        };
        Error::auth(format!("{message}; allow {action} to the engine's AWS identity, or set [warehouse] password"))
    }

    fn not_understood(&self) -> Error {
        Error::auth(format!("the answer of {} for {} has no credentials in it", self.aws.endpoint(), self.shown()))
    }
}

/// What `GetCredentials` answers.
#[derive(Deserialize)]
struct ServerlessCredentials {
    #[serde(rename = "dbUser")]
    user: String,
    #[serde(rename = "dbPassword")]
    password: String,
}

/// The region that a host of AWS is in.
pub(crate) fn region_of(host: &str) -> Option<String> {
    service(host).map(|(_, region)| region)
}

/// `name.x.region.redshift.amazonaws.com` or `name.account.region.redshift-serverless.amazonaws.com`.
fn service(host: &str) -> Option<(Service, String)> {
    let host = host.strip_suffix(".cn").unwrap_or(host);
    let parts: Vec<&str> = host.strip_suffix(".amazonaws.com")?.split('.').collect();
    let [name, _, region, service] = parts.as_slice() else { return None };
    let service = match *service {
        "redshift" => Service::Cluster { identifier: (*name).to_owned() },
        "redshift-serverless" => Service::Serverless { workgroup: (*name).to_owned() },
        _ => return None,
    };
    Some((service, (*region).to_owned()))
}

fn form(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// The text of the first element called `name`, without attributes.
fn element(xml: &str, name: &str) -> Option<String> {
    let (_, after) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = after.split_once(&format!("</{name}>"))?;
    // The last, so that what it makes is not taken for another.
    Some(text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'").replace("&amp;", "&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_says_what_is_asked_where() {
        let cluster = service("examplecluster.abc123.eu-west-1.redshift.amazonaws.com").unwrap();
        assert_eq!(cluster, (Service::Cluster { identifier: "examplecluster".into() }, "eu-west-1".into()));
        let workgroup = service("default.123456789012.us-east-1.redshift-serverless.amazonaws.com").unwrap();
        assert_eq!(workgroup, (Service::Serverless { workgroup: "default".into() }, "us-east-1".into()));
        for other in ["localhost", "db.example.org", "s3.eu-west-1.amazonaws.com", "a.b.c.rds.amazonaws.com"] {
            assert_eq!(service(other), None, "{other}");
        }
    }

    /// What a request had, and how it is answered.
    type Asked = Arc<std::sync::Mutex<Vec<(axum::http::HeaderMap, String)>>>;

    /// AWS, for as long as the test runs.
    async fn serve(status: u16, answer: &'static str) -> (String, Asked) {
        let asked = Asked::default();
        let seen = Arc::clone(&asked);
        let handler = move |headers: axum::http::HeaderMap, body: String| {
            let seen = Arc::clone(&seen);
            async move {
                seen.lock().unwrap().push((headers, body));
                (axum::http::StatusCode::from_u16(status).unwrap(), answer)
            }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let service = axum::Router::new().route("/", axum::routing::post(handler));
        tokio::spawn(async move { axum::serve(listener, service).await });
        (endpoint, asked)
    }

    fn issuer(host: &str, endpoint: &str) -> (ConnectionConfig, Issuer) {
        let s3 = crate::stores::S3Config {
            access_key_id: Some("AKIDEXAMPLE".into()),
            secret_access_key: Some("hush".into()),
            region: Some("eu-west-1".into()),
            ..Default::default()
        };
        let stores = Stores::new("s3://lake", s3).unwrap();
        let clock: Arc<dyn Clock> = Arc::new(crate::clock::SystemClock);
        let connection = ConnectionConfig::parse(&format!("postgres://loader@{host}:5439/dev"), None).unwrap();
        let issuer = Issuer::of(&connection, Some(endpoint), &stores, &clock).unwrap().unwrap();
        (connection, issuer)
    }

    #[tokio::test]
    async fn cluster_gives_a_password_once_for_a_while() {
        let answer = "<R><DbUser>IAM:loader</DbUser><DbPassword>a&amp;b</DbPassword></R>";
        let (endpoint, asked) = serve(200, answer).await;
        let (connection, issuer) = issuer("c1.abc.eu-west-1.redshift.amazonaws.com", &endpoint);
        for _ in 0..2 {
            let login = issuer.log_in(&connection).await.unwrap();
            assert_eq!((login.user.as_str(), login.password.as_deref()), ("IAM:loader", Some("a&b")));
        }
        let asked = asked.lock().unwrap();
        let [(headers, body)] = asked.as_slice() else { panic!("{}", asked.len()) };
        let signature = headers["authorization"].to_str().unwrap();
        assert!(signature.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"), "{signature}");
        assert!(signature.contains("/eu-west-1/redshift/aws4_request"), "{signature}");
        assert!(
            body.starts_with("Action=GetClusterCredentials&Version=2012-12-01&ClusterIdentifier=c1&DbUser=loader&DbName=dev"),
            "{body}"
        );
    }

    #[tokio::test]
    async fn workgroup_gives_a_password() {
        let (endpoint, asked) = serve(200, r#"{"dbUser":"IAMR:me","dbPassword":"p","expiration":1.7E9}"#).await;
        let (connection, issuer) = issuer("wg.123456789012.eu-west-1.redshift-serverless.amazonaws.com", &endpoint);
        assert_eq!(issuer.log_in(&connection).await.unwrap().user, "IAMR:me");
        let asked = asked.lock().unwrap();
        assert_eq!(asked[0].0["x-amz-target"], "RedshiftServerless.GetCredentials");
        assert!(asked[0].1.contains(r#""workgroupName":"wg""#), "{}", asked[0].1);
    }

    #[tokio::test]
    async fn refusal_names_the_right_that_is_missing() {
        let (endpoint, _) = serve(403, "<Error><Code>AccessDenied</Code></Error>").await;
        let (connection, issuer) = issuer("c1.abc.eu-west-1.redshift.amazonaws.com", &endpoint);
        let error = issuer.log_in(&connection).await.unwrap_err();
        assert!(matches!(error, Error::Auth { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains("user 'loader' of cluster 'c1'") && text.contains("AccessDenied"), "{text}");
        assert!(text.contains("allow redshift:GetClusterCredentials") && !text.contains("hush"), "{text}");
    }

    #[test]
    fn password_of_an_answer_is_unescaped() {
        let xml = "<R><DbUser>IAM:me</DbUser><DbPassword>a&lt;b&amp;lt;c==</DbPassword></R>";
        assert_eq!(element(xml, "DbPassword").as_deref(), Some("a<b&lt;c=="));
        assert_eq!(element(xml, "Expiration"), None);
    }
}
