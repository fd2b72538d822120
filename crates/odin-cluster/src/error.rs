//! What can go wrong between a bundle and a cluster.

use std::path::PathBuf;
use std::time::Duration;

/// An error of this crate: what was attempted, on what, and why it failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A bundle cannot be used; nothing was applied.
    #[error("cannot use the bundle {}: {file}: {reason}", dir.display())]
    Bundle {
        /// Directory of the bundle.
        dir: PathBuf,
        /// File the problem is in, relative to the directory.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A bundle cannot be built; the old one, if any, is untouched.
    #[error("cannot build a bundle of {}: {reason}", overlay.display())]
    Build {
        /// Overlay that was to be rendered.
        overlay: PathBuf,
        /// What failed.
        reason: String,
    },
    /// The build of a bundle was told to end; the old one, if any, is untouched.
    #[error("stopped building a bundle of {}", overlay.display())]
    Stopped {
        /// Overlay that was being rendered.
        overlay: PathBuf,
    },
    /// The kubeconfig cannot be read or used.
    #[error("cannot use the kubeconfig {}: {reason}", path.display())]
    Kubeconfig {
        /// Path of the file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The API server did not answer within the deadline.
    #[error("cannot {action}: the API server at {server} did not answer for {}: {reason}", seconds(waited))]
    Unreachable {
        /// What was attempted.
        action: String,
        /// Address of the API server.
        server: String,
        /// How long it was tried.
        waited: Duration,
        /// Last failure.
        reason: String,
    },
    /// The API server refused a request.
    #[error("cannot {action}: {reason}")]
    Api {
        /// What was attempted.
        action: String,
        /// HTTP status, where there was an answer.
        code: Option<u16>,
        /// The server's message.
        reason: String,
    },
    /// A plan must not be carried out as it is.
    #[error("the plan is blocked: {}", reasons.join("; "))]
    Blocked {
        /// Every reason.
        reasons: Vec<String>,
    },
    /// The cluster changed between planning and applying.
    #[error("the plan is out of date: {reason}")]
    Stale {
        /// What changed.
        reason: String,
    },
    /// Someone else applies at this moment.
    #[error("cannot apply: {holder} holds the lease {lease}")]
    Held {
        /// Holder named in the lease.
        holder: String,
        /// `namespace/name` of the lease.
        lease: String,
    },
    /// The lease was lost while work was done under it.
    #[error("stopped: the lease {lease} was lost: {reason}")]
    LeaseLost {
        /// `namespace/name` of the lease.
        lease: String,
        /// How it was lost.
        reason: String,
    },
    /// The inventory in the cluster cannot be understood.
    #[error("cannot use the inventory {name}: {reason}")]
    Inventory {
        /// `namespace/name` of the ConfigMap.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no earlier state to go back to.
    #[error("there is nothing to undo")]
    NothingToUndo,
    /// A copy for undo cannot be written or read; nothing was changed.
    #[error("cannot {action} the undo copy {name}")]
    Undo {
        /// `read` or `write`.
        action: &'static str,
        /// Name of the copy.
        name: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The cluster was not ready in time.
    #[error("the cluster was not ready after {}: {reason}", seconds(waited))]
    NotReady {
        /// How long it was waited for.
        waited: Duration,
        /// What was still missing.
        reason: String,
    },
}

fn seconds(duration: &Duration) -> String {
    format!("{} s", duration.as_secs())
}

impl Error {
    /// Says what to do about it, where something can be said.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Bundle { file, .. } if file == "SHA256SUMS" => {
                "build the bundle again with `odin bundle build`; a bundle is never edited by hand"
            }
            Self::Bundle { reason, .. } if reason.contains("checksum") || reason.contains("SHA256SUMS") => {
                "the bundle was changed after it was built: build it again with `odin bundle build`"
            }
            Self::Bundle { .. } => "correct the source under manifests/ and run `odin bundle build` again",
            Self::Build { reason, .. } if reason.contains("another odin") => "wait for it to end",
            Self::Build { reason, .. } if reason.contains("cannot run") => {
                "install the program, or name it with `--helm` or `--kubectl`"
            }
            Self::Build { reason, .. } if reason.contains("No space left") => {
                "free space beside the bundle's directory; the previous bundle is untouched"
            }
            Self::Stopped { .. } => "the previous bundle is untouched; build it again",
            Self::Build { .. } => "correct the source named above; the previous bundle is untouched",
            Self::Kubeconfig { .. } => {
                "name the cluster's administrator kubeconfig, on K3s /etc/rancher/k3s/k3s.yaml"
            }
            Self::Unreachable { .. } => {
                "look at the cluster's unit: `systemctl status k3s`, `journalctl -u k3s`"
            }
            Self::Api { code: Some(401), .. } => {
                "the kubeconfig's certificate is not accepted: take the one written by the running cluster"
            }
            Self::Api { code: Some(403), .. } => "use a kubeconfig of a cluster administrator",
            Self::Api { .. } => return None,
            Self::Blocked { .. } => {
                "read `odin plan`, then confirm with `--yes`, raise `--prune-limit`, or go back by `odin undo`"
            }
            Self::Stale { .. } => "plan again",
            Self::Held { .. } => "wait for it to end; a holder that died loses the lease by itself",
            Self::LeaseLost { .. } => "apply again; what was done so far is kept and continued",
            Self::Inventory { .. } => {
                "a newer odin may have written it: use that version, or restore the ConfigMap"
            }
            Self::NothingToUndo => "undo goes back one apply; see `odin history`",
            Self::Undo { .. } => "check space and permissions of the state directory",
            Self::NotReady { .. } => "look at the node: `journalctl -u k3s`",
        };
        Some(hint.to_owned())
    }
}
