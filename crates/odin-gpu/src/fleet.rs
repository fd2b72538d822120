//! All GPUs of the machine, each with a thread of its own.
//!
//! One more thread looks after the fleet: it opens the library, counts the
//! devices, starts a thread for each new one and opens the library anew when
//! it went away. A third listens for events. Whoever reads the fleet (a scrape,
//! a verdict) takes what is there and waits for nobody.

mod listener;
mod watch;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::account::Accounts;
use crate::events::Events;
use crate::exposition;
use crate::health::Baseline;
use crate::nvml::{Session, Unavailable};
use crate::pods::Pods;
use crate::sample::Slot;

/// How a fleet is watched.
#[derive(Clone, Debug)]
pub struct Options {
    /// The NVML library: a name for the dynamic linker, or a path.
    pub library: PathBuf,
    /// Time between two rounds.
    pub interval: Duration,
    /// A round that takes longer is said to hang.
    pub deadline: Duration,
    /// Numbers older than this are not told any more.
    pub maximum_age: Duration,
    /// Name of the machine, the label `hostname`.
    pub hostname: String,
    /// DCGM's label fields that are added to its metrics.
    pub dcgm_labels: Vec<String>,
    /// Whether metrics have their names of DCGM 4.6 as well.
    pub dcgm_aliases: bool,
    /// Price of a GPU-hour; cost is not told without one.
    pub price_per_gpu_hour: Option<f64>,
    /// How long a GPU may be reserved without work before it is said to idle.
    pub idle_after: Duration,
    /// Kernel log that XIDs are read from; none reads no log.
    pub kernel_log: Option<PathBuf>,
    /// Directory of processes.
    pub proc: PathBuf,
    /// Directory with an entry for each GPU the kernel driver has
    /// (`/proc/driver/nvidia/gpus`). NVML counts GPUs once, when it is
    /// initialised; another number here makes it count anew.
    pub driver_gpus: PathBuf,
}

/// The GPUs of this machine and what is known of them.
#[derive(Clone, Debug)]
pub struct Fleet {
    pub(crate) shared: Arc<Shared>,
}

/// What is known of the baseline.
pub(crate) type Known = std::result::Result<Option<Baseline>, String>;

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) library: Mutex<Library>,
    pub(crate) slots: Mutex<Vec<Arc<Slot>>>,
    pub(crate) events: Events,
    pub(crate) pods: Mutex<Pods>,
    pub(crate) accounts: Mutex<Accounts>,
    baseline: Mutex<Arc<Known>>,
    /// Rises with every published sample, so that a scrape can tell whether
    /// anything is new.
    pub(crate) news: AtomicU64,
    stop: AtomicBool,
    asleep: Mutex<()>,
    wake: Condvar,
}

/// The library as it is now.
#[derive(Debug)]
pub(crate) struct Library {
    pub(crate) state: std::result::Result<Open, Unavailable>,
    /// Since when a call about all devices is under way.
    pub(crate) busy_since: Option<Instant>,
    /// Times the library was opened.
    pub(crate) opened: u64,
}

/// An open library.
#[derive(Clone, Debug)]
pub(crate) struct Open {
    pub(crate) session: Arc<Session>,
    pub(crate) driver: String,
    pub(crate) nvml: String,
    pub(crate) cuda: String,
    /// Devices NVML counts.
    pub(crate) devices: u32,
}

impl Fleet {
    /// Starts watching. Nothing fails: what cannot be read is a state.
    #[must_use]
    pub fn start(options: Options) -> Self {
        let shared = Arc::new(Shared {
            options,
            library: Mutex::new(Library { state: Err(Unavailable::Opening), busy_since: None, opened: 0 }),
            slots: Mutex::new(Vec::new()),
            events: Events::default(),
            pods: Mutex::new(Pods::default()),
            accounts: Mutex::new(Accounts::default()),
            baseline: Mutex::new(Arc::new(Ok(None))),
            news: AtomicU64::new(0),
            stop: AtomicBool::new(false),
            asleep: Mutex::new(()),
            wake: Condvar::new(),
        });
        spawn("gpu-fleet", &shared, watch::run);
        spawn("gpu-events", &shared, listener::run);
        spawn("gpu-accounts", &shared, keep_accounts);
        if shared.options.kernel_log.is_some() {
            spawn("gpu-kernel-log", &shared, listener::follow_kernel);
        }
        Self { shared }
    }

    /// Waits until every device was read once or is known not to answer, or
    /// `patience` is over.
    pub fn settle(&self, patience: Duration) {
        let until = Instant::now() + patience;
        while !self.is_settled() && Instant::now() < until {
            self.shared.sleep(Duration::from_millis(10));
        }
    }

    /// Whether every device was read once or is known not to answer.
    pub(crate) fn is_settled(&self) -> bool {
        let now = Instant::now();
        let deadline = self.shared.options.deadline;
        let devices = match &self.shared.library().state {
            Ok(open) => open.devices as usize,
            Err(Unavailable::Opening) => return false,
            Err(_) => return true,
        };
        let slots = self.shared.slots();
        let read = |slot: &Arc<Slot>| slot.front().state(now, deadline) != crate::sample::State::Starting;
        slots.len() >= devices && slots.iter().all(read)
    }
}

impl Fleet {
    /// Measures the GPUs against this from now on; with an error nobody knows
    /// what they were.
    pub fn set_baseline(&self, baseline: std::result::Result<Option<Baseline>, String>) {
        *self.shared.baseline.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(baseline);
    }

    pub(crate) fn baseline(&self) -> Arc<Known> {
        Arc::clone(&self.shared.baseline.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Ends the threads that still answer; one inside the driver ends with the
    /// process.
    pub fn stop(&self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.shared.wake.notify_all();
    }
}

impl Shared {
    pub(crate) fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Sleeps, or until the fleet is stopped.
    pub(crate) fn sleep(&self, duration: Duration) {
        let until = Instant::now() + duration;
        let mut guard = self.asleep.lock().unwrap_or_else(PoisonError::into_inner);
        while !self.is_stopping() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            guard = self.wake.wait_timeout(guard, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    pub(crate) fn library(&self) -> MutexGuard<'_, Library> {
        self.library.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn slots(&self) -> MutexGuard<'_, Vec<Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn pods(&self) -> MutexGuard<'_, Pods> {
        self.pods.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn accounts(&self) -> MutexGuard<'_, Accounts> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Library {
    /// The state, with a call that does not return seen as one.
    pub(crate) fn unavailable(&self, now: Instant, deadline: Duration) -> Option<Unavailable> {
        let hung = self.busy_since.is_some_and(|since| now.saturating_duration_since(since) > deadline);
        match &self.state {
            _ if hung => Some(Unavailable::Hung),
            Ok(_) => None,
            Err(reason) => Some(reason.clone()),
        }
    }
}

/// Keeps the accounts of pods; it looks at samples and never at the driver.
fn keep_accounts(shared: &Arc<Shared>) {
    let fleet = Fleet { shared: Arc::clone(shared) };
    while !shared.is_stopping() {
        let now = Instant::now();
        let gpus = exposition::metered(&fleet.views(now));
        let pods = shared.pods();
        shared.accounts().tick(&pods, &gpus, now);
        drop(pods);
        shared.sleep(shared.options.interval);
    }
}

/// Starts a thread; a machine that cannot start one more says so in its log,
/// and the part is seen as not read.
pub(crate) fn spawn(name: &str, shared: &Arc<Shared>, run: impl FnOnce(&Arc<Shared>) + Send + 'static) {
    let shared = Arc::clone(shared);
    let started =
        std::thread::Builder::new().name(name.to_owned()).stack_size(512 << 10).spawn(move || run(&shared));
    if let Err(error) = started {
        tracing::error!(thread = name, %error, "cannot start a thread");
    }
}
