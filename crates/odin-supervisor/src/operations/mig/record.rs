//! What is kept of cutting GPUs, below `/var/lib/odin/gpu`.
//!
//! `mig-change.json` is written before anything changes and says how the GPUs
//! were cut: whoever finds it, after a power cut too, knows what to go back to.
//! When the change is complete the same file becomes `mig-previous.json` by a
//! rename, which is what `rollback` goes back to. A change that only made again
//! what a boot or a reset took is none to go back from, and is forgotten.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use odin_gpu::mig::Change;
use serde::{Deserialize, Serialize};

use crate::appliance::{Appliance, replace_file};
use crate::{Error, Result};

/// A change of layouts. Fields that a newer program wrote are no error: an older
/// one must be able to go back, too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Record {
    /// Who began it.
    pub(super) verb: Verb,
    /// When.
    pub(super) time: Timestamp,
    /// The GPUs, with the layouts they had.
    pub(super) changes: Vec<Change>,
}

/// Who began a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Verb {
    Apply,
    Rollback,
}

impl Record {
    /// Whether nothing is lost when only the earlier change can be gone back
    /// from: every GPU has again what that gave it and had no instances, which
    /// is what a boot or a reset leaves; or it has what it had.
    fn makes_again(&self, earlier: &Self) -> bool {
        self.changes.iter().all(|change| {
            let Some(after) = &change.after else { return false };
            let given = earlier.changes.iter().find(|given| given.uuid == change.uuid);
            let given = given.and_then(|given| given.after.as_ref());
            let is_made_again =
                change.before.instances.is_empty() && given.is_some_and(|given| given.is_alike(after));
            is_made_again || change.before == *after
        })
    }
}

/// Where records are kept.
#[derive(Debug)]
pub(super) struct Shelf {
    directory: PathBuf,
}

impl Shelf {
    pub(super) fn of(appliance: &Appliance) -> Self {
        Self { directory: appliance.config.host.state_dir.join("gpu") }
    }

    /// The file of a change that is under way or was cut off.
    pub(super) fn begun_file(&self) -> PathBuf {
        self.directory.join("mig-change.json")
    }

    fn previous_file(&self) -> PathBuf {
        self.directory.join("mig-previous.json")
    }

    /// A change that was begun and not ended.
    pub(super) fn begun(&self) -> Result<Option<Record>> {
        read(&self.begun_file())
    }

    /// The last change that was ended.
    pub(super) fn previous(&self) -> Result<Option<Record>> {
        read(&self.previous_file())
    }

    /// Keeps a change before it begins.
    pub(super) fn begin(&self, record: &Record) -> Result<()> {
        let file = self.begun_file();
        let text = serde_json::to_vec_pretty(record).map_err(io::Error::from);
        replace_file(&file, &text.map_err(Error::state("write", &file))?)
    }

    /// A change is complete: what was before it can be gone back to. `previous`
    /// was read before anything was cut, so that a damaged one is told then.
    pub(super) fn end(&self, record: &Record, previous: Option<&Record>) -> Result<()> {
        if previous.is_some_and(|previous| record.makes_again(previous)) {
            return self.forget();
        }
        self.begin(record)?;
        let file = self.begun_file();
        fs::rename(&file, self.previous_file()).map_err(Error::state("rename", &file))?;
        self.settle()
    }

    /// All is as it was before the change began.
    pub(super) fn forget(&self) -> Result<()> {
        let file = self.begun_file();
        match fs::remove_file(&file) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(Error::State { action: "remove", path: file, source: error })
            }
            _ => self.settle(),
        }
    }

    fn settle(&self) -> Result<()> {
        let synced = File::open(&self.directory).and_then(|directory| directory.sync_all());
        synced.map_err(Error::state("write", &self.directory))
    }
}

/// A record that cannot be read is an error: without it nobody knows what to go
/// back to, and the next change would write over it.
fn read(file: &Path) -> Result<Option<Record>> {
    let text = match fs::read(file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::State { action: "read", path: file.to_owned(), source: error }),
    };
    serde_json::from_slice(&text).map(Some).map_err(|error| Error::Host {
        action: format!("read {}", file.display()),
        reason: error.to_string(),
        hint: "it says how GPUs were cut before; when that is of no more use, remove it",
    })
}

#[cfg(test)]
mod tests {
    use odin_gpu::mig::{Instance, Layout};

    use super::*;

    #[test]
    fn a_change_is_kept_until_it_ends_and_then_as_the_previous_one() {
        let directory = tempfile::tempdir().expect("a directory");
        let shelf = Shelf { directory: directory.path().join("gpu") };
        assert_eq!(shelf.begun().expect("nothing"), None);
        let before = Layout { enabled: true, instances: Vec::new() };
        let (start, size, slices) = (0, 4, 3);
        let profile = "3g.40gb".to_owned();
        let instance = Instance { start, size, profile, profile_id: 9, slices, compute: Vec::new() };
        let whole = Layout { enabled: true, instances: vec![instance] };
        let after = Some(whole.clone());
        let change = Change { index: 0, uuid: "GPU-a".to_owned(), model: "H100".to_owned(), before, after };
        let record = Record { verb: Verb::Apply, time: Timestamp::UNIX_EPOCH, changes: vec![change] };
        shelf.begin(&record).expect("written");
        assert_eq!(shelf.begun().expect("read"), Some(record.clone()));
        shelf.end(&record, None).expect("renamed");
        let kept = (shelf.begun().expect("none"), shelf.previous().expect("read"));
        assert_eq!(kept, (None, Some(record.clone())));
        // After a boot, which left nothing, the same is made again.
        let mut again = record.clone();
        again.changes[0].before = Layout { enabled: false, instances: Vec::new() };
        shelf.begin(&again).expect("written");
        shelf.end(&again, Some(&record)).expect("forgotten");
        assert_eq!(
            (shelf.begun().expect("none"), shelf.previous().expect("read")),
            (None, Some(record.clone()))
        );
        // Nor is a change that was undone before it ended.
        again.changes[0].before = whole.clone();
        shelf.end(&again, Some(&record)).expect("forgotten");
        assert_eq!(shelf.previous().expect("read"), Some(record.clone()));
        // But what somebody cut by hand since is gone back to.
        again.changes[0].before.instances[0].start = 4;
        shelf.begin(&again).expect("written");
        shelf.end(&again, Some(&record)).expect("renamed");
        assert_eq!(shelf.previous().expect("read"), Some(again.clone()));
        shelf.forget().expect("nothing to forget");
        // A newer program knows more.
        let newer = serde_json::to_string(&again).expect("text").replace('{', r#"{"new": 1, "#);
        fs::write(shelf.begun_file(), newer).expect("written");
        assert_eq!(shelf.begun().expect("read"), Some(again));
        fs::write(shelf.begun_file(), "{").expect("damaged");
        let error = shelf.begun().expect_err("damaged");
        assert!(error.to_string().contains("mig-change.json"), "{error}");
    }
}
