//! The command line's side of the control socket.

use std::path::Path;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use odin_model::event::Observer;
use tokio::net::UnixStream;

use crate::appliance::Appliance;
use crate::operations::{Outcome, Request};
use crate::wire::Line;

pub use crate::wire::Failure;

/// Name of the control socket in the run directory.
pub const CONTROL_SOCKET: &str = "odin.sock";

/// A connection to the daemon.
#[derive(Debug)]
pub struct Daemon {
    stream: UnixStream,
}

/// Connects to the daemon; none when it does not run.
///
/// A socket that nobody listens on is left over from a killed daemon and is
/// the same as none.
pub async fn connect(appliance: &Appliance) -> Option<Daemon> {
    connect_to(&appliance.config.host.run_dir.join(CONTROL_SOCKET)).await
}

async fn connect_to(socket: &Path) -> Option<Daemon> {
    UnixStream::connect(socket).await.ok().map(|stream| Daemon { stream })
}

impl Daemon {
    /// Has the daemon carry out a request and passes its events on.
    ///
    /// # Errors
    /// The daemon's error, or that it went away. An operation goes on in the
    /// daemon when this side goes away.
    pub async fn run(self, request: &Request, observer: &dyn Observer) -> Result<Outcome, Failure> {
        let lost = |reason: String| Failure {
            message: format!("lost the daemon: {reason}"),
            hint: Some("see `journalctl -u odin`; the operation may have gone on: `odin status`".to_owned()),
            usage: false,
            busy: false,
        };
        let body = serde_json::to_vec(request).map_err(|error| lost(error.to_string()))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(self.stream))
            .await
            .map_err(|error| lost(error.to_string()))?;
        let pump = tokio::spawn(connection);
        let request = hyper::Request::post("/v1/operations")
            .header("host", "odin")
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| lost(error.to_string()))?;
        let response = sender.send_request(request).await.map_err(|error| lost(error.to_string()))?;
        let status = response.status();
        let mut body = response.into_body();
        let mut buffer = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| lost(error.to_string()))?;
            let Ok(data) = frame.into_data() else { continue };
            buffer.extend_from_slice(&data);
            while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = buffer.drain(..=end).collect();
                match serde_json::from_slice(&line).map_err(|error| lost(error.to_string()))? {
                    Line::Event(event) => observer.event(event),
                    Line::Outcome(outcome) => return Ok(outcome),
                    Line::Failure(failure) => return Err(failure),
                }
            }
        }
        pump.abort();
        Err(lost(if status.is_success() {
            "it ended without an outcome".to_owned()
        } else {
            format!("it answered {status}: {}", String::from_utf8_lossy(&buffer))
        }))
    }
}
