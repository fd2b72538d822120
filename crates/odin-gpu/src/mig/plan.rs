//! From what GPUs have and what is declared to steps. Pure.

use std::collections::BTreeMap;
use std::fmt;

use odin_model::config::MigDevices;
use serde::Serialize;

use super::Goal;
use super::layout::{Instance, Layout, Mode, Seen};
use super::place::{place, wanted};

/// What is to be done to all GPUs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Plan {
    /// Every GPU of the machine, in the order of NVML.
    pub gpus: Vec<GpuPlan>,
    /// What a person should know of the declaration.
    pub notes: Vec<String>,
}

/// What is to be done to one GPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct GpuPlan {
    /// NVML's index.
    pub index: u32,
    /// UUID.
    pub uuid: String,
    /// Model.
    pub model: String,
    /// How it is cut now.
    pub now: Layout,
    /// MIG mode; none where the model has no MIG.
    pub mode: Option<Mode>,
    /// Whether a declared layout names its model.
    pub named: bool,
    /// What is done, in order.
    pub steps: Vec<Step>,
    /// Who uses it, where something is to be done.
    pub busy: Vec<Busy>,
    /// Why what is declared cannot be.
    pub problem: Option<String>,
    #[serde(skip)]
    goal: Goal,
}

/// Who uses a GPU, in words.
pub type Busy = String;

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "step")]
pub enum Step {
    /// Destroy a GPU instance with its compute instances.
    Destroy(Instance),
    /// Switch MIG mode.
    Mode {
        /// On or off.
        enabled: bool,
    },
    /// Make a GPU instance with its compute instances.
    Create(Instance),
    /// Make some of a kind, placed once MIG mode is on and tells the places.
    CreateSomewhere {
        /// Name of the kind.
        profile: String,
        /// How many.
        count: u32,
    },
}

/// Plans all GPUs for what is declared: models that are not named get MIG mode
/// off.
#[must_use]
pub fn plan(seen: &[Seen], declared: &BTreeMap<String, MigDevices>) -> Plan {
    let gpus = seen.iter().map(|seen| {
        let devices = declared.get(&seen.model);
        let goal = Goal::Devices(devices.cloned().unwrap_or_default());
        GpuPlan::of(seen, goal, devices.is_some())
    });
    let gpus: Vec<GpuPlan> = gpus.collect();
    let mut there: Vec<&str> = gpus.iter().map(|gpu| gpu.model.as_str()).collect();
    there.sort_unstable();
    there.dedup();
    let there = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
    let absent = declared.keys().filter(|model| !gpus.iter().any(|gpu| gpu.model == **model));
    let notes =
        absent.map(|model| format!("no GPU here is of the model {model}; here are: {there}")).collect();
    Plan { gpus, notes }
}

impl GpuPlan {
    /// Plans one GPU.
    #[must_use]
    pub fn of(seen: &Seen, goal: Goal, named: bool) -> Self {
        let (steps, problem) = match steps(seen, &goal) {
            Ok(steps) => (steps, None),
            Err(problem) => (Vec::new(), Some(problem)),
        };
        Self {
            index: seen.index,
            uuid: seen.uuid.clone(),
            model: seen.model.clone(),
            now: seen.layout(),
            mode: seen.mode,
            named,
            busy: if steps.is_empty() { Vec::new() } else { seen.users.clone() },
            steps,
            problem,
            goal,
        }
    }

    /// What the GPU is to have.
    #[must_use]
    pub fn goal(&self) -> Goal {
        self.goal.clone()
    }
}

/// What leads a GPU from what it has to what it is to have; nothing when it has
/// it.
///
/// # Errors
/// In words, when the GPU can never have it.
pub fn steps(seen: &Seen, goal: &Goal) -> Result<Vec<Step>, String> {
    let wants = match goal {
        Goal::Devices(devices) => !devices.is_empty(),
        Goal::Layout(layout) => layout.enabled,
    };
    let Some(mode) = seen.mode else {
        return if wants { Err(format!("{} has no MIG", seen.model)) } else { Ok(Vec::new()) };
    };
    let as_wanted = mode == Mode { current: wants, pending: wants };
    let switch = (!as_wanted).then_some(Step::Mode { enabled: wants });
    if !wants {
        return Ok(destroy(&seen.instances, &[]).chain(switch).collect());
    }
    let target = match goal {
        Goal::Layout(layout) => layout.instances.clone(),
        Goal::Devices(devices) if !mode.current => {
            wanted(devices, seen)?;
            let create = devices
                .iter()
                .map(|(profile, count)| Step::CreateSomewhere { profile: profile.clone(), count: *count });
            return Ok(switch.into_iter().chain(create).collect());
        }
        Goal::Devices(devices) => place(devices, seen)?,
    };
    let create = target.iter().filter(|instance| !seen.instances.contains(instance));
    let create: Vec<Step> = create.cloned().map(Step::Create).collect();
    Ok(switch.into_iter().chain(destroy(&seen.instances, &target)).chain(create).collect())
}

fn destroy<'a>(there: &'a [Instance], target: &'a [Instance]) -> impl Iterator<Item = Step> + 'a {
    there.iter().filter(|instance| !target.contains(instance)).cloned().map(Step::Destroy)
}

impl Plan {
    /// Whether nothing is to be done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.gpus.iter().all(|gpu| gpu.steps.is_empty())
    }

    /// The GPUs something is done to.
    pub fn changed(&self) -> impl Iterator<Item = &GpuPlan> {
        self.gpus.iter().filter(|gpu| !gpu.steps.is_empty())
    }

    /// Adds a user of a GPU, if something is to be done to it.
    pub fn is_used(&mut self, uuid: &str, user: Busy) {
        for gpu in self.gpus.iter_mut().filter(|gpu| gpu.uuid == uuid && !gpu.steps.is_empty()) {
            gpu.busy.push(user.clone());
        }
    }

    /// GPUs in MIG mode that lose it although no declared layout names them.
    pub fn lost_by_silence(&self) -> impl Iterator<Item = &GpuPlan> {
        self.changed().filter(|gpu| !gpu.named && gpu.now.enabled)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Destroy(instance) => write!(formatter, "destroy {instance}"),
            Self::Mode { enabled } => {
                write!(formatter, "switch MIG mode {}", if *enabled { "on" } else { "off" })
            }
            Self::Create(instance) => write!(formatter, "create {instance}"),
            Self::CreateSomewhere { profile, count } => {
                write!(formatter, "create {count} x {profile}, placed once MIG mode is on")
            }
        }
    }
}

impl fmt::Display for GpuPlan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "GPU {}  {}  {}: {}", self.index, self.model, self.uuid, self.now)?;
        if let Some(Mode { current, pending }) = self.mode
            && current != pending
        {
            let pending = if pending { "on" } else { "off" };
            writeln!(formatter, "  MIG mode is {pending} after the next reset of the GPU")?;
        }
        for step in &self.steps {
            writeln!(formatter, "  {step}")?;
            if matches!(step, Step::Mode { .. }) {
                writeln!(formatter, "    waits for a reset where another program has the GPU open")?;
            }
        }
        if let Some(problem) = &self.problem {
            writeln!(formatter, "  cannot be as declared: {problem}")?;
        } else if self.steps.is_empty() {
            writeln!(formatter, "  nothing to do")?;
        }
        self.busy.iter().try_for_each(|user| writeln!(formatter, "  in use: {user}"))
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.gpus.is_empty() {
            writeln!(formatter, "there are no GPUs")?;
        }
        self.gpus.iter().try_for_each(|gpu| write!(formatter, "{gpu}"))?;
        self.notes.iter().try_for_each(|note| writeln!(formatter, "note: {note}"))
    }
}
