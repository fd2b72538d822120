//! The HTTP side of `odin gpu serve`; it only reads.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use odin_gpu::{CONTENT_TYPE, Fleet};
use tokio::net::TcpListener;

use super::Offering;

/// Path of the metrics.
pub(super) const METRICS: &str = "/metrics";
/// Path of the verdicts.
pub(super) const HEALTH: &str = "/api/v1/gpu/health";

/// What the routes share: the fleet, what is offered of it, and a buffer that is
/// used again.
#[derive(Debug)]
struct Shared {
    fleet: Fleet,
    offering: Offering,
    page: Mutex<Arc<Vec<u8>>>,
}

/// A page on its way to its reader.
struct Written(Arc<Vec<u8>>);

impl AsRef<[u8]> for Written {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Serves metrics and verdicts until the process is told to end.
pub(super) async fn serve(listener: TcpListener, fleet: Fleet, offering: Offering) -> std::io::Result<()> {
    let router = Router::new()
        .route(METRICS, get(metrics))
        .route("/health", get(|| async { "ok\n" }))
        .route(HEALTH, get(verdicts))
        .with_state(Arc::new(Shared { fleet, offering, page: Mutex::default() }));
    axum::serve(listener, router).with_graceful_shutdown(crate::daemon::termination()).await
}

async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    let page = {
        let mut kept = shared.page.lock().unwrap_or_else(PoisonError::into_inner);
        if Arc::get_mut(&mut kept).is_none() {
            // A reader still has the last page.
            *kept = Arc::new(Vec::new());
        }
        if let Some(buffer) = Arc::get_mut(&mut kept) {
            shared.fleet.expose(buffer);
            shared.offering.expose(buffer);
        }
        Arc::clone(&kept)
    };
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], Body::from(Bytes::from_owner(Written(page)))).into_response()
}

async fn verdicts(State(shared): State<Arc<Shared>>) -> Response {
    axum::Json(shared.fleet.health()).into_response()
}
