//! Changing how a card is cut, seen by every process that has the scenario.
//!
//! One change at a time on the whole machine: a lock beside the scenario, which
//! the kernel gives back however its holder ends. The file is replaced, never
//! written over, so a reader sees it as it was or as it is.

use std::fs::OpenOptions;
use std::path::Path;

use rustix::fs::FlockOperation;
use rustix::process::{Signal, getpid, kill_process};

use super::{Target, snapshot, world};
use crate::cut::{self, Cut, Cuts};
use crate::fault::Kind;
use crate::gpu::Gpu;
use crate::refusal::{Answer, Refusal};

/// What clients cut; nothing where no file is.
pub(super) fn read(file: &Path) -> Result<Cuts, String> {
    match std::fs::read_to_string(file) {
        Ok(text) => toml::from_str(&text).map_err(|error| format!("{}: {error}", file.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Cuts::new()),
        Err(error) => Err(format!("{}: {error}", file.display())),
    }
}

/// Changes how the GPU of a target is cut. Every call counts; one that fails
/// changes nothing else.
///
/// # Errors
/// The body's refusal, or the scenario's; or the file cannot be written.
pub fn change(target: &Target, body: impl FnOnce(&Gpu<'_>, &mut Cut) -> Answer<()>) -> Answer<()> {
    let path = world().path.clone().ok_or(Refusal::Uninitialized)?;
    let file = cut::file(&path);
    let lock = OpenOptions::new()
        .create(true)
        .append(true)
        .open(file.with_extension("mig.lock"))
        .map_err(|error| cannot(&file, &error))?;
    rustix::fs::flock(&lock, FlockOperation::LockExclusive).map_err(|error| cannot(&file, &error))?;
    world().looked = f64::NEG_INFINITY;
    let snapshot = snapshot()?;
    let gpu = snapshot.gpu(target)?;
    let before = Cut { changes: gpu.card.cut.changes + 1, ..gpu.card.cut.clone() };
    let mut after = before.clone();
    let fault = gpu.faults().find(|fault| match fault {
        Kind::MigFails { at, count, .. } => (*at..at.saturating_add(*count)).contains(&before.changes),
        Kind::MigKilled { at } => *at == before.changes,
        _ => false,
    });
    let answer = match fault {
        Some(Kind::MigFails { error, .. }) => Err(*error),
        Some(_) => {
            write(&file, &gpu, &before)?;
            kill_process(getpid(), Signal::KILL).map_err(|error| cannot(&file, &error))?;
            Err(Refusal::Unknown)
        }
        None => body(&gpu, &mut after),
    };
    write(&file, &gpu, if answer.is_ok() { &after } else { &before })?;
    world().looked = f64::NEG_INFINITY;
    answer
}

fn write(file: &Path, gpu: &Gpu<'_>, cut: &Cut) -> Answer<()> {
    let mut cuts = read(file).map_err(|error| cannot(file, &error))?;
    cuts.insert(gpu.card.uuid.clone(), cut.clone());
    let text = toml::to_string(&cuts).map_err(|error| cannot(file, &error))?;
    let fresh = file.with_extension("mig.new");
    std::fs::write(&fresh, text)
        .and_then(|()| std::fs::rename(&fresh, file))
        .map_err(|error| cannot(file, &error))
}

fn cannot(file: &Path, error: &dyn std::fmt::Display) -> Refusal {
    super::say(&format!("cannot keep how GPUs are cut in {}: {error}", file.display()));
    Refusal::Unknown
}
