//! Asking the service on this machine.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::header;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// A service that does not answer within this is none: it never waits for the
/// driver.
const PATIENCE: Duration = Duration::from_secs(2);
/// Largest answer that is read; sixteen GPUs are some hundred KiB.
const MAXIMUM_BYTES: usize = 16 << 20;

/// What the service that listens on `listen` answers at `path`; why it does
/// not, in words.
pub(super) async fn get(listen: &str, path: &str) -> Result<Bytes, String> {
    let address = reachable(listen).ok_or_else(|| format!("{listen} is no address"))?;
    match tokio::time::timeout(PATIENCE, ask(address, path)).await {
        Ok(answer) => answer.map_err(|reason| format!("{address}: {reason}")),
        Err(_) => Err(format!("{address}: no answer in {} s", PATIENCE.as_secs())),
    }
}

/// Where this machine reaches what listens on `listen`.
fn reachable(listen: &str) -> Option<SocketAddr> {
    let mut address: SocketAddr = listen.parse().ok()?;
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    Some(address)
}

async fn ask(address: SocketAddr, path: &str) -> Result<Bytes, String> {
    let words = |error: &dyn std::error::Error| error.to_string();
    let stream = TcpStream::connect(address).await.map_err(|error| words(&error))?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| words(&error))?;
    let connection = tokio::spawn(connection);
    let request = hyper::Request::get(path)
        .header(header::HOST, "localhost")
        .body(Empty::<Bytes>::new())
        .map_err(|error| words(&error))?;
    let answer = sender.send_request(request).await.map_err(|error| words(&error))?;
    let status = answer.status();
    let body =
        Limited::new(answer.into_body(), MAXIMUM_BYTES).collect().await.map_err(|error| error.to_string())?;
    connection.abort();
    if status.is_success() { Ok(body.to_bytes()) } else { Err(format!("it answers {status}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_on_all_addresses_is_reached_on_this_one() {
        for (listen, reached) in [
            ("0.0.0.0:9400", Some("127.0.0.1:9400")),
            ("[::]:9400", Some("[::1]:9400")),
            ("10.0.0.7:9400", Some("10.0.0.7:9400")),
            ("localhost:9400", None),
        ] {
            assert_eq!(reachable(listen).map(|address| address.to_string()).as_deref(), reached, "{listen}");
        }
    }
}
