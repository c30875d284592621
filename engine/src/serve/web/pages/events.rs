//! Tells pages that something has changed (server-sent events); they load what they show again.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures::stream;

use crate::serve::web::app::App;

/// A line that says nothing, so that who is gone is noticed.
const SILENCE: Duration = Duration::from_secs(20);

/// A page asks anew after this long: its sign-in may have ended.
const WHOLE: Duration = Duration::from_secs(600);

pub(super) async fn stream(app: App) -> Response {
    let until = tokio::time::Instant::now() + WHOLE;
    let changes = app.control.changes();
    let first = Bytes::from_static(b"retry: 2000\n\n");
    let events = stream::unfold((app, changes, Some(first)), move |(app, mut changes, first)| async move {
        if let Some(first) = first {
            return Some((Ok::<_, std::convert::Infallible>(first), (app, changes, None)));
        }
        let event = tokio::select! {
            () = app.stop.cancelled() => return None,
            () = tokio::time::sleep_until(until) => return None,
            changed = changes.changed() => match changed {
                Ok(()) => Bytes::from(format!("data: {}\n\n", *changes.borrow_and_update())),
                Err(_) => return None,
            },
            () = tokio::time::sleep(SILENCE) => Bytes::from_static(b": still here\n\n"),
        };
        Some((Ok(event), (app, changes, None)))
    });
    ([(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")], Body::from_stream(events))
        .into_response()
}
