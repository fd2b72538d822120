//! The scenario file: which GPUs there are, what they do, what is wrong with
//! them. `docs/reference/nvml-sim.md` describes it.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::curve::Curve;
use crate::fault::Fault;
use crate::profile;

/// More GPUs than any server has.
pub const MAXIMUM_GPUS: usize = 16;

/// A whole scenario.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Scenario {
    /// Version of the driver.
    pub driver: String,
    /// Version of CUDA the driver supports, `major.minor`.
    pub cuda: (i32, i32),
    /// Where time zero is.
    pub clock: Clock,
    /// Model of each GPU that does not name its own.
    pub profile: String,
    /// How many GPUs; as many as `gpu` has where none.
    pub count: Option<usize>,
    /// Seeds serial numbers and UUIDs.
    pub seed: u32,
    /// What every GPU does, unless it says otherwise.
    pub load: Curve,
    /// Percent of the memory in use beside that of processes.
    pub memory: Curve,
    /// What differs for single GPUs, in order of index.
    pub gpu: Vec<Gpu>,
    /// What is wrong.
    pub fault: Vec<Fault>,
}

/// Where time zero is.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Clock {
    /// `CLOCK_MONOTONIC` in seconds at time zero; the loading of the library
    /// where none. Processes that share a scenario share its time only with it.
    pub origin: Option<f64>,
    /// Time stands still here.
    pub frozen_at: Option<f64>,
}

/// One GPU.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Gpu {
    /// Model, where it is not the scenario's.
    pub profile: Option<String>,
    /// `GPU-` and a UUID; made from the seed where none.
    pub uuid: Option<String>,
    /// Serial number; made from the seed where none.
    pub serial: Option<String>,
    /// Utilization in percent.
    pub load: Option<Curve>,
    /// Percent of the memory in use beside that of processes.
    pub memory: Option<Curve>,
    /// Degrees, in place of what follows from the load.
    pub temperature: Option<Curve>,
    /// Power limit in watts, in place of the model's.
    pub power_limit: Option<f64>,
    /// ECC, which is on.
    pub ecc: Option<bool>,
    /// Persistence mode, which is on.
    pub persistence: Option<bool>,
    /// Fans; servers' cards have none of their own.
    pub fans: u32,
    /// GPU instances, by the names of the model's MIG profiles; their presence,
    /// even empty, turns MIG mode on.
    pub mig: Option<Vec<String>>,
    /// What runs on it.
    pub process: Vec<Process>,
}

/// A process that uses a GPU.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Process {
    /// Its identifier.
    pub pid: u32,
    /// What `nvmlSystemGetProcessName` calls it.
    #[serde(default = "unnamed")]
    pub name: String,
    /// How it uses the GPU.
    #[serde(default)]
    pub kind: ProcessKind,
    /// Memory in MiB.
    #[serde(default)]
    pub memory_mib: u32,
    /// Its part of the load, 0 to 1.
    #[serde(default = "whole")]
    pub share: f64,
    /// Which of the GPU's `mig` instances it runs in.
    pub instance: Option<usize>,
}

/// How a process uses a GPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProcessKind {
    /// CUDA.
    #[default]
    Compute,
    /// Display or rendering.
    Graphics,
    /// CUDA through the Multi-Process Service.
    Mps,
}

fn unnamed() -> String {
    "python3".into()
}

fn whole() -> f64 {
    1.0
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            driver: "595.91.07".into(),
            cuda: (13, 2),
            clock: Clock::default(),
            profile: "h100".into(),
            count: None,
            seed: 1,
            load: Curve::default(),
            memory: Curve::default(),
            gpu: Vec::new(),
            fault: Vec::new(),
        }
    }
}

/// Why a scenario was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScenarioError {
    /// Not TOML, or not of this shape; the text names line and column.
    #[error("not a scenario: {0}")]
    Shape(String),
    /// Of the right shape, and impossible.
    #[error("{key}: {reason}")]
    Value {
        /// The key, with dots.
        key: String,
        /// Why it cannot be, and what can.
        reason: String,
    },
}

impl Scenario {
    /// Parses and checks a scenario.
    ///
    /// # Errors
    /// A key is unknown, or a value cannot be.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        let scenario: Self = toml::from_str(text).map_err(|error| ScenarioError::Shape(error.to_string()))?;
        scenario.check()?;
        Ok(scenario)
    }

    /// How many GPUs there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count.unwrap_or(self.gpu.len())
    }

    /// What is said of one GPU.
    #[must_use]
    pub fn gpu(&self, index: usize) -> Gpu {
        self.gpu.get(index).cloned().unwrap_or_default()
    }

    fn check(&self) -> Result<(), ScenarioError> {
        let refuse = |key: String, reason: String| Err(ScenarioError::Value { key, reason });
        if self.count() > MAXIMUM_GPUS {
            return refuse("count".into(), format!("{} GPUs; at most {MAXIMUM_GPUS}", self.count()));
        }
        if self.gpu.len() > self.count() {
            return refuse("gpu".into(), format!("{} tables for {} GPUs", self.gpu.len(), self.count()));
        }
        if let Err(reason) = profile::named(&self.profile) {
            return refuse("profile".into(), reason);
        }
        let mut uuids = BTreeSet::new();
        for (index, gpu) in self.gpu.iter().enumerate() {
            let name = gpu.profile.as_ref().unwrap_or(&self.profile);
            let profile = match profile::named(name) {
                Ok(profile) => profile,
                Err(reason) => return refuse(format!("gpu.{index}.profile"), reason),
            };
            if gpu.uuid.as_ref().is_some_and(|uuid| !uuids.insert(uuid)) {
                return refuse(format!("gpu.{index}.uuid"), "another GPU has it".into());
            }
            for name in gpu.mig.iter().flatten() {
                if !profile.mig.iter().any(|known| known.name == *name) {
                    let known: Vec<&str> = profile.mig.iter().map(|known| known.name.as_str()).collect();
                    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                    return refuse(
                        format!("gpu.{index}.mig"),
                        format!("no instance `{name}`; the model has {known}"),
                    );
                }
            }
            let instances = gpu.mig.as_ref().map_or(0, Vec::len);
            for process in &gpu.process {
                if process.instance.is_some_and(|instance| instance >= instances) {
                    return refuse(format!("gpu.{index}.process"), format!("only {instances} MIG instances"));
                }
                if !(0.0..=1.0).contains(&process.share) {
                    return refuse(format!("gpu.{index}.process.share"), "a part of 1".into());
                }
            }
        }
        for (index, fault) in self.fault.iter().enumerate() {
            if fault.gpu.is_some_and(|gpu| gpu >= self.count()) {
                return refuse(format!("fault.{index}.gpu"), format!("there are {} GPUs", self.count()));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
