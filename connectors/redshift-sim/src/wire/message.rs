//! The bodies of frames: building them, and taking them apart.

use std::io;

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Builds the body of a frame.
#[derive(Debug, Default)]
pub(crate) struct Builder(BytesMut);

impl Builder {
    pub(crate) fn text(mut self, text: &str) -> Self {
        self.0.put_slice(text.as_bytes());
        self.0.put_u8(0);
        self
    }

    pub(crate) fn byte(mut self, byte: u8) -> Self {
        self.0.put_u8(byte);
        self
    }

    pub(crate) fn int16(mut self, value: i16) -> Self {
        self.0.put_i16(value);
        self
    }

    pub(crate) fn int32(mut self, value: i32) -> Self {
        self.0.put_i32(value);
        self
    }

    pub(crate) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.put_slice(bytes);
        self
    }

    pub(crate) fn build(self) -> Bytes {
        self.0.freeze()
    }
}

/// Takes the body of a frame apart, in order.
#[derive(Debug)]
pub(crate) struct Reader(Bytes);

impl Reader {
    pub(crate) fn new(body: Bytes) -> Self {
        Self(body)
    }

    pub(crate) fn text(&mut self) -> io::Result<String> {
        let end = self.0.iter().position(|byte| *byte == 0).ok_or(io::ErrorKind::UnexpectedEof)?;
        let text = self.0.split_to(end);
        self.0.advance(1);
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    pub(crate) fn byte(&mut self) -> io::Result<u8> {
        Ok(self.0.try_get_u8()?)
    }

    pub(crate) fn int16(&mut self) -> io::Result<i16> {
        Ok(self.0.try_get_i16()?)
    }

    pub(crate) fn int32(&mut self) -> io::Result<i32> {
        Ok(self.0.try_get_i32()?)
    }

    pub(crate) fn bytes(&mut self, count: usize) -> io::Result<Bytes> {
        if self.0.len() < count { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(self.0.split_to(count)) }
    }

    /// What was not read yet.
    pub(crate) fn rest(self) -> Bytes {
        self.0
    }
}

/// The fields of an error or a notice, by their one-letter codes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fields(Vec<(u8, String)>);

impl Fields {
    pub(crate) fn parse(body: Bytes) -> io::Result<Self> {
        let mut reader = Reader::new(body);
        let mut fields = Vec::new();
        loop {
            match reader.byte()? {
                0 => return Ok(Self(fields)),
                code => fields.push((code, reader.text()?)),
            }
        }
    }

    pub(crate) fn get(&self, code: u8) -> &str {
        self.0.iter().find(|(known, _)| *known == code).map_or("", |(_, value)| value)
    }

    pub(crate) fn with(mut self, code: u8, value: impl Into<String>) -> Self {
        self.0.retain(|(known, _)| *known != code);
        self.0.push((code, value.into()));
        self
    }

    pub(crate) fn without(mut self, code: u8) -> Self {
        self.0.retain(|(known, _)| *known != code);
        self
    }

    pub(crate) fn build(&self) -> Bytes {
        let builder = self.0.iter().fold(Builder::default(), |builder, (code, value)| builder.byte(*code).text(value));
        builder.byte(0).build()
    }
}
