//! Memory errors, and what was done about them.

use super::Gpu;
use crate::fault::{Kind, Location};
use crate::refusal::{Answer, Refusal};
use crate::round::whole;

/// Remapped rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rows {
    /// For corrected errors.
    pub correctable: u32,
    /// For uncorrected errors.
    pub uncorrectable: u32,
    /// Whether a reset is needed.
    pub pending: bool,
    /// Whether one could not be remapped.
    pub failed: bool,
}

impl Gpu<'_> {
    /// Errors of a kind (`corrected` or not) at a place, or at all places.
    ///
    /// # Errors
    /// ECC is off.
    pub fn ecc(&self, corrected: bool, place: Option<Location>) -> Answer<u64> {
        if !self.card.ecc {
            return Err(Refusal::NotSupported);
        }
        let here = |location: Location| match place {
            None => true,
            Some(Location::Sram) => location != Location::DeviceMemory,
            Some(place) => place == location,
        };
        let counts = self.history().map(|(kind, lasted)| match kind {
            Kind::EccSingle { count, rate, location } if corrected && here(*location) => {
                count + whole((rate * lasted).floor())
            }
            Kind::EccDouble { count, location } if !corrected && here(*location) => *count,
            _ => 0,
        });
        Ok(counts.sum())
    }

    /// Rows remapped, where the board does that.
    ///
    /// # Errors
    /// It retires pages.
    pub fn rows(&self) -> Answer<Rows> {
        self.card.profile.remap_banks.ok_or(Refusal::NotSupported)?;
        Ok(self.repairs())
    }

    /// Pages retired for single and double bit errors, and whether more are
    /// pending, where the board does that.
    ///
    /// # Errors
    /// It remaps rows.
    pub fn pages(&self) -> Answer<Rows> {
        if self.card.profile.remap_banks.is_some() || !self.card.ecc {
            return Err(Refusal::NotSupported);
        }
        Ok(self.repairs())
    }

    fn repairs(&self) -> Rows {
        let mut rows = Rows { correctable: 0, uncorrectable: 0, pending: false, failed: false };
        for (kind, _) in self.history() {
            if let Kind::Remapped { correctable, uncorrectable }
            | Kind::RemapPending { correctable, uncorrectable } = kind
            {
                rows.correctable += correctable;
                rows.uncorrectable += uncorrectable;
            }
        }
        for kind in self.faults() {
            rows.pending |= matches!(kind, Kind::RemapPending { .. });
            rows.failed |= matches!(kind, Kind::RemapFailed {});
        }
        rows
    }

    /// Banks by spare rows left: all, most, some, few, none.
    ///
    /// # Errors
    /// The board retires pages.
    pub fn banks(&self) -> Answer<[u32; 5]> {
        let banks = self.card.profile.remap_banks.ok_or(Refusal::NotSupported)?;
        let rows = self.rows()?;
        let touched = (rows.correctable + rows.uncorrectable).min(banks);
        let none = u32::from(rows.failed).min(banks - touched);
        Ok([banks - touched - none, touched, 0, 0, none])
    }

    /// `NVML_GPU_RECOVERY_ACTION_*`: what the driver asks for.
    #[must_use]
    pub fn recovery(&self) -> u32 {
        let asked = self.faults().map(|kind| match kind {
            Kind::RemapFailed {}
            | Kind::RemapPending { .. }
            | Kind::EccDouble { .. }
            | Kind::NvlinkDown { .. } => 1,
            Kind::Xid { code: 79 | 95 | 119 | 120, .. } => 1,
            Kind::Xid { code: 62 | 140 | 142, .. } => 2,
            Kind::Xid { code: 94 | 64, .. } => 4,
            _ => 0,
        });
        asked.max().unwrap_or(0)
    }
}
