//! Requests to the service, asked again where it was busy or did not answer.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use crate::aws::service::{Answer, Service};
use crate::clock::Clock;
use crate::context::Context;
use crate::error::Result;
use crate::warehouse::redshift::data_api::DataUrl;
use crate::warehouse::redshift::data_api::address::Warehouse;
use crate::warehouse::redshift::fault::{Fault, Kind};

/// A request that is not answered, or to a service that is busy, is made this often.
const ATTEMPTS: u32 = 7;
/// The first and the longest pause between two tries; each is drawn from half of it to all.
const PAUSES_MS: (u64, u64) = (100, 5_000);
/// A session that is left in a transaction is told to give it up this often: it may still be busy with a statement.
const FAREWELLS: u32 = 10;
const BETWEEN_FAREWELLS: Duration = Duration::from_millis(300);
/// What is refused for the moment only ("Common errors"; the errors of ExecuteStatement).
const BUSY: [&str; 8] = [
    "ThrottlingException",
    "TooManyRequestsException",
    "RequestLimitExceeded",
    "InternalServerException",
    "ServiceUnavailableException",
    "ActiveStatementsExceededException",
    "ActiveSessionsExceededException",
    "ActiveWaitingRequestsExceededException",
];
/// Who asks is not known, or may not ("Common errors").
const REFUSED: [&str; 7] = [
    "AccessDeniedException",
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "IncompleteSignatureException",
    "ExpiredTokenException",
    "MissingAuthenticationTokenException",
];

/// The service, for one database.
#[derive(Debug)]
pub(crate) struct DataApi {
    aws: Service,
    url: DataUrl,
    pub(super) clock: Arc<dyn Clock>,
    /// Statements that every session begins with.
    first: Vec<String>,
    /// Sessions that are being left.
    leaving: Mutex<JoinSet<()>>,
}

impl DataApi {
    /// For the database that `url` names.
    ///
    /// # Errors
    /// [`crate::Error::Config`] for a setting of `[s3]` that is wrong.
    pub(crate) fn new(url: DataUrl, first: Vec<String>, context: &Context) -> Result<Self> {
        let endpoint = context.warehouse.endpoint.as_deref();
        let aws = Service::new("redshift-data", url.region.clone(), endpoint, &context.stores, &context.clock)?;
        Ok(Self { aws, url, clock: Arc::clone(&context.clock), first, leaving: Mutex::default() })
    }

    pub(crate) fn url(&self) -> &DataUrl {
        &self.url
    }

    pub(super) fn first(&self) -> &[String] {
        &self.first
    }

    /// Whose sessions may be used for whose statements.
    pub(super) fn name(&self) -> String {
        format!("{} {:?} {:?}", self.aws.endpoint(), self.url, self.first)
    }

    /// What a request has that begins a session.
    pub(super) fn target(&self) -> Value {
        let mut target = json!({"Database": self.url.database, "SessionKeepAliveSeconds": self.url.keep_alive});
        match &self.url.warehouse {
            Warehouse::Workgroup(name) => target["WorkgroupName"] = json!(name),
            Warehouse::Cluster { identifier, db_user } => {
                target["ClusterIdentifier"] = json!(identifier);
                // A secret has the user.
                if let (Some(user), None) = (db_user, &self.url.secret_arn) {
                    target["DbUser"] = json!(user);
                }
            }
        }
        if let Some(arn) = &self.url.secret_arn {
            target["SecretArn"] = json!(arn);
        }
        target
    }

    /// What the service answers to one of its operations. Each may be asked twice: statements carry a token.
    ///
    /// # Errors
    /// What the service says; [`Kind::Lost`] when it says nothing, however often it is asked.
    pub(super) async fn ask(&self, operation: &str, request: &Value) -> Result<Value, Fault> {
        let mut attempt = 0;
        loop {
            let fault = match self.ask_once(operation, request).await {
                Ok(answer) => return Ok(answer),
                Err(fault) => fault,
            };
            attempt += 1;
            if !fault.passes() || attempt == ATTEMPTS {
                return Err(fault);
            }
            tracing::debug!(operation, %fault, attempt, "asking the Data API again");
            let longest = (PAUSES_MS.0 << attempt).min(PAUSES_MS.1);
            self.clock.sleep(Duration::from_millis(rand::random_range(longest / 2..=longest))).await;
        }
    }

    async fn ask_once(&self, operation: &str, request: &Value) -> Result<Value, Fault> {
        let target = format!("RedshiftData.{operation}");
        let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", target.as_str())];
        let answer = self.aws.post(&headers, request.to_string(), &format!("for {operation}")).await.map_err(of_ours)?;
        if !answer.is_good() {
            return Err(self.refusal(&answer));
        }
        let no_json = |_| Fault {
            kind: Kind::Other,
            code: String::new(),
            message: format!("{} answered no JSON: {}", self.aws.endpoint(), answer.shown()),
        };
        serde_json::from_str(&answer.text).map_err(no_json)
    }

    fn refusal(&self, answer: &Answer) -> Fault {
        let said: Value = serde_json::from_str(&answer.text).unwrap_or_default();
        let text = |name: &str| said.get(name).and_then(Value::as_str);
        let name = text("__type").unwrap_or_default();
        let name = name.rsplit('#').next().unwrap_or(name);
        let message = text("message").or(text("Message")).map_or_else(|| answer.shown(), str::to_owned);
        let message = if name.is_empty() { format!("status {}: {message}", answer.status) } else { format!("{name}: {message}") };
        let kind = match () {
            () if BUSY.contains(&name) || answer.passes() => Kind::Again,
            () if REFUSED.contains(&name) || answer.status == 403 => Kind::Denied,
            () => Kind::Other,
        };
        let help = if kind == Kind::Denied { format!("; {}", self.rights()) } else { String::new() };
        Fault { kind, code: String::new(), message: format!("{}: {message}{help}", self.aws.endpoint()) }
    }

    /// What the engine's AWS identity needs ("Authorizing access to the Amazon Redshift Data API", `data-api-access`).
    pub(crate) fn rights(&self) -> String {
        let login = match (&self.url.warehouse, &self.url.secret_arn) {
            (_, Some(_)) => "secretsmanager:GetSecretValue",
            (Warehouse::Workgroup(_), None) => "redshift-serverless:GetCredentials",
            (Warehouse::Cluster { db_user: Some(_), .. }, None) => "redshift:GetClusterCredentials",
            (Warehouse::Cluster { db_user: None, .. }, None) => "redshift:GetClusterCredentialsWithIAM",
        };
        format!(
            "allow redshift-data:ExecuteStatement, DescribeStatement, GetStatementResult and CancelStatement, and {login}, to the engine's AWS \
             identity (that of [s3])"
        )
    }

    /// Ends what an abandoned session does: its statement is cancelled and its transaction given up, so that its locks go before it
    /// expires.
    pub(super) fn leave(self: &Arc<Self>, session: String, running: Option<String>) {
        // Without a runtime nothing can be asked, and the session expires.
        let Ok(runtime) = Handle::try_current() else { return };
        let api = Arc::clone(self);
        let mut leaving = self.leaving.lock().unwrap_or_else(PoisonError::into_inner);
        while leaving.try_join_next().is_some() {}
        leaving.spawn_on(async move { api.give_up(&session, running.as_deref()).await }, &runtime);
    }

    async fn give_up(&self, session: &str, running: Option<&str>) {
        if let Some(id) = running
            && let Err(fault) = self.ask_once("CancelStatement", &json!({"Id": id})).await
        {
            tracing::debug!(%fault, "the statement had ended");
        }
        for _ in 0..FAREWELLS {
            let request = json!({"Sql": "ROLLBACK", "SessionId": session, "ClientToken": token()});
            match self.ask_once("ExecuteStatement", &request).await {
                Ok(_) => return,
                Err(fault) => tracing::debug!(%fault, session, "the session cannot be left yet"),
            }
            self.clock.sleep(BETWEEN_FAREWELLS).await;
        }
    }
}

/// What makes a request that is repeated the same request: the service runs it once (ExecuteStatement, `ClientToken`).
pub(super) fn token() -> String {
    format!("{:032x}", rand::random::<u128>())
}

/// A request that was not made, or not answered.
fn of_ours(error: crate::Error) -> Fault {
    match error {
        crate::Error::Transient { message, .. } => Fault::lost(message),
        crate::Error::Auth { message } => Fault { kind: Kind::Denied, code: String::new(), message },
        other => Fault { kind: Kind::Other, code: String::new(), message: other.to_string() },
    }
}
