//! Takes connections: TLS, then HTTP/1.1, each step within its time.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tower::Service;

use super::guard::{self, Peer};
use super::limits::{Gate, Limits};

/// Pause after a connection could not be taken: there are no more files, and
/// some have to be closed first.
const BREATH: Duration = Duration::from_millis(100);
/// Time for an answer that is on its way when a connection's life ends.
const FAREWELL: Duration = Duration::from_secs(5);

/// Serves until the task is aborted.
pub(super) async fn serve(listener: TcpListener, tls: ServerConfig, router: Router, limits: Limits) {
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let gate = Gate::new(limits);
    let router = guard::within(router, limits);
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok((stream, peer)) => (stream, peer.ip().to_canonical()),
            Err(error) => {
                tracing::warn!(%error, "cannot take a connection of the API");
                tokio::time::sleep(BREATH).await;
                continue;
            }
        };
        // Without a slot it is closed at once: an answer would cost more.
        let own = stream.local_addr().map_or(peer, |own| own.ip().to_canonical());
        let Some(slot) = gate.enter(peer, own, Instant::now()) else { continue };
        let (acceptor, router) = (acceptor.clone(), router.clone());
        tokio::spawn(async move {
            attend(stream, peer, acceptor, router, limits).await;
            drop(slot);
        });
    }
}

/// Serves one connection. How it ends is its peer's matter: no error of it is
/// one of this machine.
async fn attend(stream: TcpStream, peer: IpAddr, acceptor: TlsAcceptor, router: Router, limits: Limits) {
    let Ok(Ok(stream)) = tokio::time::timeout(limits.handshake, acceptor.accept(stream)).await else {
        return;
    };
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        let mut router = router.clone();
        async move { router.call(request.map(Body::new)).await }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(limits.head_bytes)
        .max_headers(limits.fields)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => {}
        () = tokio::time::sleep(limits.life) => {
            connection.as_mut().graceful_shutdown();
            drop(tokio::time::timeout(FAREWELL, connection).await);
        }
    }
}
