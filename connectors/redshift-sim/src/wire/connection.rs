//! One side of a conversation: whole frames in, whole frames out.

use std::io;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The longest frame that is read. A statement of Redshift is at most 16 MiB long, the values bound to one are not much longer.
const LONGEST_FRAME: usize = 64 << 20;
/// What is written is handed to the socket when this much has come together.
const WRITE_BUFFER: usize = 64 << 10;

/// A frame: its type and its body, without the length.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) tag: u8,
    pub(crate) body: Bytes,
}

/// A stream of frames both ways.
#[derive(Debug)]
pub(crate) struct Connection<S> {
    stream: S,
    incoming: BytesMut,
    outgoing: BytesMut,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, incoming: BytesMut::with_capacity(WRITE_BUFFER), outgoing: BytesMut::new() }
    }

    /// The next frame, or `None` when the other side has closed the connection between two frames.
    pub(crate) async fn read(&mut self) -> io::Result<Option<Frame>> {
        if !self.fill(5).await? {
            return Ok(None);
        }
        let length = self.incoming.get(1..5).map_or(0, |mut bytes| bytes.get_u32()) as usize;
        check_length(length)?;
        if !self.fill(length + 1).await? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut whole = self.incoming.split_to(length + 1);
        let tag = whole.get_u8();
        whole.advance(4);
        Ok(Some(Frame { tag, body: whole.freeze() }))
    }

    /// The first frame of a client, which has no type.
    pub(crate) async fn read_startup(&mut self) -> io::Result<Option<Bytes>> {
        if !self.fill(4).await? {
            return Ok(None);
        }
        let length = self.incoming.get(..4).map_or(0, |mut bytes| bytes.get_u32()) as usize;
        check_length(length)?;
        if !self.fill(length).await? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut whole = self.incoming.split_to(length);
        whole.advance(4);
        Ok(Some(whole.freeze()))
    }

    /// Reads until `count` bytes are there; false if the stream ended before the first of them.
    async fn fill(&mut self, count: usize) -> io::Result<bool> {
        while self.incoming.len() < count {
            if self.stream.read_buf(&mut self.incoming).await? == 0 {
                return if self.incoming.is_empty() { Ok(false) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
            }
        }
        Ok(true)
    }

    /// Adds a frame to what is to be sent.
    pub(crate) async fn write(&mut self, tag: u8, body: &[u8]) -> io::Result<()> {
        let length = u32::try_from(body.len() + 4).map_err(io::Error::other)?;
        self.outgoing.put_u8(tag);
        self.outgoing.put_u32(length);
        self.outgoing.put_slice(body);
        if self.outgoing.len() >= WRITE_BUFFER { self.flush().await } else { Ok(()) }
    }

    /// Adds bytes that are not a frame: the start of a conversation.
    pub(crate) fn write_raw(&mut self, bytes: &[u8]) {
        self.outgoing.put_slice(bytes);
    }

    /// Sends what was written.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        self.stream.write_all_buf(&mut self.outgoing).await?;
        self.stream.flush().await
    }
}

fn check_length(length: usize) -> io::Result<()> {
    if (4..=LONGEST_FRAME).contains(&length) {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, format!("a frame of {length} bytes, expected 4 to {LONGEST_FRAME}")))
}
