//! The GPUs, and how the cluster gets them.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Impossible, require_absolute};

/// `[gpu]`: the GPUs of the machine, and how the cluster gets them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Gpu {
    /// Whose device plugin offers the GPUs to the kubelet.
    pub device_plugin: DevicePlugin,
    /// Configuration file of NVIDIA's device plugin (`version: v1`) with
    /// `flags.migStrategy` and `sharing.timeSlicing`; nothing is shared
    /// without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sharing_file: Option<PathBuf>,
    /// Directory of the kubelet's device plugin sockets.
    pub device_plugin_dir: PathBuf,
    /// Kubeconfig with the kubelet's identity: labels, condition and events of
    /// the own node.
    pub kubelet_kubeconfig: PathBuf,
    /// Directories of CDI specifications, the one that wins last.
    pub cdi_dirs: Vec<PathBuf>,
    /// What is done about a node whose GPUs are not all well.
    pub remediation: Remediation,
}

/// Whose device plugin offers the GPUs to the kubelet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DevicePlugin {
    /// ODIN's own, part of `odin gpu serve`.
    #[default]
    Odin,
    /// NVIDIA's, from the bundle.
    Nvidia,
    /// None.
    None,
}

/// `[gpu.remediation]`: what servers do about a node whose GPUs are not all
/// well; nothing by default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Remediation {
    /// Actions, each taken back when the node is well again.
    pub actions: Vec<Action>,
    /// Only say what would be done.
    pub dry_run: bool,
    /// How long a node must be unwell before anything is done, in seconds.
    pub after_seconds: u32,
    /// Nodes that may be acted on at the same time; the others wait.
    pub maximum_nodes: u32,
}

/// What can be done about a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Taint it, so that pods without a toleration go elsewhere.
    Taint,
    /// Mark it unschedulable.
    Cordon,
    /// Evict the pods that have a GPU, as their disruption budgets allow.
    Drain,
}

impl Default for Gpu {
    fn default() -> Self {
        Self {
            device_plugin: DevicePlugin::Odin,
            sharing_file: None,
            device_plugin_dir: "/var/lib/kubelet/device-plugins".into(),
            kubelet_kubeconfig: "/var/lib/rancher/k3s/agent/kubelet.kubeconfig".into(),
            cdi_dirs: vec!["/etc/cdi".into(), "/var/run/cdi".into()],
            remediation: Remediation::default(),
        }
    }
}

impl Default for Remediation {
    fn default() -> Self {
        Self { actions: Vec::new(), dry_run: true, after_seconds: 60, maximum_nodes: 1 }
    }
}

impl Gpu {
    pub(super) fn validate(&self) -> Result<(), Impossible> {
        if let Some(file) = &self.sharing_file {
            require_absolute("gpu.sharing-file", file)?;
        }
        require_absolute("gpu.device-plugin-dir", &self.device_plugin_dir)?;
        require_absolute("gpu.kubelet-kubeconfig", &self.kubelet_kubeconfig)?;
        for directory in &self.cdi_dirs {
            require_absolute("gpu.cdi-dirs", directory)?;
        }
        let actions = &self.remediation.actions;
        if (1..actions.len()).any(|at| actions[..at].contains(&actions[at])) {
            return Err(Impossible::new(
                "gpu.remediation.actions",
                format!("{actions:?}"),
                "names one twice",
            ));
        }
        if self.remediation.maximum_nodes == 0 {
            return Err(Impossible::new(
                "gpu.remediation.maximum-nodes",
                0,
                "must be 1 or more; no action at all is `actions = []`",
            ));
        }
        Ok(())
    }
}
