//! The plugin against a kubelet that is made here.

use std::future::ready;
use std::path::Path;

use futures::StreamExt;
use odin_gpu::allocation::{Fault, Gpu, Resource, Sharing, resources};
use prost::Message;
use tempfile::TempDir;
use tokio::net::UnixListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Server};
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

use super::*;

const GPU: &str = "nvidia.com/gpu";
const DEADLINE: Duration = Duration::from_secs(20);

/// A kubelet that takes registrations, or refuses them.
struct Kubelet {
    registrations: mpsc::UnboundedReceiver<api::RegisterRequest>,
    server: JoinHandle<()>,
}

impl Kubelet {
    /// Starts as the real one does: every socket of the directory goes first.
    fn start(directory: &Path, refusal: Option<&'static str>) -> Self {
        for entry in std::fs::read_dir(directory).expect("a directory") {
            std::fs::remove_file(entry.expect("an entry").path()).expect("a socket");
        }
        let listener = UnixListener::bind(directory.join(api::KUBELET_SOCKET)).expect("a socket");
        let (sender, registrations) = mpsc::unbounded_channel();
        let service = tower::service_fn(move |request: http::Request| {
            let sender = sender.clone();
            async move {
                assert_eq!(request.uri().path(), api::REGISTER);
                let register = tower::service_fn(|request: Request<api::RegisterRequest>| {
                    sender.send(request.into_inner()).expect("a test that listens");
                    ready(match refusal {
                        Some(reason) => Err(Status::unknown(reason)),
                        None => Ok(Response::new(api::Empty {})),
                    })
                });
                let codec: ProstCodec<api::Empty, api::RegisterRequest> = ProstCodec::default();
                Ok::<_, std::convert::Infallible>(
                    tonic::server::Grpc::new(codec).unary(register, request).await,
                )
            }
        });
        let incoming = futures::stream::unfold(listener, |listener| async move {
            Some((listener.accept().await.map(|(stream, _)| stream), listener))
        });
        let server = tokio::spawn(async move {
            Server::builder().serve_with_incoming(service, incoming).await.expect("a server");
        });
        Self { registrations, server }
    }

    async fn registration(&mut self) -> api::RegisterRequest {
        within(self.registrations.recv()).await.expect("a registration")
    }

    /// Ends as one that is killed does: its socket stays, dead.
    async fn kill(self) {
        self.server.abort();
        drop(self.server.await);
    }
}

mod http {
    pub(super) type Request = tonic::codegen::http::Request<tonic::body::Body>;
}

/// The plugin over a directory, with an offer that a test changes.
struct Bench {
    directory: TempDir,
    offers: watch::Sender<Arc<Offer>>,
    standings: watch::Receiver<Standings>,
    plugin: JoinHandle<()>,
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.plugin.abort();
    }
}

impl Bench {
    fn new(offer: Offer) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let pace = Pace {
            look: Duration::from_millis(10),
            unheard: Duration::from_millis(500),
            longest_pause: Duration::from_millis(100),
        };
        let settings = Settings { directory: directory.path().to_owned(), pace };
        let (offers, receiver) = watch::channel(Arc::new(offer));
        let (sender, standings) = watch::channel(Standings::new());
        let plugin = tokio::spawn(run(settings, receiver, sender));
        Self { directory, offers, standings, plugin }
    }

    fn kubelet(&self) -> Kubelet {
        Kubelet::start(self.directory.path(), None)
    }

    async fn client(&self, registration: &api::RegisterRequest) -> Client {
        let socket = self.directory.path().join(&registration.endpoint);
        Client(kubelet::connect(socket).await.expect("a plugin that answers"))
    }

    async fn stands(&self, is: impl FnMut(&Standings) -> bool) {
        within(self.standings.clone().wait_for(is)).await.expect("a plugin");
    }

    fn change(&self, change: impl FnOnce(&mut Offer)) {
        self.offers.send_modify(|offer| change(Arc::make_mut(offer)));
    }
}

/// The kubelet's client of a plugin.
struct Client(Channel);

impl Client {
    async fn call<Q, A>(&self, path: &'static str, request: Q) -> Result<A, Status>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let mut client = Grpc::new(self.0.clone());
        client.ready().await.expect("a connection");
        let codec: ProstCodec<Q, A> = ProstCodec::default();
        let answer = client.unary(Request::new(request), PathAndQuery::from_static(path), codec);
        within(answer).await.map(Response::into_inner)
    }

    async fn listen(&self) -> Streaming<api::ListAndWatchResponse> {
        let mut client = Grpc::new(self.0.clone());
        client.ready().await.expect("a connection");
        let codec: ProstCodec<api::Empty, api::ListAndWatchResponse> = ProstCodec::default();
        let path = PathAndQuery::from_static(api::LIST_AND_WATCH);
        client.server_streaming(Request::new(api::Empty {}), path, codec).await.expect("a list").into_inner()
    }

    async fn allocate(&self, ids: &[&str]) -> Result<Vec<String>, Status> {
        let devices_ids = ids.iter().map(|id| (*id).to_owned()).collect();
        let request =
            api::AllocateRequest { container_requests: vec![api::ContainerAllocateRequest { devices_ids }] };
        let answer: api::AllocateResponse = self.call(api::ALLOCATE, request).await?;
        let container = answer.container_responses.into_iter().next().expect("one answer");
        Ok(container.cdi_devices.into_iter().map(|device| device.name).collect())
    }

    async fn prefer(&self, available: &[&str], size: i32) -> Result<Vec<String>, Status> {
        let request = api::PreferredAllocationRequest {
            container_requests: vec![api::ContainerPreferredAllocationRequest {
                available_device_ids: available.iter().map(|id| (*id).to_owned()).collect(),
                must_include_device_ids: Vec::new(),
                allocation_size: size,
            }],
        };
        let answer: api::PreferredAllocationResponse = self.call(api::PREFERRED, request).await?;
        Ok(answer.container_responses.into_iter().next().expect("one answer").device_ids)
    }
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.expect("in time")
}

async fn next(list: &mut Streaming<api::ListAndWatchResponse>) -> Option<Vec<(String, bool)>> {
    let list = within(list.next()).await?.expect("a list");
    Some(list.devices.into_iter().map(|device| (device.id, device.health == api::HEALTHY)).collect())
}

fn offer(count: u32, sharing: &Sharing) -> Offer {
    let gpus: Vec<Gpu> = (0..count)
        .map(|index| Gpu { index, uuid: format!("GPU-{index}"), numa: Some(index / 2), ..Gpu::default() })
        .collect();
    let names = gpus.iter().map(|gpu| (gpu.uuid.clone(), format!("nvidia.com/gpu={}", gpu.index))).collect();
    let resources = resources::resources(&gpus, sharing).expect("resources");
    Offer { gpus, resources, names, ..Offer::default() }
}

fn whole(count: u32) -> Offer {
    offer(count, &Sharing::default())
}

fn registered(standings: &Standings) -> bool {
    standings.get(GPU) == Some(&Standing::Registered)
}

fn device(resources: &mut [Resource], at: usize) -> &mut odin_gpu::allocation::Device {
    &mut resources[0].devices[at]
}

#[tokio::test]
async fn a_resource_is_registered_listed_and_allocated() {
    let bench = Bench::new(whole(4));
    let mut kubelet = bench.kubelet();
    let registration = kubelet.registration().await;
    assert_eq!((registration.version.as_str(), registration.resource_name.as_str()), ("v1beta1", GPU));
    assert!(registration.options.clone().expect("options").get_preferred_allocation_available);
    let client = bench.client(&registration).await;
    let options: api::DevicePluginOptions = client.call(api::OPTIONS, api::Empty {}).await.expect("options");
    assert!(options.get_preferred_allocation_available && !options.pre_start_required);

    let mut list = client.listen().await;
    let first = within(list.next()).await.expect("a list").expect("a list");
    let nodes: Vec<i64> = first
        .devices
        .iter()
        .flat_map(|device| &device.topology)
        .flat_map(|at| &at.nodes)
        .map(|node| node.id)
        .collect();
    assert_eq!(nodes, [0, 0, 1, 1]);
    assert_eq!(client.prefer(&["GPU-1", "GPU-2", "GPU-3"], 2).await.expect("a choice"), ["GPU-2", "GPU-3"]);
    assert_eq!(
        client.allocate(&["GPU-3", "GPU-2"]).await.expect("an allocation"),
        ["nvidia.com/gpu=2", "nvidia.com/gpu=3"]
    );
}

#[tokio::test]
async fn a_fault_drains_the_device_and_its_end_brings_it_back() {
    let bench = Bench::new(whole(2));
    let mut kubelet = bench.kubelet();
    let client = bench.client(&kubelet.registration().await).await;
    let mut list = client.listen().await;
    let row = |id: &str, healthy| (id.to_owned(), healthy);
    assert_eq!(next(&mut list).await, Some(vec![row("GPU-0", true), row("GPU-1", true)]));

    bench.change(|offer| device(&mut offer.resources, 1).fault = Some(Fault::new("GpuLost", "off the bus")));
    assert_eq!(next(&mut list).await, Some(vec![row("GPU-0", true), row("GPU-1", false)]));
    let refusal = client.allocate(&["GPU-1"]).await.expect_err("it is lost");
    assert_eq!(refusal.code(), Code::FailedPrecondition);
    assert!(refusal.message().contains("GpuLost: off the bus"), "{refusal}");

    bench.change(|offer| device(&mut offer.resources, 1).fault = None);
    assert_eq!(next(&mut list).await, Some(vec![row("GPU-0", true), row("GPU-1", true)]));
    assert!(client.allocate(&["GPU-1"]).await.is_ok());
}

#[tokio::test]
async fn a_kubelet_that_restarts_is_told_again() {
    let bench = Bench::new(whole(1));
    let mut first = bench.kubelet();
    let client = bench.client(&first.registration().await).await;
    let mut list = client.listen().await;
    assert!(next(&mut list).await.is_some());
    first.kill().await;
    let mut second = bench.kubelet();
    let client = bench.client(&second.registration().await).await;
    assert_eq!(next(&mut client.listen().await).await, Some(vec![("GPU-0".to_owned(), true)]));
    // What the dead one was told has ended.
    assert_eq!(next(&mut list).await, None);
}

#[tokio::test]
async fn a_socket_that_was_removed_is_made_again() {
    let bench = Bench::new(whole(1));
    let mut kubelet = bench.kubelet();
    let registration = kubelet.registration().await;
    std::fs::remove_file(bench.directory.path().join(&registration.endpoint)).expect("the plugin's socket");
    let again = kubelet.registration().await;
    assert_eq!(again, registration);
    assert!(next(&mut bench.client(&again).await.listen().await).await.is_some());
}

#[tokio::test]
async fn a_kubelet_that_comes_late_is_waited_for() {
    let bench = Bench::new(whole(1));
    bench
        .stands(|all| matches!(all.get(GPU), Some(Standing::Waiting(reason)) if reason.contains("not there")))
        .await;
    let mut kubelet = bench.kubelet();
    kubelet.registration().await;
    bench.stands(registered).await;
    // Dead, its socket still there: then nobody answers, and the reason says so.
    kubelet.kill().await;
    bench
        .stands(|all| matches!(all.get(GPU), Some(Standing::Waiting(reason)) if reason.contains("refused")))
        .await;
    bench.kubelet().registration().await;
    bench.stands(registered).await;
}

#[tokio::test]
async fn a_refusal_is_reported_and_tried_again() {
    let bench = Bench::new(whole(1));
    let mut unwilling = Kubelet::start(bench.directory.path(), Some("unsupported version"));
    for _ in 0..3 {
        unwilling.registration().await;
    }
    bench
        .stands(|all| matches!(all.get(GPU), Some(Standing::Waiting(reason)) if reason.contains("unsupported version")))
        .await;
    unwilling.kill().await;
    bench.kubelet().registration().await;
    bench.stands(registered).await;
}

#[tokio::test]
async fn a_kubelet_that_does_not_listen_is_told_again() {
    let bench = Bench::new(whole(1));
    let mut kubelet = bench.kubelet();
    kubelet.registration().await;
    kubelet.registration().await;
}

#[tokio::test]
async fn a_resource_that_is_gone_is_taken_back() {
    let bench = Bench::new(whole(1));
    let mut kubelet = bench.kubelet();
    let registration = kubelet.registration().await;
    let mut list = bench.client(&registration).await.listen().await;
    assert!(next(&mut list).await.is_some());
    bench.change(|offer| offer.resources.clear());
    assert_eq!(next(&mut list).await, Some(Vec::new()));
    assert_eq!(next(&mut list).await, None);
    bench.stands(|all| all.is_empty()).await;
    assert!(!bench.directory.path().join(&registration.endpoint).exists());
    bench.change(|offer| *offer = whole(1));
    kubelet.registration().await;
}

#[derive(Clone, PartialEq, prost::Message)]
struct Nonsense {
    #[prost(int64, tag = "1")]
    number: i64,
}

#[tokio::test]
async fn malformed_requests_are_refused_and_harm_nothing() {
    let mut sharing = Sharing { fail_requests_greater_than_one: true, ..Sharing::default() };
    sharing.replicas.insert(GPU.into(), odin_gpu::allocation::sharing::Replicas { count: 2, rename: None });
    let bench = Bench::new(offer(1, &sharing));
    let mut kubelet = bench.kubelet();
    let client = bench.client(&kubelet.registration().await).await;
    let nonsense = client.call::<_, api::AllocateResponse>(api::ALLOCATE, Nonsense { number: 7 }).await;
    assert_eq!(nonsense.expect_err("not a request").code(), Code::Internal);
    let unknown = client.call::<_, api::Empty>("/v1beta1.DevicePlugin/Divine", api::Empty {}).await;
    assert_eq!(unknown.expect_err("not a method").code(), Code::Unimplemented);
    assert_eq!(client.allocate(&["GPU-7"]).await.expect_err("no such device").code(), Code::NotFound);
    let both = client.allocate(&["GPU-0::0", "GPU-0::1"]).await.expect_err("one only");
    assert!(both.message().contains("not 2"), "{both}");
    assert_eq!(client.prefer(&["GPU-0::0"], -1).await.expect_err("negative").code(), Code::InvalidArgument);
    assert_eq!(client.prefer(&["GPU-0::0"], 2).await.expect_err("too many").code(), Code::InvalidArgument);
    assert_eq!(client.prefer(&["x"], 1).await.expect_err("unknown").code(), Code::InvalidArgument);
    // A container that asks for none gets none.
    assert_eq!(client.allocate(&[]).await.expect("nothing"), Vec::<String>::new());
    assert_eq!(client.allocate(&["GPU-0::1"]).await.expect("a replica"), ["nvidia.com/gpu=0"]);
}
