//! Disks of the machine and what lies on them, as `lsblk` and `wipefs` tell.

use std::fmt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

const COLUMNS: &str =
    "NAME,PATH,SIZE,SERIAL,MODEL,TYPE,RO,TRAN,FSTYPE,LABEL,PARTLABEL,PARTTYPE,PTTYPE,MOUNTPOINTS";

/// A block device and what is made of it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Device {
    /// Path below `/dev`.
    pub path: PathBuf,
    /// Bytes.
    #[serde(default)]
    pub size: Option<u64>,
    /// Serial number.
    #[serde(default)]
    pub serial: Option<String>,
    /// Model.
    #[serde(default)]
    pub model: Option<String>,
    /// `disk`, `part`, `loop`, `rom`, ...
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether it takes no writes.
    #[serde(default)]
    pub ro: bool,
    /// How it is attached: `nvme`, `sata`, `usb`, ...
    #[serde(default)]
    pub tran: Option<String>,
    /// File system.
    #[serde(default)]
    pub fstype: Option<String>,
    /// Its label.
    #[serde(default)]
    pub label: Option<String>,
    /// Label of the partition.
    #[serde(default)]
    pub partlabel: Option<String>,
    /// Type of the partition, a GUID.
    #[serde(default)]
    pub parttype: Option<String>,
    /// Partition table.
    #[serde(default)]
    pub pttype: Option<String>,
    /// Where it is mounted.
    #[serde(default)]
    pub mountpoints: Vec<Option<String>>,
    /// Partitions and what is stacked on them.
    #[serde(default)]
    pub children: Vec<Device>,
}

#[derive(Deserialize)]
struct Listing {
    blockdevices: Vec<Device>,
}

impl Device {
    /// What a person types to say that this disk and no other is meant: its
    /// serial number, or its path where it has none.
    #[must_use]
    pub fn name(&self) -> String {
        match self.serial.as_deref().map(str::trim) {
            Some(serial) if !serial.is_empty() => serial.to_owned(),
            _ => self.path.display().to_string(),
        }
    }

    /// Where it, or something on it, is mounted.
    #[must_use]
    pub fn mounts(&self) -> Vec<String> {
        let own = self.mountpoints.iter().flatten().cloned();
        own.chain(self.children.iter().flat_map(Self::mounts)).collect()
    }

    /// The device and everything below it.
    pub fn all(&self) -> Box<dyn Iterator<Item = &Self> + '_> {
        Box::new(std::iter::once(self).chain(self.children.iter().flat_map(Self::all)))
    }

    fn is_disk(&self) -> bool {
        matches!(self.kind.as_str(), "disk" | "loop") && self.size.is_some_and(|size| size > 0)
    }

    /// What `lsblk` knows to lie on it, in words.
    #[must_use]
    pub fn contents(&self) -> Vec<String> {
        let mut found: Vec<String> =
            self.pttype.iter().map(|table| format!("a partition table ({table})")).collect();
        for device in self.all() {
            let labels = [("label", &device.label), ("partition", &device.partlabel)];
            let labels: Vec<String> = labels
                .iter()
                .filter_map(|(what, value)| Some(format!("{what} {}", value.as_ref()?)))
                .collect();
            match &device.fstype {
                Some(kind) => found.push(
                    format!("{}: {kind} {}", device.path.display(), labels.join(", ")).trim_end().to_owned(),
                ),
                None if device.kind == "part" => found.push(
                    format!("{}: a partition {}", device.path.display(), labels.join(", "))
                        .trim_end()
                        .to_owned(),
                ),
                None => {}
            }
        }
        found
    }
}

/// Which disk is meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// The only disk that could be meant.
    Only,
    /// The disk with this serial number.
    Serial(String),
    /// The disk at this path; links (`/dev/disk/by-id/...`) are followed.
    Path(PathBuf),
    /// The only disk of exactly this many bytes.
    Size(u64),
    /// The largest disk.
    Largest,
    /// The smallest disk.
    Smallest,
}

impl FromStr for Rule {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let unknown = || {
            format!(
                "{text:?} names no disk: write serial=NUMBER, path=/dev/NAME, size=BYTES (or 960G), \
                 size=largest or size=smallest"
            )
        };
        match text.split_once('=').ok_or_else(unknown)? {
            ("serial", serial) if !serial.is_empty() => Ok(Self::Serial(serial.to_owned())),
            ("path", path) if path.starts_with('/') => Ok(Self::Path(path.into())),
            ("size", "largest") => Ok(Self::Largest),
            ("size", "smallest") => Ok(Self::Smallest),
            ("size", size) => bytes(size).map(Self::Size).ok_or_else(unknown),
            _ => Err(unknown()),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Only => formatter.write_str("the only disk"),
            Self::Serial(serial) => write!(formatter, "serial={serial}"),
            Self::Path(path) => write!(formatter, "path={}", path.display()),
            Self::Size(size) => write!(formatter, "size={size}"),
            Self::Largest => formatter.write_str("size=largest"),
            Self::Smallest => formatter.write_str("size=smallest"),
        }
    }
}

/// Reads `960G` as disks are sold, by thousands, and plain bytes.
fn bytes(text: &str) -> Option<u64> {
    let (digits, factor) = match text.strip_suffix(['G', 'T']) {
        Some(digits) if text.ends_with('G') => (digits, 1_000_000_000),
        Some(digits) => (digits, 1_000_000_000_000),
        None => (text, 1),
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

/// Whether a size in words fits: disks "of 960 GB" have some more.
fn is_about(size: u64, wanted: u64) -> bool {
    size == wanted || (wanted >= 1_000_000_000 && size / 1_000_000_000 == wanted / 1_000_000_000)
}

/// Lists the machine's block devices.
///
/// # Errors
/// When `lsblk` cannot be run.
pub fn list() -> Result<Vec<Device>> {
    let text = run(Command::new("lsblk").args(["--json", "--bytes", "--output", COLUMNS]), "list the disks")?;
    parse(&text)
}

fn parse(text: &str) -> Result<Vec<Device>> {
    serde_json::from_str::<Listing>(text).map(|listing| listing.blockdevices).map_err(|error| Error::Host {
        action: "list the disks".to_owned(),
        reason: format!("lsblk's answer cannot be read: {error}"),
        hint: "util-linux 2.37 or later is needed",
    })
}

/// Picks the disk a rule means.
///
/// # Errors
/// When none fits, or more than one; the error lists what there is.
pub fn pick<'a>(devices: &'a [Device], rule: &Rule) -> Result<&'a Device> {
    let disks: Vec<&Device> = devices.iter().filter(|device| device.is_disk()).collect();
    let fitting: Vec<&Device> = match rule {
        // Not the medium this runs from, nor the stick with the seed, and no
        // loop device.
        Rule::Only => disks
            .iter()
            .copied()
            .filter(|disk| disk.kind == "disk" && !disk.ro && disk.mounts().is_empty())
            .filter(|disk| !disk.all().any(super::seed::is_on))
            .collect(),
        Rule::Serial(serial) => disks
            .iter()
            .copied()
            .filter(|disk| disk.serial.as_deref().map(str::trim) == Some(serial.as_str()))
            .collect(),
        Rule::Path(path) => {
            let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.clone());
            disks.iter().copied().filter(|disk| disk.path == path).collect()
        }
        Rule::Size(size) => disks
            .iter()
            .copied()
            .filter(|disk| disk.kind == "disk" && disk.size.is_some_and(|own| is_about(own, *size)))
            .collect(),
        Rule::Largest => extreme(&disks, true),
        Rule::Smallest => extreme(&disks, false),
    };
    let refused = |reason: String| Error::Host {
        action: format!("choose a disk by {rule}"),
        reason: format!("{reason}; there are: {}", shown(&disks)),
        hint: "name one with --disk serial=NUMBER or --disk path=/dev/NAME",
    };
    match fitting[..] {
        [disk] => Ok(disk),
        [] => Err(refused("no disk fits".to_owned())),
        _ => Err(refused(format!("{} disks fit", fitting.len()))),
    }
}

fn extreme<'a>(disks: &[&'a Device], largest: bool) -> Vec<&'a Device> {
    let free = || disks.iter().copied().filter(|disk| disk.kind == "disk" && disk.mounts().is_empty());
    let sizes = free().filter_map(|disk| disk.size);
    let size = if largest { sizes.max() } else { sizes.min() };
    free().filter(|disk| disk.size == size).collect()
}

fn shown(disks: &[&Device]) -> String {
    let shown: Vec<String> = disks
        .iter()
        .filter(|disk| disk.kind == "disk")
        .map(|disk| {
            format!(
                "{} ({} bytes, serial {}{})",
                disk.path.display(),
                disk.size.unwrap_or(0),
                disk.serial.as_deref().unwrap_or("none"),
                if disk.mounts().is_empty() { "" } else { ", in use" }
            )
        })
        .collect();
    if shown.is_empty() { "no disks".to_owned() } else { shown.join(", ") }
}

/// Signatures on the device itself, as `wipefs` finds them without touching it:
/// also those `lsblk` does not show, for example of a RAID member.
///
/// # Errors
/// When it cannot be read.
pub fn signatures(device: &Device) -> Result<Vec<String>> {
    #[derive(Deserialize)]
    struct Signatures {
        #[serde(default)]
        signatures: Vec<Signature>,
    }
    #[derive(Deserialize)]
    struct Signature {
        #[serde(rename = "type")]
        kind: String,
        #[serde(default)]
        label: Option<String>,
    }
    let text = run(
        Command::new("wipefs").args(["--no-act", "--json"]).arg(&device.path),
        "look for data on the disk",
    )?;
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let found: Signatures = serde_json::from_str(&text).map_err(|error| Error::Host {
        action: format!("look for data on {}", device.path.display()),
        reason: format!("wipefs' answer cannot be read: {error}"),
        hint: "a disk that cannot be judged is not written to",
    })?;
    Ok(found
        .signatures
        .into_iter()
        .map(|signature| match signature.label {
            Some(label) => format!("{} signature, label {label}", signature.kind),
            None => format!("{} signature", signature.kind),
        })
        .collect())
}

/// Runs a program that must succeed; gives what it printed.
pub(super) fn run(command: &mut Command, action: &str) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let refused = |reason: String| Error::Host {
        action: action.to_owned(),
        reason,
        hint: "run it as root, on the machine that is to be installed",
    };
    let done = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| refused(format!("{program} cannot be run: {error}")))?;
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&done.stderr).trim().replace('\n', "; ");
    Err(refused(format!("{program}: {said} ({})", done.status)))
}

#[cfg(test)]
mod tests;
