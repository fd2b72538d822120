//! The reset of one GPU.
//!
//! The driver resets no GPU that a program has open, so odin-gpu.service is
//! stopped for it and started again whatever comes of it, also by the next look
//! or the next supervisor when this one fails or is killed in between. The
//! program runs in a unit of its own, so that a supervisor that ends does not
//! end it in the middle. That a reset began is on disk before anything is
//! stopped, and is what counts against the resets of a day.

use std::fmt;
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
/// There while the reader may be stopped.
const MARKER: &str = "gpu-reset-begun";
/// The unit that the program runs in.
const UNIT: &str = "odin-gpu-reset.service";
/// The unit that has the GPUs open.
const READER: &str = "odin-gpu.service";
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
/// When the reader does not stop or start, or the state directory cannot be
/// written.
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
    replace_file(&marker, need.uuid.as_bytes())?;
    Records::of(appliance).append(FILE, &Record::of(need, Verdict::Begun))?;
    reader(|unit| Systemd.stop(unit)).await?;
    let verdict = match held().await {
        Some(reason) => Verdict::Held(reason),
        None => match run(&command(appliance, &need.uuid)).await {
            Ok(()) => Verdict::Done,
            Err(reason) => Verdict::Failed(reason),
        },
    };
    reader(|unit| Systemd.start(unit)).await?;
    remove(&marker)?;
    Ok(Record::of(need, verdict))
}

/// Starts or stops the reader on a thread that may wait for systemd.
async fn reader(verb: fn(&str) -> Result<()>) -> Result<()> {
    tokio::task::spawn_blocking(move || verb(READER)).await.map_err(|error| Error::Host {
        action: format!("start or stop {READER}"),
        reason: error.to_string(),
        hint: "look at the unit: `systemctl status` names the cause",
    })?
}

/// Starts what a reset that was cut off had stopped, once the reset has ended.
///
/// # Errors
/// When the reset still runs, the reader does not start, or the state directory
/// cannot be written.
pub(crate) async fn finish_what_was_cut_off(appliance: &Appliance) -> Result<()> {
    let marker = appliance.history_dir().join(MARKER);
    if !marker.exists() {
        return Ok(());
    }
    if !Systemd.is_at_rest(UNIT) {
        return Err(Error::Host {
            action: format!("start {READER} after the reset of a GPU"),
            reason: format!("{UNIT} still runs"),
            hint: "wait for it; a driver that does not answer needs a reboot",
        });
    }
    tracing::warn!("the reset of a GPU was cut off; starting {READER}");
    reader(|unit| Systemd.start(unit)).await?;
    remove(&marker)
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
