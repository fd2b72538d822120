//! The GPUs of this machine, offered to its cluster.
//!
//! [`Inventory`] says what there is, [`keeper`] turns it into an [`Offer`]
//! (which devices, under which names, which of them are well), and [`plugin`]
//! takes the offer to the kubelet. [`node`] tells the cluster how they are.
//! One direction only: nothing here asks the cluster what it did with a
//! device.

use std::sync::Arc;

use odin_gpu::allocation::Sharing;
use odin_model::config::{DevicePlugin, Gpu};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::plugin::{self, Pace, Settings, Standing, Standings};
use super::{Inventory, Keeper, Offer, keeper, node};
use crate::{Error, Result};

/// Turns of health that may wait to be told to the cluster.
const BACKLOG: usize = 256;

/// What is known of the offer while it is made; cheap to clone.
#[derive(Clone, Debug)]
pub struct Offering {
    /// What is offered.
    pub offers: watch::Receiver<Arc<Offer>>,
    /// How each resource stands with the kubelet.
    pub standings: watch::Receiver<Standings>,
}

/// Begins to offer the GPUs as declared: looks at them, tells the kubelet and
/// the cluster, until the tasks are aborted. Without a device plugin of ODIN's
/// own nothing is offered, and the node still says how its GPUs are.
///
/// # Errors
/// When the declared sharing cannot be used.
pub fn offer(declared: &Gpu, inventory: impl Inventory, tasks: &mut JoinSet<()>) -> Result<Offering> {
    let sharing = read_sharing(declared)?;
    for key in &sharing.without_effect {
        tracing::info!(key, "has no effect on ODIN's device plugin");
    }
    let keeper = Keeper::new(inventory, sharing, declared.cdi_dirs.clone(), keeper::SETTLE);
    let (offers, offered) = watch::channel(Arc::new(Offer::default()));
    let (changes, changed) = mpsc::channel(BACKLOG);
    let (standings, standing) = watch::channel(Standings::new());
    tasks.spawn(keeper.run(offers, changes));
    // NVIDIA's device plugin comes with its own GPU feature discovery.
    let labels = declared.device_plugin != DevicePlugin::Nvidia;
    tasks.spawn(node::run(declared.kubelet_kubeconfig.clone(), labels, offered.clone(), changed));
    if declared.device_plugin == DevicePlugin::Odin {
        let settings = Settings { directory: declared.device_plugin_dir.clone(), pace: Pace::default() };
        tasks.spawn(plugin::run(settings, offered.clone(), standings));
    }
    Ok(Offering { offers: offered, standings: standing })
}

impl Offering {
    /// Nothing is offered: nobody declared GPUs.
    #[must_use]
    pub fn none() -> Self {
        let (_, offers) = watch::channel(Arc::default());
        let (_, standings) = watch::channel(Standings::new());
        Self { offers, standings }
    }

    /// Adds what is offered to a page of metrics.
    pub fn expose(&self, page: &mut Vec<u8>) {
        let text = text(&self.offers.borrow(), &self.standings.borrow());
        page.extend_from_slice(text.as_bytes());
    }
}

/// The resources in Prometheus' text format; nothing where there are none.
fn text(offer: &Offer, standings: &Standings) -> String {
    let mut text = String::new();
    let mut family = |name: &str, help: &str, rows: Vec<(String, usize)>| {
        if !rows.is_empty() {
            text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} gauge\n"));
        }
        for (labels, value) in rows {
            text.push_str(&format!("{name}{{{labels}}} {value}\n"));
        }
    };
    let devices = offer.resources.iter().flat_map(|resource| {
        let well = resource.devices.iter().filter(|device| device.fault.is_none()).count();
        [("healthy", well), ("unhealthy", resource.devices.len() - well)]
            .map(|(health, count)| (format!("resource=\"{}\",health=\"{health}\"", resource.name), count))
    });
    family(
        "odin_gpu_resource_devices",
        "Devices the machine has of a resource, by whether they may be given out",
        devices.collect(),
    );
    let registered = standings.iter().map(|(resource, standing)| {
        (format!("resource=\"{resource}\""), usize::from(*standing == Standing::Registered))
    });
    family(
        "odin_gpu_resource_registered",
        "1 when the kubelet took the resource and listens",
        registered.collect(),
    );
    text
}

fn read_sharing(declared: &Gpu) -> Result<Sharing> {
    let Some(file) = &declared.sharing_file else { return Ok(Sharing::default()) };
    let text = std::fs::read_to_string(file).map_err(Error::state("read", file))?;
    Sharing::parse(&text).map_err(|error| Error::Host {
        action: format!("share GPUs as {} says", file.display()),
        reason: error.to_string(),
        hint: "the file is the configuration of NVIDIA's device plugin, version v1, with sharing.timeSlicing",
    })
}

#[cfg(test)]
mod tests {
    use odin_gpu::allocation::resources::resources;
    use odin_gpu::allocation::{Fault, Gpu};

    use super::*;

    #[test]
    fn what_is_offered_is_on_the_page() {
        let gpus = [
            Gpu { uuid: "GPU-0".into(), ..Gpu::default() },
            Gpu { uuid: "GPU-1".into(), fault: Some(Fault::new("GpuLost", "")), ..Gpu::default() },
        ];
        let resources = resources(&gpus, &Sharing::default()).expect("resources");
        let offer = Offer { resources, ..Offer::default() };
        let standings = Standings::from([("nvidia.com/gpu".to_owned(), Standing::Registered)]);
        let page = text(&offer, &standings);
        for line in [
            "odin_gpu_resource_devices{resource=\"nvidia.com/gpu\",health=\"healthy\"} 1",
            "odin_gpu_resource_devices{resource=\"nvidia.com/gpu\",health=\"unhealthy\"} 1",
            "odin_gpu_resource_registered{resource=\"nvidia.com/gpu\"} 1",
        ] {
            assert!(page.lines().any(|shown| shown == line), "{line}:\n{page}");
        }
        assert_eq!(text(&Offer::default(), &Standings::new()), "");
    }
}
