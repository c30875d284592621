//! moto's S3 server: written by others, so what works against both it and [`crate::s3`] does not merely work against our own mistakes.
//!
//! It is SQS, SNS, EventBridge and Glue too, and delivers the events of its own S3 to them ([`Queue`]).

mod queue;

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::error::tail;
use crate::{Error, Result, python, s3, target_directory};

pub use queue::Queue;

/// What moto's environment holds.
pub const PACKAGES: &[&str] = &["moto[server,s3,sqs,sns,events,glue,secretsmanager]==5.2.5"];

/// How long the server may take to start: it imports much of Python on a cold disk.
const START_LIMIT: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// A running moto server: S3 and Glue at one address. Dropping it kills it; it holds everything in memory.
///
/// It accepts any signature and any checksum: only [`crate::s3`] is strict about those.
#[derive(Debug)]
pub struct Moto {
    child: Child,
    port: u16,
    log: PathBuf,
}

impl Moto {
    /// Installs moto in the cargo target directory if it is not there yet, starts it on a free port and waits until it answers.
    ///
    /// # Errors
    /// If it cannot be installed or does not start; the error has the end of what it wrote.
    pub async fn start() -> Result<Self> {
        let folder = target_directory()?.join("venv");
        let (place, packages) = (folder.clone(), PACKAGES);
        let made = tokio::task::spawn_blocking(move || python::venv_in(&place, packages)).await;
        let python = made.map_err(|error| Error::io("making an environment for moto")(error.into()))??;
        let mut moto = Self::spawn(&python, &folder)?;
        moto.wait_until_ready().await?;
        Ok(moto)
    }

    fn spawn(python: &Path, folder: &Path) -> Result<Self> {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
        let port = free.map_err(Error::io("finding a free port for moto"))?.port();
        let log = folder.join(format!("moto-{port}.log"));
        let what = format!("starting moto with its log in {}", log.display());
        let output = File::create(&log).and_then(|file| Ok((file.try_clone()?, file)));
        let (stdout, stderr) = output.map_err(Error::io(what.clone()))?;
        // By its Python, not by its first line: that names the folder in which it was installed, and caches are moved.
        let child = Command::new(python)
            .arg(python.with_file_name("moto_server"))
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(stderr)
            .spawn()
            .map_err(Error::io(what))?;
        Ok(Self { child, port, log })
    }

    async fn wait_until_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            if let Ok(answer) = request(self.port, "GET", "/moto-api/", &[], "").await
                && answer.starts_with("HTTP/1.1 200")
            {
                return Ok(());
            }
            let ended = self.child.try_wait().map_err(Error::io("waiting for moto"))?;
            if ended.is_some() || Instant::now() > deadline {
                let status = ended.map_or_else(|| format!("no answer after {START_LIMIT:?}"), |status| status.to_string());
                let stderr = tail(&fs::read(&self.log).unwrap_or_default());
                return Err(Error::Program { what: "moto_server".into(), status, stderr });
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Makes a bucket.
    ///
    /// # Errors
    /// If moto does not answer with 200.
    pub async fn create_bucket(&self, name: &str) -> Result<()> {
        ask(self.port, "PUT", &format!("/{name}"), &[], "").await.map(drop)
    }

    /// Puts an object; its bucket's events go where they are to.
    ///
    /// # Errors
    /// If moto refuses.
    pub async fn put_object(&self, bucket: &str, key: &str, body: &str) -> Result<()> {
        // Who does not say who they are may make an object, but not write it anew.
        let authorization = queue::authorization("s3");
        ask(self.port, "PUT", &format!("/{bucket}/{key}"), &[("Authorization", &authorization)], body).await.map(drop)
    }

    /// Asks a service that speaks JSON, unsigned: `service` and `action` as in `X-Amz-Target`. Returns the body of the answer.
    ///
    /// # Errors
    /// If moto does not answer with 200.
    pub async fn json(&self, service: &str, action: &str, body: &str) -> Result<String> {
        // moto tells services apart by what a request is signed for.
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential=testing/20260101/us-east-1/{}/aws4_request, SignedHeaders=host, Signature=none",
            service.trim_start_matches("AWS").to_lowercase()
        );
        let target = format!("{service}.{action}");
        let headers = [
            ("X-Amz-Target", target.as_str()),
            ("Content-Type", "application/x-amz-json-1.1"),
            ("Authorization", &authorization),
        ];
        ask(self.port, "POST", "/", &headers, body).await
    }

    /// Its URL, for clients that address buckets by path.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// How to reach it, as the environment variables of AWS clients; `object_store` and delta-rs also take them as options.
    #[must_use]
    pub fn environment(&self) -> Vec<(String, String)> {
        s3::environment(&self.endpoint(), "testing", "testing", "us-east-1")
    }
}

/// One unsigned request, and the answer up to the end of the connection.
async fn request(port: u16, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    let length = body.len();
    let more: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {length}\r\n{more}Connection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// The body of an answer that is well.
async fn ask(port: u16, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Result<String> {
    let what = format!("{method} {path} {headers:?} of moto");
    let answer = request(port, method, path, headers, body).await.map_err(Error::io(what.clone()))?;
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.starts_with("HTTP/1.1 20") => Ok(body.to_owned()),
        _ => Err(Error::Answer { what, answer }),
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is reaped, and its log is of no more use.
        self.child.kill().and_then(|()| self.child.wait()).and_then(|_| fs::remove_file(&self.log)).unwrap_or_default();
    }
}
