//! The scenario in force, its clock, and what has been handed out of it.
//!
//! There is one world in a process, as there is one NVML. The scenario file is
//! looked at again at most every [`LOOK`]; a call works on the snapshot it
//! began with and holds no lock while it computes or hangs.

use std::fs::Metadata;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use rustix::time::{ClockId, clock_gettime};

use crate::card::Card;
use crate::fault::Observed;
use crate::refusal::{Answer, Refusal};
use crate::scenario::Scenario;

/// The environment variable that names the scenario file.
pub const VARIABLE: &str = "NVML_SIM_SCENARIO";

/// Seconds for which the scenario is taken to be unchanged: a look costs a
/// system call, and a client may make thousands of calls at once.
pub const LOOK: f64 = 0.01;

/// A scenario as it was read, with what it replaced.
#[derive(Debug)]
pub struct Loaded {
    /// What the file says.
    pub scenario: Scenario,
    /// Its GPUs.
    pub cards: Vec<Card>,
    /// Its faults, and those of earlier readings, ended.
    pub faults: Vec<Observed>,
}

/// A scenario at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The scenario.
    pub loaded: Arc<Loaded>,
    /// Seconds since its time zero.
    pub now: f64,
    /// UUIDs of the GPUs there were at `nvmlInit`, in order.
    pub enumerated: Arc<Vec<String>>,
}

/// What a handle stands for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// A GPU, by UUID: it stays the same GPU when others come or go.
    Gpu(String),
    /// A MIG device, by the GPU's UUID and its number there.
    Mig(String, usize),
}

#[derive(Debug)]
struct World {
    born: f64,
    path: Option<PathBuf>,
    looked: f64,
    stamp: Option<Stamp>,
    loaded: Answer<Arc<Loaded>>,
    /// The last that was not refused: what a mended file follows.
    last: Option<Arc<Loaded>>,
    users: u32,
    enumerated: Arc<Vec<String>>,
    handles: Vec<Target>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp {
    modified: (i64, i64),
    size: u64,
    inode: u64,
}

static WORLD: LazyLock<Mutex<World>> = LazyLock::new(|| {
    Mutex::new(World {
        born: monotonic(),
        path: None,
        looked: f64::NEG_INFINITY,
        stamp: None,
        loaded: Err(Refusal::Uninitialized),
        last: None,
        users: 0,
        enumerated: Arc::default(),
        handles: Vec::new(),
    })
});

fn world() -> MutexGuard<'static, World> {
    WORLD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `CLOCK_MONOTONIC` in seconds.
#[must_use]
pub fn monotonic() -> f64 {
    let time = clock_gettime(ClockId::Monotonic);
    seconds(time.tv_sec, time.tv_nsec)
}

/// Seconds since 1970.
#[must_use]
pub fn calendar() -> f64 {
    let time = clock_gettime(ClockId::Realtime);
    seconds(time.tv_sec, time.tv_nsec)
}

#[expect(clippy::cast_precision_loss, reason = "microseconds stay exact for centuries")]
fn seconds(whole: i64, nanoseconds: i64) -> f64 {
    whole as f64 + nanoseconds as f64 / 1e9
}

/// `nvmlInit`: reads the scenario and counts the GPUs, when nobody did yet.
///
/// # Errors
/// No scenario is named, or it is refused; or it says that this call fails.
pub fn initialize(call: &str) -> Answer<()> {
    let mut world = world();
    if world.users == 0 {
        let Some(path) = std::env::var_os(VARIABLE) else {
            say(&format!("{VARIABLE} is not set; it names the scenario file"));
            return Err(Refusal::DriverNotLoaded);
        };
        world.path = Some(PathBuf::from(path));
        world.looked = f64::NEG_INFINITY;
    }
    let snapshot = world.snapshot()?;
    snapshot.refused(call, None)?;
    if world.users == 0 {
        world.enumerated = Arc::new(snapshot.loaded.cards.iter().map(|card| card.uuid.clone()).collect());
    }
    world.users += 1;
    Ok(())
}

/// `nvmlShutdown`: the last user's ends the counting of GPUs.
///
/// # Errors
/// Nobody initialised.
pub fn shutdown() -> Answer<()> {
    let mut world = world();
    world.users = world.users.checked_sub(1).ok_or(Refusal::Uninitialized)?;
    Ok(())
}

/// The scenario now.
///
/// # Errors
/// NVML is not initialised, or the file is refused.
pub fn snapshot() -> Answer<Snapshot> {
    let mut world = world();
    if world.users == 0 {
        return Err(Refusal::Uninitialized);
    }
    world.snapshot()
}

/// The number of a handle for a target; the same target gets the same one.
#[must_use]
pub fn handle(target: &Target) -> usize {
    let mut world = world();
    let known = world.handles.iter().position(|known| known == target);
    let index = known.unwrap_or_else(|| {
        world.handles.push(target.clone());
        world.handles.len() - 1
    });
    (index + 1) << 4
}

/// What a handle stands for.
///
/// # Errors
/// It was never handed out.
pub fn target(handle: usize) -> Answer<Target> {
    let index = (handle >> 4).checked_sub(1).ok_or(Refusal::InvalidArgument)?;
    if handle & 0xF != 0 {
        return Err(Refusal::InvalidArgument);
    }
    world().handles.get(index).cloned().ok_or(Refusal::InvalidArgument)
}

impl World {
    fn snapshot(&mut self) -> Answer<Snapshot> {
        let now = monotonic();
        if now - self.looked >= LOOK {
            self.looked = now;
            self.look(now);
        }
        let loaded = self.loaded.clone()?;
        let now = loaded.scenario.clock.now(now, self.born);
        Ok(Snapshot { loaded, now, enumerated: Arc::clone(&self.enumerated) })
    }

    fn look(&mut self, now: f64) {
        let Some(path) = self.path.clone() else { return };
        let stamp = std::fs::metadata(&path).map(|metadata| Stamp::from(&metadata)).ok();
        if stamp.is_some() && stamp == self.stamp {
            return;
        }
        let read = std::fs::read_to_string(&path)
            .map_err(|error| error.to_string())
            .and_then(|text| Scenario::parse(&text).map_err(|error| error.to_string()))
            .and_then(|scenario| self.replace(scenario, now));
        let missed_before = self.stamp.is_none() && self.loaded == Err(Refusal::Unknown);
        match read {
            Ok(loaded) => {
                let loaded = Arc::new(loaded);
                self.last = Some(Arc::clone(&loaded));
                self.loaded = Ok(loaded);
            }
            Err(reason) => {
                if stamp.is_some() || !missed_before {
                    say(&format!("cannot use the scenario {}: {}", path.display(), reason.trim_end()));
                }
                self.loaded = Err(Refusal::Unknown);
            }
        }
        self.stamp = stamp;
    }

    fn replace(&self, scenario: Scenario, now: f64) -> Result<Loaded, String> {
        let now = scenario.clock.now(now, self.born);
        self.last
            .as_ref()
            .map_or_else(|| Loaded::first(scenario.clone()), |last| last.followed_by(scenario.clone(), now))
    }
}

impl Loaded {
    /// The first reading: its faults are counted from time zero.
    ///
    /// # Errors
    /// A model is unknown.
    pub fn first(scenario: Scenario) -> Result<Self, String> {
        let cards = Card::all(&scenario, &[], 0.0)?;
        let faults = carry(&[], &scenario, 0.0);
        Ok(Self { scenario, cards, faults })
    }

    /// The reading after this one: its new faults are counted from now.
    ///
    /// # Errors
    /// A model is unknown.
    pub fn followed_by(&self, scenario: Scenario, now: f64) -> Result<Self, String> {
        let cards = Card::all(&scenario, &self.cards, now)?;
        let faults = carry(&self.faults, &scenario, now);
        Ok(Self { scenario, cards, faults })
    }
}

/// Joins the faults of a new reading with those there were: one that stayed
/// keeps its beginning, one that left ends now and keeps what it counted.
fn carry(before: &[Observed], scenario: &Scenario, now: f64) -> Vec<Observed> {
    let mut old = before.to_vec();
    let mut faults: Vec<Observed> = Vec::new();
    for fault in &scenario.fault {
        let known = old.iter().position(|observed| observed.fault == *fault);
        faults.push(
            known.map_or_else(|| Observed { fault: fault.clone(), seen: now }, |index| old.remove(index)),
        );
    }
    for mut observed in old {
        if let Some(lasted) = observed.lasted(now) {
            observed.fault.duration = Some(lasted);
            faults.push(observed);
        }
    }
    faults
}

impl From<&Metadata> for Stamp {
    fn from(metadata: &Metadata) -> Self {
        Self {
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            size: metadata.size(),
            inode: metadata.ino(),
        }
    }
}

impl crate::scenario::Clock {
    fn now(&self, monotonic: f64, born: f64) -> f64 {
        self.frozen_at.unwrap_or_else(|| (monotonic - self.origin.unwrap_or(born)).max(0.0))
    }
}

impl PartialEq for Loaded {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

/// Tells whoever runs the client; NVML has no words for what is wrong here.
fn say(message: &str) {
    // A closed stderr must not change what the caller gets.
    drop(writeln!(std::io::stderr(), "nvml-sim: {message}"));
}
