//! The journal of a restore: how far it is, durable before each step.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::RestorePlan;
use crate::lock::Exclusive;
use crate::{Error, Result};

const NAME: &str = "restore-journal.json";
const FORMAT: u32 = 1;

/// How far a restore is. The order matters: see [`super::recover`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum State {
    /// Data is being restored beside the targets; nothing live was touched.
    Staging,
    /// The machine is being stopped, or is.
    Stopping,
    /// Old and new are changing places.
    Swapping,
    /// They have. From here it goes forward.
    Swapped,
    /// The new data was accepted; the old is being removed.
    Dropping,
    /// The old data is being put back.
    RollingBack,
}

/// How far the children of a mount point are exchanged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Exchange {
    /// Old children may be in the old directory; no new one is in the target.
    #[default]
    Out,
    /// All old children are in the old directory; new ones may be in the target.
    In,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Content {
    format: u32,
    state: State,
    /// One for each piece.
    exchanges: Vec<Exchange>,
    plan: RestorePlan,
}

/// The journal, locked against a second restore.
#[derive(Debug)]
pub(super) struct Journal {
    directory: PathBuf,
    content: Option<Content>,
    _lock: Exclusive,
}

impl Journal {
    /// Opens the journal in a directory, which is created where absent.
    pub(super) fn open(directory: &Path) -> Result<Self> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(|error| Error::io("create directory", directory, error))?;
        let lock_path = directory.join("restore.lock");
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&lock_path)
            .map_err(|error| Error::io("open lock", &lock_path, error))?;
        let lock = Exclusive::take(lock)
            .map_err(|error| Error::io("lock", &lock_path, error))?
            .map_err(|_| Error::Locked { path: directory.into(), holder: "another restore".into() })?;
        let path = directory.join(NAME);
        let content = match fs::read(&path) {
            Ok(bytes) => Some(parse(&path, &bytes)?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(Error::io("read", &path, error)),
        };
        Ok(Self { directory: directory.to_path_buf(), content, _lock: lock })
    }

    /// Where a restore that was cut off stands.
    pub(super) fn interrupted(&self) -> Option<(State, RestorePlan)> {
        self.content.as_ref().map(|content| (content.state, content.plan.clone()))
    }

    /// Begins a restore.
    pub(super) fn begin(&mut self, plan: &RestorePlan) -> Result<()> {
        let exchanges = vec![Exchange::Out; plan.pieces.len()];
        self.content = Some(Content { format: FORMAT, state: State::Staging, exchanges, plan: plan.clone() });
        self.write()
    }

    /// Notes the step that comes next.
    pub(super) fn enter(&mut self, state: State) -> Result<()> {
        if let Some(content) = &mut self.content {
            content.state = state;
        }
        self.write()
    }

    pub(super) fn exchange(&self, piece: usize) -> Exchange {
        self.content.as_ref().and_then(|content| content.exchanges.get(piece).copied()).unwrap_or_default()
    }

    pub(super) fn set_exchange(&mut self, piece: usize, exchange: Exchange) -> Result<()> {
        if let Some(slot) = self.content.as_mut().and_then(|content| content.exchanges.get_mut(piece)) {
            *slot = exchange;
        }
        self.write()
    }

    /// Ends the restore.
    pub(super) fn end(&mut self) -> Result<()> {
        self.content = None;
        let path = self.directory.join(NAME);
        fs::remove_file(&path).map_err(|error| Error::io("remove", &path, error))?;
        sync(&self.directory)
    }

    fn write(&self) -> Result<()> {
        let path = self.directory.join(NAME);
        let partial = self.directory.join("restore-journal.partial");
        let fail = |error: std::io::Error| Error::io("write", &path, error);
        let bytes = serde_json::to_vec_pretty(&self.content).map_err(|error| fail(error.into()))?;
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&partial)
            .map_err(fail)?;
        file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(fail)?;
        fs::rename(&partial, &path).map_err(fail)?;
        sync(&self.directory)
    }
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Content> {
    let refuse = |reason: String| Error::Journal { path: path.to_path_buf(), reason };
    let content: Content = serde_json::from_slice(bytes).map_err(|error| refuse(error.to_string()))?;
    if content.format != FORMAT {
        return Err(refuse(format!("it has format {}, known is {FORMAT}", content.format)));
    }
    if content.exchanges.len() != content.plan.pieces.len() {
        return Err(refuse("it does not fit its own plan".into()));
    }
    Ok(content)
}

/// Makes the names in a directory durable.
pub(super) fn sync(directory: &Path) -> Result<()> {
    File::open(directory)
        .and_then(|handle| handle.sync_all())
        .map_err(|error| Error::io("sync", directory, error))
}
