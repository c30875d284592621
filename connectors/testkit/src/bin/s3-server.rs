//! The S3 server as a process of its own, for tests whose store must outlive the process under test:
//! `s3-server [--port PORT] [--bucket NAME]`. It prints how to reach it as one line of JSON (`endpoint`, `access_key`, `secret_key`,
//! `region`), and runs until its standard input is closed or it gets SIGTERM.

use std::io::{self, Write as _};
use std::process::ExitCode;

use testkit::s3::{S3Server, S3ServerBuilder};
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => writeln!(io::stderr(), "s3-server: {error}").map_or(ExitCode::FAILURE, |()| ExitCode::FAILURE),
    }
}

async fn run() -> io::Result<()> {
    // Before the address is known to anyone who may want it to end.
    let mut terminated = signal(SignalKind::terminate())?;
    let server = configured(std::env::args().skip(1))?.start()?;
    let address = serde_json::json!({
        "endpoint": server.endpoint(),
        "access_key": server.access_key(),
        "secret_key": server.secret_key(),
        "region": server.region(),
    });
    writeln!(io::stdout(), "{address}")?;
    tokio::select! {
        closed = input_closed() => closed,
        _ = terminated.recv() => Ok(()),
    }
}

fn configured(mut arguments: impl Iterator<Item = String>) -> io::Result<S3ServerBuilder> {
    let mut builder = S3Server::builder();
    while let Some(option) = arguments.next() {
        let value = arguments.next().ok_or_else(|| io::Error::other(format!("{option} wants a value")))?;
        builder = match option.as_str() {
            "--port" => builder.port(value.parse().map_err(|_| io::Error::other(format!("{value} is not a port")))?),
            "--bucket" => builder.bucket(value),
            _ => return Err(io::Error::other(format!("unknown option {option}, there are --port and --bucket"))),
        };
    }
    Ok(builder)
}

/// Waits for the end of the input on a plain thread: a read of standard input cannot be cancelled, and would keep a runtime alive.
async fn input_closed() -> io::Result<()> {
    let (closed, end) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || closed.send(io::copy(&mut io::stdin(), &mut io::sink())));
    end.await.map_err(io::Error::other)?.map(|_| ())
}
