//! How the cluster gets the GPUs, and what is done when they are not well.

use std::time::Duration;

use jiff::fmt::serde::unsigned_duration::friendly::compact;
use serde::{Deserialize, Serialize};

use super::Gpu;
use crate::config::{Impossible, require_absolute};

/// Whose exporter tells the metrics of the GPUs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exporter {
    /// ODIN's own, part of `odin gpu serve`.
    #[default]
    Odin,
    /// NVIDIA's dcgm-exporter, from the bundle.
    Dcgm,
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

/// A finding of `odin gpu health` about a GPU that still works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Degradation {
    /// Memory had uncorrected errors since the driver was loaded.
    EccUncorrected,
    /// Memory rows are replaced at the next reset.
    RowRemapPending,
    /// `NVLinks` count errors faster than is normal.
    NvlinkErrors,
    /// The hardware holds the clocks down because it is too hot.
    HardwareThermal,
    /// The server asserts the power brake.
    HardwarePowerBrake,
    /// The hardware holds the clocks down, for one of these reasons or another.
    HardwareSlowdown,
    /// The link to the host has fewer lanes than it can have.
    PcieWidth,
    /// The link to the host is slower than it can be.
    PcieGeneration,
}

impl Degradation {
    /// What counts where nothing is declared: work on such a GPU may come out
    /// wrong or fail. On one that is slow it does not.
    pub const DEFAULT: [Self; 3] = [Self::EccUncorrected, Self::RowRemapPending, Self::NvlinkErrors];

    /// Name of the finding.
    #[must_use]
    pub fn finding(self) -> &'static str {
        match self {
            Self::EccUncorrected => "ecc_uncorrected",
            Self::RowRemapPending => "row_remap_pending",
            Self::NvlinkErrors => "nvlink_errors",
            Self::HardwareThermal => "hardware_thermal",
            Self::HardwarePowerBrake => "hardware_power_brake",
            Self::HardwareSlowdown => "hardware_slowdown",
            Self::PcieWidth => "pcie_width",
            Self::PcieGeneration => "pcie_generation",
        }
    }
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
    /// How long a node must be unwell before anything is done.
    #[serde(with = "compact::required")]
    pub after: Duration,
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

impl Default for Remediation {
    fn default() -> Self {
        Self { actions: Vec::new(), dry_run: true, after: Duration::from_secs(60), maximum_nodes: 1 }
    }
}

impl Gpu {
    pub(super) fn validate_offer(&self) -> Result<(), Impossible> {
        if let Some(file) = &self.sharing_file {
            require_absolute("gpu.sharing-file", file)?;
        }
        require_absolute("gpu.device-plugin-dir", &self.device_plugin_dir)?;
        require_absolute("gpu.kubelet-kubeconfig", &self.kubelet_kubeconfig)?;
        for directory in &self.cdi_dirs {
            require_absolute("gpu.cdi-dirs", directory)?;
        }
        require_once("gpu.unhealthy-on", &self.unhealthy_on)?;
        require_once("gpu.remediation.actions", &self.remediation.actions)?;
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

fn require_once<T: PartialEq + std::fmt::Debug>(key: &'static str, all: &[T]) -> Result<(), Impossible> {
    if (1..all.len()).any(|at| all[..at].contains(&all[at])) {
        return Err(Impossible::new(key, format!("{all:?}"), "names one twice"));
    }
    Ok(())
}
