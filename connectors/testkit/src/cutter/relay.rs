//! Both directions of one connection, frame by frame.

use std::io::{Read, Result, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::{Cut, Orders};
use crate::lock;

/// The code of a request for TLS, which a server answers with one byte, and of one for GSSAPI.
const REQUESTS: [u32; 2] = [80_877_103, 80_877_104];

/// A statement on its way is read whole; no other frame is held for longer than it takes to pass it on.
struct Connection {
    client: TcpStream,
    server: TcpStream,
    orders: Arc<Mutex<Orders>>,
    /// The server's answers are kept from the client, and their end is the end.
    is_last: AtomicBool,
}

/// Relays until one side ends, or the connection is cut.
pub(super) fn start(client: TcpStream, server: TcpStream, orders: Arc<Mutex<Orders>>) {
    let connection = Arc::new(Connection { client, server, orders, is_last: AtomicBool::new(false) });
    let other = Arc::clone(&connection);
    std::thread::spawn(move || {
        // An error is the end of one side, which is passed on to the other.
        drop(connection.requests());
        connection.end();
    });
    std::thread::spawn(move || {
        drop(other.answers());
        other.end();
    });
}

impl Connection {
    fn end(&self) {
        for stream in [&self.client, &self.server] {
            // It may have ended already.
            drop(stream.shutdown(Shutdown::Both));
        }
    }

    fn requests(&self) -> Result<()> {
        // What begins a connection has a length and no letter before it.
        loop {
            let rest = read_sized(&self.client)?;
            let code = rest.get(..4).and_then(|code| code.try_into().ok()).map(u32::from_be_bytes);
            write_sized(&self.server, None, &rest)?;
            if code.is_none_or(|code| !REQUESTS.contains(&code)) {
                break;
            }
        }
        loop {
            let mut letter = [0];
            (&self.client).read_exact(&mut letter)?;
            let rest = read_sized(&self.client)?;
            let statement = match letter[0] {
                b'Q' => Some(rest.as_slice()),
                // The statement's name comes before it.
                b'P' => rest.iter().position(|byte| *byte == 0).map(|end| &rest[end + 1..]),
                _ => None,
            };
            match statement.and_then(|statement| lock(&self.orders).take(statement)) {
                Some(Cut::Before(_)) => return Ok(()),
                Some(Cut::After(_)) => self.is_last.store(true, Ordering::SeqCst),
                None => {}
            }
            write_sized(&self.server, Some(letter[0]), &rest)?;
        }
    }

    fn answers(&self) -> Result<()> {
        let mut is_first = true;
        loop {
            let mut letter = [0];
            (&self.server).read_exact(&mut letter)?;
            // The answer to a request for TLS is this one byte.
            if std::mem::take(&mut is_first) && matches!(letter[0], b'N' | b'S' | b'G') {
                (&self.client).write_all(&letter)?;
                is_first = true;
                continue;
            }
            let rest = read_sized(&self.server)?;
            if !self.is_last.load(Ordering::SeqCst) {
                write_sized(&self.client, Some(letter[0]), &rest)?;
            } else if letter[0] == b'Z' {
                return Ok(());
            }
        }
    }
}

/// What follows a length, which counts itself.
fn read_sized(mut from: &TcpStream) -> Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let mut rest = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap_or(4).saturating_sub(4)];
    from.read_exact(&mut rest)?;
    Ok(rest)
}

fn write_sized(mut to: &TcpStream, letter: Option<u8>, rest: &[u8]) -> Result<()> {
    let length = u32::try_from(rest.len() + 4).unwrap_or(u32::MAX);
    let mut frame: Vec<u8> = letter.into_iter().collect();
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(rest);
    to.write_all(&frame)
}
