//! Which pods hold devices of a GPU, as the kubelet tells.

use std::fmt;
use std::io::ErrorKind;
use std::path::Path;

use tokio::net::UnixStream;

use super::layout::Seen;
use crate::pods::{Allocation, list};

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
    /// There is no socket, or nobody listens at it.
    Absent(String),
    /// Somebody listens, and does not tell.
    Unknown(String),
}

/// Asks the kubelet once.
pub async fn holders(socket: &Path) -> Holders {
    // Only this tells a kubelet that is not there from one in trouble.
    if let Err(error) = UnixStream::connect(socket).await {
        let reason = format!("{}: {error}", socket.display());
        return match error.kind() {
            ErrorKind::NotFound | ErrorKind::ConnectionRefused => Holders::Absent(reason),
            _ => Holders::Unknown(reason),
        };
    }
    match list(socket).await {
        Ok(allocations) => Holders::Told(allocations.iter().map(Holder::of).collect()),
        Err(reason) => Holders::Unknown(reason.to_string()),
    }
}

impl Holder {
    /// What a pod holds.
    #[must_use]
    pub fn new(namespace: &str, pod: &str, device: &str) -> Self {
        Self { device: device.to_owned(), words: format!("pod {namespace}/{pod} has {device}") }
    }

    fn of(allocation: &Allocation) -> Self {
        let container = &allocation.container;
        Self::new(&container.namespace, &container.pod, &allocation.device)
    }

    /// Whether the device may be a GPU or a part of it, where nobody knows its
    /// parts: any MIG device may be one.
    #[must_use]
    pub fn may_have(&self, index: u32, uuid: &str) -> bool {
        self.device == uuid
            || self.device.starts_with("MIG-")
            || self.device.split(':').next() == Some(index.to_string().as_str())
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
