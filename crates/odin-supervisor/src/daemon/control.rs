//! What the sockets answer.
//!
//! The control socket takes operations and streams their events; the reading
//! socket changes nothing.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Json;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use odin_model::event::{Event, Observer, Silent};
use tokio::sync::mpsc;

use super::Shared;
use crate::job;
use crate::operations::{self, Request};
use crate::wire::{Failure, Line};

/// Lines that may wait for a slow reader before the operation's events are
/// dropped; the outcome never is.
const BACKLOG: usize = 1024;

pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/v1/operations", post(operate))
        .with_state(Arc::clone(&shared))
        .merge(read_router(shared))
}

pub(super) fn read_router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/metrics", get(metrics))
        .route("/api/v1/status", get(status))
        .with_state(shared)
}

async fn operate(State(shared): State<Arc<Shared>>, Json(request): Json<Request>) -> Response {
    let (sender, mut receiver) = mpsc::channel(BACKLOG);
    // The operation is a task of its own: it goes on when the reader goes.
    tokio::spawn(async move {
        let events = sender.clone();
        let observer: Arc<dyn Observer> = Arc::new(move |event: Event| {
            // A full backlog or a reader that went away: the event is lost to
            // it, the operation is not.
            drop(events.try_send(Line::Event(event)));
        });
        let line = carry_out(&shared, request, observer).await;
        drop(sender.send(line).await);
    });
    let lines = futures::stream::poll_fn(move |context| receiver.poll_recv(context));
    let bytes =
        futures::StreamExt::map(lines, |line: Line| Ok::<_, std::convert::Infallible>(line.to_bytes()));
    ([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(bytes)).into_response()
}

/// Carries out a request as the daemon does: work on bytes as a job.
pub(crate) async fn carry_out(shared: &Shared, request: Request, observer: Arc<dyn Observer>) -> Line {
    let name = request.name();
    let changes = request.changes_declared_state();
    let restores = matches!(request, Request::RestoreApply(_));
    if restores {
        shared.restoring.store(true, Ordering::SeqCst);
        shared.changed.send_modify(|count| *count += 1);
    }
    let line = if request.is_job() {
        job::run(&shared.appliance, request, &*observer).await
    } else {
        match operations::run(&shared.appliance, request, observer).await {
            Ok(outcome) => Line::Outcome(outcome),
            Err(error) => Line::Failure(Failure::from(&error)),
        }
    };
    if restores {
        shared.restoring.store(false, Ordering::SeqCst);
    }
    match &line {
        Line::Failure(failure) => {
            tracing::error!(operation = name, error = failure.message, "operation failed")
        }
        _ => tracing::info!(operation = name, "operation ended"),
    }
    // What did not begin says nothing of how such a thing goes; who asked is told.
    if !matches!(&line, Line::Failure(failure) if failure.busy) {
        shared.metrics.operation(
            name,
            matches!(&line, Line::Outcome(outcome) if outcome.status != operations::Status::Failed),
        );
    }
    if changes {
        shared.changed.send_modify(|count| *count += 1);
    }
    line
}

async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], shared.exposition()).into_response()
}

async fn status(State(shared): State<Arc<Shared>>) -> Response {
    match operations::run(&shared.appliance, Request::Status, Arc::new(Silent)).await {
        Ok(outcome) => Json(outcome.data).into_response(),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, Json(Failure::from(&error))).into_response(),
    }
}
