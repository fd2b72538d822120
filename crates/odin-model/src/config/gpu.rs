//! The GPUs: what is read of them, what is told of it, and how the cluster gets
//! them.

mod offer;

use std::path::PathBuf;
use std::time::Duration;

use jiff::fmt::serde::unsigned_duration::friendly::compact;
use serde::{Deserialize, Serialize};

use super::{Impossible, require_absolute};

pub use offer::{Action, Degradation, DevicePlugin, Exporter, Remediation};

/// `[gpu]`: the GPUs of this machine, which `odin gpu serve` watches.
///
/// With the section, even empty, GPUs are declared: `odin verify` expects them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Gpu {
    /// The NVML library: a name the dynamic linker finds, or an absolute path.
    pub library: PathBuf,
    /// Address and port of `/metrics`; 9400 is that of dcgm-exporter.
    pub listen: String,
    /// Time between two rounds of readings.
    #[serde(with = "compact::required")]
    pub interval: Duration,
    /// A round that takes longer is said to hang.
    #[serde(with = "compact::required")]
    pub deadline: Duration,
    /// Numbers older than this leave the page.
    #[serde(with = "compact::required")]
    pub maximum_age: Duration,
    /// Whether metrics have their names of DCGM 4.6 beside the older ones.
    pub dcgm_aliases: bool,
    /// Label fields of DCGM that its metrics carry.
    pub dcgm_labels: Vec<String>,
    /// The kubelet's socket that tells which pod has which GPU.
    pub pod_resources_socket: PathBuf,
    /// Price of a GPU-hour, in any currency; no cost is told without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price_per_gpu_hour: Option<f64>,
    /// How long a pod may have a GPU without work before it is said to idle.
    #[serde(with = "compact::required")]
    pub idle_after: Duration,
    /// Whose exporter tells the metrics.
    pub exporter: Exporter,
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
    /// What keeps a GPU that works from being given out. One that failed or
    /// cannot be read never is.
    pub unhealthy_on: Vec<Degradation>,
    /// What is done about a node whose GPUs are not all well.
    pub remediation: Remediation,
}

/// Label fields that `gpu.dcgm-labels` may name: those of dcgm-exporter's
/// default file (etc/default-counters.csv).
pub const DCGM_LABELS: [&str; 9] = [
    "DCGM_FI_DRIVER_VERSION",
    "DCGM_FI_NVML_VERSION",
    "DCGM_FI_DEV_BRAND",
    "DCGM_FI_DEV_SERIAL",
    "DCGM_FI_DEV_OEM_INFOROM_VER",
    "DCGM_FI_DEV_ECC_INFOROM_VER",
    "DCGM_FI_DEV_POWER_INFOROM_VER",
    "DCGM_FI_DEV_INFOROM_IMAGE_VER",
    "DCGM_FI_DEV_VBIOS_VERSION",
];

impl Default for Gpu {
    fn default() -> Self {
        Self {
            library: "libnvidia-ml.so.1".into(),
            listen: "0.0.0.0:9400".to_owned(),
            interval: Duration::from_secs(1),
            deadline: Duration::from_secs(5),
            maximum_age: Duration::from_secs(15),
            dcgm_aliases: false,
            dcgm_labels: vec!["DCGM_FI_DRIVER_VERSION".to_owned()],
            pod_resources_socket: "/var/lib/kubelet/pod-resources/kubelet.sock".into(),
            price_per_gpu_hour: None,
            idle_after: Duration::from_secs(900),
            exporter: Exporter::default(),
            device_plugin: DevicePlugin::default(),
            sharing_file: None,
            device_plugin_dir: "/var/lib/kubelet/device-plugins".into(),
            kubelet_kubeconfig: "/var/lib/rancher/k3s/agent/kubelet.kubeconfig".into(),
            cdi_dirs: vec!["/etc/cdi".into(), "/var/run/cdi".into()],
            unhealthy_on: Degradation::DEFAULT.to_vec(),
            remediation: Remediation::default(),
        }
    }
}

impl Gpu {
    pub(super) fn validate(&self) -> Result<(), Impossible> {
        require_absolute("gpu.pod-resources-socket", &self.pod_resources_socket)?;
        if self.library.components().count() > 1 {
            require_absolute("gpu.library", &self.library)?;
        }
        if self.listen.parse::<std::net::SocketAddr>().is_err() {
            return Err(Impossible::new(
                "gpu.listen",
                &self.listen,
                "must be an address and a port, for example \"0.0.0.0:9400\"",
            ));
        }
        for (key, span) in [("gpu.interval", self.interval), ("gpu.deadline", self.deadline)] {
            if span.is_zero() {
                return Err(Impossible::new(key, "0s", "must be longer than nothing"));
            }
        }
        if self.maximum_age < self.interval {
            return Err(Impossible::new(
                "gpu.maximum-age",
                format!("{}s", self.maximum_age.as_secs_f64()),
                "must not be shorter than gpu.interval, or no number is ever told",
            ));
        }
        if let Some(label) = self.dcgm_labels.iter().find(|label| !DCGM_LABELS.contains(&label.as_str())) {
            return Err(Impossible::new(
                "gpu.dcgm-labels",
                label,
                "is no label field of DCGM's default counters, for example \"DCGM_FI_DEV_SERIAL\"",
            ));
        }
        match self.price_per_gpu_hour {
            Some(price) if !price.is_finite() || price < 0.0 => {
                return Err(Impossible::new("gpu.price-per-gpu-hour", price, "must be 0 or more"));
            }
            _ => {}
        }
        self.validate_offer()
    }
}
