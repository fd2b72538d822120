//! What GPUs report by themselves: NVML's events and the kernel's log.
//!
//! NVML delivers an event once, to whoever listens; the kernel log keeps XIDs
//! that came before ODIN started. Both are counted apart, by their source.

mod kmsg;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub(crate) use kmsg::{follow as follow_kernel, short_address};

/// Reasons that hold clocks down, by their bit (`nvmlClocksEventReason*`).
pub(crate) const CLOCK_EVENT_REASONS: [&str; CLOCK_EVENTS] = [
    "gpu_idle",
    "application_clocks",
    "software_power_cap",
    "hardware_slowdown",
    "sync_boost",
    "software_thermal",
    "hardware_thermal",
    "hardware_power_brake",
    "display_clocks",
];

/// Number of those reasons.
pub(crate) const CLOCK_EVENTS: usize = 9;

/// NVML's event for a critical XID.
pub(crate) const XID: u64 = 0x8;

/// Kinds of events, by their bit (`nvmlEventType*` of nvml.h), with the label.
pub(crate) const KINDS: [(u64, &str); 14] = [
    (0x1, "single_bit_ecc"),
    (0x2, "double_bit_ecc"),
    (0x4, "performance_state"),
    (XID, "xid"),
    (0x10, "clock"),
    (0x80, "power_source"),
    (0x100, "mig_configuration"),
    (0x200, "single_bit_ecc_storm"),
    (0x400, "memory_retirement"),
    (0x800, "memory_retirement_failed"),
    (0x1000, "poison_contained"),
    (0x2000, "poison_fatal"),
    (0x4000, "gpu_unavailable"),
    (0x8000, "recovery_action"),
];

/// Who told of an XID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    Nvml,
    Kernel,
}

impl Source {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nvml => "nvml",
            Self::Kernel => "kernel",
        }
    }
}

/// Events that were counted since the start.
#[derive(Debug, Default)]
pub(crate) struct Events(Mutex<Counted>);

/// The counts.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    /// Whether NVML's events are listened to.
    pub(crate) listening: bool,
    /// By UUID and kind.
    pub(crate) kinds: BTreeMap<(String, &'static str), u64>,
    /// By UUID, XID and source.
    pub(crate) xids: BTreeMap<(String, u64, Source), Xids>,
    /// The last XID of each UUID.
    pub(crate) last: BTreeMap<String, u64>,
    /// XIDs of PCI addresses no GPU has, or has yet.
    pub(crate) unclaimed: BTreeMap<(String, u64), Xids>,
}

/// One XID of one GPU.
#[derive(Clone, Debug, Default)]
pub(crate) struct Xids {
    pub(crate) count: u64,
    /// The newest, for the window of DCGM's counters and for verdicts.
    pub(crate) recent: Vec<Instant>,
}

/// Window of DCGM's `XID_ERRORS_COUNT` and `CLOCK_EVENTS_COUNT`.
pub(crate) const WINDOW: Duration = Duration::from_millis(300_000);

/// Most times that are kept of one XID; a storm needs no more to be one.
const RECENT: usize = 256;

impl Xids {
    /// Counts one that came at `at`; none is a time before this program.
    fn add(&mut self, at: Option<Instant>) {
        self.count += 1;
        let Some(at) = at else { return };
        self.recent.retain(|old| at.saturating_duration_since(*old) <= WINDOW);
        if self.recent.len() < RECENT {
            self.recent.push(at);
        }
    }

    fn join(&mut self, other: Self) {
        self.count += other.count;
        self.recent.extend(other.recent);
        self.recent.truncate(RECENT);
    }

    /// How many came in the window before `now`.
    pub(crate) fn in_window(&self, now: Instant) -> usize {
        self.in_window_after(now, None)
    }

    /// How many of them came after a moment.
    pub(crate) fn in_window_after(&self, now: Instant, moment: Option<Instant>) -> usize {
        let counts = |at: &&Instant| {
            now.saturating_duration_since(**at) <= WINDOW && moment.is_none_or(|moment| **at > moment)
        };
        self.recent.iter().filter(counts).count()
    }
}

impl Events {
    pub(crate) fn counted(&self) -> MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an event of NVML.
    pub(crate) fn add(&self, uuid: &str, kind: u64, data: u64, now: Instant) {
        let mut counted = self.counted();
        for (_, name) in KINDS.iter().filter(|(bit, _)| kind & bit != 0) {
            *counted.kinds.entry((uuid.to_owned(), name)).or_default() += 1;
        }
        if kind & XID != 0 {
            counted.xid(uuid, data, Source::Nvml, Some(now));
        }
    }
}

impl Counted {
    pub(crate) fn xid(&mut self, uuid: &str, xid: u64, source: Source, at: Option<Instant>) {
        self.last.insert(uuid.to_owned(), xid);
        self.xids.entry((uuid.to_owned(), xid, source)).or_default().add(at);
    }

    /// Counts an XID of the kernel log; the GPU of that address may be known
    /// only later.
    pub(crate) fn kernel_xid(&mut self, address: &str, xid: u64, uuid: Option<&str>, at: Option<Instant>) {
        match uuid {
            Some(uuid) => self.xid(uuid, xid, Source::Kernel, at),
            None => self.unclaimed.entry((address.to_owned(), xid)).or_default().add(at),
        }
    }

    /// Gives a GPU the XIDs that were told before it was known.
    pub(crate) fn claim(&mut self, address: &str, uuid: &str) {
        let theirs: Vec<_> =
            self.unclaimed.keys().filter(|(unclaimed, _)| unclaimed == address).cloned().collect();
        for key in theirs {
            if let Some(xids) = self.unclaimed.remove(&key) {
                self.last.entry(uuid.to_owned()).or_insert(key.1);
                self.xids.entry((uuid.to_owned(), key.1, Source::Kernel)).or_default().join(xids);
            }
        }
    }
}
