//! What a generation is made of, read from its closure.
//!
//! The NixOS module writes `$system/etc/odin/generation.json` ([`Parts`]); a
//! system without it (one built without ODIN) is read from what every NixOS
//! closure has: the links `kernel`, `systemd` and `sw`, whose store names end
//! in a version, and the file `nixos-version`.

use std::fs;
use std::path::{Path, PathBuf};

use odin_cluster::Bundle;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Where the module describes the system, below its closure.
pub const FILE: &str = "etc/odin/generation.json";

/// Versions of the parts that a running machine cannot exchange, and of K3s:
/// the content of `generation.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Parts {
    /// NixOS' own version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nixos: Option<String>,
    /// The kernel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel: Option<String>,
    /// The GPU driver; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// systemd.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub systemd: Option<String>,
    /// K3s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub k3s: Option<String>,
}

/// A generation: one number for the whole box.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Generation {
    /// The closure's path in the store.
    pub system: PathBuf,
    /// Its number in the system profile, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// Digest of the bundle it declares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<String>,
    /// What it is made of.
    pub parts: Parts,
}

impl Generation {
    /// Reads a generation from its closure.
    ///
    /// # Errors
    /// When the closure is not there or describes itself wrongly.
    pub fn read(system: &Path, number: Option<u64>) -> Result<Self> {
        let system = fs::canonicalize(system).map_err(Error::state("find the system", system))?;
        if !system.join("bin/switch-to-configuration").exists() {
            return Err(Error::Host {
                action: format!("use {} as a system", system.display()),
                reason: "it has no bin/switch-to-configuration".to_owned(),
                hint: "name the result of building a NixOS configuration, or a generation's link",
            });
        }
        Ok(Self {
            parts: parts(&system)?,
            bundle: Bundle::open(&system.join("etc/odin/bundle"))
                .ok()
                .map(|bundle| bundle.digest().to_owned()),
            number,
            system,
        })
    }

    /// `1.35` of `1.35.6+k3s1`.
    #[must_use]
    pub fn k3s_minor(&self) -> Option<&str> {
        let version = self.parts.k3s.as_deref()?.trim_start_matches('v');
        let end = version.match_indices('.').nth(1).map_or(version.len(), |(index, _)| index);
        version.get(..end)
    }

    /// `generation 41`, or the store name of a system without a number.
    #[must_use]
    pub fn name(&self) -> String {
        match self.number {
            Some(number) => format!("generation {number}"),
            None => self.system.file_name().map_or_else(
                || self.system.display().to_string(),
                |name| name.to_string_lossy().into_owned(),
            ),
        }
    }
}

fn parts(system: &Path) -> Result<Parts> {
    let file = system.join(FILE);
    match fs::read(&file) {
        Ok(bytes) => {
            serde_json::from_slice(&bytes).map_err(|error| Error::state("read", &file)(error.into()))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Parts {
            nixos: fs::read_to_string(system.join("nixos-version")).ok().map(|text| text.trim().to_owned()),
            kernel: linked_version(&system.join("kernel"), "linux"),
            driver: None,
            systemd: linked_version(&system.join("systemd"), "systemd"),
            k3s: linked_version(&system.join("sw/bin/k3s"), "k3s"),
        }),
        Err(error) => Err(Error::state("read", &file)(error)),
    }
}

/// The version in the store name a link leads into:
/// `/nix/store/HASH-linux-6.18.49/bzImage` is `6.18.49` of `linux`.
fn linked_version(link: &Path, name: &str) -> Option<String> {
    let target = fs::canonicalize(link).ok()?;
    target.components().find_map(|part| {
        let (_hash, rest) = part.as_os_str().to_str()?.split_once('-')?;
        let version = rest.strip_prefix(name)?.strip_prefix('-')?;
        version.starts_with(|first: char| first.is_ascii_digit()).then(|| version.to_owned())
    })
}

/// A part that differs between two generations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Change {
    /// What: `kernel`, `driver`, `systemd`, `k3s`, `nixos`, `bundle`.
    pub part: String,
    /// Before; absent when it was not there.
    pub from: Option<String>,
    /// After; absent when it is not there any more.
    pub to: Option<String>,
    /// Why a running machine cannot take it; absent when it can.
    pub reboot: Option<String>,
}

/// What differs, in the order a person asks.
#[must_use]
pub fn changes(from: &Generation, to: &Generation) -> Vec<Change> {
    let rows = [
        (
            "kernel",
            &from.parts.kernel,
            &to.parts.kernel,
            "the running kernel stays until a reboot, and modules of the new one do not load into it",
        ),
        (
            "driver",
            &from.parts.driver,
            &to.parts.driver,
            "the loaded driver stays until a reboot, and programs of the new one refuse to speak to it",
        ),
        (
            "systemd",
            &from.parts.systemd,
            &to.parts.systemd,
            "the first process of a machine is exchanged by a reboot only",
        ),
        ("k3s", &from.parts.k3s, &to.parts.k3s, ""),
        ("nixos", &from.parts.nixos, &to.parts.nixos, ""),
        ("bundle", &from.bundle, &to.bundle, ""),
    ];
    rows.into_iter()
        .filter(|(_, before, after, _)| before != after)
        .map(|(part, before, after, why)| Change {
            part: part.to_owned(),
            from: before.clone(),
            to: after.clone(),
            reboot: reboot_reason(part, why, from, to),
        })
        .collect()
}

fn reboot_reason(part: &str, why: &str, from: &Generation, to: &Generation) -> Option<String> {
    if part == "k3s" && from.k3s_minor() != to.k3s_minor() {
        return Some(
            "another minor version changes the datastore for good; only a trial boot can take it back"
                .to_owned(),
        );
    }
    (!why.is_empty()).then(|| why.to_owned())
}

#[cfg(test)]
pub(crate) mod tests;
