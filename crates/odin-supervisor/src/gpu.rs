//! The GPUs of this machine, offered to its cluster.
//!
//! [`inventory`] says what there is, [`keeper`] turns it into an [`Offer`]
//! (which devices, under which names, which of them are well), and [`plugin`]
//! takes the offer to the kubelet. [`node`] tells the cluster how they are.
//! One direction only: nothing here asks the cluster what it did with a
//! device.

pub mod inventory;
pub mod keeper;
pub mod node;
pub mod plugin;

use std::sync::Arc;

use odin_gpu::allocation::Sharing;
use odin_model::config::{DevicePlugin, Gpu};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

pub use inventory::Inventory;
pub use keeper::{Keeper, Offer};
use plugin::{Pace, Settings, Standings};

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
    tasks.spawn(node::run(declared.kubelet_kubeconfig.clone(), offered.clone(), changed));
    if declared.device_plugin == DevicePlugin::Odin {
        let settings = Settings { directory: declared.device_plugin_dir.clone(), pace: Pace::default() };
        tasks.spawn(plugin::run(settings, offered.clone(), standings));
    }
    Ok(Offering { offers: offered, standings: standing })
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
