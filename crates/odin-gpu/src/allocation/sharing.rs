//! How many pods may use one device: NVIDIA's configuration file.
//!
//! The file is that of NVIDIA's device plugin (`version: v1`), so one that is
//! in use goes on being used: <https://github.com/NVIDIA/k8s-device-plugin>,
//! README.md and api/config/v1. What it asks for and ODIN cannot do is
//! refused; flags that have no meaning here are named in
//! [`Sharing::without_effect`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Most replicas of one device. More than this is a slip of the finger, and
/// each is a device of its own in the kubelet's checkpoint.
const MAXIMUM_REPLICAS: u32 = 1024;

/// How devices are shared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Sharing {
    /// How MIG devices become resources.
    pub mig_strategy: MigStrategy,
    /// Which GPU the next replica comes from.
    pub policy: Policy,
    /// Whether a container may have one replica only: two of them are not
    /// twice as much.
    pub fail_requests_greater_than_one: bool,
    /// By the resource's own name.
    pub replicas: BTreeMap<String, Replicas>,
    /// Keys of the file that mean nothing to ODIN.
    pub without_effect: Vec<String>,
}

/// How one resource is shared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Replicas {
    /// Devices made of each device.
    pub count: u32,
    /// Name of the shared resource, where it is another.
    pub rename: Option<String>,
}

/// How MIG devices become resources.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MigStrategy {
    /// Not at all: the whole GPU is the device.
    None,
    /// As `nvidia.com/gpu`, when all of the machine have one profile.
    Single,
    /// One resource a profile, as `nvidia.com/mig-1g.10gb`.
    #[default]
    Mixed,
}

impl MigStrategy {
    /// As the file and the label write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Single => "single",
            Self::Mixed => "mixed",
        }
    }
}

/// Which GPU the next replica comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// The one least in use.
    #[default]
    Distributed,
    /// The one most in use.
    Packed,
}

/// Why a file was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SharingError {
    /// It is not YAML, or not of NVIDIA's shape.
    #[error("not a configuration of NVIDIA's device plugin: {0}")]
    Shape(String),
    /// It has the shape and asks for something impossible.
    #[error("{key}: {reason}")]
    Value {
        /// The key, with dots.
        key: String,
        /// Why it cannot be, and what can.
        reason: String,
    },
}

#[derive(Deserialize)]
struct Document {
    version: String,
    #[serde(default)]
    flags: BTreeMap<String, Value>,
    #[serde(default)]
    sharing: Option<SharingDocument>,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SharingDocument {
    #[serde(default)]
    time_slicing: Option<TimeSlicing>,
    #[serde(default)]
    mps: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TimeSlicing {
    #[serde(default)]
    rename_by_default: bool,
    #[serde(default)]
    fail_requests_greater_than_one: bool,
    resources: Vec<ReplicaDocument>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReplicaDocument {
    name: String,
    #[serde(default)]
    rename: Option<String>,
    #[serde(default)]
    devices: Option<Value>,
    replicas: u32,
}

impl Sharing {
    /// Reads NVIDIA's configuration file.
    ///
    /// # Errors
    /// When it is not one, or asks for what ODIN cannot do.
    pub fn parse(text: &str) -> Result<Self, SharingError> {
        let options = serde_saphyr::options! { with_snippet: false };
        let document: Document = serde_saphyr::from_str_with_options(text, options)
            .map_err(|error| SharingError::Shape(error.to_string()))?;
        if document.version != "v1" {
            return Err(refuse("version", format!("{:?} is not known; \"v1\" is", document.version)));
        }
        let mut sharing = Self { without_effect: document.rest.into_keys().collect(), ..Self::default() };
        sharing.read_flags(document.flags)?;
        if let Some(SharingDocument { time_slicing, mps }) = document.sharing {
            if mps.is_some_and(|mps| !mps.is_null()) {
                return Err(refuse("sharing.mps", "MPS is not offered; use sharing.timeSlicing".to_owned()));
            }
            if let Some(time_slicing) = time_slicing {
                sharing.read_time_slicing(time_slicing)?;
            }
        }
        Ok(sharing)
    }

    /// How a resource is shared, if it is.
    #[must_use]
    pub fn of(&self, resource: &str) -> Option<&Replicas> {
        self.replicas.get(resource)
    }

    fn read_flags(&mut self, flags: BTreeMap<String, Value>) -> Result<(), SharingError> {
        for (key, value) in flags {
            match key.as_str() {
                "migStrategy" => self.mig_strategy = choice("flags.migStrategy", value)?,
                "plugin" => self.read_plugin_flags(value)?,
                _ => self.without_effect.push(format!("flags.{key}")),
            }
        }
        Ok(())
    }

    fn read_plugin_flags(&mut self, flags: Value) -> Result<(), SharingError> {
        let Value::Object(flags) = flags else {
            return Err(refuse("flags.plugin", "must be a map".to_owned()));
        };
        for (key, value) in flags {
            if key == "sharedDevicesAllocationPolicy" {
                self.policy = choice("flags.plugin.sharedDevicesAllocationPolicy", value)?;
            } else {
                self.without_effect.push(format!("flags.plugin.{key}"));
            }
        }
        Ok(())
    }

    fn read_time_slicing(&mut self, document: TimeSlicing) -> Result<(), SharingError> {
        const KEY: &str = "sharing.timeSlicing.resources";
        if document.resources.is_empty() {
            return Err(refuse(KEY, "no resource is named; \"nvidia.com/gpu\" is one".to_owned()));
        }
        self.fail_requests_greater_than_one = document.fail_requests_greater_than_one;
        for resource in document.resources {
            let key = format!("{KEY}.{}", resource.name);
            if !is_resource(&resource.name) {
                return Err(refuse(&key, "must be \"nvidia.com/\" and a name".to_owned()));
            }
            if resource.devices.is_some_and(|devices| devices != "all") {
                return Err(refuse(&key, "devices: sharing is for all GPUs of a machine".to_owned()));
            }
            if !(1..=MAXIMUM_REPLICAS).contains(&resource.replicas) {
                let reason =
                    format!("replicas = {}: must be from 1 to {MAXIMUM_REPLICAS}", resource.replicas);
                return Err(refuse(&key, reason));
            }
            let rename = resource
                .rename
                .or_else(|| document.rename_by_default.then(|| format!("{}.shared", resource.name)));
            if let Some(name) = rename.as_deref().filter(|name| !is_resource(name)) {
                return Err(refuse(&key, format!("rename = {name:?}: must be \"nvidia.com/\" and a name")));
            }
            let replicas = Replicas { count: resource.replicas, rename };
            if self.replicas.insert(resource.name, replicas).is_some() {
                return Err(refuse(&key, "is there twice".to_owned()));
            }
        }
        Ok(())
    }
}

fn choice<T: for<'de> Deserialize<'de>>(key: &str, value: Value) -> Result<T, SharingError> {
    serde_json::from_value(value).map_err(|error| refuse(key, error.to_string()))
}

fn refuse(key: &str, reason: String) -> SharingError {
    SharingError::Value { key: key.to_owned(), reason }
}

/// Whether the kubelet would take it as the name of a resource
/// (`IsExtendedResourceName`), under NVIDIA's domain.
fn is_resource(text: &str) -> bool {
    text.strip_prefix("nvidia.com/").is_some_and(|name| {
        let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
        name.len() <= 63
            && edge(name.bytes().next())
            && edge(name.bytes().next_back())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_nvidias_readme_is_read() {
        let sharing = Sharing::parse(
            "version: v1\nflags:\n  migStrategy: \"none\"\n  failOnInitError: true\n  plugin:\n    passDeviceSpecs: false\n    sharedDevicesAllocationPolicy: packed\nsharing:\n  timeSlicing:\n    renameByDefault: true\n    failRequestsGreaterThanOne: true\n    resources:\n    - name: nvidia.com/gpu\n      replicas: 10\n",
        )
        .expect("a configuration");
        assert_eq!(sharing.mig_strategy, MigStrategy::None);
        assert_eq!(sharing.policy, Policy::Packed);
        assert!(sharing.fail_requests_greater_than_one);
        assert_eq!(
            sharing.of("nvidia.com/gpu"),
            Some(&Replicas { count: 10, rename: Some("nvidia.com/gpu.shared".into()) })
        );
        assert_eq!(sharing.without_effect, ["flags.failOnInitError", "flags.plugin.passDeviceSpecs"]);
    }

    #[test]
    fn a_file_without_sharing_shares_nothing() {
        assert_eq!(Sharing::parse("version: v1\n"), Ok(Sharing::default()));
    }

    #[test]
    fn what_cannot_be_is_refused_and_says_why() {
        let slicing = |resources: &str| {
            format!("version: v1\nsharing: {{timeSlicing: {{resources: [{resources}]}}}}\n")
        };
        let rows = [
            (String::new(), "end of input"),
            ("flags: {}\n".into(), "version"),
            ("version: v2\n".into(), "version"),
            ("version: v1\nsharing: {mps: {resources: []}}\n".into(), "MPS"),
            ("version: v1\nsharing: {slices: 3}\n".into(), "slices"),
            ("version: v1\nflags: {migStrategy: sometimes}\n".into(), "flags.migStrategy"),
            ("version: v1\nflags: {plugin: 3}\n".into(), "flags.plugin"),
            (slicing(""), "no resource"),
            (slicing("{name: nvidia.com/gpu}"), "replicas"),
            (slicing("{name: nvidia.com/gpu, replicas: 0}"), "from 1 to 1024"),
            (slicing("{name: nvidia.com/gpu, replicas: 4096}"), "from 1 to 1024"),
            (slicing("{name: nvidia.com/gpu, replicas: -1}"), "invalid"),
            (slicing("{name: gpu, replicas: 2}"), "nvidia.com/"),
            (slicing("{name: nvidia.com/gpu, replicas: 2, rename: gpu}"), "rename"),
            (slicing("{name: nvidia.com/gpu, replicas: 2, devices: [0]}"), "all GPUs"),
            (slicing("{name: nvidia.com/gpu, replicas: 2}, {name: nvidia.com/gpu, replicas: 3}"), "twice"),
        ];
        for (text, reason) in rows {
            let error = Sharing::parse(&text).expect_err(&text).to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
