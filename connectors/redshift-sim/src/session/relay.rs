//! Answers of PostgreSQL on their way to the client.

use bytes::{BufMut as _, Bytes, BytesMut};

use super::errors::translated;
use super::{Done, Session, Step};
use crate::sql_error::SqlError;
use crate::wire::{Builder, Fields, Reader};

/// The type ids of `jsonb` in PostgreSQL, and of SUPER in Redshift.
const JSONB: i32 = 3802;
const SUPER: i32 = 4000;
/// What a server of version 8.0.2 reports when it changes.
const REPORTED: &[&str] = &["client_encoding", "DateStyle", "TimeZone", "session_authorization"];

/// Where an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// `ReadyForQuery`, after a simple query.
    Ready,
    /// One of these frames, or an error, in the extended protocol.
    Tags(&'static [u8]),
}

impl Session {
    /// Relays an answer. The first `hidden` command tags are those of statements that the proxy put in front.
    pub(super) async fn relay(&mut self, until: Until, mut hidden: usize) -> Step<Done> {
        let mut done = Done::Well;
        loop {
            let frame = self.backend.read().await?;
            match frame.tag {
                b'Z' if until == Until::Ready => return Ok(done),
                b'C' if hidden > 0 => hidden -= 1,
                b'E' => {
                    done = Done::Failed;
                    let fields = translated(Fields::parse(frame.body)?, self.backend.key.0);
                    self.client.write(b'E', &fields.build()).await?;
                    if until != Until::Ready {
                        self.skipping = true;
                        return Ok(done);
                    }
                }
                b'N' => {
                    let fields = translated(Fields::parse(frame.body)?, self.backend.key.0);
                    self.client.write(b'N', &fields.build()).await?;
                }
                b'S' => self.parameter(frame.body).await?,
                b'T' => {
                    let description = self.row_description(frame.body)?;
                    self.client.write(b'T', &description).await?;
                }
                b't' => {
                    let types = parameter_types(frame.body, JSONB, SUPER)?;
                    self.client.write(b't', &types).await?;
                }
                tag => self.client.write(tag, &frame.body).await?,
            }
            if let Until::Tags(tags) = until
                && tags.contains(&frame.tag)
            {
                return Ok(done);
            }
        }
    }

    async fn parameter(&mut self, body: Bytes) -> Step<()> {
        let name = Reader::new(body.clone()).text()?;
        if REPORTED.contains(&name.as_str()) {
            self.client.write(b'S', &body).await?;
        }
        Ok(())
    }

    /// Types and names of columns as Redshift has them.
    fn row_description(&self, body: Bytes) -> Step<Bytes> {
        let mut reader = Reader::new(body);
        let count = reader.int16()?;
        let mut builder = Builder::default().int16(count);
        for _ in 0..count {
            let name = reader.text()?;
            builder = builder.text(&self.shared.logical(&name)).bytes(&reader.bytes(6)?);
            let type_id = reader.int32()?;
            builder = builder.int32(if type_id == JSONB { SUPER } else { type_id }).bytes(&reader.bytes(8)?);
        }
        Ok(builder.build())
    }

    /// Fails the statement with `error`, and with it the transaction: PostgreSQL is made to fail too. In a transaction that has failed
    /// before, the client is told that instead.
    pub(super) async fn fail(&mut self, error: &SqlError) -> Step<Done> {
        let answer = self.backend.query("SELECT \"refused by redshift-sim\"").await?;
        let fields = match answer.error {
            Some(fields) if fields.get(b'C') == "25P02" => fields,
            _ => error.fields(),
        };
        self.client.write(b'E', &fields.build()).await?;
        Ok(Done::Failed)
    }

    /// Runs a statement of the proxy's own; its error is the client's.
    pub(super) async fn silently(&mut self, sql: &str) -> Step<Done> {
        let answer = self.backend.query(sql).await?;
        let Some(fields) = answer.error else { return Ok(Done::Well) };
        self.client.write(b'E', &translated(fields, self.backend.key.0).build()).await?;
        Ok(Done::Failed)
    }
}

/// The types of parameters, with one id exchanged for another.
pub(super) fn parameter_types(body: Bytes, from: i32, to: i32) -> Step<Bytes> {
    let mut reader = Reader::new(body);
    let count = reader.int16()?;
    let mut types = BytesMut::new();
    types.put_i16(count);
    for _ in 0..count {
        let type_id = reader.int32()?;
        types.put_i32(if type_id == from { to } else { type_id });
    }
    Ok(types.freeze())
}

/// The types of parameters that a client declares, for PostgreSQL.
pub(super) fn declared_types(body: Bytes) -> Step<Bytes> {
    parameter_types(body, SUPER, JSONB)
}
