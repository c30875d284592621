//! What the server or the way to it has to say, by what the reader can do about it.

use tokio_postgres::error::SqlState;

use super::config::{ConnectionConfig, TlsMode};
use crate::error::{Error, chain};

/// An error of the driver while `doing` something (`"reading public.orders"`), for whoever reads it. Statements and passwords are not
/// in it.
pub fn from_server(error: tokio_postgres::Error, doing: &str, config: &ConnectionConfig) -> Error {
    let place = config.shown();
    let Some(database_error) = error.as_db_error() else {
        return of_the_way(error, doing, &place, config);
    };
    let mut said = database_error.message().to_owned();
    for more in [database_error.detail(), database_error.hint()].into_iter().flatten() {
        said.push_str(&format!(" ({more})"));
    }
    let message = |help: &str| format!("{doing}, {place}: {said}{}{help}", if help.is_empty() { "" } else { "; " });
    match database_error.code() {
        code if *code == SqlState::INVALID_PASSWORD || *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
            let help = match config.password {
                Some(_) => "check user and password, and pg_hba.conf of the server",
                None => "no password was given: set the option 'password', as in '${PGPASSWORD}'",
            };
            Error::auth(message(help))
        }
        code if *code == SqlState::INSUFFICIENT_PRIVILEGE => {
            Error::auth(message(&format!("the right is given by GRANT SELECT ON … TO \"{}\"", config.user)))
        }
        code if *code == SqlState::INVALID_CATALOG_NAME || *code == SqlState::UNDEFINED_TABLE => Error::not_found(message("")),
        code if *code == SqlState::QUERY_CANCELED => {
            let help = "a statement_timeout of the server, the database or the role ends longer statements: ALTER ROLE … SET \
                        statement_timeout, or read less at a time (pipeline.epoch_rows)";
            Error::transient(message(help))
        }
        code if is_passing(code) => Error::transient(message("")),
        code if code.code().starts_with("22") => Error::data(message("")),
        _ => Error::config(message("")),
    }
}

/// Whether the same may work in a while: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn is_passing(code: &SqlState) -> bool {
    let class = code.code().get(..2).unwrap_or_default();
    // Connections, conflicts, means used up, the operator, the system, the limits of a hot standby.
    matches!(class, "08" | "40" | "53" | "57" | "58") || *code == SqlState::LOCK_NOT_AVAILABLE
}

fn of_the_way(error: tokio_postgres::Error, doing: &str, place: &str, config: &ConnectionConfig) -> Error {
    let said = chain(&error);
    let message = |help: &str| format!("{doing}, {place}: {said}{}{help}", if help.is_empty() { "" } else { "; " });
    if said.contains("server does not support TLS") {
        return Error::config(message("on a network that is trusted, sslmode=disable in the url goes without"));
    }
    if said.contains("invalid peer certificate") {
        let help = match (&config.root_certificate, config.tls) {
            (None, _) => "if its authority is your own, name its file with sslrootcert=/path.pem in the url",
            (Some(_), TlsMode::VerifyFull) => "the certificate is not of the authorities in sslrootcert, or not for this host",
            (Some(_), _) => "the certificate is not of the authorities in sslrootcert",
        };
        return Error::auth(message(help));
    }
    if said.contains("password missing") {
        return Error::auth(message("set the option 'password', as in '${PGPASSWORD}'"));
    }
    let message = message("check host and port, and that the server is reached from here");
    Error::Transient { message, source: Some(Box::new(error)) }
}
