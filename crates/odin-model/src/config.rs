//! `odin.toml`: what the owner declares.
//!
//! NixOS writes the file and `odin config check` reads it at build time, so a
//! wrong declaration fails the build and not the boot. Unknown keys are errors
//! everywhere: a misspelt key must not silently mean its default.
//! `tests/fixtures/odin.toml` shows every key and is the contract of the seam.
//!
//! What belongs to one host alone is `site.toml` ([`site`]), a closed list of
//! keys that is merged over `odin.toml`.

mod access;
mod alerting;
mod api;
mod apply;
mod backup;
mod gpu;
mod host;
mod logs;
mod secret;
pub mod site;
mod upgrade;
mod verify;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use access::Access;
pub use alerting::{
    ALERTMANAGER_SECRET, AlertRemediation, Alerting, Email, NOBODY, PagerDuty, Receiver, Remedy, Route,
    SelfTest, Slack, Webhook, Window,
};
pub use api::Api;
pub use apply::Apply;
pub use backup::{Backup, Check, CopyTarget, Drill, Etcd, Prune, Retention, Source, SourceKind, VolumeHook};
pub use gpu::{Action, DCGM_LABELS, Degradation, DevicePlugin, Exporter, Gpu, MigDevices, Remediation};
pub use host::{Host, Role};
pub use logs::Logs;
pub use secret::{Secret, SecretOrigin};
pub use site::Site;
pub use upgrade::Upgrade;
pub use verify::Verify;

/// Largest `odin.toml` that is read, in bytes. A real one has a few KiB.
pub const MAXIMUM_BYTES: usize = 1 << 20;

/// The whole declaration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Config {
    /// The machine and the paths of its parts.
    pub host: Host,
    /// Who may log in, as far as it is this host's own affair.
    pub access: Access,
    /// How the bundle is applied.
    pub apply: Apply,
    /// Secrets made in the cluster before the first wave.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<Secret>,
    /// What is backed up, when, to where. Absent: no backups.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup: Option<Backup>,
    /// When a generation may be staged, and when it is good.
    pub upgrade: Upgrade,
    /// The GPUs: how they are watched, and how the cluster gets them. Absent:
    /// nothing is expected of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpu: Option<Gpu>,
    /// The host's side of logs.
    pub logs: Logs,
    /// The reading API over TCP. Absent: there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api: Option<Api>,
    /// Who is told of alerts, and what is done about them. Absent: nobody, and
    /// nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alerting: Option<Alerting>,
    /// What acceptance is measured against.
    pub verify: Verify,
}

/// Why a declaration was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// It is not TOML, or not of this shape; the text names line and column.
    #[error("{file} does not declare an appliance:\n{reason}", file = .file.display())]
    Shape {
        /// The file that was read.
        file: PathBuf,
        /// What the parser said, with the line quoted.
        reason: String,
    },
    /// It has the right shape and says something impossible.
    #[error("{file}: {key} = {value}: {reason}", file = .file.display())]
    Value {
        /// The file that was read.
        file: PathBuf,
        /// The key, with dots.
        key: String,
        /// The value as declared.
        value: String,
        /// Why it cannot be, and what can.
        reason: String,
    },
}

/// A value that is impossible, before the file it is from is known.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Impossible {
    key: String,
    value: String,
    reason: &'static str,
}

impl Impossible {
    fn new(key: impl Into<String>, value: impl ToString, reason: &'static str) -> Self {
        Self { key: key.into(), value: format!("{:?}", value.to_string()), reason }
    }

    fn of(self, file: &Path) -> ConfigError {
        ConfigError::Value {
            file: file.to_owned(),
            key: self.key,
            value: self.value,
            reason: self.reason.to_owned(),
        }
    }
}

impl Config {
    /// Reads a declaration; `file` is named in errors only.
    ///
    /// # Errors
    /// When `text` is too large, is not TOML, has an unknown key or a value of
    /// the wrong type, or declares something impossible.
    pub fn parse(text: &str, file: &Path) -> Result<Self, ConfigError> {
        let config: Self = parse(text, file)?;
        config.validate().map_err(|impossible| impossible.of(file))?;
        Ok(config)
    }

    /// Merges the host's own values over the declaration.
    ///
    /// # Errors
    /// When the two together declare something impossible; `file` is the
    /// `site.toml` named in the error.
    pub fn with_site(mut self, site: &Site, file: &Path) -> Result<Self, ConfigError> {
        site.merge_into(&mut self);
        self.validate().map_err(|impossible| impossible.of(file))?;
        Ok(self)
    }

    /// Writes the declaration with every default spelt out.
    ///
    /// # Errors
    /// When a value has no form in TOML; the text says which.
    pub fn to_toml(&self) -> Result<String, String> {
        toml::to_string(self).map_err(|error| error.to_string())
    }

    fn validate(&self) -> Result<(), Impossible> {
        self.host.validate()?;
        self.access.validate()?;
        self.apply.validate()?;
        secret::validate(&self.secrets)?;
        self.upgrade.validate()?;
        self.logs.validate()?;
        self.gpu.as_ref().map_or(Ok(()), Gpu::validate)?;
        self.api.as_ref().map_or(Ok(()), Api::validate)?;
        self.alerting.as_ref().map_or(Ok(()), |alerting| alerting.validate(&self.secrets))?;
        self.backup.as_ref().map_or(Ok(()), Backup::validate)
    }
}

/// Parses TOML of one shape with the same limits and errors for every file.
fn parse<T: for<'de> Deserialize<'de>>(text: &str, file: &Path) -> Result<T, ConfigError> {
    let shape = |reason: String| ConfigError::Shape { file: file.to_owned(), reason };
    if text.len() > MAXIMUM_BYTES {
        return Err(shape(format!(
            "it has {} bytes, more than the {MAXIMUM_BYTES} that a declaration may have",
            text.len()
        )));
    }
    toml::from_str(text).map_err(|error| shape(error.to_string()))
}

/// Refuses a path that depends on where the program was started.
fn require_absolute(key: impl Into<String>, path: &Path) -> Result<(), Impossible> {
    if path.is_absolute() {
        Ok(())
    } else {
        Err(Impossible::new(key, path.display(), "must be an absolute path"))
    }
}

/// Tells whether a text is a DNS label, the form of Kubernetes' namespaces
/// and of ODIN's own names (RFC 1123).
fn is_label(text: &str) -> bool {
    let edge = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (1..=63).contains(&text.len())
        && text.bytes().all(|byte| edge(byte) || byte == b'-')
        && text.bytes().next().is_some_and(edge)
        && text.bytes().next_back().is_some_and(edge)
}

#[cfg(test)]
mod tests;
