//! Secrets of AWS Secrets Manager: `GetSecretValue`, and a member of a secret that is JSON.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use crate::aws::service::{Answer, Service};
use crate::clock::{Clock, SystemClock};
use crate::error::{Error, Result};
use crate::options::nearest;
use crate::stores::{S3Config, Stores};

/// What a secret's ARN begins with.
const ARN: &str = "arn:";

/// Where secrets are asked for, with the credentials and the region of `[s3]`.
#[derive(Debug, Clone)]
pub struct SecretsManager {
    s3: S3Config,
    endpoint: Option<String>,
}

/// The answer to `GetSecretValue` ("GetSecretValue", AWS Secrets Manager API Reference).
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Given {
    secret_string: Option<String>,
}

/// What is said when there is no answer.
#[derive(Deserialize)]
struct Refusal {
    #[serde(rename = "__type", default)]
    code: String,
    #[serde(alias = "Message", default)]
    message: String,
}

impl SecretsManager {
    /// `endpoint` is asked instead of AWS's own. Asks nobody yet.
    pub fn new(s3: S3Config, endpoint: Option<String>) -> Self {
        Self { s3, endpoint }
    }

    /// The text of the secret `name`, which may be an ARN: its current version.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none, [`Error::Auth`] when it is not for us; what the network does.
    pub async fn get(&self, name: &str) -> Result<String> {
        let stores = Stores::new(".", self.s3.clone())?;
        let region = region_of(name).map_or_else(|| stores.region(), str::to_owned);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let service = Service::new("secretsmanager", region, self.endpoint.as_deref(), &stores, &clock)?;
        let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", "secretsmanager.GetSecretValue")];
        let body = serde_json::json!({ "SecretId": name }).to_string();
        let answer = service.post(&headers, body, &format!("for the secret '{name}'")).await?;
        if !answer.is_good() {
            return Err(refused(name, service.endpoint(), &answer));
        }
        let given = serde_json::from_str::<Given>(&answer.text);
        given.ok().and_then(|given| given.secret_string).ok_or_else(|| {
            Error::config(format!("the secret '{name}' of AWS Secrets Manager has no text; binary secrets are not taken"))
        })
    }
}

/// The region that an ARN names, as in `arn:aws:secretsmanager:eu-west-1:123456789012:secret:warehouse-AbCdEf`.
fn region_of(name: &str) -> Option<&str> {
    name.strip_prefix(ARN)?.split(':').nth(2).filter(|region| !region.is_empty())
}

fn refused(name: &str, endpoint: &str, answer: &Answer) -> Error {
    let Ok(Refusal { code, message: said }) = serde_json::from_str(&answer.text) else {
        let message = format!("{endpoint} gave no secret '{name}' ({}): {}", answer.status, answer.shown());
        return if answer.passes() { Error::transient(message) } else { Error::config(message) };
    };
    let code = code.rsplit('#').next().unwrap_or_default();
    let message = format!("AWS Secrets Manager gave no secret '{name}': {said} ({code})");
    match code {
        "ResourceNotFoundException" => Error::not_found(format!("{message}; check its name, [s3] region, or give its ARN")),
        "AccessDeniedException" => Error::auth(format!(
            "{message}; who runs the engine needs secretsmanager:GetSecretValue, and kms:Decrypt for its key"
        )),
        "ThrottlingException" | "InternalServiceError" | "ServiceUnavailable" => Error::transient(message),
        _ if answer.passes() => Error::transient(message),
        _ if code.contains("Token") || code.contains("Signature") => {
            Error::auth(format!("{message}; the credentials are those of [s3]"))
        }
        _ => Error::config(message),
    }
}

/// The member `key` of a secret that is a JSON object, as Secrets Manager keeps the logins of databases.
///
/// # Errors
/// [`Error::Config`] when it is no object, or has no such member. No error shows the secret.
pub fn member(name: &str, text: &str, key: &str) -> Result<String> {
    let Ok(Value::Object(members)) = serde_json::from_str(text) else {
        return Err(Error::config(format!(
            "the secret '{name}' is no JSON object, of which '#{key}' could be a key: leave that out"
        )));
    };
    match members.get(key) {
        Some(Value::String(value)) => Ok(value.clone()),
        Some(value @ (Value::Number(_) | Value::Bool(_))) => Ok(value.to_string()),
        Some(_) => Err(Error::config(format!("key '{key}' of the secret '{name}' is neither a text nor a number"))),
        None => {
            let hint = nearest(key, members.keys().map(String::as_str)).map(|near| format!("; did you mean '{near}'?"));
            Err(Error::config(format!("the secret '{name}' has no key '{key}'{}", hint.unwrap_or_default())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_and_what_is_wrong_shows_no_secret() {
        let text = r#"{"username":"me","password":"hush","port":5439,"tags":["hush"]}"#;
        assert_eq!(member("w", text, "password").unwrap(), "hush");
        assert_eq!(member("w", text, "port").unwrap(), "5439");
        for (text, key, expected) in [
            (text, "pasword", "the secret 'w' has no key 'pasword'; did you mean 'password'?"),
            (text, "tags", "key 'tags' of the secret 'w' is neither a text nor a number"),
            ("hush", "a", "the secret 'w' is no JSON object, of which '#a' could be a key: leave that out"),
        ] {
            assert_eq!(member("w", text, key).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        let answer = |status, text: &str| Answer { status, text: text.to_owned() };
        let absent = r#"{"__type":"ResourceNotFoundException","message":"Secrets Manager can't find the specified secret."}"#;
        let absent = refused("w", "http://h", &answer(400, absent)).to_string();
        assert!(absent.ends_with("(ResourceNotFoundException); check its name, [s3] region, or give its ARN"), "{absent}");
        let denied = refused("w", "http://h", &answer(400, r#"{"__type":"a#AccessDeniedException","Message":"no"}"#));
        assert!(matches!(denied, Error::Auth { .. }), "{denied:?}");
        assert!(refused("w", "http://h", &answer(503, "busy")).retry());
    }

    #[test]
    fn an_arn_names_its_region() {
        assert_eq!(region_of("arn:aws:secretsmanager:eu-west-1:1:secret:w-a"), Some("eu-west-1"));
        assert_eq!(region_of("prod/warehouse"), None);
    }
}
