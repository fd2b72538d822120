//! The store: files of a repository in a local directory.
//!
//! Three rules the stock local backend does not keep, each with a known loss
//! behind it (`docs/adr/0004-backup-engine.md`): a listing that cannot read
//! one entry fails as a whole; a file appears under its name only when its
//! bytes and its directory are on the disk; the first error of the operating
//! system is kept, so that a full disk is reported as a full disk and not as
//! what the engine made of it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use rustic_core::{BytesList, ErrorKind, FileType, Id, ReadBackend, RusticError, RusticResult, WriteBackend};

use crate::steps::Steps;
use crate::{Error, Result};

/// Directory of files being written; on the file system of the repository, so
/// that a rename finishes them, and unknown to every other reader.
const PARTIAL: &str = "odin-partial";

pub(super) struct Store {
    root: PathBuf,
    steps: Arc<dyn Steps>,
    /// While set, snapshot files are noted and not written: the engine's two
    /// halves of a snapshot are none yet.
    drafting: AtomicBool,
    written: Mutex<Vec<Id>>,
    first_error: Mutex<Option<Error>>,
    serial: AtomicU64,
}

impl Store {
    pub(super) fn new(root: &Path, steps: Arc<dyn Steps>) -> Self {
        Self {
            root: root.to_path_buf(),
            steps,
            drafting: AtomicBool::new(false),
            written: Mutex::new(Vec::new()),
            first_error: Mutex::new(None),
            serial: AtomicU64::new(0),
        }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Announces a step to whoever listens.
    pub(super) fn reached(&self, step: &str) -> Result<()> {
        self.steps.reached(step)
    }

    /// Takes the first error since the last call.
    pub(super) fn take_error(&self) -> Option<Error> {
        self.first_error.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Switches drafting and returns the ids of snapshots seen since.
    pub(super) fn draft(&self, on: bool) -> Vec<Id> {
        self.drafting.store(on, Ordering::SeqCst);
        std::mem::take(&mut *self.written.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Removes what a killed writer left half written. The caller holds the
    /// writer's lock.
    pub(super) fn clean(&self) -> Result<()> {
        let directory = self.root.join(PARTIAL);
        match fs::remove_dir_all(&directory) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::io("remove leftovers in", &directory, error))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn path_of(&self, kind: FileType, id: &Id) -> PathBuf {
        let hex = id.to_hex();
        match kind {
            FileType::Config => self.root.join("config"),
            FileType::Pack => self.root.join("data").join(&hex[..2]).join(&hex[..]),
            _ => self.root.join(kind.dirname()).join(&hex[..]),
        }
    }

    /// Lists names and sizes of one kind of file.
    pub(super) fn list(&self, kind: FileType) -> Result<Vec<(Id, u64)>> {
        let mut found = Vec::new();
        match kind {
            FileType::Config => {
                let path = self.root.join("config");
                match fs::metadata(&path) {
                    Ok(metadata) => found.push((Id::default(), metadata.len())),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(Error::io("look at", &path, error)),
                }
            }
            FileType::Pack => {
                let data = self.root.join("data");
                for entry in fs::read_dir(&data).map_err(|error| Error::io("list", &data, error))? {
                    let entry = entry.map_err(|error| Error::io("list", &data, error))?;
                    let kind =
                        entry.file_type().map_err(|error| Error::io("look at", entry.path(), error))?;
                    if kind.is_dir() {
                        list_directory(&entry.path(), &mut found)?;
                    }
                }
            }
            _ => list_directory(&self.root.join(kind.dirname()), &mut found)?,
        }
        Ok(found)
    }

    /// Reads a whole file.
    pub(super) fn read(&self, kind: FileType, id: &Id) -> Result<Vec<u8>> {
        let path = self.path_of(kind, id);
        let mut bytes = Vec::new();
        File::open(&path)
            .and_then(|mut file| file.read_to_end(&mut bytes))
            .map_err(|error| Error::io("read", &path, error))?;
        Ok(bytes)
    }

    /// Reads a range of a file; a short read is an error.
    pub(super) fn read_range(&self, kind: FileType, id: &Id, offset: u64, length: usize) -> Result<Vec<u8>> {
        let path = self.path_of(kind, id);
        let mut bytes = vec![0; length];
        File::open(&path)
            .and_then(|file| file.read_exact_at(&mut bytes, offset))
            .map_err(|error| Error::io("read", &path, error))?;
        Ok(bytes)
    }

    /// Writes a file so that it is whole and durable under its name, or not
    /// there.
    pub(super) fn write(&self, kind: FileType, id: &Id, content: &BytesList) -> Result<()> {
        if kind == FileType::Snapshot {
            if self.drafting.load(Ordering::SeqCst) {
                return Ok(());
            }
            self.written.lock().unwrap_or_else(PoisonError::into_inner).push(*id);
        }
        let path = self.path_of(kind, id);
        self.steps.reached(&format!("store: write {}", kind.dirname()))?;
        let partial = self.partial_path()?;
        let written = write_new(&partial, content).map_err(|error| Error::io("write", &path, error));
        if let Err(error) = written {
            // The write failed and is reported; that its leftover could not be
            // removed either adds nothing, the next writer cleans up.
            drop(fs::remove_file(&partial));
            return Err(error);
        }
        self.steps.reached(&format!("store: name {}", kind.dirname()))?;
        let parent = path.parent().unwrap_or(&self.root);
        make_directory(parent)?;
        fs::rename(&partial, &path).map_err(|error| Error::io("rename to", &path, error))?;
        sync_directory(parent)?;
        self.steps.reached(&format!("store: wrote {}", kind.dirname()))
    }

    fn partial_path(&self) -> Result<PathBuf> {
        let directory = self.root.join(PARTIAL);
        make_directory(&directory)?;
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        Ok(directory.join(format!("{}-{serial}", std::process::id())))
    }

    pub(super) fn remove_file(&self, kind: FileType, id: &Id) -> Result<()> {
        let path = self.path_of(kind, id);
        self.steps.reached(&format!("store: remove {}", kind.dirname()))?;
        let parent = path.parent().unwrap_or(&self.root);
        match fs::remove_file(&path) {
            // A forget that was cut off removed it before; or an index names a
            // pack in a directory that never was.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if !parent.exists() {
                    return Ok(());
                }
            }
            Err(error) => return Err(Error::io("remove", &path, error)),
            Ok(()) => {}
        }
        sync_directory(parent)
    }

    /// Keeps the first error for [`Store::take_error`] and says it to the
    /// engine in its own type.
    fn report(&self, error: Error) -> Box<RusticError> {
        let text = crate::engine::rustic::render(&error);
        self.first_error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        RusticError::new(ErrorKind::Backend, text)
    }
}

fn list_directory(directory: &Path, found: &mut Vec<(Id, u64)>) -> Result<()> {
    for entry in fs::read_dir(directory).map_err(|error| Error::io("list", directory, error))? {
        let entry = entry.map_err(|error| Error::io("list", directory, error))?;
        // Other programs keep files of their own beside; a name that is no id
        // is none of the repository's.
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse::<Id>().ok()) else {
            continue;
        };
        let metadata = entry.metadata().map_err(|error| Error::io("look at", entry.path(), error))?;
        if !metadata.is_file() {
            return Err(Error::io("list", entry.path(), io::Error::other("not a regular file")));
        }
        found.push((id, metadata.len()));
    }
    Ok(())
}

fn write_new(path: &Path, content: &BytesList) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    for piece in content.slice() {
        file.write_all(piece)?;
    }
    file.sync_all()
}

/// Creates a directory of the repository and makes its name durable.
pub(super) fn make_directory(path: &Path) -> Result<()> {
    match fs::DirBuilder::new().create(path) {
        Ok(()) => path.parent().map_or(Ok(()), sync_directory),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(Error::io("create directory", path, error)),
    }
}

/// Makes the names in a directory durable.
pub(crate) fn sync_directory(path: &Path) -> Result<()> {
    File::open(path)
        .and_then(|directory| directory.sync_all())
        .map_err(|error| Error::io("sync", path, error))
}

impl ReadBackend for Store {
    fn location(&self) -> String {
        self.root.display().to_string()
    }

    fn list_with_size(&self, kind: FileType) -> RusticResult<Vec<(Id, u32)>> {
        let found = self.list(kind).map_err(|error| self.report(error))?;
        found
            .into_iter()
            .map(|(id, size)| {
                let size = u32::try_from(size).map_err(|_| {
                    let what = format!("{} {id} has the impossible size {size}", kind.dirname());
                    self.report(Error::Damaged { path: self.root.clone(), what })
                })?;
                Ok((id, size))
            })
            .collect()
    }

    fn read_full(&self, kind: FileType, id: &Id) -> RusticResult<Bytes> {
        self.read(kind, id).map(Bytes::from).map_err(|error| self.report(error))
    }

    fn read_partial(
        &self,
        kind: FileType,
        id: &Id,
        _cacheable: bool,
        offset: u32,
        length: u32,
    ) -> RusticResult<Bytes> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        self.read_range(kind, id, u64::from(offset), length)
            .map(Bytes::from)
            .map_err(|error| self.report(error))
    }

    fn warmup_path(&self, kind: FileType, id: &Id) -> String {
        self.path_of(kind, id).display().to_string()
    }
}

impl WriteBackend for Store {
    fn create(&self) -> RusticResult<()> {
        for name in ["data", "index", "keys", "snapshots", "locks"] {
            make_directory(&self.root.join(name)).map_err(|error| self.report(error))?;
        }
        Ok(())
    }

    fn write_bytes(&self, kind: FileType, id: &Id, _cacheable: bool, content: BytesList) -> RusticResult<()> {
        self.write(kind, id, &content).map_err(|error| self.report(error))
    }

    fn remove(&self, kind: FileType, id: &Id, _cacheable: bool) -> RusticResult<()> {
        self.remove_file(kind, id).map_err(|error| self.report(error))
    }
}
