//! The tuples that a COPY sends, one after the other.

use std::pin::Pin;

use bytes::{Buf, Bytes, BytesMut};
use futures::StreamExt;
use tokio_postgres::CopyOutStream;

use super::client::Client;
use super::decode::{Fields, Malformed, Tuple, header, tuple};
use crate::error::{Error, Result};

/// A COPY that is being read, on a connection of its own. Dropping it ends both.
pub(super) struct Input {
    stream: Pin<Box<CopyOutStream>>,
    client: Client,
    /// What is being done, for errors.
    doing: String,
    /// Fields of a tuple.
    width: usize,
    /// What has come and is not stepped over.
    data: Bytes,
    is_begun: bool,
    /// The fields of the current tuple, which `data` begins with.
    pub(super) fields: Fields,
    length: usize,
    /// Bytes received.
    pub(super) bytes: u64,
    /// Tuples received.
    pub(super) records: u64,
}

impl Input {
    /// Begins `statement`, whose tuples have `width` fields.
    pub(super) async fn open(client: Client, statement: &str, width: usize, doing: &str) -> Result<Self> {
        let stream = Box::pin(client.copy_out(statement, doing).await?);
        Ok(Self {
            stream,
            client,
            doing: doing.to_owned(),
            width,
            data: Bytes::new(),
            is_begun: false,
            fields: Fields::new(),
            length: 0,
            bytes: 0,
            records: 0,
        })
    }

    /// Goes to the next tuple; `false` when there is none.
    pub(super) async fn advance(&mut self) -> Result<bool> {
        self.data.advance(self.length);
        self.length = 0;
        while !self.is_begun {
            match header(&self.data).map_err(|error| self.malformed(&error))? {
                Some(length) => {
                    self.data.advance(length);
                    self.is_begun = true;
                }
                None => self.receive().await?,
            }
        }
        loop {
            match tuple(&self.data, self.width, &mut self.fields).map_err(|error| self.malformed(&error))? {
                Tuple::Whole(length) => {
                    self.length = length;
                    self.records += 1;
                    return Ok(true);
                }
                Tuple::Partial => self.receive().await?,
                Tuple::End => {
                    // What follows says whether all went well.
                    while let Some(rest) = self.stream.next().await {
                        rest.map_err(|error| self.client.error(error, &self.doing))?;
                    }
                    return Ok(false);
                }
            }
        }
    }

    /// The connection, once all was read.
    pub(super) fn into_client(self) -> Client {
        self.client
    }

    /// The value of a field; nothing for NULL.
    pub(super) fn field(&self, index: usize) -> Option<&[u8]> {
        self.fields.get(index)?.clone().map(|range| &self.data[range])
    }

    async fn receive(&mut self) -> Result<()> {
        let next = match self.stream.next().await {
            Some(next) => next.map_err(|error| self.client.error(error, &self.doing))?,
            None => return Err(self.malformed(&Malformed("an end in the middle of a row"))),
        };
        self.bytes += next.len() as u64;
        if self.data.is_empty() {
            self.data = next;
        } else {
            let mut both = BytesMut::with_capacity(self.data.len() + next.len());
            both.extend_from_slice(&self.data);
            both.extend_from_slice(&next);
            self.data = both.freeze();
        }
        Ok(())
    }

    fn malformed(&self, error: &Malformed) -> Error {
        Error::internal(format!("{}, {}: COPY sent {}", self.doing, self.client.config().shown(), error.0))
    }
}
