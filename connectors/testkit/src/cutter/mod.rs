//! A relay in front of a PostgreSQL server, or of what speaks its protocol, that cuts a connection at a statement.
//!
//! It reads the frames of the protocol (<https://www.postgresql.org/docs/current/protocol-message-formats.html>), so that a cut is before a
//! statement reaches the server, or after the server has done it and before the client hears of it. What is encrypted it cannot read:
//! clients connect with `sslmode=disable`.
//!
//! ```no_run
//! use testkit::cutter::{Cut, Cutter};
//! let cutter = Cutter::start("127.0.0.1:5432")?;
//! cutter.cut(Cut::After("COMMIT"), 1);
//! let url = format!("postgres://me@127.0.0.1:{}/db?sslmode=disable", cutter.port());
//! # Ok::<(), testkit::Error>(())
//! ```

mod relay;

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::{Error, Result, lock};

/// Where a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The server never sees a statement that begins so, in any case.
    Before(&'static str),
    /// The server has answered the statement, and the client does not hear of it.
    After(&'static str),
}

impl Cut {
    fn statement(self) -> &'static str {
        match self {
            Self::Before(statement) | Self::After(statement) => statement,
        }
    }
}

/// What is to be cut, and what was.
#[derive(Debug, Default)]
struct Orders {
    cut: Option<Cut>,
    left: u32,
    done: u32,
}

impl Orders {
    /// The cut that is ordered for a statement, which counts as done.
    fn take(&mut self, statement: &[u8]) -> Option<Cut> {
        let cut = self.cut.filter(|_| self.left > 0)?;
        let wanted = cut.statement().as_bytes();
        let begins = statement.get(..wanted.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(wanted));
        if !begins {
            return None;
        }
        self.left -= 1;
        self.done += 1;
        Some(cut)
    }
}

/// The relay. It ends with its handle; connections that are open go on until one side ends them.
#[derive(Debug)]
pub struct Cutter {
    port: u16,
    orders: Arc<Mutex<Orders>>,
    is_over: Arc<AtomicBool>,
}

impl Cutter {
    /// Relays to `server` (`host:port`) from a port of the loopback interface.
    ///
    /// # Errors
    /// When no port can be had.
    pub fn start(server: &str) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Error::io("listening for connections to relay"))?;
        let port = listener.local_addr().map_err(Error::io("asking for the relay's port"))?.port();
        let (orders, is_over) = (Arc::<Mutex<Orders>>::default(), Arc::<AtomicBool>::default());
        let (server, shared, ends) = (server.to_owned(), Arc::clone(&orders), Arc::clone(&is_over));
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if ends.load(Ordering::Relaxed) {
                    return;
                }
                // A server that is not there is what the client finds: its connection ends.
                if let (Ok(client), Ok(upstream)) = (client, TcpStream::connect(&server)) {
                    relay::start(client, upstream, Arc::clone(&shared));
                }
            }
        });
        Ok(Self { port, orders, is_over })
    }

    /// Where clients connect to.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The next `times` statements that `cut` names are cut at, in whatever connections.
    pub fn cut(&self, cut: Cut, times: u32) {
        let mut orders = lock(&self.orders);
        orders.cut = Some(cut);
        orders.left = times;
    }

    /// How many connections were cut.
    #[must_use]
    pub fn done(&self) -> u32 {
        lock(&self.orders).done
    }
}

impl Drop for Cutter {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        // The listener sees the end at the next connection, which is this.
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
    }
}
