//! `site.toml`: what belongs to one host, a closed list of keys.
//!
//! The image is the same for every machine; these values are written at
//! installation and merged by `odin` alone.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::access::check_key;
use super::{
    Alerting, Backup, Config, ConfigError, CopyTarget, Impossible, Receiver, Route, Secret, is_label, parse,
};

/// The host's own values.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Site {
    /// The machine's name.
    pub host: SiteHost,
    /// Who may log in to this host.
    pub access: SiteAccess,
    /// Secrets whose files lie on this host; each replaces the declared one of
    /// the same namespace, name and key.
    pub secrets: Vec<Secret>,
    /// Where backups of this host go.
    pub backup: SiteBackup,
    /// Who is told of this host's alerts.
    pub alerting: SiteAlerting,
}

/// `[host]` of `site.toml`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct SiteHost {
    /// The machine's name: host name, name of its node, and its name in
    /// snapshots and reports.
    pub name: Option<String>,
}

/// `[access]` of `site.toml`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct SiteAccess {
    /// Public keys of OpenSSH that open the account of the machine's owner,
    /// each a line of a `.pub` file.
    pub authorized_keys: Vec<String>,
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

/// `[alerting]` of `site.toml`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct SiteAlerting {
    /// Receiver of what no route takes.
    pub receiver: Option<String>,
    /// Receiver of the `Watchdog` alert.
    pub dead_man: Option<String>,
    /// Receivers; each replaces the declared one of its name.
    pub receivers: Vec<Receiver>,
    /// Routes; with any, they replace the declared ones, because their order
    /// is what they say.
    pub routes: Vec<Route>,
}

impl Site {
    /// Reads the host's values; `file` is named in errors only.
    ///
    /// # Errors
    /// When `text` is too large, is not TOML, has a key outside the list, a
    /// name that no host can have or a public key that sshd would not take.
    pub fn parse(text: &str, file: &Path) -> Result<Self, ConfigError> {
        let site: Self = parse(text, file)?;
        site.validate().map_err(|impossible| impossible.of(file))?;
        Ok(site)
    }

    fn validate(&self) -> Result<(), Impossible> {
        if let Some(name) = self.host.name.as_ref().filter(|name| !is_label(name)) {
            return Err(Impossible::new(
                "host.name",
                name,
                "must be a host name (RFC 1123) of one label: 1 to 63 of a-z, 0-9 and '-', with a letter or \
                 digit at both ends",
            ));
        }
        for (number, key) in self.access.authorized_keys.iter().enumerate() {
            // Of what is no key at all, perhaps a private one, only the beginning
            // is repeated.
            let shown: String = key.chars().take(40).collect();
            check_key(key).map_err(|reason| {
                Impossible::new(format!("access.authorized-keys[{number}]"), shown, reason)
            })?;
        }
        Ok(())
    }

    /// Keys the host sets, with dots, in the order of the declaration.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        let mut keys = Vec::new();
        if self.host.name.is_some() {
            keys.push("host.name".to_owned());
        }
        if !self.access.authorized_keys.is_empty() {
            keys.push("access.authorized-keys".to_owned());
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
        self.alerting.keys(&mut keys);
        keys
    }

    pub(super) fn merge_into(&self, config: &mut Config) {
        if let Some(name) = &self.host.name {
            config.host.name = Some(name.clone());
        }
        config.access.authorized_keys.clone_from(&self.access.authorized_keys);
        for secret in &self.secrets {
            config.secrets.retain(|declared| !same_key(declared, secret));
            config.secrets.push(secret.clone());
        }
        if let Some(backup) = &mut config.backup {
            self.backup.merge_into(backup);
        }
        if self.alerting != SiteAlerting::default() {
            self.alerting.merge_into(config.alerting.get_or_insert_default());
        }
    }
}

impl SiteAlerting {
    fn keys(&self, keys: &mut Vec<String>) {
        if self.receiver.is_some() {
            keys.push("alerting.receiver".to_owned());
        }
        if self.dead_man.is_some() {
            keys.push("alerting.dead-man".to_owned());
        }
        for receiver in &self.receivers {
            keys.push(format!("alerting.receivers.{}", receiver.name));
        }
        if !self.routes.is_empty() {
            keys.push("alerting.routes".to_owned());
        }
    }

    fn merge_into(&self, alerting: &mut Alerting) {
        if self.receiver.is_some() {
            alerting.receiver.clone_from(&self.receiver);
        }
        if self.dead_man.is_some() {
            alerting.dead_man.clone_from(&self.dead_man);
        }
        // What the host has twice stays twice, and is refused.
        let own = |declared: &Receiver| self.receivers.iter().any(|one| one.name == declared.name);
        alerting.receivers.retain(|declared| !own(declared));
        alerting.receivers.extend(self.receivers.iter().cloned());
        if !self.routes.is_empty() {
            alerting.routes.clone_from(&self.routes);
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
