//! Which pod has which device.
//!
//! The kubelet tells it over its pod-resources socket (API `v1`, Kubernetes
//! documentation, "Monitoring device plugin resources"). It names devices and
//! not containers' ids; those are in the names of the container logs, which
//! the kubelet links in `/var/log/containers` as `POD_NAMESPACE_CONTAINER-ID.log`.

mod client;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::fleet::Fleet;

pub(crate) use client::Refused;

/// What the kubelet told is forgotten when it was not told again for so long.
const FORGET: Duration = Duration::from_secs(300);

/// Pods with devices, as the kubelet told last.
#[derive(Debug, Default)]
pub(crate) struct Pods {
    pub(crate) allocations: Vec<Allocation>,
    /// Containers by their id.
    pub(crate) containers: HashMap<String, Container>,
    /// When it was told.
    pub(crate) told: Option<Instant>,
    /// Why it was not told the last time.
    pub(crate) refused: Option<Refused>,
    /// Whether the socket is asked at all.
    pub(crate) asked: bool,
}

/// A container of a pod.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Container {
    pub(crate) namespace: String,
    pub(crate) pod: String,
    pub(crate) name: String,
}

/// One device of one container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Allocation {
    pub(crate) container: Container,
    /// For example `nvidia.com/gpu`.
    pub(crate) resource: String,
    /// The device's UUID or index, without the number of a replica.
    pub(crate) device: String,
}

impl Pods {
    /// Allocations of a device that has these names.
    pub(crate) fn of(&self, names: &[&str]) -> Vec<&Allocation> {
        self.allocations.iter().filter(|allocation| names.contains(&allocation.device.as_str())).collect()
    }

    fn tell(&mut self, allocations: Vec<Allocation>, containers: HashMap<String, Container>, now: Instant) {
        self.allocations = allocations;
        self.containers = containers;
        self.told = Some(now);
        self.refused = None;
    }

    fn refuse(&mut self, reason: Refused, now: Instant) {
        if self.refused.as_ref() != Some(&reason) {
            tracing::warn!(%reason, "the kubelet does not tell which pods have GPUs");
        }
        self.refused = Some(reason);
        if self.told.is_none_or(|told| now.saturating_duration_since(told) > FORGET) {
            self.allocations.clear();
            self.containers.clear();
        }
    }
}

/// Where the kubelet is asked, and how often.
#[derive(Clone, Debug)]
pub struct PodSource {
    /// The pod-resources socket.
    pub socket: PathBuf,
    /// Directory of links to container logs.
    pub container_logs: PathBuf,
    /// Time between two questions.
    pub interval: Duration,
}

impl Fleet {
    /// Asks the kubelet again and again which pod has which device; never
    /// ends. A kubelet that does not answer is a state, not an end.
    pub async fn watch_pods(&self, source: PodSource) {
        self.shared.pods().asked = true;
        loop {
            let told = client::list(&source.socket).await;
            let now = Instant::now();
            match told {
                Ok(allocations) => {
                    let containers = if allocations.is_empty() {
                        HashMap::new()
                    } else {
                        containers_of(&source.container_logs)
                    };
                    self.shared.pods().tell(allocations, containers, now);
                }
                Err(reason) => self.shared.pods().refuse(reason, now),
            }
            tokio::time::sleep(source.interval).await;
        }
    }
}

/// Device of an id as plugins give it: time-slicing adds `::N`, GKE's plugin
/// names `nvidiaN`.
fn device_of(id: &str) -> String {
    let id = id.split("::").next().unwrap_or(id);
    match id.strip_prefix("nvidia") {
        Some(index) if index.bytes().all(|byte| byte.is_ascii_digit()) => index.to_owned(),
        _ => id.to_owned(),
    }
}

/// Containers by their id, from the names of their logs.
fn containers_of(directory: &Path) -> HashMap<String, Container> {
    let Ok(entries) = std::fs::read_dir(directory) else { return HashMap::new() };
    entries
        .filter_map(std::result::Result::ok)
        .filter_map(|entry| container_of(entry.file_name().to_str()?))
        .collect()
}

fn container_of(log: &str) -> Option<(String, Container)> {
    let name = log.strip_suffix(".log")?;
    // Pods and namespaces are DNS names, which have no underscore.
    let mut parts = name.splitn(3, '_');
    let (pod, namespace, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let (name, id) = rest.rsplit_once('-')?;
    let container = Container { namespace: namespace.to_owned(), pod: pod.to_owned(), name: name.to_owned() };
    Some((id.to_owned(), container))
}

#[cfg(test)]
mod tests;
