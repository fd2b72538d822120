//! From the GPUs of a machine to the devices a scheduler can give out.
//!
//! [`Gpu`] is what was seen of one GPU; [`Roster`] remembers GPUs that went
//! away and why; [`sharing`] says how many may use one device; [`resources`]
//! turns both into resources with devices, and [`preferred`] chooses among
//! devices that are free. All of it is pure: the kubelet's protocol is
//! odin-supervisor's, NVML is this crate's other half.

pub mod history;
pub mod labels;
pub mod preferred;
pub mod resources;
mod roster;
pub mod sharing;

use serde::{Deserialize, Serialize};

pub use history::{Change, History};
pub use resources::{Device, Resource};
pub use roster::Roster;
pub use sharing::{MigStrategy, Sharing};

/// One GPU as it was seen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Gpu {
    /// NVML's index; it may be another after a reboot.
    pub index: u32,
    /// `GPU-` and a UUID; the identity.
    pub uuid: String,
    /// Number of its `/dev/nvidiaN`.
    pub minor: Option<u32>,
    /// Memory node of the processor it hangs on.
    pub numa: Option<u32>,
    /// Its MIG devices; none while MIG mode is off.
    pub mig: Option<Vec<MigDevice>>,
    /// Whether its hardware can be partitioned.
    pub mig_capable: bool,
    /// How near other GPUs are.
    pub links: Vec<Link>,
    /// What it is, for labels.
    pub model: Model,
    /// Why it must not be given out; none while it is healthy.
    pub fault: Option<Fault>,
}

/// One MIG device as it was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct MigDevice {
    /// Index among the MIG devices of its GPU.
    pub index: u32,
    /// `MIG-` and a UUID.
    pub uuid: String,
    /// As `1g.10gb`.
    pub profile: String,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Streaming multiprocessors.
    pub multiprocessors: u32,
    /// Slices of the GPU instance.
    pub gpu_slices: u32,
    /// Slices of the compute instance.
    pub compute_slices: u32,
}

/// Facts that labels are made of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Model {
    /// NVML's name, as `NVIDIA H100 80GB HBM3`.
    pub name: String,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// CUDA compute capability, major and minor.
    pub compute: Option<(u32, u32)>,
}

/// What is between two GPUs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Link {
    /// UUID of the other GPU.
    pub to: String,
    /// How they are connected.
    pub kind: LinkKind,
}

/// How two GPUs are connected, the nearest last.
///
/// PCIe levels are NVML's `nvmlGpuTopologyLevel_t`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkKind {
    /// Across processors (`NVML_TOPOLOGY_SYSTEM`).
    System,
    /// The same memory node (`NVML_TOPOLOGY_NODE`).
    Node,
    /// The same host bridge.
    HostBridge,
    /// Several PCIe switches.
    MultipleSwitches,
    /// One PCIe switch.
    SingleSwitch,
    /// The same board.
    Board,
    /// So many NVLinks, direct or through a switch.
    NvLink(u32),
}

/// Why a device must not be given out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Fault {
    /// Stable name in CamelCase, as `GpuLost`; Kubernetes' reason.
    pub reason: String,
    /// What was seen, for a person.
    pub message: String,
}

impl Fault {
    /// A fault.
    pub fn new(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self { reason: reason.into(), message: message.into() }
    }
}
