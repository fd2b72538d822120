//! The GPUs of this machine: `odin gpu`.
//!
//! [`serve`] runs as a unit of its own (odin-gpu.service), so that a driver
//! that hangs is no trouble of the supervisor's: one [`Fleet`] reads the GPUs,
//! and what is made of it stands beside each other here. [`exporter`] serves
//! the metrics and verdicts, [`baseline`] keeps what the GPUs are measured
//! against, [`offer`] takes them to the kubelet. `list` and `health` ask the service, because it remembers XIDs;
//! without it they read for themselves. `odin verify` asks the service alone.

pub mod baseline;
mod exporter;
pub mod inventory;
pub mod keeper;
mod local;
pub mod node;
pub mod offer;
pub mod plugin;

use std::path::PathBuf;
use std::time::Duration;

use odin_gpu::health::{Baseline, Health};
use odin_gpu::{Devices, Fleet, Options, PodSource, coverage};
use odin_model::config::{Exporter, Gpu};
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

/// The `[gpu]` section; the default one where none is declared, for a person
/// who looks at GPUs nobody declared.
pub(crate) fn declared(appliance: &Appliance) -> Gpu {
    appliance.config.gpu.clone().unwrap_or_default()
}

fn options(appliance: &Appliance) -> Options {
    let gpu = declared(appliance);
    Options {
        library: gpu.library,
        interval: gpu.interval,
        deadline: gpu.deadline,
        maximum_age: gpu.maximum_age,
        hostname: appliance.name(),
        dcgm_labels: gpu.dcgm_labels,
        dcgm_aliases: gpu.dcgm_aliases,
        price_per_gpu_hour: gpu.price_per_gpu_hour,
        idle_after: gpu.idle_after,
        kernel_log: Some(KERNEL_LOG.into()),
        proc: PROC.into(),
        driver_gpus: DRIVER_GPUS.into(),
    }
}

/// The file of the baseline.
fn baseline_file(appliance: &Appliance) -> PathBuf {
    appliance.config.host.state_dir.join("gpu/baseline.json")
}

/// Reads the GPUs, serves what they are and offers them to the kubelet, as
/// declared, until it is told to stop.
///
/// # Errors
/// When the address cannot be listened on, or the declared sharing cannot be
/// used. A missing driver is no error, nor is a kubelet that is not there.
pub async fn serve(appliance: &Appliance, listen: Option<&str>) -> Result<()> {
    let declared = declared(appliance);
    let listener = match declared.exporter {
        Exporter::Odin => Some(bind(listen.unwrap_or(&declared.listen)).await?),
        // The port is that of dcgm-exporter.
        Exporter::Dcgm => None,
    };
    let fleet = Fleet::start(options(appliance));
    // Aborted when it is dropped, however this ends.
    let mut tasks = JoinSet::new();
    tasks.spawn(watch_pods(fleet.clone(), declared.pod_resources_socket.clone()));
    tasks.spawn(baseline::keep(fleet.clone(), baseline_file(appliance)));
    let offering = if appliance.config.gpu.is_some() {
        offer::offer(&declared, Devices::of(&fleet, &declared.unhealthy_on), &mut tasks)?
    } else {
        Offering::none()
    };
    crate::daemon::ready();
    let served = tokio::select! {
        served = expose(listener, fleet.clone(), offering) => served,
        Some(ended) = tasks.join_next() => Err(Error::Host {
            action: "watch the GPUs and offer them to the cluster".to_owned(),
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
async fn expose(listener: Option<TcpListener>, fleet: Fleet, offering: Offering) -> Result<()> {
    let Some(listener) = listener else {
        crate::daemon::termination().await;
        return Ok(());
    };
    if let Ok(address) = listener.local_addr() {
        tracing::info!(%address, "serving metrics of GPUs");
    }
    exporter::serve(listener, fleet, offering).await.map_err(|error| Error::Host {
        action: "serve metrics of GPUs".to_owned(),
        reason: error.to_string(),
        hint: "read the log of odin-gpu.service",
    })
}

async fn watch_pods(fleet: Fleet, socket: PathBuf) {
    let source = PodSource { socket, container_logs: CONTAINER_LOGS.into(), interval: ASK_KUBELET };
    fleet.watch_pods(source).await;
}

/// The verdicts of a running `odin gpu serve`; of this process without one.
async fn health_of(appliance: &Appliance) -> Result<Health> {
    if let Ok(health) = health_of_service(appliance).await {
        return Ok(health);
    }
    let options = Options { kernel_log: None, ..options(appliance) };
    let patience = options.deadline + options.interval + Duration::from_secs(1);
    let fleet = Fleet::start(options);
    fleet.set_baseline(baseline::read(&baseline_file(appliance)));
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

/// The verdicts an upgrade is judged by: the service's, which remembers XIDs.
/// Where another exporter has its port, this process reads for itself.
pub(crate) async fn health_for_upgrade(appliance: &Appliance) -> std::result::Result<Health, String> {
    match declared(appliance).exporter {
        Exporter::Odin => health_of_service(appliance)
            .await
            .map_err(|reason| format!("odin-gpu.service does not answer: {reason}")),
        Exporter::Dcgm => health_of(appliance).await.map_err(|error| error.to_string()),
    }
}

/// The verdicts of the running service; its absence in words.
pub(crate) async fn health_of_service(appliance: &Appliance) -> std::result::Result<Health, String> {
    let body = local::get(&declared(appliance).listen, exporter::HEALTH).await?;
    serde_json::from_slice(&body).map_err(|error| format!("its verdicts cannot be read: {error}"))
}

/// The page of the running service.
pub(crate) async fn metrics_of_service(appliance: &Appliance) -> std::result::Result<String, String> {
    let body = local::get(&declared(appliance).listen, exporter::METRICS).await?;
    String::from_utf8(body.into()).map_err(|error| format!("its metrics are no text: {error}"))
}

/// A verdict for each GPU; failed unless there are GPUs and all are healthy.
///
/// # Errors
/// When nothing can be asked at all.
pub async fn health(appliance: &Appliance) -> Result<Outcome> {
    let health = health_of(appliance).await?;
    let status = if health.holds() { Status::Done } else { Status::Failed };
    Ok(Outcome::new(status, &health, &health))
}

/// Makes the GPUs as they are now what they are measured against.
///
/// # Errors
/// When a GPU cannot be read, or the file not be written.
pub async fn record(appliance: &Appliance) -> Result<Outcome> {
    let health = health_of(appliance).await?;
    let Some(baseline) = Baseline::of(&health, jiff::Timestamp::now()) else {
        return Err(Error::Host {
            action: "record the GPUs".to_owned(),
            reason: format!("not every GPU can be read:\n{health}"),
            hint: "what cannot be read now would count as never there; mend it first",
        });
    };
    let file = baseline_file(appliance);
    baseline::write(&file, &baseline)?;
    let words = format!(
        "recorded {} GPUs with driver {} in {}",
        baseline.gpus.len(),
        baseline.driver,
        file.display()
    );
    Ok(Outcome::new(Status::Done, words, &baseline))
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
