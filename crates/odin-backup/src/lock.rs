//! Locks that go away with their holder, also when that is killed, so there is
//! never one to remove by hand: `flock` on a file. Other readers of the
//! repository's format ignore the one that lies in it.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::FlockOperation;
use rustix::io::Errno;

use crate::{Error, Result};

/// Name of the lock file in the repository.
pub(crate) const NAME: &str = "odin.lock";

/// A file nobody else has locked, as long as the value lives.
#[derive(Debug)]
pub(crate) struct Exclusive {
    file: File,
}

impl Exclusive {
    /// Locks a file, or gives it back when another has it.
    pub(crate) fn take(file: File) -> Result<std::result::Result<Self, File>, Errno> {
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Ok(Self { file })),
            Err(Errno::WOULDBLOCK) => Ok(Err(file)),
            Err(error) => Err(error),
        }
    }
}

impl Drop for Exclusive {
    fn drop(&mut self) {
        // To close the file is not enough: a child that another thread starts at
        // this moment holds a copy of it until it runs its own program.
        if let Err(error) = rustix::fs::flock(&self.file, FlockOperation::Unlock) {
            tracing::warn!(%error, "a lock is left to the end of the process");
        }
    }
}

/// The lock of a repository against a second writer.
#[derive(Debug)]
pub(crate) struct Lock {
    _held: Exclusive,
}

impl Lock {
    /// Takes the lock of a repository or says who has it.
    pub(crate) fn take(repository: &Path) -> Result<Self> {
        let path = repository.join(NAME);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|error| Error::io("open lock", &path, error))?;
        let mut held = match Exclusive::take(file).map_err(|error| Error::io("lock", &path, error))? {
            Ok(held) => held,
            Err(mut file) => {
                let mut holder = String::new();
                // The holder's own words are a courtesy; without them the lock
                // is held all the same.
                if file.read_to_string(&mut holder).is_err() || holder.trim().is_empty() {
                    holder = "another process".to_owned();
                }
                return Err(Error::Locked { path: repository.into(), holder: holder.trim().to_owned() });
            }
        };
        let holder = format!("process {}\n", std::process::id());
        held.file
            .set_len(0)
            .and_then(|()| held.file.rewind())
            .and_then(|()| held.file.write_all(holder.as_bytes()))
            .map_err(|error| Error::io("write lock", &path, error))?;
        Ok(Self { _held: held })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_of_the_file_in_a_child_does_not_hold_the_lock() {
        let directory = tempfile::tempdir().unwrap();
        let held = Lock::take(directory.path()).unwrap();
        // What a fork leaves in the child until it runs its own program.
        let copy = held._held.file.try_clone().unwrap();
        assert!(matches!(Lock::take(directory.path()), Err(Error::Locked { .. })));
        drop(held);
        Lock::take(directory.path()).unwrap();
        drop(copy);
    }
}
