//! Which pods hold devices of a GPU, as the kubelet tells.

use std::fmt;
use std::path::Path;

use super::layout::Seen;
use crate::pods::{Allocation, Refused, list};

/// One device that a pod holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    device: String,
    words: String,
}

/// What the kubelet told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holders {
    /// Every device that a pod holds.
    Told(Vec<Holder>),
    /// Nobody answers at its socket.
    Absent(String),
    /// It answers, and not with that.
    Unknown(String),
}

/// Asks the kubelet once.
pub async fn holders(socket: &Path) -> Holders {
    match list(socket).await {
        Ok(allocations) => Holders::Told(allocations.iter().map(Holder::of).collect()),
        Err(Refused::Absent(reason)) => Holders::Absent(reason),
        Err(other) => Holders::Unknown(other.to_string()),
    }
}

impl Holder {
    fn of(allocation: &Allocation) -> Self {
        let container = &allocation.container;
        let (namespace, pod, device) = (&container.namespace, &container.pod, &allocation.device);
        Self { device: device.clone(), words: format!("pod {namespace}/{pod} has {device}") }
    }

    /// Whether the device is a GPU or a part of it: by UUID, or by index and
    /// `GPU:INDEX` as NVIDIA's plugin can name them.
    #[must_use]
    pub fn has(&self, gpu: &Seen) -> bool {
        let index = gpu.index.to_string();
        self.device == gpu.uuid
            || gpu.devices.contains(&self.device)
            || self.device.split(':').next() == Some(index.as_str())
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.words)
    }
}
