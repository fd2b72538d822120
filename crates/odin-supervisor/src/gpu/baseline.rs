//! The file of the baseline: read again when it is another, written once all
//! GPUs were healthy and there was none.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use odin_gpu::Fleet;
use odin_gpu::health::Baseline;

use crate::appliance::replace_file;
use crate::{Error, Result};

/// Time between two looks at the file.
const LOOK: Duration = Duration::from_secs(2);
/// Looks at which all GPUs must be healthy before they are recorded: a GPU may
/// be a moment late after the boot, or fail under its first work.
const STEADY: u32 = 15;

/// What is recorded; none when nothing is, the reason when it cannot be read.
///
/// # Errors
/// In words, when the file is there and no baseline.
pub fn read(file: &Path) -> std::result::Result<Option<Baseline>, String> {
    let text = match fs::read(file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("cannot read {}: {error}", file.display())),
    };
    serde_json::from_slice(&text)
        .map(Some)
        .map_err(|error| format!("{} is no baseline: {error}", file.display()))
}

/// Replaces what is recorded.
///
/// # Errors
/// When the file cannot be written.
pub fn write(file: &Path, baseline: &Baseline) -> Result<()> {
    let mut text = serde_json::to_vec_pretty(baseline).map_err(|error| Error::State {
        action: "write",
        path: file.to_owned(),
        source: error.into(),
    })?;
    text.push(b'\n');
    replace_file(file, &text)
}

/// Keeps the fleet measured against the file, for ever.
pub(super) async fn keep(fleet: Fleet, file: PathBuf) {
    let mut stamp: Option<Stamp> = None;
    let mut steady = 0;
    loop {
        let now = stamp_of(&file);
        if stamp != Some(now) {
            stamp = Some(now);
            let found = read(&file);
            if let Err(reason) = &found {
                tracing::warn!(reason, "GPUs are not measured against a baseline");
            }
            fleet.set_baseline(found);
        }
        // Only where there is none: one that cannot be read is left for a person.
        steady = if now.is_none() && fleet.health().holds() { steady + 1 } else { 0 };
        if steady == STEADY {
            record(&fleet, &file);
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn record(fleet: &Fleet, file: &Path) {
    let Some(baseline) = Baseline::of(&fleet.health(), Timestamp::now()) else { return };
    match write(file, &baseline) {
        Ok(()) => {
            tracing::info!(gpus = baseline.gpus.len(), file = %file.display(), "the baseline is recorded")
        }
        Err(error) => tracing::warn!(%error, "the baseline is not recorded"),
    }
}

/// Time and size of the file; none when it is not there.
type Stamp = Option<(Option<SystemTime>, u64)>;

fn stamp_of(file: &Path) -> Stamp {
    match fs::metadata(file) {
        Ok(about) => Some((about.modified().ok(), about.len())),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        // There may be one that cannot be seen.
        Err(_) => Some((None, 0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_a_baseline_or_says_why_not() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("gpu/baseline.json");
        assert_eq!(read(&file), Ok(None));
        assert_eq!(stamp_of(&file), None);
        let baseline =
            Baseline { recorded: Timestamp::UNIX_EPOCH, driver: "595".to_owned(), gpus: Vec::new() };
        write(&file, &baseline).expect("written");
        assert_eq!(read(&file), Ok(Some(baseline)));
        assert!(stamp_of(&file).is_some());
        fs::write(&file, "{").expect("damaged");
        assert!(read(&file).is_err_and(|reason| reason.contains("is no baseline")));
        fs::remove_file(&file).expect("removed");
        fs::create_dir(&file).expect("a directory in its place");
        assert!(read(&file).is_err_and(|reason| reason.starts_with("cannot read")));
        assert!(stamp_of(&file).is_some(), "what is in the way is not overwritten");
    }
}
