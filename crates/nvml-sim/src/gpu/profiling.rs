//! GPM: activity of the chip's units between two samples.

use super::Gpu;
use crate::refusal::{Answer, Refusal};

/// What a sample remembers: when, and how much work was done by then.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// UUID of the GPU.
    pub uuid: String,
    /// When, in seconds since time zero.
    pub at: f64,
    /// Work by then, in percent times seconds.
    pub work: f64,
}

/// Parts of the load that the units take; the tensor cores do most of it.
const UNITS: [(u32, f64); 13] = [
    (1, 1.0),   // graphics engine
    (2, 0.92),  // SM
    (3, 0.6),   // SM occupancy
    (4, 0.2),   // integer
    (5, 0.5),   // any tensor
    (6, 0.0),   // DFMA tensor
    (7, 0.48),  // HMMA tensor
    (8, 0.0),   // DMMA tensor
    (9, 0.02),  // IMMA tensor
    (10, 0.55), // DRAM bandwidth
    (11, 0.0),  // FP64
    (12, 0.25), // FP32
    (13, 0.15), // FP16
];

const MIB: f64 = 1_048_576.0;

impl Gpu<'_> {
    /// A sample of now.
    #[must_use]
    pub fn sample(&self) -> Sample {
        Sample { uuid: self.card.uuid.clone(), at: self.now(), work: self.card.worked(self.now()) }
    }

    /// A metric between two samples by its `NVML_GPM_METRIC_*`.
    ///
    /// # Errors
    /// The board has no such unit, or there is no such metric.
    pub fn metric(&self, id: u32, from: &Sample, to: &Sample) -> Answer<f64> {
        let (time, work) = (to.at - from.at, to.work - from.work);
        let load = if time > 0.0 { work / time } else { self.load() };
        let engines = &self.card.profile.engines;
        let engine = |index: u32, count: u32, part: f64| {
            if index < count { Ok(load * part) } else { Err(Refusal::NotSupported) }
        };
        if let Some((_, part)) = UNITS.iter().find(|(unit, _)| *unit == id) {
            return Ok(load * part);
        }
        match id {
            20 | 21 => Ok(self.pcie_full_rate() * load / 100.0 * if id == 20 { 0.4 } else { 1.0 } / MIB),
            30..=37 => engine(id - 30, engines.decoders, 0.1),
            40..=47 => engine(id - 40, engines.jpegs, 0.04),
            50 | 51 => engine(id - 50, engines.ofas, 0.02),
            60 | 61 => Ok(self.link_full_rate()? * f64::from(self.nvlink()?.links) * load / 100.0 / MIB),
            62..=97 => self
                .link((id - 62) / 2)
                .map_err(|_| Refusal::NotSupported)
                .and_then(|_| Ok(self.link_full_rate()? * load / 100.0 / MIB)),
            // Chip to chip links are Grace's.
            100..=159 => Err(Refusal::NotSupported),
            160..=165 => Ok(load * 0.3),
            166..=169 => engine(id - 166, engines.encoders, 0.05),
            170..=209 => Ok(if id < 175 { load } else { 0.0 }),
            212..=247 => Err(Refusal::NotSupported),
            // Counters since the start: cycles at the highest clock, bytes.
            248 => Ok(to.at * f64::from(self.card.profile.clocks.graphics) * 1e6),
            249 | 250 | 252 | 257 | 259 | 260 => {
                Ok(to.work / 100.0 * f64::from(self.card.profile.clocks.graphics) * 1e6 * 0.5)
            }
            251 | 253 | 254 | 258 => Ok(0.0),
            255 | 256 => Ok(self.pcie_full_rate() * to.work / 100.0 * if id == 255 { 0.4 } else { 1.0 }),
            261..=332 => self
                .link((id - 261) / 2)
                .map_err(|_| Refusal::NotSupported)
                .and_then(|_| Ok(self.link_full_rate()? * to.work / 100.0)),
            _ => Err(Refusal::InvalidArgument),
        }
    }
}
