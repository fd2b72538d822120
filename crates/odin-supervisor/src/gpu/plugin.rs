//! The kubelet's device plugin API, v1beta1.
//!
//! <https://github.com/kubernetes/kubernetes>,
//! staging/src/k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1/api.proto and
//! pkg/kubelet/cm/devicemanager. The kubelet keeps no memory of plugins: each
//! start removes every socket of the directory and waits to be told again. So
//! an [`endpoint`] is a loop over the whole life of a registration, and every
//! way in which one can end leads to the next.

mod api;
mod endpoint;
mod kubelet;
mod service;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Offer;
use endpoint::Endpoint;

/// Where the kubelet listens and for how long things are waited for.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The kubelet's directory of device plugins.
    pub directory: PathBuf,
    /// Intervals.
    pub pace: Pace,
}

/// Intervals of the plugin.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How often the sockets are looked at.
    pub look: Duration,
    /// How long nobody may listen before the kubelet is told again.
    pub unheard: Duration,
    /// Longest pause between registrations that failed.
    pub longest_pause: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            look: Duration::from_secs(1),
            unheard: Duration::from_secs(10),
            longest_pause: Duration::from_secs(30),
        }
    }
}

/// How a resource stands with the kubelet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The kubelet took it and listens.
    Registered,
    /// It is not taken; the reason is that of the last attempt.
    Waiting(String),
}

/// Standing of every resource, by name.
pub type Standings = BTreeMap<String, Standing>;

/// Offers every resource to the kubelet, for ever.
pub async fn run(
    settings: Settings,
    mut offers: watch::Receiver<Arc<Offer>>,
    standings: watch::Sender<Standings>,
) {
    let mut endpoints = JoinSet::new();
    let mut running: Vec<String> = Vec::new();
    loop {
        let names: Vec<String> =
            offers.borrow_and_update().resources.iter().map(|resource| resource.name.clone()).collect();
        for name in names {
            if !running.contains(&name) {
                running.push(name.clone());
                let endpoint = Endpoint::new(name, settings.clone(), offers.clone(), standings.clone());
                endpoints.spawn(endpoint.run());
            }
        }
        tokio::select! {
            changed = offers.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            // The resource is gone; should it come back, it begins anew.
            Some(ended) = endpoints.join_next() => match ended {
                Ok(name) => running.retain(|running| *running != name),
                Err(error) => {
                    tracing::error!(%error, "a resource's endpoint failed; all begin anew");
                    endpoints.shutdown().await;
                    running.clear();
                }
            },
        }
    }
}

#[cfg(test)]
mod tests;
