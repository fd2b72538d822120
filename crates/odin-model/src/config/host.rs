//! The machine and where its parts lie; the defaults are K3s' own paths.

use std::path::PathBuf;
use std::time::Duration;

use jiff::fmt::serde::unsigned_duration::friendly::compact;
use serde::{Deserialize, Serialize};

use super::{Impossible, require_absolute};

/// `[host]`: the machine and the paths of its parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Host {
    /// Name of the machine in snapshots and reports; the kernel's host name
    /// when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What the machine is in its cluster.
    pub role: Role,
    /// systemd unit that is stopped and started around a restore.
    pub k3s_unit: String,
    /// K3s' data directory, above `server/` and `storage/`.
    pub k3s_data_dir: PathBuf,
    /// Kubeconfig of a cluster administrator.
    pub kubeconfig: PathBuf,
    /// Socket of containerd's CRI, used to end pods before a restore.
    pub cri_socket: PathBuf,
    /// Directory of what ODIN must remember; root only.
    pub state_dir: PathBuf,
    /// Directory of sockets and the lock; gone after a reboot.
    pub run_dir: PathBuf,
    /// How long an operation waits for another one of this machine to end,
    /// before it is refused as busy.
    #[serde(with = "compact::required")]
    pub lock_timeout: Duration,
}

/// What a machine is in its cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Runs the control plane; applies the bundle and backs up the datastore.
    #[default]
    Server,
    /// Runs pods only; supervised without apply.
    Agent,
}

impl Default for Host {
    fn default() -> Self {
        Self {
            name: None,
            role: Role::Server,
            k3s_unit: "k3s.service".to_owned(),
            k3s_data_dir: "/var/lib/rancher/k3s".into(),
            kubeconfig: "/etc/rancher/k3s/k3s.yaml".into(),
            cri_socket: "/run/k3s/containerd/containerd.sock".into(),
            state_dir: "/var/lib/odin".into(),
            run_dir: "/run/odin".into(),
            lock_timeout: Duration::from_secs(60),
        }
    }
}

impl Host {
    pub(super) fn validate(&self) -> Result<(), Impossible> {
        for (key, path) in [
            ("host.k3s-data-dir", &self.k3s_data_dir),
            ("host.kubeconfig", &self.kubeconfig),
            ("host.cri-socket", &self.cri_socket),
            ("host.state-dir", &self.state_dir),
            ("host.run-dir", &self.run_dir),
        ] {
            require_absolute(key, path)?;
        }
        if !self.k3s_unit.ends_with(".service") && !self.k3s_unit.ends_with(".target") {
            return Err(Impossible::new(
                "host.k3s-unit",
                &self.k3s_unit,
                "must be a systemd unit with its suffix, for example \"k3s.service\"",
            ));
        }
        Ok(())
    }
}
