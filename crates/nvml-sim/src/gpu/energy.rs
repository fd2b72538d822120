//! Power, energy and temperature, and why clocks are held down.

use super::Gpu;
use crate::fault::Kind;
use crate::refusal::{Answer, Refusal};
use crate::round::{whole, whole32};

/// What the draw under full load is of the limit: boards stay a little below.
const FULL: f64 = 0.97;

impl Gpu<'_> {
    fn busy(&self) -> f64 {
        (self.card.profile.power.limit * FULL).min(self.card.power_limit)
    }

    fn watts(&self) -> f64 {
        let idle = self.card.profile.power.idle;
        let drawn = idle + (self.busy() - idle) * self.load() / 100.0;
        self.faults().fold(drawn, |watts, kind| match kind {
            Kind::PowerSlowdown {} => idle + (watts - idle) * 0.5,
            Kind::ThermalSlowdown { .. } => idle + (watts - idle) * 0.6,
            Kind::PowerCap {} => self.card.power_limit,
            _ => watts,
        })
    }

    /// Draw in milliwatts. A MIG device has no meter of its own.
    ///
    /// # Errors
    /// This is a MIG device.
    pub fn power(&self) -> Answer<u32> {
        self.whole()?;
        Ok(whole32(self.watts() * 1000.0))
    }

    /// Energy since time zero in millijoules. It follows the load alone: what a
    /// slowdown saves is not taken off, so that it never falls.
    ///
    /// # Errors
    /// This is a MIG device.
    pub fn energy(&self) -> Answer<u64> {
        self.whole()?;
        let idle = self.card.profile.power.idle;
        let joules = idle * self.now() + (self.busy() - idle) / 100.0 * self.card.worked(self.now());
        Ok(whole(joules * 1000.0))
    }

    /// Power limit in force, in milliwatts.
    #[must_use]
    pub fn power_limit(&self) -> u32 {
        whole32(self.card.power_limit * 1000.0)
    }

    /// Power limit at start, lowest and highest, in milliwatts.
    #[must_use]
    pub fn power_limits(&self) -> (u32, u32, u32) {
        let power = &self.card.profile.power;
        (whole32(power.limit * 1000.0), whole32(power.minimum * 1000.0), whole32(power.maximum * 1000.0))
    }

    /// Degrees of the chip.
    #[must_use]
    pub fn temperature(&self) -> u32 {
        let profile = &self.card.profile.temperature;
        let follows = || profile.idle + (profile.full - profile.idle) * self.load() / 100.0;
        let degrees = self.card.temperature.as_ref().map_or_else(follows, |curve| curve.value(self.now()));
        let hot = self.faults().find_map(|kind| match kind {
            Kind::ThermalSlowdown { temperature } => Some(temperature.unwrap_or(profile.slowdown + 1)),
            _ => None,
        });
        hot.unwrap_or_else(|| whole32(degrees))
    }

    /// Degrees of the memory.
    ///
    /// # Errors
    /// It has no sensor.
    pub fn memory_temperature(&self) -> Answer<u32> {
        self.card.profile.temperature.memory_maximum.ok_or(Refusal::NotSupported)?;
        Ok(self.temperature() + 6)
    }

    /// A threshold by its `NVML_TEMPERATURE_THRESHOLD_*`.
    ///
    /// # Errors
    /// There is no such threshold, or this board has none.
    pub fn threshold(&self, kind: u32) -> Answer<u32> {
        let profile = &self.card.profile.temperature;
        match kind {
            0 => Ok(profile.shutdown),
            1 => Ok(profile.slowdown),
            2 => profile.memory_maximum.ok_or(Refusal::NotSupported),
            3 => Ok(profile.target),
            // The acoustic thresholds and the GPS one belong to boards with fans.
            4..=7 => Err(Refusal::NotSupported),
            _ => Err(Refusal::InvalidArgument),
        }
    }

    /// Degrees left until clocks are lowered.
    #[must_use]
    pub fn margin(&self) -> i32 {
        let left = i64::from(self.card.profile.temperature.target) - i64::from(self.temperature());
        i32::try_from(left).unwrap_or(0)
    }

    /// Why clocks are what they are: `nvmlClocksEventReason*` bits.
    #[must_use]
    pub fn clock_reasons(&self) -> u64 {
        let held = self.faults().fold(0, |bits, kind| {
            bits | match kind {
                Kind::PowerCap {} => 0x4,
                Kind::ThermalSlowdown { .. } => 0x8 | 0x40,
                Kind::PowerSlowdown {} => 0x8 | 0x80,
                _ => 0,
            }
        });
        if held == 0 && self.load() < 1.0 { 0x1 } else { held }
    }

    /// Nanoseconds for which a kind of fault held the clocks down.
    #[must_use]
    pub fn held(&self, of: fn(&Kind) -> bool) -> u64 {
        let total: f64 = self.history().filter(|(kind, _)| of(kind)).map(|(_, lasted)| lasted).sum();
        whole(total * 1e9)
    }

    /// Nanoseconds of a violation by its `NVML_PERF_POLICY_*`.
    ///
    /// # Errors
    /// There is no such policy.
    pub fn violation(&self, policy: u32) -> Answer<u64> {
        self.whole()?;
        match policy {
            0 => Ok(self.held(|kind| matches!(kind, Kind::PowerCap {}))),
            1 => Ok(self.held(|kind| matches!(kind, Kind::ThermalSlowdown { .. }))),
            3 => Ok(self.held(|kind| matches!(kind, Kind::PowerSlowdown {}))),
            2 | 4 | 5 => Ok(0),
            10 | 11 => Ok(self.held(|kind| {
                matches!(kind, Kind::PowerCap {} | Kind::ThermalSlowdown { .. } | Kind::PowerSlowdown {})
            })),
            _ => Err(Refusal::InvalidArgument),
        }
    }
}
