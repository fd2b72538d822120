//! Frequencies, performance states, utilization.

use super::Gpu;
use crate::fault::Kind;
use crate::refusal::{Answer, Refusal};
use crate::round::whole32;

/// Steps between graphics clocks, in MHz.
const STEP: u32 = 15;

/// `NVML_CLOCK_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    /// Graphics.
    Graphics,
    /// Multiprocessors.
    Sm,
    /// Memory.
    Memory,
    /// Video engines.
    Video,
}

impl Domain {
    /// The domain of a number.
    ///
    /// # Errors
    /// NVML has none of it.
    pub fn of(number: u32) -> Answer<Self> {
        match number {
            0 => Ok(Self::Graphics),
            1 => Ok(Self::Sm),
            2 => Ok(Self::Memory),
            3 => Ok(Self::Video),
            _ => Err(Refusal::InvalidArgument),
        }
    }
}

impl Gpu<'_> {
    fn held_down(&self) -> bool {
        self.faults().any(|kind| matches!(kind, Kind::ThermalSlowdown { .. } | Kind::PowerSlowdown {}))
    }

    /// Clock of a domain now, in MHz.
    ///
    /// # Errors
    /// NVML has no such domain.
    pub fn clock(&self, domain: u32) -> Answer<u32> {
        let clocks = &self.card.profile.clocks;
        let (idle, full) = match Domain::of(domain)? {
            Domain::Graphics | Domain::Sm => (clocks.idle, clocks.graphics),
            Domain::Video => (clocks.video_idle, clocks.video),
            // The memory of HBM boards has one clock; others rest without work.
            Domain::Memory if self.load() > 0.0 => return self.max_clock(2),
            Domain::Memory => return clocks.memory.last().copied().ok_or(Refusal::NotSupported),
        };
        // Clocks rise with the first work and not with its amount.
        let part = (self.load() / 10.0).min(1.0);
        let clock = f64::from(idle) + f64::from(full - idle) * part;
        let clock = if self.held_down() { f64::from(idle).max(clock * 0.5) } else { clock };
        let capped = self.faults().any(|kind| matches!(kind, Kind::PowerCap {}));
        let clock = if capped { clock.min(f64::from(clocks.base)) } else { clock };
        Ok(whole32(clock))
    }

    /// Highest clock of a domain, in MHz.
    ///
    /// # Errors
    /// NVML has no such domain.
    pub fn max_clock(&self, domain: u32) -> Answer<u32> {
        let clocks = &self.card.profile.clocks;
        match Domain::of(domain)? {
            Domain::Graphics | Domain::Sm => Ok(clocks.graphics),
            Domain::Memory => clocks.memory.first().copied().ok_or(Refusal::NotSupported),
            Domain::Video => Ok(clocks.video),
        }
    }

    /// A clock by its `NVML_CLOCK_ID_*`: current, application, default
    /// application, customer boost.
    ///
    /// # Errors
    /// There is no such domain or identifier.
    pub fn clock_of(&self, domain: u32, id: u32) -> Answer<u32> {
        match id {
            0 => self.clock(domain),
            1..=3 => self.max_clock(domain),
            _ => Err(Refusal::InvalidArgument),
        }
    }

    /// Memory clocks that can be set, highest first.
    #[must_use]
    pub fn memory_clocks(&self) -> &[u32] {
        &self.card.profile.clocks.memory
    }

    /// Graphics clocks that can be set at a memory clock, highest first.
    ///
    /// # Errors
    /// The memory does not run at that clock.
    pub fn graphics_clocks(&self, memory: u32) -> Answer<Vec<u32>> {
        let clocks = &self.card.profile.clocks;
        if !clocks.memory.contains(&memory) {
            return Err(Refusal::NotFound);
        }
        Ok((0..=(clocks.graphics - clocks.idle) / STEP).map(|step| clocks.graphics - step * STEP).collect())
    }

    /// Performance state: 0 is the fastest.
    #[must_use]
    pub fn performance_state(&self) -> u32 {
        // Boards whose memory has one clock stay in P0.
        if self.load() > 0.0 || self.card.profile.clocks.memory.len() == 1 { 0 } else { 8 }
    }

    /// Performance states there are.
    #[must_use]
    pub fn performance_states(&self) -> &'static [u32] {
        if self.card.profile.clocks.memory.len() == 1 { &[0] } else { &[0, 8] }
    }

    /// Lowest and highest clock of a domain in a performance state.
    ///
    /// # Errors
    /// There is no such domain or state.
    pub fn clock_range(&self, domain: u32, state: u32) -> Answer<(u32, u32)> {
        if !self.performance_states().contains(&state) {
            return Err(Refusal::InvalidArgument);
        }
        let clocks = &self.card.profile.clocks;
        let lowest = match Domain::of(domain)? {
            Domain::Graphics | Domain::Sm => clocks.idle,
            Domain::Video => clocks.video_idle,
            Domain::Memory if state == 0 => return self.max_clock(2).map(|clock| (clock, clock)),
            Domain::Memory => {
                return clocks.memory.last().map(|clock| (*clock, *clock)).ok_or(Refusal::NotSupported);
            }
        };
        let highest = if state == 0 { self.max_clock(domain)? } else { lowest };
        Ok((lowest, highest))
    }

    /// Percent of time in which kernels ran, and in which memory was used.
    ///
    /// # Errors
    /// MIG mode is on: NVML has no utilization then.
    pub fn utilization(&self) -> Answer<(u32, u32)> {
        if self.slice.is_some() || self.card.mig.is_some() {
            return Err(Refusal::NotSupported);
        }
        Ok((whole32(self.load()), whole32(self.load() * 0.6)))
    }

    /// Percent of time in which encoders, decoders, JPEG or optical flow
    /// engines worked; without a curve of their own a small part of the load.
    ///
    /// # Errors
    /// The board has no such engine, or this is a MIG device.
    pub fn engine(&self, engine: Engine) -> Answer<u32> {
        self.whole()?;
        let engines = &self.card.profile.engines;
        let (there, part) = match engine {
            Engine::Encoder => (engines.encoders, 0.05),
            Engine::Decoder => (engines.decoders, 0.1),
            Engine::Jpeg => (engines.jpegs, 0.04),
            Engine::Ofa => (engines.ofas, 0.02),
        };
        // NVML answers for encoders and decoders of every board, with 0.
        if there == 0 && matches!(engine, Engine::Jpeg | Engine::Ofa) {
            return Err(Refusal::NotSupported);
        }
        Ok(if there == 0 { 0 } else { whole32(self.load() * part) })
    }
}

/// A video engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// NVENC.
    Encoder,
    /// NVDEC.
    Decoder,
    /// NVJPG.
    Jpeg,
    /// Optical flow.
    Ofa,
}
