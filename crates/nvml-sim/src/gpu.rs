//! One GPU at one moment: what NVML's getters give, as plain values.
//!
//! Everything here is a pure function of the scenario, the model and the time.
//! The files below `gpu/` hold one subject each.

pub mod clocks;
mod ecc;
mod energy;
pub mod events;
pub mod fields;
mod identity;
mod links;
mod memory;
mod mig;
mod processes;
mod profiling;

pub use events::Event;
pub use fields::Value;
pub use mig::Slice;
pub use profiling::Sample;

use crate::card::Card;
use crate::fault::{Kind, Observed};
use crate::refusal::{Answer, Refusal};
use crate::world::{Snapshot, Target};

/// A GPU, or a MIG device on it, at one moment.
#[derive(Debug)]
pub struct Gpu<'a> {
    /// The scenario around it.
    pub world: &'a Snapshot,
    /// Its place in the scenario file.
    pub index: usize,
    /// Its model, identity and work.
    pub card: &'a Card,
    /// Which MIG device on it; none for the GPU itself.
    pub slice: Option<usize>,
}

impl Snapshot {
    /// The GPU that a handle stands for.
    ///
    /// # Errors
    /// The scenario has it no longer, or says that it is lost.
    pub fn gpu(&self, target: &Target) -> Answer<Gpu<'_>> {
        let (uuid, slice) = match target {
            Target::Gpu(uuid) => (uuid, None),
            Target::Mig(uuid, slice) => (uuid, Some(*slice)),
        };
        let cards = &self.loaded.cards;
        let index = cards.iter().position(|card| card.uuid == *uuid).ok_or(Refusal::GpuIsLost)?;
        let gpu = Gpu { world: self, index, card: &cards[index], slice };
        if slice.is_some_and(|slice| slice >= gpu.slices().len()) {
            return Err(Refusal::InvalidArgument);
        }
        Ok(gpu)
    }

    /// The GPU at a place in the order of enumeration.
    ///
    /// # Errors
    /// There is none there, or it is off the bus.
    pub fn at(&self, position: usize) -> Answer<Gpu<'_>> {
        let uuid = self.enumerated.get(position).ok_or(Refusal::InvalidArgument)?;
        self.gpu(&Target::Gpu(uuid.clone()))
    }

    /// All GPUs there were at `nvmlInit` and still are.
    pub fn gpus(&self) -> impl Iterator<Item = Gpu<'_>> {
        (0..self.enumerated.len()).filter_map(|position| self.at(position).ok())
    }

    /// The faults that are there now and about this GPU; without one, those
    /// that are about none in particular.
    pub fn faults(&self, gpu: Option<usize>) -> impl Iterator<Item = &Observed> {
        self.loaded.faults.iter().filter(move |observed| {
            observed.active(self.now)
                && match gpu {
                    Some(index) => observed.concerns(index),
                    None => observed.fault.gpu.is_none(),
                }
        })
    }

    /// Whether a fault says that a call fails, and how.
    ///
    /// # Errors
    /// It does.
    pub fn refused(&self, call: &str, gpu: Option<usize>) -> Answer<()> {
        for observed in self.faults(gpu) {
            let refusal = match &observed.fault.kind {
                Kind::Lost {} | Kind::OffBus {} if gpu.is_some() => Refusal::GpuIsLost,
                Kind::NotSupported { calls } if named(calls, call, gpu.is_some() && call.contains("Get")) => {
                    Refusal::NotSupported
                }
                Kind::Fails { error, calls } if named(calls, call, gpu.is_some()) => *error,
                _ => continue,
            };
            return Err(refusal);
        }
        Ok(())
    }

    /// How long a call is held up: a number of seconds, or for ever.
    #[must_use]
    pub fn delay(&self, call: &str, gpu: Option<usize>) -> Option<f64> {
        let delays = self.faults(gpu).filter_map(|observed| match &observed.fault.kind {
            Kind::Hang { calls } if named(calls, call, gpu.is_some()) => Some(f64::INFINITY),
            Kind::Slow { seconds, calls } if named(calls, call, gpu.is_some()) => Some(*seconds),
            _ => None,
        });
        delays.reduce(f64::max)
    }
}

fn named(calls: &[String], call: &str, all: bool) -> bool {
    if calls.is_empty() { all } else { calls.iter().any(|name| name == call) }
}

impl<'a> Gpu<'a> {
    /// The faults that are there now.
    pub fn faults(&self) -> impl Iterator<Item = &'a Kind> {
        self.world.faults(Some(self.index)).map(|observed| &observed.fault.kind)
    }

    /// The faults that have begun, with how long they lasted up to now.
    pub fn history(&self) -> impl Iterator<Item = (&'a Kind, f64)> {
        let (now, index) = (self.world.now, self.index);
        let loaded = &self.world.loaded;
        loaded
            .faults
            .iter()
            .filter(move |observed| observed.concerns(index))
            .filter_map(move |observed| observed.lasted(now).map(|lasted| (&observed.fault.kind, lasted)))
    }

    /// Seconds since time zero.
    #[must_use]
    pub fn now(&self) -> f64 {
        self.world.now
    }

    /// Utilization in percent, 0 to 100.
    #[must_use]
    pub fn load(&self) -> f64 {
        self.card.load.value(self.now()).clamp(0.0, 100.0)
    }

    /// Refuses what a MIG device cannot be asked.
    ///
    /// # Errors
    /// This is one.
    pub fn whole(&self) -> Answer<()> {
        if self.slice.is_some() { Err(Refusal::NotSupported) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests;
