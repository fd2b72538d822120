//! What can go wrong while an operation is composed.

use std::io::ErrorKind;
use std::path::PathBuf;

use odin_model::config::ConfigError;

/// What to do where the kernel refuses.
const RIGHTS: &str = "run odin as root, and check owner and mode of what is named above";

/// Result of an operation.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of an operation: what was attempted, on what, and why it failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The declaration cannot be read.
    #[error("cannot read the declaration {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The declaration is wrong.
    #[error(transparent)]
    Declaration(#[from] ConfigError),
    /// The operation needs a part that is not declared.
    #[error("cannot {action}: {key} is not declared")]
    NotDeclared {
        /// What was attempted.
        action: &'static str,
        /// The key of `odin.toml` that asks for it.
        key: String,
    },
    /// The operation needs a privilege.
    #[error("cannot {action}: it needs root")]
    NotRoot {
        /// What was attempted.
        action: &'static str,
    },
    /// Another operation is under way.
    #[error("cannot {action}: {holder}")]
    Busy {
        /// What was attempted.
        action: &'static str,
        /// Who holds the lock, since when.
        holder: String,
    },
    /// A file of ODIN's own state failed.
    #[error("cannot {action} {}", path.display())]
    State {
        /// `read`, `write`, `create`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The value of a declared secret cannot be had.
    #[error("cannot make the secret {name}: {reason}")]
    Secret {
        /// `namespace/name key`.
        name: String,
        /// Why; never the value.
        reason: String,
    },
    /// A token of the API cannot be made or revoked.
    #[error("cannot make or revoke the token {name:?}: {reason}")]
    Token {
        /// Its name.
        name: String,
        /// Why not.
        reason: String,
        /// What to do about it.
        hint: &'static str,
    },
    /// The machine did not do what it was asked.
    #[error("cannot {action}: {reason}")]
    Host {
        /// What was attempted, on what.
        action: String,
        /// Why it failed.
        reason: String,
        /// What to do about it.
        hint: &'static str,
    },
    /// What was asked for makes no sense.
    #[error("cannot {action}: {value:?}: {reason}")]
    NotUnderstood {
        /// What was attempted.
        action: &'static str,
        /// The value.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Alerts cannot be told, tried or acted on.
    #[error("cannot {action}: {reason}")]
    Alerting {
        /// What was attempted, on what.
        action: String,
        /// Why it failed.
        reason: String,
        /// What to do about it.
        hint: &'static str,
    },
    /// A GPU cannot be cut as it is declared.
    #[error("cannot cut GPU {gpu} as gpu.mig declares: {reason}")]
    Layout {
        /// Its index.
        gpu: u32,
        /// Why not.
        reason: String,
    },
    /// It ended because it was told to, and nothing is half done.
    #[error("{state}")]
    Stopped {
        /// What is true now.
        state: String,
    },
    /// The cluster's part failed.
    #[error(transparent)]
    Cluster(#[from] odin_cluster::Error),
    /// The backup's part failed.
    #[error(transparent)]
    Backup(#[from] odin_backup::Error),
}

impl Error {
    /// Wraps a failure on a file of ODIN's own.
    pub(crate) fn state(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::State { action, path, source }
    }

    /// Says what to do about it, where something can be said.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Unreadable { source, .. } if source.kind() == ErrorKind::PermissionDenied => RIGHTS,
            Self::Unreadable { .. } => "name the file with --config, or write one: docs/reference/config.md",
            Self::Declaration(_) => {
                "every key is shown in docs/reference/config.md; `odin config check` tells when it is right"
            }
            Self::NotDeclared { key, .. } => return Some(format!("declare {key} in odin.toml")),
            Self::NotUnderstood { .. } => return None,
            Self::NotRoot { .. } => "run it as root",
            Self::Busy { .. } => "wait for it to end; `odin status` shows what is under way",
            Self::State { source, .. } if source.kind() == ErrorKind::PermissionDenied => RIGHTS,
            Self::State { source, path, .. } if source.kind() == ErrorKind::StorageFull => {
                return Some(format!("free space on the file system of {}", path.display()));
            }
            Self::State { .. } => "check space, permissions and the disk",
            Self::Secret { .. } => "write the value to its file (mode 0600), or declare `generate`",
            Self::Host { hint, .. } | Self::Token { hint, .. } | Self::Alerting { hint, .. } => hint,
            Self::Layout { .. } => "change gpu.mig in odin.toml; docs/guides/mig.md shows what fits",
            Self::Stopped { .. } => "call it again",
            Self::Cluster(error) => return error.hint(),
            Self::Backup(error) => return error.hint(),
        };
        Some(hint.to_owned())
    }

    /// Tells whether it ended because it was told to.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        match self {
            Self::Backup(error) => error.is_stopped(),
            Self::Cluster(odin_cluster::Error::Stopped { .. }) | Self::Stopped { .. } => true,
            _ => false,
        }
    }

    /// Tells whether the declaration or the request is at fault, rather than
    /// the attempt (exit status 64 rather than 1).
    #[must_use]
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::Unreadable { .. }
                | Self::Declaration(_)
                | Self::NotDeclared { .. }
                | Self::NotUnderstood { .. }
                | Self::Layout { .. }
                | Self::Token { .. }
        )
    }
}
