//! The reset of one GPU.
//!
//! The driver resets no GPU that a program has open, so odin-gpu.service is
//! stopped for it and started again whatever comes of it, also by the next
//! supervisor when this one is killed in between.

use std::fmt;
use std::process::Stdio;
use std::time::Duration;

use jiff::Timestamp;
use odin_model::event::Observer;
use serde::{Deserialize, Serialize};

use crate::appliance::{Appliance, replace_file};
use crate::host::{Systemd, Units};
use crate::lock::Lock;
use crate::records::Records;
use crate::{Error, Result};

/// File of what was done, one JSON object a line.
pub(crate) const FILE: &str = "gpu-resets.jsonl";
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
    /// It is done, and what it was for is gone.
    Done,
    /// It would be done, if it were not for `dry-run`.
    WouldBeDone,
    /// It is done, and what it was for is not gone.
    NotCured,
    /// The program failed.
    Failed(String),
    /// The supervisor ended while it was under way; nobody knows.
    CutOff,
}

impl Record {
    pub(crate) fn of(need: &Need, verdict: Verdict) -> Self {
        let (index, uuid, finding) = (need.index, need.uuid.clone(), need.finding.clone());
        Self { time: Timestamp::now(), index, uuid, finding, verdict }
    }

    /// Whether a GPU was really touched.
    pub(crate) fn is_attempt_on(&self, uuid: &str) -> bool {
        self.uuid == uuid && self.verdict != Verdict::WouldBeDone
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
            Self::Done => formatter.write_str("it was reset and is well"),
            Self::WouldBeDone => formatter.write_str("it would be reset"),
            Self::NotCured => formatter.write_str("it was reset and is not well"),
            Self::Failed(reason) => write!(formatter, "it could not be reset: {reason}"),
            Self::CutOff => formatter.write_str("its reset was cut off"),
        }
    }
}

/// Resets a GPU; that the program fails is a verdict.
///
/// # Errors
/// When another operation does not end, the reader does not stop or start, or
/// the state directory cannot be written.
pub(crate) async fn reset(appliance: &Appliance, need: &Need, observer: &dyn Observer) -> Result<Record> {
    let _lock = Lock::take(&appliance.config.host, "reset a GPU", observer).await?;
    let begun = Record::of(need, Verdict::CutOff);
    let marker = appliance.history_dir().join("gpu-reset-begun.json");
    let line = serde_json::to_vec(&begun).map_err(|error| Error::State {
        action: "write",
        path: marker.clone(),
        source: error.into(),
    })?;
    replace_file(&marker, &line)?;
    reader(|unit| Systemd.stop(unit)).await?;
    let verdict = match run(&crate::gpu::declared(appliance).remediation.reset_command, &need.uuid).await {
        Ok(()) => Verdict::Done,
        Err(reason) => Verdict::Failed(reason),
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

/// Starts what a reset that was cut off had stopped, and keeps a record of it.
///
/// # Errors
/// When the reader does not start, or the state directory cannot be written.
pub(crate) async fn finish_what_was_cut_off(appliance: &Appliance) -> Result<()> {
    let marker = appliance.history_dir().join("gpu-reset-begun.json");
    let text = match std::fs::read(&marker) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        text => text.map_err(Error::state("read", &marker))?,
    };
    reader(|unit| Systemd.start(unit)).await?;
    if let Ok(record) = serde_json::from_slice::<Record>(&text) {
        tracing::warn!(gpu = record.uuid, "the reset of a GPU was cut off");
        Records::of(appliance).append(FILE, &record)?;
    }
    remove(&marker)
}

/// Runs the program; why it failed, in its own words.
async fn run(command: &[String], uuid: &str) -> std::result::Result<(), String> {
    let Some((program, arguments)) = command.split_first() else {
        return Err("gpu.remediation.reset-command names no program".to_owned());
    };
    let child = tokio::process::Command::new(program)
        .args(arguments)
        .arg(format!("--id={uuid}"))
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

fn remove(path: &std::path::Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::state("remove", path)(error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_program_gets_the_gpu_and_its_words_are_kept() {
        let command = |text: &str| vec!["sh".to_owned(), "-c".to_owned(), text.to_owned(), "sh".to_owned()];
        assert_eq!(run(&command("test \"$1\" = --id=GPU-7"), "GPU-7").await, Ok(()));
        let refused = run(&command("echo 'in use by another client'; exit 3"), "GPU-7").await;
        assert!(
            refused.as_ref().is_err_and(|reason| reason.contains("in use by another client")),
            "{refused:?}"
        );
        let absent = run(&["/nowhere/nvidia-smi".to_owned()], "GPU-7").await;
        assert!(absent.is_err_and(|reason| reason.contains("cannot run /nowhere/nvidia-smi")));
        assert!(run(&[], "GPU-7").await.is_err());
    }
}
