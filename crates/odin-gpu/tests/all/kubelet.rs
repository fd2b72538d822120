//! A kubelet's pod-resources socket that answers as a test says.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use odin_gpu::{Fleet, PodSource};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixListener;
use tokio::runtime::Runtime;
use tonic::codegen::{Service, http};
use tonic_prost::ProstCodec;

/// What the kubelet says.
#[derive(Clone)]
pub(crate) enum Answer {
    /// These devices: pod, resource, ids.
    Devices(Vec<(&'static str, &'static str, Vec<String>)>),
    /// A message of another shape.
    OtherShape,
    /// This status.
    Refusal(tonic::Code),
    /// No gRPC at all.
    Text(&'static str),
}

/// A kubelet and the runtime it and its client live in.
pub(crate) struct Kubelet {
    runtime: Runtime,
    pub(crate) socket: PathBuf,
    answer: Arc<Mutex<Answer>>,
}

impl Kubelet {
    /// A machine without a kubelet: nobody listens yet.
    pub(crate) fn absent(directory: &Path) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let answer = Arc::new(Mutex::new(Answer::Devices(Vec::new())));
        Self { runtime, socket: directory.join("kubelet.sock"), answer }
    }

    pub(crate) fn says(&self, answer: Answer) {
        *self.answer.lock().expect("whole") = answer;
    }

    /// Begins to listen.
    pub(crate) fn comes(&self) {
        let _context = self.runtime.enter();
        let listener = UnixListener::bind(&self.socket).expect("a socket");
        let lister = Lister(Arc::clone(&self.answer));
        self.runtime.spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.expect("a connection");
                let text = match &*lister.0.lock().expect("whole") {
                    Answer::Text(text) => Some(*text),
                    _ => None,
                };
                if let Some(text) = text {
                    drop(stream.write_all(text.as_bytes()).await);
                    continue;
                }
                let once = futures::stream::once(async move { Ok::<_, std::io::Error>(stream) });
                let served = tonic::transport::Server::builder().serve_with_incoming(lister.clone(), once);
                tokio::spawn(served);
            }
        });
    }

    /// Lets the fleet ask, with the names of container logs below `logs`.
    pub(crate) fn is_asked_by(&self, fleet: &Fleet, logs: &Path) {
        let source = PodSource {
            socket: self.socket.clone(),
            container_logs: logs.to_owned(),
            interval: Duration::from_millis(50),
        };
        let fleet = fleet.clone();
        self.runtime.spawn(async move { fleet.watch_pods(source).await });
    }
}

#[derive(Clone)]
struct Lister(Arc<Mutex<Answer>>);

impl tonic::server::NamedService for Lister {
    const NAME: &'static str = "v1.PodResourcesLister";
}

type Body = tonic::body::Body;

impl Service<http::Request<Body>> for Lister {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        assert_eq!(request.uri().path(), "/v1.PodResourcesLister/List");
        let answer = self.0.lock().expect("whole").clone();
        Box::pin(async move {
            Ok(match answer {
                Answer::Devices(devices) => {
                    let codec = ProstCodec::<ListResponse, ListRequest>::default();
                    tonic::server::Grpc::new(codec).unary(Says(Ok(list(&devices))), request).await
                }
                Answer::OtherShape => {
                    let codec = ProstCodec::<OtherResponse, ListRequest>::default();
                    let other = OtherResponse { pods: 7 };
                    tonic::server::Grpc::new(codec).unary(Says(Ok(other)), request).await
                }
                Answer::Refusal(code) => {
                    let codec = ProstCodec::<ListResponse, ListRequest>::default();
                    let refusal = Says(Err(tonic::Status::new(code, "not today")));
                    tonic::server::Grpc::new(codec).unary(refusal, request).await
                }
                Answer::Text(_) => tonic::Status::unavailable("it was to say a text").into_http(),
            })
        })
    }
}

struct Says<T>(Result<T, tonic::Status>);

impl<T: Clone> tonic::server::UnaryService<ListRequest> for Says<T> {
    type Response = T;
    type Future = Ready<Result<tonic::Response<T>, tonic::Status>>;

    fn call(&mut self, _: tonic::Request<ListRequest>) -> Self::Future {
        ready(self.0.clone().map(tonic::Response::new))
    }
}

fn list(devices: &[(&str, &str, Vec<String>)]) -> ListResponse {
    let pods = devices.iter().map(|(pod, resource, ids)| PodResources {
        name: (*pod).to_owned(),
        namespace: "team".to_owned(),
        containers: vec![ContainerResources {
            name: "main".to_owned(),
            devices: vec![ContainerDevices { resource: (*resource).to_owned(), ids: ids.clone() }],
        }],
    });
    ListResponse { pods: pods.collect() }
}

#[derive(Clone, PartialEq, prost::Message)]
struct ListRequest {}

#[derive(Clone, PartialEq, prost::Message)]
struct ListResponse {
    #[prost(message, repeated, tag = "1")]
    pods: Vec<PodResources>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct OtherResponse {
    #[prost(uint64, tag = "1")]
    pods: u64,
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
