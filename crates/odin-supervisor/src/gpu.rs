//! `odin gpu`: the page of metrics, the device plugin, and what it tells a
//! person.
//!
//! `serve` runs as a unit of its own (odin-gpu.service), so that a driver that
//! hangs is no trouble of the supervisor's. `list` and `health` ask it over
//! its socket, because it remembers XIDs; without it they read for themselves.
//! Metrics, verdicts and the [`offer`] to the kubelet come from one fleet.

pub mod inventory;
pub mod keeper;
pub mod node;
pub mod offer;
pub mod plugin;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use odin_gpu::health::Health;
use odin_gpu::{CONTENT_TYPE, Devices, Fleet, Options, PodSource, coverage};
use odin_model::config::Exporter;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::appliance::Appliance;
use crate::operations::{Outcome, Status};
use crate::{Error, Result};
pub use inventory::Inventory;
pub use keeper::{Keeper, Offer};
pub use offer::Offering;

/// Directory of processes.
const PROC: &str = "/proc";
/// Where the driver lists its GPUs.
const DRIVER_GPUS: &str = "/proc/driver/nvidia/gpus";
/// The kernel's log.
const KERNEL_LOG: &str = "/dev/kmsg";
/// Links to the logs of containers, whose names tell their pods.
const CONTAINER_LOGS: &str = "/var/log/containers";
/// Time between two questions to the kubelet.
const ASK_KUBELET: Duration = Duration::from_secs(10);

fn options(appliance: &Appliance) -> Options {
    let gpu = &appliance.config.gpu;
    Options {
        library: gpu.library.clone(),
        interval: gpu.interval,
        deadline: gpu.deadline,
        maximum_age: gpu.maximum_age,
        hostname: appliance.name(),
        dcgm_labels: gpu.dcgm_labels.clone(),
        dcgm_aliases: gpu.dcgm_aliases,
        price_per_gpu_hour: gpu.price_per_gpu_hour,
        idle_after: gpu.idle_after,
        kernel_log: Some(KERNEL_LOG.into()),
        proc: PROC.into(),
        driver_gpus: DRIVER_GPUS.into(),
    }
}

/// What the routes share: the fleet, what is offered, and a buffer that is used
/// again.
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

/// Serves `/metrics`, `/health` and the verdicts, and offers the GPUs to the
/// kubelet, as declared, until it is told to stop.
///
/// # Errors
/// When the address cannot be listened on, or the declared sharing cannot be
/// used. A missing driver is no error, nor is a kubelet that is not there.
pub async fn serve(appliance: &Appliance, listen: Option<&str>) -> Result<()> {
    let declared = &appliance.config.gpu;
    let listener = match declared.exporter {
        Exporter::Odin => Some(bind(listen.unwrap_or(&declared.listen)).await?),
        // The port is that of dcgm-exporter.
        Exporter::Dcgm => None,
    };
    let fleet = Fleet::start(options(appliance));
    let mut tasks = JoinSet::new();
    let devices = Devices::of(&fleet, &declared.unhealthy_on);
    let offering = offer::offer(declared, devices, &mut tasks)?;
    let pods = PodSource {
        socket: declared.pod_resources_socket.clone(),
        container_logs: CONTAINER_LOGS.into(),
        interval: ASK_KUBELET,
    };
    let asking = fleet.clone();
    tasks.spawn(async move { asking.watch_pods(pods).await });
    let shared = Arc::new(Shared { fleet: fleet.clone(), offering, page: Mutex::default() });
    crate::daemon::ready();
    let served = tokio::select! {
        served = expose(listener, shared) => served,
        Some(ended) = tasks.join_next() => Err(Error::Host {
            action: "offer the GPUs to the cluster".to_owned(),
            reason: ended.err().map_or_else(|| "a part of it ended".to_owned(), |error| error.to_string()),
            hint: "read the log of odin-gpu.service; systemd starts it again",
        }),
    };
    tasks.shutdown().await;
    fleet.stop();
    served
}

async fn bind(address: &str) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| Error::Host {
        action: format!("listen on {address}"),
        reason: error.to_string(),
        hint: "give another address with --listen, or end what has the port",
    })
}

/// Serves the page where ODIN is the exporter, until the process is told to
/// stop.
async fn expose(listener: Option<TcpListener>, shared: Arc<Shared>) -> Result<()> {
    let Some(listener) = listener else {
        crate::daemon::termination().await;
        return Ok(());
    };
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/health", get(|| async { "ok\n" }))
        .route("/api/v1/gpu/health", get(verdicts))
        .with_state(shared);
    if let Ok(address) = listener.local_addr() {
        tracing::info!(%address, "serving metrics of GPUs");
    }
    let served = axum::serve(listener, router).with_graceful_shutdown(crate::daemon::termination()).await;
    served.map_err(|error| Error::Host {
        action: "serve metrics of GPUs".to_owned(),
        reason: error.to_string(),
        hint: "read the log of odin-gpu.service",
    })
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

/// The verdicts of a running `odin gpu serve`; of this process without one.
async fn health_of(appliance: &Appliance) -> Result<Health> {
    if let Some(health) = ask(&appliance.config.gpu.listen).await {
        return Ok(health);
    }
    let options = Options { kernel_log: None, ..options(appliance) };
    let patience = options.deadline + options.interval + Duration::from_secs(1);
    let fleet = Fleet::start(options);
    let read = fleet.clone();
    tokio::task::spawn_blocking(move || read.settle(patience)).await.map_err(|error| Error::Host {
        action: "read the GPUs".to_owned(),
        reason: error.to_string(),
        hint: "run it again",
    })?;
    let health = fleet.health();
    fleet.stop();
    Ok(health)
}

/// Asks the service on this machine; a service that does not answer soon is
/// none.
async fn ask(listen: &str) -> Option<Health> {
    use http_body_util::{BodyExt, Empty};
    let address: std::net::SocketAddr = listen.parse().ok()?;
    let local = if address.ip().is_unspecified() {
        std::net::SocketAddr::new(std::net::Ipv4Addr::LOCALHOST.into(), address.port())
    } else {
        address
    };
    let asked = async {
        let stream = tokio::net::TcpStream::connect(local).await.ok()?;
        let io = hyper_util::rt::TokioIo::new(stream);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.ok()?;
        tokio::spawn(connection);
        let request = hyper::Request::get("/api/v1/gpu/health")
            .header(header::HOST, "localhost")
            .body(Empty::<Bytes>::new())
            .ok()?;
        let answer = sender.send_request(request).await.ok()?;
        if !answer.status().is_success() {
            return None;
        }
        let body = answer.into_body().collect().await.ok()?.to_bytes();
        serde_json::from_slice(&body).ok()
    };
    tokio::time::timeout(Duration::from_secs(2), asked).await.ok().flatten()
}

/// A verdict for each GPU; failed unless all are healthy.
///
/// # Errors
/// When nothing can be asked at all.
pub async fn health(appliance: &Appliance) -> Result<Outcome> {
    let health = health_of(appliance).await?;
    let status = if health.holds() { Status::Done } else { Status::Failed };
    Ok(Outcome::new(status, &health, &health))
}

/// The GPUs of this machine.
///
/// # Errors
/// When nothing can be asked at all.
pub async fn list(appliance: &Appliance) -> Result<Outcome> {
    let health = health_of(appliance).await?;
    if health.unavailable.is_some() {
        return Ok(Outcome::new(Status::Failed, &health, &health));
    }
    let mut lines = vec![format!("driver {}, {} GPUs", health.driver, health.gpus.len())];
    for gpu in &health.gpus {
        let identity = gpu.identity.clone().unwrap_or_default();
        let (address, serial) = (identity.pci_bus_id, identity.serial);
        let (name, uuid) = (identity.name, identity.uuid);
        lines.push(format!("{:<3} {:<9} {name:<30} {uuid} {address} {serial}", gpu.index, gpu.verdict));
    }
    Ok(Outcome::new(Status::Done, lines.join("\n"), &health))
}

/// What NVML has, and what of it is answered.
#[must_use]
pub fn coverage() -> Outcome {
    let all = coverage::all();
    let lines: Vec<String> =
        std::iter::once(coverage::headline()).chain(all.iter().map(ToString::to_string)).collect();
    Outcome::new(Status::Done, lines.join("\n"), &all)
}
