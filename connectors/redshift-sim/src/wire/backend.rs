//! The proxy as a client: of its private PostgreSQL, and of itself when it serves the Data API.

use std::io;
use std::path::Path;

use bytes::Bytes;
use postgres_protocol::authentication::md5_hash;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;

use super::{Builder, Connection, Fields, Frame, Reader};

/// A connection to the private PostgreSQL, with the state of its transaction.
#[derive(Debug)]
pub(crate) struct Backend<S = UnixStream> {
    connection: Connection<S>,
    /// What the last `ReadyForQuery` said: `I` idle, `T` in a transaction, `E` in a failed one.
    pub(crate) status: u8,
    /// Process id and secret, by which a statement is cancelled.
    pub(crate) key: (i32, i32),
}

/// What came back for a simple query.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// The rows of all statements, in text.
    pub(crate) rows: Vec<Vec<Option<String>>>,
    /// Names, type ids and type modifiers of the columns of the last statement that had rows.
    pub(crate) columns: Vec<(String, i32, i32)>,
    /// The command tag of the last statement.
    pub(crate) tag: String,
    /// The error that ended it.
    pub(crate) error: Option<Fields>,
}

impl Answer {
    /// One value of the first row.
    pub(crate) fn value(&self, column: usize) -> Option<&str> {
        self.rows.first()?.get(column)?.as_deref()
    }
}

impl Backend {
    /// Connects to PostgreSQL, which trusts whoever reaches its socket.
    pub(crate) async fn connect(socket: &Path, parameters: &[(String, String)]) -> io::Result<Result<Self, Fields>> {
        Self::over(UnixStream::connect(socket).await?, parameters, "").await
    }

    /// Asks PostgreSQL to give up the statement that runs in the session with this key.
    pub(crate) async fn cancel(socket: &Path, key: (i32, i32)) -> io::Result<()> {
        let mut connection = Connection::new(UnixStream::connect(socket).await?);
        let request = Builder::default().int32(16).int32(80_877_102).int32(key.0).int32(key.1).build();
        connection.write_raw(&request);
        connection.flush().await
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Backend<S> {
    /// Begins a session as `parameters` say (`user`, `database`, `options` ...). An error of the server is the inner one.
    pub(crate) async fn over(stream: S, parameters: &[(String, String)], password: &str) -> io::Result<Result<Self, Fields>> {
        let mut connection = Connection::new(stream);
        let startup = Builder::default().int32(196_608);
        let startup = parameters.iter().fold(startup, |startup, (name, value)| startup.text(name).text(value)).byte(0).build();
        let length = i32::try_from(startup.len() + 4).map_err(io::Error::other)?;
        connection.write_raw(&length.to_be_bytes());
        connection.write_raw(&startup);
        connection.flush().await?;
        let mut backend = Self { connection, status: b'I', key: (0, 0) };
        loop {
            let frame = backend.read().await?;
            match frame.tag {
                b'E' => return Ok(Err(Fields::parse(frame.body)?)),
                b'R' => backend.authenticate(frame.body, parameters, password).await?,
                b'K' => {
                    let mut reader = Reader::new(frame.body);
                    backend.key = (reader.int32()?, reader.int32()?);
                }
                b'Z' => return Ok(Ok(backend)),
                _ => {}
            }
        }
    }

    /// Answers the question for a hashed password.
    async fn authenticate(&mut self, body: Bytes, parameters: &[(String, String)], password: &str) -> io::Result<()> {
        let mut reader = Reader::new(body);
        if reader.int32()? != 5 {
            return Ok(());
        }
        let salt = reader.int32()?.to_be_bytes();
        let user = parameters.iter().find(|(name, _)| name == "user").map_or("", |(_, user)| user);
        let hash = md5_hash(user.as_bytes(), password.as_bytes(), salt);
        self.send(b'p', &Builder::default().text(&hash).build()).await?;
        self.flush().await
    }

    pub(crate) async fn send(&mut self, tag: u8, body: &[u8]) -> io::Result<()> {
        self.connection.write(tag, body).await
    }

    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        self.connection.flush().await
    }

    /// The next frame; remembers the state of the transaction.
    pub(crate) async fn read(&mut self) -> io::Result<Frame> {
        let frame = self.connection.read().await?.ok_or(io::ErrorKind::ConnectionAborted)?;
        if let (b'Z', Some(status)) = (frame.tag, frame.body.first()) {
            self.status = *status;
        }
        Ok(frame)
    }

    /// Runs statements to their end.
    pub(crate) async fn query(&mut self, sql: &str) -> io::Result<Answer> {
        self.send(b'Q', &Builder::default().text(sql).build()).await?;
        self.flush().await?;
        let mut answer = Answer::default();
        loop {
            let frame = self.read().await?;
            match frame.tag {
                b'T' => answer.columns = row_description(frame.body)?,
                b'D' => answer.rows.push(data_row(frame.body)?),
                b'C' => answer.tag = Reader::new(frame.body).text()?,
                b'E' => answer.error = Some(Fields::parse(frame.body)?),
                b'Z' => return Ok(answer),
                _ => {}
            }
        }
    }

    /// Runs statements that must not fail.
    pub(crate) async fn must(&mut self, sql: &str) -> io::Result<Answer> {
        let answer = self.query(sql).await?;
        match answer.error {
            Some(error) => Err(io::Error::other(format!("PostgreSQL refused {sql:.200}: {}", error.get(b'M')))),
            None => Ok(answer),
        }
    }
}

fn row_description(body: Bytes) -> io::Result<Vec<(String, i32, i32)>> {
    let mut reader = Reader::new(body);
    let count = reader.int16()?;
    let column = |_| -> io::Result<(String, i32, i32)> {
        let name = reader.text()?;
        reader.bytes(6)?;
        let type_id = reader.int32()?;
        reader.bytes(2)?;
        let modifier = reader.int32()?;
        reader.bytes(2)?;
        Ok((name, type_id, modifier))
    };
    (0..count).map(column).collect()
}

fn data_row(body: Bytes) -> io::Result<Vec<Option<String>>> {
    let mut reader = Reader::new(body);
    let count = reader.int16()?;
    let value = |_| -> io::Result<Option<String>> {
        let Ok(length) = usize::try_from(reader.int32()?) else { return Ok(None) };
        Ok(Some(String::from_utf8_lossy(&reader.bytes(length)?).into_owned()))
    };
    (0..count).map(value).collect()
}
