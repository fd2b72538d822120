//! One operation at a time: an advisory lock that dies with its holder.
//!
//! `flock` is released by the kernel however the holder ends, so a killed
//! `odin` never needs an unlock by hand. The file's text names the holder for
//! the message of the second one; it is never trusted for more.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rustix::fs::FlockOperation;

use crate::{Error, Result};

/// How often, and after which pause, a lock that is only being looked at is
/// tried again.
const GLANCES: u32 = 10;
const GLANCE: Duration = Duration::from_millis(10);

/// The lock, held until it is dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of `run_dir` for `action`, without waiting.
    ///
    /// # Errors
    /// When another operation holds it (the error names which), or the
    /// directory cannot be written.
    pub fn take(run_dir: &Path, action: &'static str) -> Result<Self> {
        fs::create_dir_all(run_dir).map_err(Error::state("create", run_dir))?;
        let path = run_dir.join("lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(Error::state("open", &path))?;
        let mut held = rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive);
        // Whoever only looks ([`holder`]) holds it for an instant.
        for _ in 0..GLANCES {
            if held != Err(rustix::io::Errno::WOULDBLOCK) {
                break;
            }
            std::thread::sleep(GLANCE);
            held = rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive);
        }
        match held {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut holder = String::new();
                if file.read_to_string(&mut holder).is_err() || holder.is_empty() {
                    "another odin is at work".clone_into(&mut holder);
                }
                return Err(Error::Busy { action, holder });
            }
            Err(error) => return Err(Error::State { action: "lock", path, source: error.into() }),
        }
        let holder = format!("`odin` (process {}) is at work: {action}, since {}", std::process::id(), now());
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(holder.as_bytes()))
            .map_err(Error::state("write", &path))?;
        Ok(Self { _file: file })
    }
}

/// Who holds the lock of `run_dir` at this moment, in the holder's words.
#[must_use]
pub fn holder(run_dir: &Path) -> Option<String> {
    let mut file = File::open(run_dir.join("lock")).ok()?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared) {
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let mut holder = String::new();
            file.read_to_string(&mut holder).ok()?;
            Some(holder)
        }
        // Free; closing the file gives the shared lock back.
        _ => None,
    }
}

fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_operation_is_told_who_is_first() {
        let directory = tempfile::tempdir().expect("a directory");
        let first = Lock::take(directory.path(), "back up").expect("the lock");
        let error = Lock::take(directory.path(), "apply").expect_err("a second holder");
        assert!(error.to_string().contains("cannot apply"), "{error}");
        assert!(error.to_string().contains("is at work: back up, since"), "{error}");
        drop(first);
        Lock::take(directory.path(), "apply").expect("a free lock");
    }

    #[test]
    fn what_a_dead_holder_wrote_does_not_hold_the_lock() {
        let directory = tempfile::tempdir().expect("a directory");
        fs::write(directory.path().join("lock"), "process 1 is at work").expect("a file");
        Lock::take(directory.path(), "apply").expect("a free lock");
    }
}
