//! The product's engine: `rustic_core` for what is written, code of our own
//! for what is read.
//!
//! `rustic_core` keeps the format: keys, chunker, packer, index, trees,
//! snapshot files. Its edges are ours: the store (`store`), the source
//! with its ledger (`content`, `ledger`), and everything that
//! brings data back (`reader`, `restorer`, `check`).
//! A panic inside it is an error here.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use odin_model::event::Observer;
use odin_model::unused::MaxUnused;
use rustic_core::repofile::{ConfigFile, MasterKey, SnapshotFile};
use rustic_core::{
    ConfigOptions, Credentials, Id, KeyOptions, OpenStatus, Repository, RepositoryBackends,
    RepositoryOptions, RusticError, WriteBackend as _,
};

use super::blob::Opener;
use super::reader::Reader;
use super::store::Store;
use super::{
    BackupEngine, CheckDepth, CheckReport, Label, Restored, Seal, SnapshotId, SnapshotInfo, check, key,
    prune, restorer,
};
use crate::prune::Pruned;
use crate::steps::{Steps, Unhindered};
use crate::walk::Root;
use crate::{Error, Result};

pub(crate) mod progress;
mod write;

pub(crate) use progress::Meter;

/// Format version of new repositories, the newest there is.
const VERSION: u32 = 2;
/// Size of data packs, half of restic's default: the engine holds up to six at
/// a time, and they are most of what a backup needs of memory.
const DATA_PACK: &str = "8MiB";
/// Size of tree packs.
const TREE_PACK: &str = "4MiB";

/// A repository in a local directory.
pub struct RusticEngine {
    path: PathBuf,
    key: MasterKey,
    store: Arc<Store>,
}

impl std::fmt::Debug for RusticEngine {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("RusticEngine").field("path", &self.path).finish_non_exhaustive()
    }
}

/// State of a directory that is to be a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// There is nothing, or an empty directory.
    Nothing,
    /// An initialisation that was cut off: directories and perhaps a key, no
    /// configuration and no data.
    Unfinished,
    /// A repository.
    Repository,
    /// Something else, in words.
    Foreign(String),
}

/// Looks at what is in a directory.
///
/// # Errors
///
/// Where the directory cannot be listed.
pub fn inspect(path: &Path) -> Result<Found> {
    let entries = match std::fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {
            return Ok(Found::Foreign("it is not a directory".to_owned()));
        }
        Err(error) => return Err(Error::io("list", path, error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| Error::io("list", path, error))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.retain(|name| name != "lost+found" && name != crate::lock::NAME);
    let skeleton = ["data", "index", "keys", "snapshots", "locks", "odin-partial"];
    if names.is_empty() {
        Ok(Found::Nothing)
    } else if names.iter().any(|name| name == "config") && names.iter().any(|name| name == "keys") {
        Ok(Found::Repository)
    } else if names.iter().all(|name| skeleton.contains(&name.as_str())) && is_hollow(path)? {
        Ok(Found::Unfinished)
    } else {
        names.sort();
        let shown: Vec<_> = names.iter().take(3).cloned().collect();
        Ok(Found::Foreign(format!("it has no config file but holds {}", shown.join(", "))))
    }
}

/// Tells whether nothing was ever stored below.
fn is_hollow(path: &Path) -> Result<bool> {
    for name in ["data", "index", "snapshots"] {
        let directory = path.join(name);
        match std::fs::read_dir(&directory) {
            Ok(mut entries) => {
                if entries.next().is_some() {
                    return Ok(false);
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::io("list", &directory, error)),
        }
    }
    Ok(true)
}

impl RusticEngine {
    /// Creates a repository in an absent or empty directory.
    ///
    /// # Errors
    ///
    /// Where something is there already, or cannot be written.
    pub fn init(path: &Path, password: &str) -> Result<Self> {
        Self::init_with(path, password, None, Arc::new(Unhindered))
    }

    /// As [`RusticEngine::init`], with steps announced, and with the chunker of
    /// another repository, so that copies between the two share their chunks.
    pub fn init_with(
        path: &Path,
        password: &str,
        like: Option<&Self>,
        steps: Arc<dyn Steps>,
    ) -> Result<Self> {
        match inspect(path)? {
            Found::Nothing => {}
            Found::Unfinished => remove_keys(path)?,
            Found::Repository => {
                return Err(Error::CannotInitialise {
                    path: path.into(),
                    reason: "a repository is there already".into(),
                });
            }
            Found::Foreign(reason) => return Err(Error::CannotInitialise { path: path.into(), reason }),
        }
        std::fs::create_dir_all(path).map_err(|error| Error::io("create directory", path, error))?;
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o700))
            .map_err(|error| Error::io("set the mode of", path, error))?;
        let store = Arc::new(Store::new(path, steps));
        let mut options = ConfigOptions::default();
        options.set_version = Some(VERSION);
        options.set_datapack_size = DATA_PACK.parse().ok();
        options.set_datapack_growfactor = Some(0);
        options.set_treepack_size = TREE_PACK.parse().ok();
        options.set_treepack_growfactor = Some(0);
        let like =
            like.map(|other| other.session().map(|repository| repository.config().clone())).transpose()?;
        // The configuration is written last: what has none is no repository yet.
        contain(&store, "create the repository", || store.create())?;
        let key = key::create(&store, password)?;
        let credentials = Credentials::Masterkey(key.clone());
        contain(&store, "create the repository", || {
            let repository = unopened(&store)?;
            match like {
                Some(config) => {
                    let config = ConfigFile { id: Id::random().into(), ..config };
                    repository.init_with_config(&credentials, &KeyOptions::default(), config)
                }
                None => repository.init(&credentials, &KeyOptions::default(), &options),
            }
        })?;
        Ok(Self { path: path.to_path_buf(), key, store })
    }

    /// Opens a repository.
    ///
    /// # Errors
    ///
    /// Where it is none, is of a later format, or the password is wrong.
    pub fn open(path: &Path, password: &str) -> Result<Self> {
        Self::open_with(path, password, Arc::new(Unhindered))
    }

    /// As [`RusticEngine::open`], with steps announced.
    pub fn open_with(path: &Path, password: &str, steps: Arc<dyn Steps>) -> Result<Self> {
        match inspect(path)? {
            Found::Repository => {}
            Found::Nothing => {
                return Err(Error::NotARepository {
                    path: path.into(),
                    reason: "it is absent or empty".into(),
                });
            }
            Found::Unfinished => {
                return Err(Error::NotARepository {
                    path: path.into(),
                    reason: "its creation was cut off".into(),
                });
            }
            Found::Foreign(reason) => return Err(Error::NotARepository { path: path.into(), reason }),
        }
        let store = Arc::new(Store::new(path, steps));
        let credentials = Credentials::password(password);
        let opened = catch(|| unopened(&store)?.open(&credentials));
        let repository = match opened {
            Ok(Ok(repository)) => repository,
            Ok(Err(error)) if error.is_incorrect_password() => {
                return Err(Error::WrongPassword { repository: path.into() });
            }
            Ok(Err(error)) => return Err(translate(&store, "open the configuration", &error)),
            Err(message) => return Err(engine_error(&store, "open the configuration", message)),
        };
        let version = repository.config().version;
        if version > VERSION {
            return Err(Error::NewerRepository { path: path.into(), version });
        }
        Ok(Self { path: path.to_path_buf(), key: repository.key(), store })
    }

    /// Opens a session of the engine. The key is at hand, so it costs reading
    /// the configuration and no key derivation.
    pub(super) fn session(&self) -> Result<Repository<OpenStatus>> {
        let credentials = Credentials::Masterkey(self.key.clone());
        contain(&self.store, "open the configuration", || unopened(&self.store)?.open(&credentials))
    }

    pub(super) fn reader(&self) -> Result<Reader> {
        let session = self.session()?;
        let indexed = contain(&self.store, "read the index", || session.to_indexed())?;
        Reader::new(self.store.clone(), &self.key, indexed)
    }

    pub(super) fn opener(&self) -> Result<Opener> {
        let damaged = |what: &str| Error::Damaged { path: self.path.clone(), what: what.to_owned() };
        Opener::new(&self.key).map_err(damaged)
    }

    /// Frees what no snapshot needs; with `only_plan` only says what that is.
    /// The caller holds the writer's lock.
    ///
    /// # Errors
    ///
    /// Where the repository is damaged or in use; nothing is removed then
    /// before everything a snapshot needs was found elsewhere.
    pub fn prune(&self, limit: &MaxUnused, only_plan: bool, observer: &dyn Observer) -> Result<Pruned> {
        prune::prune(self, limit, only_plan, observer)
    }

    pub(super) fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Reads all snapshot files, oldest first.
    pub(super) fn snapshot_files(&self) -> Result<Vec<SnapshotFile>> {
        let session = self.session()?;
        let mut files = contain(&self.store, "read the snapshots", || session.get_all_snapshots())?;
        files.sort_by(|left, right| left.time.cmp(&right.time).then_with(|| left.id.cmp(&right.id)));
        Ok(files)
    }

    pub(super) fn snapshot_file(&self, id: &SnapshotId) -> Result<SnapshotFile> {
        let missing = || Error::NoSnapshot { id: id.0.clone(), path: self.path.clone() };
        let id: Id = id.0.parse().map_err(|_| missing())?;
        if !self.store.path_of(rustic_core::FileType::Snapshot, &id).exists() {
            return Err(missing());
        }
        let session = self.session()?;
        let mut found =
            contain(&self.store, "read the snapshot", || session.get_snapshots(&[id.to_hex().to_string()]))?;
        found.pop().ok_or_else(missing)
    }

    /// Copies snapshots that `to` does not have yet, reads back every pack that
    /// was written there, and returns their ids there.
    ///
    /// # Errors
    ///
    /// Where one could not be copied whole.
    pub fn copy(&self, ids: &[SnapshotId], to: &Self, observer: &dyn Observer) -> Result<Vec<SnapshotId>> {
        write::copy(self, ids, to, observer)
    }

    /// Removes what a killed writer left. The caller holds the writer's lock.
    ///
    /// # Errors
    ///
    /// Where it cannot be removed.
    pub fn clean(&self) -> Result<()> {
        self.store.clean()
    }
}

impl BackupEngine for RusticEngine {
    fn location(&self) -> &Path {
        &self.path
    }

    fn backup(
        &self,
        label: &Label,
        roots: Vec<Root>,
        scratch: &Path,
        seal: Seal<'_>,
        observer: &dyn Observer,
    ) -> Result<SnapshotInfo> {
        write::backup(self, label, roots, scratch, seal, observer)
    }

    fn snapshots(&self) -> Result<Vec<SnapshotInfo>> {
        Ok(self.snapshot_files()?.iter().map(describe).collect())
    }

    fn read_file(&self, id: &SnapshotId, path: &Path, into: &mut dyn std::io::Write) -> Result<()> {
        let snapshot = self.snapshot_file(id)?;
        self.reader()?.read_file(&snapshot, path, into)
    }

    fn restore_tree(
        &self,
        id: &SnapshotId,
        path: &Path,
        into: &Path,
        observer: &dyn Observer,
    ) -> Result<Restored> {
        let snapshot = self.snapshot_file(id)?;
        restorer::restore(&self.reader()?, &snapshot, path, into, observer)
    }

    fn check(&self, depth: CheckDepth, observer: &dyn Observer) -> Result<CheckReport> {
        check::check(self, depth, observer)
    }

    fn forget(&self, ids: &[SnapshotId]) -> Result<()> {
        for id in ids {
            let parsed: Id = self.snapshot_file(id)?.id.into_inner();
            let session = self.session()?;
            contain(&self.store, "remove the snapshot", || session.delete_snapshots(&[parsed.into()]))?;
        }
        Ok(())
    }
}

/// Removes the keys of an initialisation that was cut off: no configuration
/// was written, so nothing was ever sealed with them.
fn remove_keys(path: &Path) -> Result<()> {
    let keys = path.join("keys");
    match std::fs::remove_dir_all(&keys) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io("remove leftovers in", &keys, error))
        }
        _ => Ok(()),
    }
}

fn unopened(store: &Arc<Store>) -> rustic_core::RusticResult<Repository<()>> {
    let mut options = RepositoryOptions::default();
    // The repository is local: a cache would be a second copy to go stale.
    options.no_cache = true;
    Repository::new(&options, &RepositoryBackends::new(store.clone(), None))
}

/// Describes a snapshot file.
pub(super) fn describe(file: &SnapshotFile) -> SnapshotInfo {
    let mut tags: Vec<String> = file.tags.iter().map(ToString::to_string).collect();
    if file.delete == rustic_core::repofile::DeleteOption::Never && !tags.iter().any(|tag| tag == super::HOLD)
    {
        tags.push(super::HOLD.to_owned());
    }
    let figure = |tag: &str| tags.iter().find_map(|text| text.strip_prefix(tag)?.parse().ok());
    SnapshotInfo {
        id: SnapshotId(file.id.to_hex().to_string()),
        time: file.time.timestamp(),
        host: file.hostname.clone(),
        bytes: figure("bytes=")
            .or_else(|| file.summary.as_ref().map(|summary| summary.total_bytes_processed)),
        files: figure("files=")
            .or_else(|| file.summary.as_ref().map(|summary| summary.total_files_processed)),
        added: file.summary.as_ref().map(|summary| summary.data_added_packed),
        tags: {
            tags.retain(|tag| !tag.starts_with("bytes=") && !tag.starts_with("files="));
            tags
        },
    }
}

/// Runs a call of the engine; its error and its panic become ours.
pub(super) fn contain<T>(
    store: &Store,
    action: &'static str,
    call: impl FnOnce() -> rustic_core::RusticResult<T>,
) -> Result<T> {
    match catch(call) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(translate(store, action, &error)),
        Err(message) => Err(engine_error(store, action, message)),
    }
}

fn catch<T>(call: impl FnOnce() -> T) -> std::result::Result<T, String> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|payload| {
        let text = payload
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| payload.downcast_ref::<&str>().copied());
        format!("the engine panicked: {}", text.unwrap_or("no message"))
    })
}

fn translate(store: &Store, action: &'static str, error: &RusticError) -> Error {
    let text = error.display_log();
    let text = text.strip_prefix("Error: ").unwrap_or(&text).replace('\n', " ");
    if error.is_code("C001") || text.contains("MAC check failed") {
        let what = format!("{action}: stored bytes are not authentic");
        return store.take_error().unwrap_or(Error::Damaged { path: store.root().into(), what });
    }
    engine_error(store, action, text)
}

/// The store's own error says more than what the engine made of it.
fn engine_error(store: &Store, action: &'static str, message: String) -> Error {
    store.take_error().unwrap_or(Error::Engine { action, path: store.root().into(), message })
}

/// Renders an error with its causes, for the engine's error type.
pub(super) fn render(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests;
