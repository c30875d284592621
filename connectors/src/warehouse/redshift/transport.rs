//! How the database is spoken to: over a connection (`redshift://`), or by the Data API (`redshift-data://`).

use std::sync::Arc;

use url::Url;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::postgres::ConnectionConfig;
use crate::warehouse::redshift::data_api::{DataApi, DataSession, DataUrl};
use crate::warehouse::redshift::fault::Fault;
use crate::warehouse::redshift::login::{Issuer, region_of};
use crate::warehouse::redshift::session::Session;

/// The port of a cluster and of a workgroup.
const DEFAULT_PORT: u16 = 5_439;
/// What URLs of the Data API begin with.
const DATA_API: &str = "redshift-data:";

/// Where the database is, and the way to it.
#[derive(Debug, Clone)]
pub(crate) enum Transport {
    /// PostgreSQL's protocol.
    Connection {
        config: Box<ConnectionConfig>,
        /// Who gives the password, where there is none.
        issuer: Option<Arc<Issuer>>,
        /// Statements that every session begins with.
        first: Vec<String>,
    },
    /// Requests to a service.
    DataApi(Arc<DataApi>),
}

impl Transport {
    /// The one that `url` names; every session begins with the statements of `first`.
    ///
    /// # Errors
    /// [`Error::Config`] for a URL or a setting that is wrong; the URL is not shown.
    pub(crate) fn open(url: &str, first: Vec<String>, context: &Context) -> Result<Self> {
        if url.starts_with(DATA_API) {
            let url = data_url(url, context)?;
            return Ok(Self::DataApi(Arc::new(DataApi::new(url, first, context)?)));
        }
        let settings = &context.warehouse;
        let config = connection(url, settings.password.as_deref())?;
        let issuer = Issuer::of(&config, settings.endpoint.as_deref(), &context.stores, &context.clock)?;
        Ok(Self::Connection { config: Box::new(config), issuer: issuer.map(Arc::new), first })
    }

    /// A session.
    ///
    /// # Errors
    /// As [`Session::connect`], and when no credentials are to be had. Of the Data API nothing is asked before the first statement.
    pub(crate) async fn session(&self) -> Result<Session> {
        let (config, issuer, first) = match self {
            Self::DataApi(api) => return Ok(Session::DataApi(DataSession::new(api))),
            Self::Connection { config, issuer, first } => (config, issuer, first),
        };
        let session = match issuer {
            Some(issuer) => Session::connect(&issuer.log_in(config).await?).await?,
            None => Session::connect(config).await?,
        };
        for statement in first {
            let refused = |fault: Fault| fault.into_error(&format!("{statement} in Redshift"));
            session.run(statement).await.map_err(refused)?;
        }
        Ok(session)
    }

    /// In messages.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Connection { config, .. } => config.shown(),
            Self::DataApi(api) => api.url().to_string(),
        }
    }

    /// The database's name.
    pub(crate) fn database(&self) -> &str {
        match self {
            Self::Connection { config, .. } => &config.database,
            Self::DataApi(api) => &api.url().database,
        }
    }

    /// The region of AWS, where it is known.
    pub(crate) fn region(&self) -> Option<String> {
        match self {
            Self::Connection { config, .. } => region_of(&config.host),
            Self::DataApi(api) => Some(api.url().region.clone()),
        }
    }
}

/// What tells the database that `url` names from others, and not as whom it is reached.
///
/// # Errors
/// [`Error::Config`] for a URL that is wrong; it is not shown.
pub(crate) fn place(url: &str, context: &Context) -> Result<String> {
    if url.starts_with(DATA_API) {
        return Ok(data_url(url, context)?.place());
    }
    Ok(format!("redshift://{}", connection(url, None)?.place()))
}

fn data_url(url: &str, context: &Context) -> Result<DataUrl> {
    DataUrl::parse(url, &context.stores.region()).map_err(|error| Error::config_at("WAREHOUSE", format!("[warehouse] {error}")))
}

/// Where the cluster is, and as whom it is reached.
///
/// # Errors
/// [`Error::Config`] for a URL that is wrong; it is not shown.
pub(crate) fn connection(url: &str, password: Option<&str>) -> Result<ConnectionConfig> {
    let connection = as_postgres(url).and_then(|url| ConnectionConfig::parse(&url, password));
    connection.map_err(|error| Error::config_at("WAREHOUSE", format!("[warehouse] {error}")))
}

/// Redshift speaks PostgreSQL's protocol, at another port.
fn as_postgres(url: &str) -> Result<String> {
    let mut url = Url::parse(url).map_err(|error| Error::config(format!("url cannot be read: {error}")))?;
    let port = url.port().unwrap_or(DEFAULT_PORT);
    if url.set_scheme("postgres").is_err() || url.set_port(Some(port)).is_err() {
        return Err(Error::config("url names no host; expected 'redshift://user@host:5439/database'"));
    }
    Ok(url.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_is_that_of_redshift() {
        assert_eq!(as_postgres("redshift://me@h/db").unwrap(), "postgres://me@h:5439/db");
        let url = "redshift://me:p%40@h:1/db?sslmode=require";
        assert_eq!(as_postgres(url).unwrap(), "postgres://me:p%40@h:1/db?sslmode=require");
    }
}
