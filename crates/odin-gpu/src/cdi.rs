//! CDI specifications of the host: the devices a container can be given, by
//! name.
//!
//! The device plugin answers the kubelet with such names and containerd puts
//! the devices in; nobody else needs to know what belongs to a GPU. The names
//! are read from the files containerd itself reads, because whoever wrote them
//! (nvidia-ctk, the CDI generator of NixOS) chose between UUIDs and indices.
//!
//! Rules of which file wins: <https://github.com/cncf-tags/container-device-interface>
//! (SPEC.md; package `cdi`, cache.go): a later directory overrides an earlier
//! one, and a device that two files of one directory define is unusable.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::Deserialize;

/// Where specifications lie, the one that wins last.
pub const DIRECTORIES: [&str; 2] = ["/etc/cdi", "/var/run/cdi"];
/// Kind of NVIDIA's GPUs and their MIG devices.
pub const GPU_KIND: &str = "nvidia.com/gpu";
/// Largest file that is read; one of a 16-GPU machine has some 100 KiB.
const MAXIMUM_BYTES: u64 = 4 << 20;

/// Everything the specifications of a host offer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Specifications {
    /// By qualified name.
    devices: BTreeMap<String, Entry>,
    /// Files that could not be used.
    problems: Vec<Problem>,
}

/// A file or directory that could not be used; the others still count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot use the CDI specification {}: {reason}", file.display())]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    priority: usize,
    /// More than one of the same priority: a conflict.
    files: Vec<PathBuf>,
    /// Numbers of the `/dev/nvidiaN` it puts into a container.
    minors: Vec<u32>,
}

/// A device as NVML knows it, to be found in the specifications.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// UUID of the GPU or of the MIG device.
    pub uuid: &'a str,
    /// Index of the GPU, of the parent where it is a MIG device.
    pub gpu_index: u32,
    /// Index of the MIG device in its GPU.
    pub mig_index: Option<u32>,
    /// Number of the GPU's `/dev/nvidiaN`.
    pub minor: Option<u32>,
}

/// Why a device has no usable name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unresolved {
    /// No specification names it.
    #[error("no CDI specification names {uuid}: looked for {}", tried.join(", "))]
    Absent {
        /// UUID of the device.
        uuid: String,
        /// Qualified names that were looked for.
        tried: Vec<String>,
    },
    /// Two files of one directory define it, so containerd refuses it.
    #[error("the CDI device {name} is defined by {}", .files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(" and by "))]
    Conflict {
        /// Qualified name.
        name: String,
        /// The files.
        files: Vec<PathBuf>,
    },
    /// The name leads to another GPU: indices moved since the file was written.
    #[error("the CDI device {name} puts in /dev/nvidia{found} but {uuid} is /dev/nvidia{expected}")]
    Stale {
        /// Qualified name.
        name: String,
        /// UUID of the device.
        uuid: String,
        /// Number of the device's node.
        expected: u32,
        /// Number the specification has.
        found: u32,
    },
}

/// What is needed of a specification.
#[derive(Deserialize)]
struct Document {
    #[serde(rename = "cdiVersion")]
    version: String,
    kind: String,
    #[serde(default)]
    devices: Vec<Device>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Device {
    name: String,
    #[serde(default)]
    container_edits: Edits,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Edits {
    device_nodes: Vec<Node>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Node {
    path: String,
    host_path: Option<String>,
}

impl Specifications {
    /// Reads every `.json` and `.yaml` of the directories, the one that wins
    /// last. A directory that does not exist is empty; everything else that
    /// goes wrong is a [`Problem`].
    #[must_use]
    pub fn read(directories: &[PathBuf]) -> Self {
        let mut all = Self::default();
        for (priority, directory) in directories.iter().enumerate() {
            match files_of(directory) {
                Ok(files) => {
                    for file in files {
                        match read(&file) {
                            Ok(text) => all.add(priority, &file, &text),
                            Err(error) => all.refuse(&file, error.to_string()),
                        }
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => all.refuse(directory, error.to_string()),
            }
        }
        all
    }

    /// Adds the text of one file.
    pub fn add(&mut self, priority: usize, file: &Path, text: &str) {
        let document = match parse(file, text) {
            Ok(document) => document,
            Err(reason) => return self.refuse(file, reason),
        };
        for device in document.devices {
            let name = format!("{}={}", document.kind, device.name);
            let minors = device.container_edits.device_nodes.iter().filter_map(Node::minor).collect();
            let entry = Entry { priority, files: vec![file.to_owned()], minors };
            match self.devices.get_mut(&name) {
                Some(present) if present.priority == priority => present.files.extend(entry.files),
                Some(present) if present.priority > priority => {}
                _ => drop(self.devices.insert(name, entry)),
            }
        }
    }

    /// What could not be used.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// How many devices of a kind are named.
    #[must_use]
    pub fn count(&self, kind: &str) -> usize {
        self.devices.keys().filter(|name| name.rsplit_once('=').is_some_and(|(of, _)| of == kind)).count()
    }

    /// The qualified name under which containerd puts a device in: by UUID
    /// where there is one, by index otherwise, in the two forms nvidia-ctk
    /// writes (`--device-name-strategy` uuid, index, type-index).
    ///
    /// # Errors
    /// When no name is there, or the one that is there would lead to a
    /// conflict or to another GPU.
    pub fn name_of(&self, kind: &str, wanted: Wanted<'_>) -> Result<String, Unresolved> {
        let tried: Vec<String> = wanted.names().into_iter().map(|name| format!("{kind}={name}")).collect();
        let Some((name, entry)) = tried.iter().find_map(|name| self.devices.get_key_value(name)) else {
            return Err(Unresolved::Absent { uuid: wanted.uuid.to_owned(), tried });
        };
        if entry.files.len() > 1 {
            return Err(Unresolved::Conflict { name: name.clone(), files: entry.files.clone() });
        }
        match (wanted.minor, entry.minors.first()) {
            (Some(expected), Some(found)) if !entry.minors.contains(&expected) => Err(Unresolved::Stale {
                name: name.clone(),
                uuid: wanted.uuid.to_owned(),
                expected,
                found: *found,
            }),
            _ => Ok(name.clone()),
        }
    }

    fn refuse(&mut self, file: &Path, reason: String) {
        self.problems.push(Problem { file: file.to_owned(), reason });
    }
}

impl Wanted<'_> {
    fn names(&self) -> Vec<String> {
        let mut names = vec![self.uuid.to_owned()];
        match self.mig_index {
            None => names.extend([self.gpu_index.to_string(), format!("gpu{}", self.gpu_index)]),
            Some(mig) => {
                let place = format!("{}:{mig}", self.gpu_index);
                names.extend([place.clone(), format!("mig{place}")]);
            }
        }
        names
    }
}

impl Node {
    /// N of `/dev/nvidiaN`; none for `/dev/nvidiactl` and the like.
    fn minor(&self) -> Option<u32> {
        let path = self.host_path.as_deref().unwrap_or(&self.path);
        path.strip_prefix("/dev/nvidia")?.parse().ok()
    }
}

fn files_of(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let named = path.extension().is_some_and(|suffix| suffix == "json" || suffix == "yaml");
        if named && !path.is_dir() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read(file: &Path) -> io::Result<String> {
    let bytes = fs::metadata(file)?.len();
    if bytes > MAXIMUM_BYTES {
        let reason = format!("it has {bytes} bytes, more than the {MAXIMUM_BYTES} that are read");
        return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
    }
    fs::read_to_string(file)
}

fn parse(file: &Path, text: &str) -> Result<Document, String> {
    let document: Document = if file.extension().is_some_and(|suffix| suffix == "json") {
        serde_json::from_str(text).map_err(|error| error.to_string())?
    } else {
        let options = serde_saphyr::options! { with_snippet: false };
        serde_saphyr::from_str_with_options(text, options).map_err(|error| error.to_string())?
    };
    if document.version.split('.').next().and_then(|major| major.parse::<u32>().ok()).is_none() {
        return Err(format!("cdiVersion: {:?} is not a version", document.version));
    }
    match document.kind.split_once('/') {
        Some((vendor, class)) if is_name(vendor) && is_name(class) => {}
        _ => return Err(format!("kind: {:?} is not \"vendor/class\"", document.kind)),
    }
    if document.devices.is_empty() {
        return Err("it has no devices".to_owned());
    }
    let mut names: Vec<&str> = document.devices.iter().map(|device| device.name.as_str()).collect();
    if let Some(name) = names.iter().find(|name| !is_device_name(name)) {
        return Err(format!("devices: {name:?} is not the name of a device"));
    }
    names.sort_unstable();
    if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(format!("devices: {:?} is there twice", twice[0]));
    }
    Ok(document)
}

fn is_name(text: &str) -> bool {
    is_made_of(text, |byte| matches!(byte, b'-' | b'_' | b'.'))
}

/// Names of devices may have colons: `0:1` is a MIG device.
fn is_device_name(text: &str) -> bool {
    is_made_of(text, |byte| matches!(byte, b'-' | b'_' | b'.' | b':'))
}

fn is_made_of(text: &str, between: impl Fn(u8) -> bool) -> bool {
    let bytes = text.as_bytes();
    bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || between(*byte))
}

#[cfg(test)]
mod tests;
