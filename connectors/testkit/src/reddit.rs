//! A stand-in for Reddit that answers as it is told: any status, headers and body, silence, a reset connection, a body
//! that stops half-way. It records what it was asked. What Reddit would have answered is the test's to say.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

/// Larger requests than this are a fault of the client under test.
const LARGEST_REQUEST: usize = 1 << 20;

/// A request as it came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// `GET` or `POST`.
    pub method: String,
    /// Without the query.
    pub path: String,
    /// Behind the `?`, as sent.
    pub query: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// As sent.
    pub body: String,
}

impl Request {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A query parameter's value, as sent.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.split('&').find_map(|pair| pair.split_once('=').filter(|(known, _)| *known == name).map(|(_, value)| value))
    }
}

/// What becomes of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Whole,
    Truncated,
    Reset,
    Silent,
}

/// An answer to give.
#[derive(Debug, Clone)]
pub struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
    ending: Ending,
}

impl Answer {
    /// Status and body.
    pub fn new(status: u16, body: impl Into<String>) -> Self {
        Self { status, headers: Vec::new(), body: body.into(), ending: Ending::Whole }
    }

    /// Status 200 with JSON.
    pub fn json(value: &Value) -> Self {
        Self::new(200, value.to_string()).header("content-type", "application/json; charset=UTF-8")
    }

    /// The token endpoint's usual answer.
    pub fn token(secret: &str) -> Self {
        Self::json(&json!({"access_token": secret, "token_type": "bearer", "expires_in": 3600, "scope": "*"}))
    }

    /// The connection is closed at once, without an answer.
    pub fn reset() -> Self {
        Self { ending: Ending::Reset, ..Self::new(0, "") }
    }

    /// Nothing is answered, and the connection stays open.
    pub fn silent() -> Self {
        Self { ending: Ending::Silent, ..Self::new(0, "") }
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With half the body that its length announces.
    #[must_use]
    pub fn truncated(self) -> Self {
        Self { ending: Ending::Truncated, ..self }
    }
}

type Handler = Box<dyn FnMut(&Request) -> Answer + Send>;

#[derive(Default)]
struct Script {
    tokens: VecDeque<Answer>,
    answers: VecDeque<Answer>,
    handler: Option<Handler>,
    requests: Vec<Request>,
    issued: u64,
}

/// The server; it stops when this is dropped.
pub struct Reddit {
    address: SocketAddr,
    script: Arc<Mutex<Script>>,
    _server: AbortOnDropHandle<()>,
}

impl std::fmt::Debug for Reddit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reddit").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Reddit {
    /// Starts on a free port of this machine.
    ///
    /// # Errors
    /// When no port can be opened.
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let script = Arc::new(Mutex::new(Script::default()));
        let shared = Arc::clone(&script);
        let server = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let script = Arc::clone(&shared);
                // A client that goes away is part of what is tested.
                connections.spawn(async move { serve(stream, &script).await.unwrap_or_default() });
            }
        });
        Ok(Self { address, script, _server: AbortOnDropHandle::new(server) })
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next answer of the token endpoint; without one it issues `token-1`, `token-2` and so on.
    pub fn push_token(&self, answer: Answer) {
        self.script.lock().unwrap_or_else(PoisonError::into_inner).tokens.push_back(answer);
    }

    /// The next answer of any other address.
    pub fn push(&self, answer: Answer) {
        self.script.lock().unwrap_or_else(PoisonError::into_inner).answers.push_back(answer);
    }

    /// Answers what no pushed answer is left for.
    pub fn handle(&self, handler: impl FnMut(&Request) -> Answer + Send + 'static) {
        self.script.lock().unwrap_or_else(PoisonError::into_inner).handler = Some(Box::new(handler));
    }

    /// What it was asked so far, tokens included.
    pub fn requests(&self) -> Vec<Request> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner).requests.clone()
    }
}

impl Script {
    fn answer(&mut self, request: Request) -> Answer {
        let answer = if request.path.ends_with("/access_token") {
            self.tokens.pop_front().unwrap_or_else(|| {
                self.issued += 1;
                Answer::token(&format!("token-{}", self.issued))
            })
        } else if let Some(answer) = self.answers.pop_front() {
            answer
        } else if let Some(handler) = &mut self.handler {
            handler(&request)
        } else {
            Answer::new(410, "no answer was pushed for this request")
        };
        self.requests.push(request);
        answer
    }
}

async fn serve(mut stream: TcpStream, script: &Mutex<Script>) -> io::Result<()> {
    let request = receive(&mut stream).await?;
    let answer = script.lock().unwrap_or_else(PoisonError::into_inner).answer(request);
    match answer.ending {
        // Closing without lingering sends a reset, not an orderly end.
        Ending::Reset => return stream.set_zero_linger(),
        Ending::Silent => {
            tokio::time::sleep(Duration::from_secs(3_600)).await;
            return Ok(());
        }
        Ending::Whole | Ending::Truncated => {}
    }
    let mut head =
        format!("HTTP/1.1 {} Scripted\r\nconnection: close\r\ncontent-length: {}\r\n", answer.status, answer.body.len());
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).await?;
    let body = answer.body.as_bytes();
    let sent = if answer.ending == Ending::Truncated { body.len() / 2 } else { body.len() };
    stream.write_all(&body[..sent]).await?;
    stream.shutdown().await
}

async fn receive(stream: &mut TcpStream) -> io::Result<Request> {
    let mut bytes = Vec::new();
    loop {
        if let Some(request) = parse(&bytes) {
            return Ok(request);
        }
        if bytes.len() > LARGEST_REQUEST || stream.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// The request, once all of it is there.
fn parse(bytes: &[u8]) -> Option<Request> {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let request = Request { method, path: path.to_owned(), query: query.to_owned(), headers, body: body.to_owned() };
    let length = request.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    (body.len() >= length).then_some(request)
}

/// A post in the shape that Reddit sends, with the keys that a test looks at.
pub fn post(id: &str, created_utc: f64) -> Value {
    json!({"kind": "t3", "data": {
        "id": id, "name": format!("t3_{id}"), "subreddit": "test", "title": format!("Title of {id}"), "author": "someone",
        "author_fullname": "t2_1", "created_utc": created_utc, "score": 1, "num_comments": 0, "selftext": "", "edited": false,
        "over_18": false, "is_self": true, "permalink": format!("/r/test/comments/{id}/x/"),
    }})
}

/// A page.
pub fn listing(children: &[Value], after: Option<&str>) -> Value {
    json!({"kind": "Listing", "data": {"modhash": "", "after": after, "before": null, "dist": children.len(), "children": children}})
}
