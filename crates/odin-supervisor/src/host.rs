//! The machine under the cluster: stopping K3s for good, and starting it.
//!
//! K3s' unit has `KillMode=process`: stopping it ends the control plane and
//! containerd but leaves every pod running, and a pod that writes while its
//! volume is swapped would write into the old data or, worse, into the new.
//! So stopping means the unit, then every pod, then a proof that nothing is
//! left (docs/adr/0005-stopping-k3s.md).

mod pods;
mod quiet;
mod units;

use std::path::PathBuf;
use std::time::Duration;

pub use pods::end_pods;
pub use quiet::{Use, uses_of};
pub(crate) use quiet::{mounts_under, unescaped};
pub use units::{Systemd, Units};

use crate::{Error, Result};

/// How long a pod's processes have to end before they are killed. The first
/// process of a container that has no handler for SIGTERM never hears it, so
/// this is waited out on most machines, and the box is down meanwhile.
const GRACE: Duration = Duration::from_secs(5);

/// The cluster's host as a restore sees it.
#[derive(Clone, Debug)]
pub struct K3sHost<U = Systemd> {
    /// The unit that is stopped and started.
    pub unit: String,
    /// Containerd's socket; shims of other containerds are left alone.
    pub cri_socket: PathBuf,
    /// The service manager.
    pub units: U,
}

impl<U: Units> K3sHost<U> {
    /// Stops the unit and every pod it left running.
    ///
    /// # Errors
    /// When the unit does not stop or a process cannot be ended.
    pub fn stop(&self) -> Result<()> {
        self.units.stop(&self.unit)?;
        pods::end_pods(&self.cri_socket, GRACE)?;
        pods::unmount_pods()
    }

    /// Starts the unit; what its readiness means is the unit's own affair.
    ///
    /// # Errors
    /// When the unit does not start.
    pub fn start(&self) -> Result<()> {
        self.units.start(&self.unit)
    }

    /// Proves that no process has a file open, a directory entered or a mount
    /// under one of `paths`.
    ///
    /// # Errors
    /// Names every process and mount that is left.
    pub fn prove_quiet(&self, paths: &[PathBuf]) -> Result<()> {
        let uses = quiet::uses_of(paths)?;
        if uses.is_empty() {
            return Ok(());
        }
        let listed: Vec<String> = uses.iter().take(5).map(ToString::to_string).collect();
        Err(Error::Host {
            action: "replace data: it is still in use".to_owned(),
            reason: format!("{} ({} in all)", listed.join("; "), uses.len()),
            hint: "end the processes named above, or unmount what is mounted there, and run it again",
        })
    }
}
