//! `site.toml`: what belongs to one host, a closed list of keys.
//!
//! The image is the same for every machine; these values are written at
//! installation and merged by `odin` alone.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Backup, Config, ConfigError, CopyTarget, Secret, parse};

/// The host's own values.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Site {
    /// The machine's name.
    pub host: SiteHost,
    /// Secrets whose files lie on this host; each replaces the declared one of
    /// the same namespace, name and key.
    pub secrets: Vec<Secret>,
    /// Where backups of this host go.
    pub backup: SiteBackup,
}

/// `[host]` of `site.toml`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct SiteHost {
    /// Name of the machine in snapshots and reports.
    pub name: Option<String>,
}

/// `[backup]` of `site.toml`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct SiteBackup {
    /// Directory of the repository.
    pub repository: Option<PathBuf>,
    /// File with its password.
    pub password_file: Option<PathBuf>,
    /// Further repositories of this host.
    pub copies: Vec<CopyTarget>,
}

impl Site {
    /// Reads the host's values; `file` is named in errors only.
    ///
    /// # Errors
    /// When `text` is too large, is not TOML, or has a key outside the list.
    pub fn parse(text: &str, file: &Path) -> Result<Self, ConfigError> {
        parse(text, file)
    }

    /// Keys the host sets, with dots, in the order of the declaration.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        let mut keys = Vec::new();
        if self.host.name.is_some() {
            keys.push("host.name".to_owned());
        }
        for secret in &self.secrets {
            keys.push(format!("secrets.{}/{}.{}", secret.namespace, secret.name, secret.key));
        }
        if self.backup.repository.is_some() {
            keys.push("backup.repository".to_owned());
        }
        if self.backup.password_file.is_some() {
            keys.push("backup.password-file".to_owned());
        }
        for copy in &self.backup.copies {
            keys.push(format!("backup.copies.{}", copy.name));
        }
        keys
    }

    pub(super) fn merge_into(&self, config: &mut Config) {
        if let Some(name) = &self.host.name {
            config.host.name = Some(name.clone());
        }
        for secret in &self.secrets {
            config.secrets.retain(|declared| !same_key(declared, secret));
            config.secrets.push(secret.clone());
        }
        if let Some(backup) = &mut config.backup {
            self.backup.merge_into(backup);
        }
    }
}

impl SiteBackup {
    fn merge_into(&self, backup: &mut Backup) {
        if let Some(repository) = &self.repository {
            backup.repository.clone_from(repository);
        }
        if let Some(file) = &self.password_file {
            backup.password_file.clone_from(file);
        }
        for copy in &self.copies {
            backup.copies.retain(|declared| declared.name != copy.name);
            backup.copies.push(copy.clone());
        }
    }
}

fn same_key(one: &Secret, other: &Secret) -> bool {
    (&one.namespace, &one.name, &one.key) == (&other.namespace, &other.name, &other.key)
}
