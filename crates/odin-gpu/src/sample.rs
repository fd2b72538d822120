//! What is known of a device, as every reader of it sees it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::identity::Identity;
use crate::nvml::Code;
use crate::process::ProcessUse;
use crate::rates::Rates;
use crate::reader::Answered;

/// Everything one round read.
#[derive(Debug)]
pub(crate) struct Sample {
    /// When the round ended.
    pub(crate) at: Instant,
    /// How long it took.
    pub(crate) took: Duration,
    /// When the round began that read the counters of links.
    pub(crate) links_at: Instant,
    /// One number for each slot of the catalogue.
    pub(crate) values: Vec<f64>,
    pub(crate) answered: Answered,
    pub(crate) processes: Vec<ProcessUse>,
    pub(crate) instances: Vec<Instance>,
    /// How fast counters of errors rise.
    pub(crate) rates: Rates,
}

impl Sample {
    pub(crate) fn empty() -> Self {
        Self {
            at: Instant::now(),
            took: Duration::ZERO,
            links_at: Instant::now(),
            values: Vec::new(),
            answered: Answered::default(),
            processes: Vec::new(),
            instances: Vec::new(),
            rates: Rates::default(),
        }
    }
}

/// One MIG device.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Instance {
    pub(crate) uuid: String,
    pub(crate) gpu_instance: u32,
    pub(crate) compute_instance: u32,
    /// For example `1g.10gb`.
    pub(crate) profile: String,
    /// Slices of the GPU it has.
    pub(crate) slices: u32,
    /// Slots that are given, with their numbers.
    pub(crate) values: Vec<(usize, f64)>,
}

/// What a device is doing, apart from being slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// Not read yet.
    Starting,
    /// Read.
    Running,
    /// Every call fails with this code.
    Failing(Code),
    /// NVML no longer lists it.
    Gone,
}

impl Condition {
    /// Whether only a reset, of the GPU or the machine, ends it.
    pub(crate) fn needed_reset(self) -> bool {
        matches!(self, Self::Failing(code) if code == Code::GPU_IS_LOST || code == Code::RESET_REQUIRED)
    }
}

/// The place where the thread of one device puts what it read.
#[derive(Debug)]
pub(crate) struct Slot {
    /// Index NVML gives the device.
    pub(crate) index: u32,
    front: Mutex<Front>,
}

/// What a slot shows.
#[derive(Debug)]
pub(crate) struct Front {
    pub(crate) condition: Condition,
    pub(crate) identity: Option<Arc<Labelled>>,
    /// The newest whole round; it may be old.
    pub(crate) sample: Option<Arc<Sample>>,
    /// Since when a round is under way.
    pub(crate) busy_since: Option<Instant>,
    /// When the slot was made, which is the age of a device never read.
    pub(crate) since: Instant,
    /// Times another GPU, or the same after a reset, appeared here.
    pub(crate) replaced: u64,
    /// Rounds that ended with an error.
    pub(crate) failures: u64,
    /// Transitions of each clock event reason to active.
    pub(crate) clock_events: [u64; crate::events::CLOCK_EVENTS],
    /// When it last answered again after it was lost or wanted a reset: what
    /// was wrong before was mended by whatever brought it back.
    pub(crate) back_since: Option<Instant>,
}

/// An identity with its labels written once.
#[derive(Debug)]
pub(crate) struct Labelled {
    pub(crate) identity: Identity,
    /// `gpu="0",UUID="GPU-..."`, of ODIN's metrics.
    pub(crate) short: String,
    /// DCGM's labels, with the driver's version and the host.
    pub(crate) dcgm: String,
}

impl Slot {
    pub(crate) fn new(index: u32) -> Self {
        Self {
            index,
            front: Mutex::new(Front {
                condition: Condition::Starting,
                identity: None,
                sample: None,
                busy_since: None,
                since: Instant::now(),
                replaced: 0,
                failures: 0,
                clock_events: [0; crate::events::CLOCK_EVENTS],
                back_since: None,
            }),
        }
    }

    /// The front; it is never held across a call of the driver.
    pub(crate) fn front(&self) -> MutexGuard<'_, Front> {
        // A thread that panicked left plain values, each of them whole.
        self.front.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Front {
    /// Age of the newest sample, or of the wait for the first.
    pub(crate) fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.sample.as_ref().map_or(self.since, |sample| sample.at))
    }

    /// Stable name of the state, and what it means to a person.
    pub(crate) fn state(&self, now: Instant, deadline: Duration) -> State {
        let hung = self.busy_since.is_some_and(|since| now.saturating_duration_since(since) > deadline);
        match self.condition {
            Condition::Gone => State::Gone,
            _ if hung => State::Hung,
            Condition::Starting => State::Starting,
            Condition::Running => State::Running,
            Condition::Failing(code) if code == Code::GPU_IS_LOST => State::Lost,
            Condition::Failing(code) if code == Code::RESET_REQUIRED => State::ResetRequired,
            Condition::Failing(code) if code == Code::NO_PERMISSION => State::NoPermission,
            Condition::Failing(_) => State::Failing,
        }
    }
}

/// State of a device, as metrics and verdicts name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It was not read yet.
    Starting,
    /// It is read in time.
    Running,
    /// A call of the driver about it does not return.
    Hung,
    /// It fell off the bus.
    Lost,
    /// It answers nothing until it is reset.
    ResetRequired,
    /// The driver refuses this user.
    NoPermission,
    /// Calls about it fail otherwise.
    Failing,
    /// NVML no longer lists it.
    Gone,
}

impl State {
    /// All states, in the order of their labels.
    pub const ALL: [Self; 8] = [
        Self::Starting,
        Self::Running,
        Self::Hung,
        Self::Lost,
        Self::ResetRequired,
        Self::NoPermission,
        Self::Failing,
        Self::Gone,
    ];

    /// Stable name, as the label `state`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Hung => "hung",
            Self::Lost => "lost",
            Self::ResetRequired => "reset_required",
            Self::NoPermission => "no_permission",
            Self::Failing => "failing",
            Self::Gone => "gone",
        }
    }
}
