//! Locks that go away with their holder, also when that is killed, so there is
//! never one to remove by hand: `flock` on a file. Other readers of the
//! repository's format ignore the one that lies in it.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

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

/// Age at which restic itself takes a lock for one left by a dead process. A
/// living one writes it anew every five minutes. (restic's design document,
/// "Locks".)
const STALE: Duration = Duration::from_secs(30 * 60);

/// Refuses while a restic works on the repository: it may count on data that
/// no snapshot needs yet.
pub(crate) fn refuse_restic(repository: &Path) -> Result<()> {
    let directory = repository.join("locks");
    let entries = match std::fs::read_dir(&directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::io("list", &directory, error)),
    };
    for entry in entries {
        let entry = entry.map_err(|error| Error::io("list", &directory, error))?;
        let age = match entry.metadata().and_then(|metadata| metadata.modified()) {
            // A time to come is none to wait for; it is as good as new.
            Ok(written) => SystemTime::now().duration_since(written).unwrap_or_default(),
            // It was there a moment ago: its owner lives.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Duration::ZERO,
            Err(error) => return Err(Error::io("look at", entry.path(), error)),
        };
        if age < STALE {
            let minutes = age.as_secs() / 60;
            return Err(Error::LockedByRestic { lock: entry.path(), minutes });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_young_lock_of_restic_is_named_and_an_old_one_is_not_heeded() {
        let directory = tempfile::tempdir().unwrap();
        refuse_restic(directory.path()).unwrap();
        std::fs::create_dir(directory.path().join("locks")).unwrap();
        refuse_restic(directory.path()).unwrap();
        let lock = directory.path().join("locks/ab");
        let file = File::create(&lock).unwrap();
        for (age, minutes) in [(0, Some(0)), (29 * 60, Some(29)), (31 * 60, None)] {
            file.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
            match (refuse_restic(directory.path()), minutes) {
                (Ok(()), None) => {}
                (Err(error @ Error::LockedByRestic { .. }), Some(minutes)) => {
                    let text = format!("{error}; {}", error.hint().unwrap());
                    assert!(text.contains(&lock.display().to_string()), "{text}");
                    assert!(text.contains(&format!("{minutes} minutes")), "{text}");
                }
                (other, _) => panic!("{age} s: {other:?}"),
            }
        }
        file.set_modified(SystemTime::now() + Duration::from_secs(3600)).unwrap();
        assert!(refuse_restic(directory.path()).is_err(), "of the future");
    }

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
