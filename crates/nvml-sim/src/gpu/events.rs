//! What the driver would tell an event set, and when.

use super::Gpu;
use crate::fault::Kind;

/// `nvmlEventTypeSingleBitEccError`.
pub const SINGLE_BIT: u64 = 0x1;
/// `nvmlEventTypeDoubleBitEccError`.
pub const DOUBLE_BIT: u64 = 0x2;
/// `nvmlEventTypeXidCriticalError`.
pub const XID: u64 = 0x8;
/// `nvmlEventTypeClock`.
pub const CLOCK: u64 = 0x10;
/// `nvmlEventTypeGpuUnavailableError`.
pub const UNAVAILABLE: u64 = 0x4000;
/// `nvmlEventTypeGpuRecoveryAction`.
pub const RECOVERY: u64 = 0x8000;
/// All that can come here: those, performance state, power source, MIG
/// configuration, storms and retirements of memory errors, poison.
pub const SUPPORTED: u64 = 0x1
    | 0x2
    | 0x4
    | 0x8
    | 0x10
    | 0x80
    | 0x100
    | 0x200
    | 0x400
    | 0x800
    | 0x1000
    | 0x2000
    | UNAVAILABLE
    | RECOVERY;
/// Those a driver of NVML 12.2 knows.
pub const SUPPORTED_OLD: u64 = 0x1 | 0x2 | 0x4 | 0x8 | 0x10 | 0x80 | 0x100;

/// Something that happened.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Event {
    /// When.
    pub at: f64,
    /// Which `nvmlEventType*`.
    pub bit: u64,
    /// The XID, for one.
    pub data: u64,
}

impl Gpu<'_> {
    /// What happened after one time and up to another, in order. No two events
    /// have the same time, so that a client's place in them is a time: those of
    /// one moment are told microseconds apart.
    #[must_use]
    pub fn events(&self, after: f64, until: f64) -> Vec<Event> {
        let mut events = Vec::new();
        let faults = self.world.loaded.faults.iter().filter(|observed| observed.concerns(self.index));
        for (observed, place) in faults.zip(1_u32..) {
            let start = observed.start() + f64::from(place) * 1e-5;
            match &observed.fault.kind {
                Kind::Xid { code, every: Some(every) } => {
                    let every = every.max(0.001);
                    let end = observed.fault.duration.map_or(until, |duration| until.min(start + duration));
                    let mut at = start + ((after - start) / every).floor().max(0.0) * every;
                    while at <= end {
                        events.push(Event { at, bit: XID, data: *code });
                        at += every;
                    }
                }
                kind => {
                    let told = at_start(kind).into_iter().zip(0_u32..);
                    events.extend(told.map(|((bit, data), order)| Event {
                        at: start + f64::from(order) * 1e-6,
                        bit,
                        data,
                    }));
                }
            }
        }
        events.retain(|event| event.at > after && event.at <= until);
        events.sort_by(|one, other| one.at.total_cmp(&other.at));
        events
    }
}

/// What a fault makes the driver say when it begins.
fn at_start(kind: &Kind) -> Vec<(u64, u64)> {
    match kind {
        Kind::Xid { code, .. } => vec![(XID, *code)],
        // XID 79: the GPU has fallen off the bus.
        Kind::Lost {} | Kind::OffBus {} => vec![(XID, 79), (UNAVAILABLE, 0)],
        Kind::EccSingle { .. } => vec![(SINGLE_BIT, 0)],
        // XID 48: double bit ECC error.
        Kind::EccDouble { .. } => vec![(DOUBLE_BIT, 0), (XID, 48), (RECOVERY, 1)],
        // XID 63: a row is remapped; 64: it could not be.
        Kind::RemapPending { .. } | Kind::Remapped { .. } => vec![(XID, 63)],
        Kind::RemapFailed {} => vec![(XID, 64)],
        // XID 74: NVLink error.
        Kind::NvlinkErrors { .. } | Kind::NvlinkDown { .. } => vec![(XID, 74)],
        Kind::ThermalSlowdown { .. } | Kind::PowerSlowdown {} | Kind::PowerCap {} => vec![(CLOCK, 0)],
        _ => Vec::new(),
    }
}
