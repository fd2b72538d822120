//! The kubelet's end: its socket, and telling it of a plugin.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Request, Status};
use tonic_prost::ProstCodec;

use super::api;

/// Longest a registration may take: the kubelet dials the plugin back before
/// it answers, and waits up to ten seconds for it.
const PATIENCE: Duration = Duration::from_secs(15);

/// Which file lies at a path: another socket of the same name is another file.
/// The inode alone could be used again at once, the time of change is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
    changed: (i64, i64),
}

impl Identity {
    /// The file at a path; none when there is none.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let about = fs::symlink_metadata(path).ok()?;
        Some(Self { device: about.dev(), inode: about.ino(), changed: (about.ctime(), about.ctime_nsec()) })
    }
}

/// Tells the kubelet of a plugin.
pub(super) async fn register(socket: &Path, request: api::RegisterRequest) -> Result<(), Status> {
    let call = async {
        let channel = connect(socket.to_owned()).await?;
        let mut client = Grpc::new(channel);
        client.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        let codec: ProstCodec<api::RegisterRequest, api::Empty> = ProstCodec::default();
        client.unary(Request::new(request), PathAndQuery::from_static(api::REGISTER), codec).await.map(drop)
    };
    tokio::time::timeout(PATIENCE, call)
        .await
        .unwrap_or_else(|_| Err(Status::deadline_exceeded(format!("no answer for {} s", PATIENCE.as_secs()))))
}

/// Opens a channel over a Unix socket; the address is a formality.
pub(super) async fn connect(socket: PathBuf) -> Result<Channel, Status> {
    let connector = tower::service_fn(move |_: Uri| {
        let socket = socket.clone();
        async move { Ok::<_, io::Error>(TokioIo::new(UnixStream::connect(socket).await?)) }
    });
    Endpoint::from_static("http://localhost")
        .connect_with_connector(connector)
        .await
        .map_err(|error| Status::unavailable(chain(&error)))
}

/// An error with its causes: tonic's own text is "transport error".
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text = format!("{text}: {source}");
        cause = source.source();
    }
    text
}
