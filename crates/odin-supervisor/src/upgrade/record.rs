//! What is kept of an upgrade, so that a power cut at any point loses nothing.
//!
//! `pending.json` holds the newest upgrade until the next one replaces it;
//! `history.jsonl` every one that ended. Both lie in `/var/lib/odin/upgrade`,
//! which no snapshot carries: they tell what this machine did at boot, and a
//! restore of yesterday's data must not make it forget that.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::generation::Generation;
use super::gpus::Before;
use crate::appliance::{make_private_dir, replace_file};
use crate::{Error, Result};

/// Version of the record's form; an unknown one is not guessed at.
pub const FORMAT: u32 = 1;

/// How far an upgrade is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// The boot loader is being told; it may or may not know yet.
    Staging,
    /// The new generation is set for one boot, the old one is the default.
    Staged,
    /// The new generation runs and has no verdict yet.
    Booted,
    /// The new generation is the default.
    Confirmed,
    /// The new generation was given up; the machine is about to boot the old.
    FallingBack,
    /// The old generation runs again.
    FellBack,
    /// It was given up, the old one made the default, and the machine came up
    /// in it all the same: the boot loader does not do what it is told, and a
    /// person has to look. It is not rebooted a second time.
    Stranded,
}

impl State {
    /// Whether nothing more happens by itself.
    #[must_use]
    pub fn has_ended(self) -> bool {
        matches!(self, Self::Confirmed | Self::FellBack | Self::Stranded)
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(match self {
            Self::Staging => "staging",
            Self::Staged => "staged",
            Self::Booted => "booted",
            Self::Confirmed => "confirmed",
            Self::FallingBack => "falling back",
            Self::FellBack => "fell back",
            Self::Stranded => "stranded",
        })
    }
}

/// Who wants the other generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// It is new and on trial: a bad verdict takes it back.
    Upgrade,
    /// A person asked for it: a bad verdict is told, and it stays.
    Rollback,
}

/// Data that goes back with the generation.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct DataReturn {
    /// The snapshot it comes from.
    pub snapshot: String,
    /// Only the datastore; otherwise everything the snapshot holds.
    pub datastore_only: bool,
    /// Where it stands.
    pub state: DataState,
}

/// How far the return of data is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DataState {
    /// It is due.
    Due,
    /// It is back.
    Done,
    /// It failed, and why; it is not tried again by itself.
    Failed(String),
}

/// One upgrade, from staging to its end.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Record {
    /// Version of this form.
    pub format: u32,
    /// Who wants it.
    pub kind: Kind,
    /// How far it is.
    pub state: State,
    /// The generation that ran when it was staged: the way back.
    pub from: Generation,
    /// The generation on trial.
    pub to: Generation,
    /// The snapshot taken for this upgrade.
    #[serde(default)]
    pub snapshot: Option<String>,
    /// How many times this generation was staged.
    pub attempt: u32,
    /// When it was staged.
    pub staged: Timestamp,
    /// The boot it was staged in (`/proc/sys/kernel/random/boot_id`).
    pub staged_boot: String,
    /// The boot of the new generation that is judged.
    #[serde(default)]
    pub trial_boot: Option<String>,
    /// The boot that leaves the new generation: the old one is the default
    /// again, and one reboot is asked for.
    #[serde(default)]
    pub left_boot: Option<String>,
    /// When the trial began.
    #[serde(default)]
    pub tried: Option<Timestamp>,
    /// When it ended.
    #[serde(default)]
    pub ended: Option<Timestamp>,
    /// Why it was given up, or what a person accepted.
    #[serde(default)]
    pub reason: Option<String>,
    /// Data that goes back with the generation.
    #[serde(default)]
    pub data: Option<DataReturn>,
    /// Whether the node was cordoned for a person to look first.
    #[serde(default)]
    pub cordoned: bool,
    /// Whether a person allowed another attempt after it fell back.
    #[serde(default)]
    pub forgiven: bool,
    /// Units that had failed before: they say nothing against the new one.
    #[serde(default)]
    pub failed_before: Vec<String>,
    /// The GPUs as they were: the baseline of the verdict.
    #[serde(default)]
    pub gpus: Before,
}

impl Record {
    /// Whether the new generation brings another minor version of K3s, whose
    /// datastore the old one may not be able to read.
    #[must_use]
    pub fn changes_k3s_minor(&self) -> bool {
        self.from.k3s_minor() != self.to.k3s_minor()
    }

    /// Whether two records are of the same upgrade.
    fn is_same(&self, other: &Self) -> bool {
        self.to.system == other.to.system
            && self.staged == other.staged
            && self.staged_boot == other.staged_boot
    }
}

/// The directory of the records.
#[derive(Clone, Debug)]
pub struct Store {
    directory: PathBuf,
}

impl Store {
    /// The store below ODIN's state directory; nothing is read yet.
    #[must_use]
    pub fn below(state_dir: &Path) -> Self {
        Self { directory: state_dir.join("upgrade") }
    }

    /// The directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Whether ODIN's state is there at all. It is not before the first boot
    /// ended, and in a generation that cannot mount it.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.directory.is_dir()
    }

    /// Makes the directory.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create(&self) -> Result<()> {
        make_private_dir(&self.directory)
    }

    fn pending(&self) -> PathBuf {
        self.directory.join("pending.json")
    }

    fn history_file(&self) -> PathBuf {
        self.directory.join("history.jsonl")
    }

    /// The newest upgrade; none when there was none.
    ///
    /// # Errors
    /// When it cannot be read or is of another version: a boot must not be
    /// decided on half a record.
    pub fn load(&self) -> Result<Option<Record>> {
        let path = self.pending();
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::state("read", path)(error)),
        };
        let record: Record =
            serde_json::from_slice(&bytes).map_err(|error| Error::state("read", &path)(error.into()))?;
        if record.format == FORMAT {
            return Ok(Some(record));
        }
        Err(Error::state("read", path)(std::io::Error::new(
            std::io::ErrorKind::InvalidData,
            format!("it has format {}, this version of odin knows {FORMAT}", record.format),
        )))
    }

    /// Replaces the newest upgrade, durably. One that has ended enters the
    /// history first, so that it is there once the record says so.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, record: &Record) -> Result<()> {
        let path = self.pending();
        if record.state.has_ended() {
            self.append(record)?;
        }
        let bytes =
            serde_json::to_vec_pretty(record).map_err(|error| Error::state("write", &path)(error.into()))?;
        replace_file(&path, &bytes)
    }

    /// The boot entry that ODIN made the default; none when it made none.
    #[must_use]
    pub fn default_entry(&self) -> Option<String> {
        fs::read_to_string(self.directory.join("default-entry")).ok().map(|id| id.trim().to_owned())
    }

    /// Keeps which boot entry ODIN made the default.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep_default_entry(&self, id: &str) -> Result<()> {
        replace_file(&self.directory.join("default-entry"), format!("{id}\n").as_bytes())
    }

    /// Leaves the mark that `odin-trial.service` empties at the next boot: in
    /// that boot a failure of `odin` itself reboots the machine.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn arm(&self) -> Result<()> {
        replace_file(&self.directory.join("armed"), b"armed\n")
    }

    /// Removes the mark.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn disarm(&self) -> Result<()> {
        let path = self.directory.join("armed");
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::State { action: "remove", path, source: error })
            }
            _ => Ok(()),
        }
    }

    fn append(&self, record: &Record) -> Result<()> {
        let path = self.history_file();
        self.create()?;
        let mut line =
            serde_json::to_vec(record).map_err(|error| Error::state("write", &path)(error.into()))?;
        line.push(b'\n');
        let torn = fs::read(&path).is_ok_and(|bytes| bytes.last().is_some_and(|byte| *byte != b'\n'));
        fs::OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| {
                if torn {
                    // The rest of a line that a power cut left.
                    file.write_all(b"\n")?;
                }
                file.write_all(&line)?;
                file.sync_all()
            })
            .map_err(Error::state("write", &path))
    }

    /// Upgrades that ended, oldest first. One that was written twice, because
    /// the power went between history and record, or whose data came back
    /// later, is told once, as it was last.
    #[must_use]
    pub fn history(&self) -> Vec<Record> {
        let bytes = fs::read(self.history_file()).unwrap_or_default();
        let mut past: Vec<Record> = Vec::new();
        for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            match serde_json::from_slice::<Record>(line) {
                Ok(record) => {
                    past.retain(|earlier| !earlier.is_same(&record));
                    past.push(record);
                }
                Err(error) => {
                    tracing::warn!(path = %self.history_file().display(), %error, "a line is damaged");
                }
            }
        }
        past
    }
}

#[cfg(test)]
pub(crate) mod tests;
