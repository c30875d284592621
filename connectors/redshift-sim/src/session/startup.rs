//! How a session begins: encryption declined, who it is, and what Redshift says of itself.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use rand::Rng as _;
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::{End, Session, Step};
use crate::shared::Shared;
use crate::sql::setting_at_startup;
use crate::sql_error::SqlError;
use crate::wire::{Backend, Builder, Connection, Fields, Reader};

const SSL_REQUEST: i32 = 80_877_103;
const GSS_REQUEST: i32 = 80_877_104;
const CANCEL_REQUEST: i32 = 80_877_102;

/// Serves a connection to its end.
pub(crate) async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    match greet(stream, &shared).await {
        Ok(Some(mut session)) => {
            let key = session.backend.key;
            shared.sessions().insert(key, Arc::clone(&session.cancelled));
            match Box::pin(session.run()).await {
                Ok(()) => {}
                Err(End::Cut) => tracing::info!("the connection was cut, as ordered"),
                Err(End::Io(error)) => tracing::debug!(%error, "a session broke off"),
            }
            shared.sessions().remove(&key);
        }
        Ok(None) => {}
        Err(End::Cut | End::Io(_)) => tracing::debug!("a client went before its session began"),
    }
}

/// From the first byte to the first `ReadyForQuery`; `None` if there is to be no session.
async fn greet(stream: TcpStream, shared: &Arc<Shared>) -> Step<Option<Session>> {
    stream.set_nodelay(true)?;
    let mut client = Connection::new(stream);
    let Some(parameters) = parameters(&mut client, shared).await? else { return Ok(None) };
    let of = |name: &str| parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    let user = of("user").unwrap_or_default().to_lowercase();
    let database = of("database").unwrap_or_else(|| user.clone()).to_lowercase();
    let is_vouched_for = of(Shared::VOUCHED).is_some_and(|voucher| voucher == shared.voucher);
    if !is_vouched_for && let Err(error) = authenticate(&mut client, shared, &user).await? {
        return refuse(client, error.fields()).await;
    }
    let options = match options(of("options").as_deref().unwrap_or_default()) {
        Ok(options) => options,
        Err(error) => return refuse(client, error.fields()).await,
    };
    let mut own =
        vec![("user".to_owned(), user.clone()), ("database".to_owned(), database.clone()), ("options".to_owned(), options)];
    own.push(("client_encoding".to_owned(), "UTF8".to_owned()));
    own.extend(of("application_name").map(|name| ("application_name".to_owned(), name)));
    let mut backend = match Backend::connect(&shared.socket, &own).await? {
        Ok(backend) => backend,
        Err(fields) => return refuse(client, fields).await,
    };
    backend.must(crate::catalog::SESSION).await?;
    let exact = tells_case_apart(&mut backend).await?;
    introduce(&mut client, &backend, &user).await?;
    let session = Session {
        client,
        backend,
        shared: Arc::clone(shared),
        user,
        database,
        exact,
        by_data_api: is_vouched_for,
        statements: HashMap::new(),
        portals: HashMap::new(),
        skipping: false,
        implicit: false,
        written: Vec::new(),
        cancelled: Arc::new(Notify::new()),
    };
    Ok(Some(session))
}

/// The parameters that the client starts with, after what comes before them; `None` if it only cancels, or goes.
async fn parameters(client: &mut Connection<TcpStream>, shared: &Shared) -> Step<Option<Vec<(String, String)>>> {
    loop {
        let Some(body) = client.read_startup().await? else { return Ok(None) };
        let mut reader = Reader::new(body);
        match reader.int32()? {
            SSL_REQUEST | GSS_REQUEST => {
                client.write_raw(b"N");
                client.flush().await?;
            }
            CANCEL_REQUEST => {
                let key = (reader.int32()?, reader.int32()?);
                shared.cancel(key).await?;
                return Ok(None);
            }
            version if version >> 16 == 3 => {
                let mut parameters = Vec::new();
                loop {
                    let name = reader.text()?;
                    if name.is_empty() {
                        return Ok(Some(parameters));
                    }
                    parameters.push((name, reader.text()?));
                }
            }
            version => return Err(io::Error::other(format!("protocol version {version:#x}")).into()),
        }
    }
}

async fn refuse(mut client: Connection<TcpStream>, fields: Fields) -> Step<Option<Session>> {
    client.write(b'E', &fields.with(b'S', "FATAL").build()).await?;
    client.flush().await?;
    Ok(None)
}

/// Asks for the password, hashed with a salt, and compares it with the one PostgreSQL has for the user.
async fn authenticate(client: &mut Connection<TcpStream>, shared: &Shared, user: &str) -> Step<Result<(), SqlError>> {
    let salt: [u8; 4] = rand::rng().random();
    client.write(b'R', &Builder::default().int32(5).bytes(&salt).build()).await?;
    client.flush().await?;
    let Some(frame) = client.read().await?.filter(|frame| frame.tag == b'p') else {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    };
    let given = Reader::new(frame.body).text()?;
    let expected = shared.password_hash(user, salt).await?;
    if expected.is_some_and(|expected| expected == given) {
        return Ok(Ok(()));
    }
    Ok(Err(SqlError::new("28P01", format!("password authentication failed for user \"{user}\""))))
}

/// What is said before the first statement. A server of version 8.0.2 reports no more parameters than these.
async fn introduce(client: &mut Connection<TcpStream>, backend: &Backend, user: &str) -> Step<()> {
    client.write(b'R', &Builder::default().int32(0).build()).await?;
    let parameters = [
        ("server_version", "8.0.2"),
        ("server_encoding", "UTF8"),
        ("client_encoding", "UTF8"),
        ("DateStyle", "ISO, MDY"),
        ("TimeZone", "UTC"),
        ("integer_datetimes", "on"),
        ("is_superuser", "on"),
        ("session_authorization", user),
    ];
    for (name, value) in parameters {
        client.write(b'S', &Builder::default().text(name).text(value).build()).await?;
    }
    client.write(b'K', &Builder::default().int32(backend.key.0).int32(backend.key.1).build()).await?;
    client.write(b'Z', b"I").await?;
    Ok(client.flush().await?)
}

/// The settings of `options=-c name=value`, held against those that Redshift has. A backslash takes a blank into a value.
fn options(text: &str) -> Result<String, SqlError> {
    let mut words = vec![String::new()];
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (character, words.last_mut()) {
            ('\\', Some(word)) => word.extend(characters.next()),
            (blank, _) if blank.is_whitespace() => words.push(String::new()),
            (other, Some(word)) => word.push(other),
            _ => {}
        }
    }
    let mut settings = Vec::new();
    let mut words = words.into_iter().filter(|word| !word.is_empty());
    while let Some(word) = words.next() {
        let setting = match word.strip_prefix("--").or_else(|| word.strip_prefix("-c").filter(|rest| !rest.is_empty())) {
            Some(setting) => setting.to_owned(),
            None if word == "-c" => words.next().unwrap_or_default(),
            None => return Err(SqlError::unknown(format!("the connection option {word}"))),
        };
        let (name, value) =
            setting.split_once('=').ok_or_else(|| SqlError::unknown(format!("the connection option {setting}")))?;
        let name = setting_at_startup(&name.trim().to_lowercase())?;
        settings.push(format!("-c {name}={}", value.trim().replace('\\', "\\\\").replace(' ', "\\ ")));
    }
    Ok(settings.join(" "))
}

/// Whether the session began with enable_case_sensitive_identifier, by an option of its own or a setting of its user.
async fn tells_case_apart(backend: &mut Backend) -> Step<bool> {
    let answer = backend.must("SELECT current_setting('redshift_sim.enable_case_sensitive_identifier')").await?;
    let value = answer.rows.first().and_then(|row| row.first()?.clone()).unwrap_or_default();
    Ok(["on", "true", "1", "yes"].iter().any(|word| value.eq_ignore_ascii_case(word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_passed_on_if_redshift_has_them() {
        assert_eq!(options("-c search_path=a,\\ b").unwrap(), "-c search_path=a,\\ b");
        assert_eq!(
            options("-cquery_group=x --statement_timeout=5").unwrap(),
            "-c redshift_sim.query_group=x -c statement_timeout=5"
        );
        assert_eq!(options("").unwrap(), "");
        assert_eq!(options("-c work_mem=1").unwrap_err().code, "42704");
        assert!(options("-E").is_err());
    }
}
