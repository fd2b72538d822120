//! Where copies for undo are kept.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Keeps named copies. A copy is whole or absent, also after a power cut.
pub trait UndoStore: Send + Sync {
    /// Stores a copy under a name, replacing an earlier one.
    ///
    /// # Errors
    /// When it is not certain to be stored.
    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Reads a copy; `None` when there is none.
    ///
    /// # Errors
    /// When it cannot be read.
    fn get(&self, name: &str) -> io::Result<Option<Vec<u8>>>;
}

/// Copies as files of a directory, readable by their owner alone: pruned
/// objects may be secrets.
#[derive(Clone, Debug)]
pub struct DirectoryStore {
    dir: PathBuf,
}

impl DirectoryStore {
    /// Uses a directory, making it when the first copy is stored.
    #[must_use]
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }
}

impl UndoStore for DirectoryStore {
    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        fs::create_dir_all(&self.dir)?;
        // A temporary file of tempfile is 0600 from the start.
        let mut file = tempfile::NamedTempFile::new_in(&self.dir)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(self.dir.join(name)).map_err(|error| error.error)?;
        // The rename itself must survive, too.
        File::open(&self.dir)?.sync_all()
    }

    fn get(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.dir.join(name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Copies in memory, for tests and for applies that need no undo.
#[derive(Debug, Default)]
pub struct MemoryStore {
    copies: Mutex<BTreeMap<String, Vec<u8>>>,
}

impl UndoStore for MemoryStore {
    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.copies.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), bytes.to_owned());
        Ok(())
    }

    fn get(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        Ok(self.copies.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned())
    }
}
