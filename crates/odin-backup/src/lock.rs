//! The lock of a repository against a second writer.
//!
//! An flock on a file in the repository: it goes away with its holder, also
//! when that is killed, so there is never a lock to remove by hand. Other
//! readers of the format ignore the file.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::FlockOperation;
use rustix::io::Errno;

use crate::{Error, Result};

/// Name of the lock file in the repository.
pub(crate) const NAME: &str = "odin.lock";

/// Held as long as the value lives.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of a repository or says who has it.
    pub(crate) fn take(repository: &Path) -> Result<Self> {
        let path = repository.join(NAME);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|error| Error::io("open lock", &path, error))?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let mut holder = String::new();
                // The holder's own words are a courtesy; without them the lock
                // is held all the same.
                if file.read_to_string(&mut holder).is_err() || holder.trim().is_empty() {
                    holder = "another process".to_owned();
                }
                return Err(Error::Locked { path: repository.into(), holder: holder.trim().to_owned() });
            }
            Err(error) => return Err(Error::io("lock", &path, error)),
        }
        let holder = format!("process {}\n", std::process::id());
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(holder.as_bytes()))
            .map_err(|error| Error::io("write lock", &path, error))?;
        Ok(Self { _file: file })
    }
}
