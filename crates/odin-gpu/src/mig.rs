//! Cutting GPUs into MIG devices: declared -> plan -> carried out -> read back.
//!
//! [`plan`] is pure: from what a GPU has ([`Seen`]) and what is wanted
//! ([`Goal`]) to [`Step`]s that leave no choices. [`Cutter`] reads the GPUs and
//! carries plans out, GPU by GPU; what a GPU has when it is done is planned once
//! more, and only an empty plan is success. When a step fails every GPU goes
//! back to the layout it had.
//!
//! NVML tells where instances can begin only while MIG mode is on (nvml.h). For
//! a GPU whose mode is off, numbers and memory are checked beforehand, and
//! places are chosen once the mode is on.

mod cutter;
mod holders;
mod layout;
mod place;
mod plan;
mod reach;

use std::fmt;

pub use cutter::Cutter;
pub use holders::{Holder, Holders, holders};
pub use layout::{Compute, Instance, Kind, Layout, Mode, Observed, Seen};
pub use plan::{Busy, GpuPlan, Plan, Step, plan, steps};
pub use reach::{Change, Ended, Reached, Watch};

use odin_model::config::MigDevices;

use crate::nvml::Code;

/// What one GPU is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Goal {
    /// So many of each profile, anywhere; none at all: MIG mode off.
    Devices(MigDevices),
    /// Just this.
    Layout(Layout),
}

/// Why GPUs were not read or cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What was attempted, on what.
    pub attempted: String,
    /// Why it failed.
    pub reason: String,
}

impl Failure {
    fn new(attempted: impl Into<String>, reason: impl fmt::Display) -> Self {
        Self { attempted: attempted.into(), reason: reason.to_string() }
    }

    /// Wraps what NVML said.
    fn of(attempted: impl Into<String>) -> impl FnOnce(Code) -> Self {
        let attempted = attempted.into();
        move |code| Self::new(attempted, code)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "cannot {}: {}", self.attempted, self.reason)
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests;
