//! Jobs: backup, restore and drill in a process of their own.
//!
//! The daemon writes a request into a file, starts `odin-job@ID.service` and
//! follows the file of events the job writes. The job has its own memory limit
//! and outlives a restart of the daemon; a panic in the engine ends the job,
//! not the supervisor.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use odin_model::event::{Event, Observer};
use serde::{Deserialize, Serialize};

use crate::appliance::{Appliance, make_private_dir};
use crate::operations::{self, Request};
use crate::wire::{Failure, Line};
use crate::{Error, Result};

/// How often the daemon looks for new events of a job.
const FOLLOW: Duration = Duration::from_millis(100);

/// What a job is told.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Order {
    /// The declaration to load.
    config: PathBuf,
    /// What to do.
    request: Request,
}

/// Carries out the job of `base` (`BASE.request`), writing to `BASE.events`.
///
/// # Errors
/// When the request cannot be read or the events cannot be written, or the
/// operation failed; the latter is among the events too.
pub async fn carry_out(base: &Path) -> Result<()> {
    let order_file = base.with_extension("request");
    let text = fs::read(&order_file).map_err(Error::state("read", &order_file))?;
    let order: Order = serde_json::from_slice(&text).map_err(|error| Error::State {
        action: "read",
        path: order_file,
        source: std::io::Error::new(std::io::ErrorKind::InvalidData, error),
    })?;
    let events_file = base.with_extension("events");
    let events = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(&events_file)
        .map_err(Error::state("open", &events_file))?;
    let events = Arc::new(Mutex::new(events));
    let sink = Arc::clone(&events);
    let observer: Arc<dyn Observer> = Arc::new(move |event: Event| append(&sink, &Line::Event(event)));
    let outcome = match Appliance::load(&order.config) {
        Ok(appliance) => operations::run(&appliance, order.request, observer).await,
        Err(error) => Err(error),
    };
    match outcome {
        Ok(outcome) => {
            append(&events, &Line::Outcome(outcome));
            Ok(())
        }
        Err(error) => {
            append(&events, &Line::Failure(Failure::from(&error)));
            Err(error)
        }
    }
}

/// Appends a line. A disk that takes no more events must not end the job: its
/// own error, or its end without an outcome, tells the daemon enough.
fn append(events: &Mutex<File>, line: &Line) {
    let mut file = events.lock().unwrap_or_else(PoisonError::into_inner);
    if let Err(error) = file.write_all(&line.to_bytes()) {
        tracing::warn!(%error, "cannot write an event");
    }
}

/// Starts a job, passes its events on and gives its end.
pub(crate) async fn run(appliance: &Appliance, request: Request, observer: &dyn Observer) -> Line {
    match follow(appliance, request, observer).await {
        Ok(line) => line,
        Err(error) => Line::Failure(Failure::from(&error)),
    }
}

async fn follow(appliance: &Appliance, request: Request, observer: &dyn Observer) -> Result<Line> {
    static NUMBER: AtomicU64 = AtomicU64::new(1);
    let directory = appliance.config.host.run_dir.join("jobs");
    make_private_dir(&directory)?;
    let id = format!("{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    let base = directory.join(&id);
    let files = Files(base.clone());
    let order = Order { config: appliance.file.clone(), request };
    let text = serde_json::to_vec(&order).map_err(|error| Error::State {
        action: "write",
        path: base.clone(),
        source: error.into(),
    })?;
    write_new(&base.with_extension("request"), &text)?;
    let events_file = base.with_extension("events");
    write_new(&events_file, b"")?;
    let mut events = File::open(&events_file).map_err(Error::state("read", &events_file))?;

    let mut child = start(&id, &base)?;
    let mut pending = Vec::new();
    loop {
        let ended = tokio::select! {
            status = child.wait() => Some(status),
            () = tokio::time::sleep(FOLLOW) => None,
        };
        events.read_to_end(&mut pending).map_err(Error::state("read", &events_file))?;
        while let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = pending.drain(..=end).collect();
            match serde_json::from_slice(&line) {
                Ok(Line::Event(event)) => observer.event(event),
                Ok(end) => {
                    drop(files);
                    return Ok(end);
                }
                Err(error) => tracing::warn!(%error, "unreadable event of a job"),
            }
        }
        if let Some(status) = ended {
            let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
            return Err(Error::Host {
                action: format!("finish job {id}"),
                reason: format!("it ended without a result ({status})"),
                hint: "see `journalctl -u 'odin-job@*'`; a job killed for its memory names oom-kill there",
            });
        }
    }
}

/// The files of a job, removed with it.
struct Files(PathBuf);

impl Drop for Files {
    fn drop(&mut self) {
        for suffix in ["request", "events"] {
            // Under /run; what stays is gone at the next boot.
            drop(fs::remove_file(self.0.with_extension(suffix)));
        }
    }
}

fn write_new(path: &Path, content: &[u8]) -> Result<()> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(content))
        .map_err(Error::state("write", path))
}

/// Starts the job's unit; where this daemon is not a unit itself, a process.
fn start(id: &str, base: &Path) -> Result<tokio::process::Child> {
    let under_systemd = std::env::var_os("INVOCATION_ID").is_some();
    let mut command = if under_systemd {
        let mut command = tokio::process::Command::new("systemctl");
        command.args(["start", "--", &format!("odin-job@{id}.service")]);
        command
    } else {
        let program = std::env::current_exe().map_err(Error::state("find", "odin"))?;
        let mut command = tokio::process::Command::new(program);
        command.arg("job").arg(base);
        command
    };
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().map_err(|error| {
        Error::Host {
            action: format!("start job {id}"),
            reason: error.to_string(),
            hint: "jobs are the unit odin-job@.service; see that it is installed",
        }
    })
}
