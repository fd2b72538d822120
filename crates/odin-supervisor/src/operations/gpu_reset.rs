//! The reset of one GPU.
//!
//! The driver resets no GPU that a program has open, so what the appliance itself
//! has there, odin-gpu.service and NVIDIA's daemons, is stopped for it and started
//! again whatever comes of it, also by the next look or the next supervisor when
//! this one fails or is killed in between. The program runs in a unit of its own,
//! so that a supervisor that ends does not end it in the middle. That a reset
//! began is on disk before anything is stopped, and is what counts against the
//! resets of a day.

use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::process::Stdio;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::appliance::{Appliance, replace_file};
use crate::host::{Systemd, Units};
use crate::lock::Lock;
use crate::records::{Records, remove};
use crate::{Error, Result};

/// File of what was done, one JSON object a line.
pub(crate) const FILE: &str = "gpu-resets.jsonl";
/// There while units may be stopped, and names them, one a line.
const MARKER: &str = "gpu-reset-begun";
/// The unit that the program runs in.
const UNIT: &str = "odin-gpu-reset.service";
/// The unit that reads the GPUs: it runs on every machine that has any.
const READER: &str = "odin-gpu.service";
/// Units that have every GPU open where they run, which is not everywhere: what
/// keeps the driver's state while nobody else does
/// (<https://docs.nvidia.com/deploy/driver-persistence/>), and NVIDIA's exporter
/// with its engine inside.
const OTHERS: [&str; 2] = ["nvidia-persistenced.service", "dcgm-exporter.service"];
/// A reset takes seconds; a driver that hangs takes for ever.
const PATIENCE: Duration = Duration::from_secs(300);
/// Characters of what the program said that are kept.
const SAID: usize = 400;

/// A GPU that a reset would make well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Need {
    pub(crate) index: u32,
    pub(crate) uuid: String,
    /// Name of the finding it would take away.
    pub(crate) finding: String,
    /// Whether MIG mode is on.
    pub(crate) is_cut: bool,
    /// How long that has been so.
    pub(crate) lasted: Duration,
}

/// What was done to a GPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Record {
    /// When it ended.
    pub(crate) time: Timestamp,
    /// NVML's index.
    pub(crate) index: u32,
    /// UUID.
    pub(crate) uuid: String,
    /// Name of the finding it was for.
    pub(crate) finding: String,
    /// What came of it.
    pub(crate) verdict: Verdict,
}

/// What came of a reset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    /// It begins; what came of it is another record.
    Begun,
    /// It is done, and what it was for is gone.
    Done,
    /// It would be done, if it were not for `dry-run`.
    WouldBeDone,
    /// It is done, and what it was for is not gone.
    NotCured,
    /// The program failed.
    Failed(String),
    /// A pod got the GPU meanwhile, and it was left alone.
    Held(String),
}

impl Record {
    pub(crate) fn of(need: &Need, verdict: Verdict) -> Self {
        let (index, uuid, finding) = (need.index, need.uuid.clone(), need.finding.clone());
        Self { time: Timestamp::now(), index, uuid, finding, verdict }
    }

    /// Whether it is the beginning of a reset of this GPU.
    pub(crate) fn is_attempt_on(&self, uuid: &str) -> bool {
        self.uuid == uuid && self.verdict == Verdict::Begun
    }

    /// The same thing with the same end, at whatever time.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        (&self.uuid, &self.finding, &self.verdict) == (&other.uuid, &other.finding, &other.verdict)
    }
}

impl fmt::Display for Need {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "GPU {} ({})", self.index, self.uuid)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begun => formatter.write_str("it is being reset"),
            Self::Done => formatter.write_str("it was reset and is well"),
            Self::WouldBeDone => formatter.write_str("it would be reset"),
            Self::NotCured => formatter.write_str("it was reset and is not well"),
            Self::Failed(reason) => write!(formatter, "it could not be reset: {reason}"),
            Self::Held(reason) => write!(formatter, "it was not reset: {reason}"),
        }
    }
}

/// Resets a GPU, under the lock that the caller holds; that the program fails is
/// a verdict. `held` is asked once more when nothing is given out any more: a
/// reason ends it there.
///
/// # Errors
/// When a unit does not stop or start, or the state directory cannot be written.
pub(crate) async fn reset<H>(
    appliance: &Appliance,
    _lock: &Lock,
    need: &Need,
    held: impl FnOnce() -> H,
) -> Result<Record>
where
    H: Future<Output = Option<String>>,
{
    let marker = appliance.history_dir().join(MARKER);
    let holders = Holders::running();
    replace_file(&marker, holders.to_string().as_bytes())?;
    Records::of(appliance).append(FILE, &Record::of(need, Verdict::Begun))?;
    holders.stop().await?;
    let verdict = match held().await {
        Some(reason) => Verdict::Held(reason),
        None => match run(&command(appliance, &need.uuid)).await {
            Ok(()) => Verdict::Done,
            Err(reason) => Verdict::Failed(reason),
        },
    };
    holders.start().await?;
    remove(&marker)?;
    Ok(Record::of(need, verdict))
}

/// The units of the appliance that have GPUs open, in the order they are stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Holders(Vec<&'static str>);

impl Holders {
    /// Those that run. The reader counts as one when it does not: a machine whose
    /// GPUs are reset is to have it.
    fn running() -> Self {
        let others = OTHERS.into_iter().filter(|unit| !Systemd.is_at_rest(unit));
        Self([READER].into_iter().chain(others).collect())
    }

    /// Those that a marker names.
    fn named(marker: &str) -> Self {
        let others = OTHERS.into_iter().filter(|unit| marker.lines().any(|line| line == *unit));
        Self([READER].into_iter().chain(others).collect())
    }

    async fn stop(&self) -> Result<()> {
        for unit in &self.0 {
            on_a_thread("stop", unit, |unit| Systemd.stop(unit)).await?;
        }
        Ok(())
    }

    /// Starts all, the last stopped first, also those behind one that does not
    /// start.
    async fn start(&self) -> Result<()> {
        let mut first = Ok(());
        for unit in self.0.iter().rev() {
            let started = on_a_thread("start", unit, |unit| Systemd.start(unit)).await;
            first = first.and(started);
        }
        first
    }
}

impl fmt::Display for Holders {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.join("\n"))
    }
}

/// Has systemd do something on a thread that may wait for it.
async fn on_a_thread(
    verb: &'static str,
    unit: &'static str,
    act: fn(&'static str) -> Result<()>,
) -> Result<()> {
    tokio::task::spawn_blocking(move || act(unit)).await.map_err(|error| Error::Host {
        action: format!("{verb} {unit}"),
        reason: error.to_string(),
        hint: "look at the unit: `systemctl status` names the cause",
    })?
}

/// Starts what a reset that was cut off had stopped, once the reset has ended.
///
/// # Errors
/// When the reset still runs, a unit does not start, or the state directory
/// cannot be read or written.
pub(crate) async fn finish_what_was_cut_off(appliance: &Appliance) -> Result<()> {
    let path = appliance.history_dir().join(MARKER);
    let holders = match fs::read(&path) {
        Ok(marker) => Holders::named(&String::from_utf8_lossy(&marker)),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(Error::State { action: "read", path, source }),
    };
    if !Systemd.is_at_rest(UNIT) {
        return Err(Error::Host {
            action: "start what was stopped for the reset of a GPU".to_owned(),
            reason: format!("{UNIT} still runs"),
            hint: "wait for it; a driver that does not answer needs a reboot",
        });
    }
    tracing::warn!("the reset of a GPU was cut off; starting {}", holders.0.join(" and "));
    holders.start().await?;
    remove(&path)
}

/// The declared program in a unit of its own.
fn command(appliance: &Appliance, uuid: &str) -> Vec<String> {
    let unit = format!("--unit={UNIT}");
    let own = ["systemd-run", "--quiet", "--collect", "--wait", "--pipe", &unit, "--"].map(str::to_owned);
    let declared = crate::gpu::declared(appliance).remediation.reset_command;
    own.into_iter().chain(declared).chain([format!("--id={uuid}")]).collect()
}

/// Runs the program; why it failed, in its own words.
async fn run(command: &[String]) -> std::result::Result<(), String> {
    let Some((program, arguments)) = command.split_first() else { return Err("no program".to_owned()) };
    let child = tokio::process::Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let done = match tokio::time::timeout(PATIENCE, child).await {
        Err(_) => return Err(format!("{program} did not end within {} s", PATIENCE.as_secs())),
        Ok(done) => done.map_err(|error| format!("cannot run {program}: {error}"))?,
    };
    if done.status.success() {
        return Ok(());
    }
    // nvidia-smi says why on stdout.
    let said = [done.stderr, done.stdout].concat();
    let said: String = String::from_utf8_lossy(&said).trim().replace('\n', "; ").chars().take(SAID).collect();
    Err(format!("{program}: {}: {said}", done.status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_names_what_was_stopped() {
        for units in [vec![READER], vec![READER, OTHERS[1]], vec![READER, OTHERS[0], OTHERS[1]]] {
            let holders = Holders(units);
            assert_eq!(Holders::named(&holders.to_string()), holders);
        }
        // Cut off before it was written, or of a version that wrote the GPU.
        for marker in ["", "GPU-2c3b6f4e"] {
            assert_eq!(Holders::named(marker), Holders(vec![READER]));
        }
    }

    #[tokio::test]
    async fn what_the_program_says_is_kept() {
        let command = |text: &str| ["sh", "-c", text].map(str::to_owned);
        assert_eq!(run(&command("true")).await, Ok(()));
        let refused = run(&command("echo 'in use by another client'; exit 3")).await;
        assert!(
            refused.as_ref().is_err_and(|reason| reason.contains("in use by another client")),
            "{refused:?}"
        );
        let absent = run(&["/nowhere/nvidia-smi".to_owned()]).await;
        assert!(absent.is_err_and(|reason| reason.contains("cannot run /nowhere/nvidia-smi")));
    }
}
