//! The way in and out of the server: every request passes here once it is authenticated, is logged, and may be struck by a fault;
//! its answer passes here on the way out, and may be lost.

use std::sync::{Arc, OnceLock};

use bytes::{Bytes, BytesMut};
use futures::{StreamExt, TryStreamExt};
use hyper::body::Incoming;
use hyper::{Request as HttpRequest, Response, StatusCode};
use s3s::access::{S3Access, S3AccessContext};
use s3s::dto::StreamingBlob;
use s3s::service::S3Service;
use s3s::{Body, HttpError, S3Result, s3_error};

use super::{FaultKind, Faults, Operation, Request, Requests};

/// The fault that struck a request, passed from the way in to the way out in the request's extensions.
type Struck = Arc<OnceLock<FaultKind>>;

/// The way in: s3s asks it when it knows the operation and the signature is right, before it looks at the body.
pub(super) struct WayIn {
    pub(super) faults: Arc<Faults>,
    pub(super) requests: Arc<Requests>,
}

#[async_trait::async_trait]
impl S3Access for WayIn {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        if context.credentials().is_none() {
            return Err(s3_error!(AccessDenied, "requests must be signed"));
        }
        let request = Request {
            operation: Operation::named(context.s3_op().name()),
            bucket: context.s3_path().get_bucket_name().unwrap_or_default().to_owned(),
            key: context.s3_path().get_object_key().unwrap_or_default().to_owned(),
        };
        let fault = self.faults.strike(&request);
        self.requests.record(request);
        let Some(fault) = fault else { return Ok(()) };
        if let Some(struck) = context.extensions_mut().get::<Struck>() {
            struck.get_or_init(|| fault);
        }
        match fault {
            FaultKind::SlowDown => Err(s3_error!(SlowDown, "Please reduce your request rate.")),
            FaultKind::Forbidden => Err(s3_error!(AccessDenied, "Access Denied")),
            FaultKind::Reset => Err(s3_error!(InternalError, "the connection is closed instead of this answer")),
            FaultKind::Delay(time) => {
                tokio::time::sleep(time).await;
                Ok(())
            }
            FaultKind::AnswerLost | FaultKind::ErrorAfterCommit | FaultKind::BodyCut(_) => Ok(()),
        }
    }
}

/// Answers one request. An error makes hyper close the connection without an answer.
///
/// The body is read to its end first. S3 itself may refuse a request while its body is still on the way, and whether a client then
/// sees the answer or a broken connection is a race: here it sees what was ordered.
pub(super) async fn answer(service: S3Service, request: HttpRequest<Incoming>) -> Result<Response<Body>, HttpError> {
    let struck = Struck::default();
    let (mut head, body) = request.into_parts();
    head.extensions.insert(Arc::clone(&struck));
    let body: BytesMut = Body::from(body).try_collect().await.map_err(HttpError::new)?;
    let answer = service.call(HttpRequest::from_parts(head, Body::from(body.freeze()))).await?;
    match struck.get() {
        Some(FaultKind::Reset | FaultKind::AnswerLost) => Err(HttpError::new("connection closed by an ordered fault".into())),
        Some(FaultKind::ErrorAfterCommit) => Ok(internal_error()),
        Some(FaultKind::BodyCut(bytes)) => Ok(cut(answer, *bytes)),
        Some(FaultKind::SlowDown | FaultKind::Forbidden | FaultKind::Delay(_)) | None => Ok(answer),
    }
}

fn internal_error() -> Response<Body> {
    const TEXT: &str =
        "<Error><Code>InternalError</Code><Message>We encountered an internal error. Please try again.</Message></Error>";
    let mut answer = Response::new(Body::from(TEXT.to_owned()));
    *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    answer
}

/// Keeps the head of the answer, with the announced length, and breaks off its body.
fn cut(answer: Response<Body>, bytes: usize) -> Response<Body> {
    answer.map(|body| {
        let mut left = bytes;
        let beginning = body.map(move |chunk| {
            let chunk: Bytes = chunk.map_err(std::io::Error::other)?;
            let kept = chunk.slice(..chunk.len().min(left));
            left -= kept.len();
            Ok::<_, std::io::Error>(kept)
        });
        let end = futures::stream::once(async { Err(std::io::ErrorKind::ConnectionReset.into()) });
        Body::from(StreamingBlob::wrap(beginning.chain(end)))
    })
}
