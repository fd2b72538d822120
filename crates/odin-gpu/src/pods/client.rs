//! The pod-resources API of the kubelet: `List` of `v1.PodResourcesLister`.
//!
//! Messages are those of `k8s.io/kubelet/pkg/apis/podresources/v1/api.proto`,
//! as far as they are read here.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Endpoint, Uri};
use tonic_prost::ProstCodec;

use super::{Allocation, Container, device_of};

/// How long the kubelet may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Largest answer that is read. A node has at most some hundred pods.
const MAXIMUM_BYTES: usize = 4 << 20;

const LIST: &str = "/v1.PodResourcesLister/List";

/// Resources of NVIDIA's devices, MIG profiles included.
const RESOURCES: &str = "nvidia.com/";

/// Why the kubelet did not tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// There is no socket, or nobody listens.
    Absent(String),
    /// It answers something else than the API says.
    Malformed(String),
    /// It answers with an error.
    Failed(String),
}

impl Refused {
    /// All stable names.
    pub(crate) const NAMES: [&str; 3] = ["absent", "malformed", "failed"];

    /// Stable name, for metrics.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Absent(_) => "absent",
            Self::Malformed(_) => "malformed",
            Self::Failed(_) => "failed",
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent(reason) => write!(formatter, "nobody answers at its socket: {reason}"),
            Self::Malformed(reason) => write!(formatter, "its answer cannot be read: {reason}"),
            Self::Failed(reason) => write!(formatter, "it failed: {reason}"),
        }
    }
}

#[derive(Clone, PartialEq, prost::Message)]
struct ListRequest {}

#[derive(Clone, PartialEq, prost::Message)]
struct ListResponse {
    #[prost(message, repeated, tag = "1")]
    pods: Vec<PodResources>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct PodResources {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    namespace: String,
    #[prost(message, repeated, tag = "3")]
    containers: Vec<ContainerResources>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ContainerResources {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, repeated, tag = "2")]
    devices: Vec<ContainerDevices>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ContainerDevices {
    #[prost(string, tag = "1")]
    resource: String,
    #[prost(string, repeated, tag = "2")]
    ids: Vec<String>,
}

/// Asks once.
pub(super) async fn list(socket: &Path) -> Result<Vec<Allocation>, Refused> {
    match tokio::time::timeout(PATIENCE, ask(socket.to_owned())).await {
        Ok(answer) => answer.map(allocations),
        Err(_) => Err(Refused::Failed(format!("no answer in {} s", PATIENCE.as_secs()))),
    }
}

async fn ask(socket: std::path::PathBuf) -> Result<ListResponse, Refused> {
    let absent = |error: &dyn std::error::Error| Refused::Absent(innermost(error));
    // Connecting first tells an absent kubelet from one that answers nonsense.
    let stream = UnixStream::connect(&socket)
        .await
        .map_err(|error| Refused::Absent(format!("{}: {error}", socket.display())))?;
    let mut stream = Some(TokioIo::new(stream));
    // The name is of no meaning on a Unix socket; HTTP wants one.
    let channel = Endpoint::from_static("http://localhost")
        .connect_with_connector(tower::service_fn(move |_: Uri| {
            let stream = stream.take().ok_or_else(|| std::io::Error::other("already connected"));
            async move { stream }
        }))
        .await
        .map_err(|error| absent(&error))?;
    let mut client = tonic::client::Grpc::new(channel).max_decoding_message_size(MAXIMUM_BYTES);
    client.ready().await.map_err(|error| absent(&error))?;
    let codec: ProstCodec<ListRequest, ListResponse> = ProstCodec::default();
    let answer =
        client.unary(tonic::Request::new(ListRequest {}), PathAndQuery::from_static(LIST), codec).await;
    answer.map(tonic::Response::into_inner).map_err(|status| refused(&status))
}

fn refused(status: &tonic::Status) -> Refused {
    let reason = format!("{}: {}", status.code().description(), status.message());
    match status.code() {
        // What cannot be decoded is `Internal`, what is no gRPC is `Unknown`.
        tonic::Code::Internal | tonic::Code::Unknown | tonic::Code::OutOfRange => Refused::Malformed(reason),
        _ => Refused::Failed(reason),
    }
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

fn allocations(answer: ListResponse) -> Vec<Allocation> {
    let mut allocations = Vec::new();
    for pod in answer.pods {
        for container in pod.containers {
            for devices in container.devices.iter().filter(|devices| devices.resource.starts_with(RESOURCES))
            {
                allocations.extend(devices.ids.iter().map(|id| Allocation {
                    container: Container {
                        namespace: pod.namespace.clone(),
                        pod: pod.name.clone(),
                        name: container.name.clone(),
                    },
                    resource: devices.resource.clone(),
                    device: device_of(id),
                }));
            }
        }
    }
    allocations
}
