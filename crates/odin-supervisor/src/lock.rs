//! One operation at a time: an advisory lock that dies with its holder.
//!
//! `flock` is released by the kernel however the holder ends, so a killed
//! `odin` never needs an unlock by hand. The file's text names the holder for
//! the message of the second one; it is never trusted for more.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use odin_model::config::Host;
use odin_model::event::{Event, Observer};
use rustix::fs::FlockOperation;
use rustix::io::Errno;
use tokio::time::Instant;

use crate::{Error, Result, interrupt};

/// How long whoever only looks ([`holder`]) may hold the lock.
const GLANCE: Duration = Duration::from_millis(100);

/// How often a lock that is held is tried again.
const RETRY: Duration = Duration::from_millis(20);

/// The lock, held until it is dropped.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

impl Lock {
    /// Takes the lock of the machine for `action`. While another operation
    /// holds it, says so once and waits for `lock-timeout`.
    ///
    /// # Errors
    /// When the other operation does not end in time or this one is asked to
    /// end (the error names the other), or the directory cannot be written.
    pub async fn take(host: &Host, action: &'static str, observer: &dyn Observer) -> Result<Self> {
        let mut attempt = Attempt::new(&host.run_dir)?;
        let begun = Instant::now();
        let mut told = false;
        while !attempt.succeeds()? {
            let waited = begun.elapsed();
            if waited >= GLANCE.max(host.lock_timeout) || interrupt::is_requested() {
                return Err(Error::Busy { action, holder: attempt.holder() });
            }
            if waited >= GLANCE && !told {
                told = true;
                let message = format!(
                    "{}; waiting up to {:#} for it to end",
                    attempt.holder(),
                    jiff::SignedDuration::try_from(host.lock_timeout).unwrap_or(jiff::SignedDuration::MAX)
                );
                observer.event(Event::Warning { message });
            }
            tokio::time::sleep(RETRY).await;
        }
        attempt.name(action)?;
        Ok(Self { file: attempt.file })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // To close the file is not enough: a child that another thread starts at
        // this moment holds a copy of it until it runs its own program.
        if let Err(error) = rustix::fs::flock(&self.file, FlockOperation::Unlock) {
            tracing::warn!(%error, "the lock is left to the end of the process");
        }
    }
}

/// The open file of a lock that may be held by another.
struct Attempt {
    file: File,
    path: PathBuf,
}

impl Attempt {
    fn new(run_dir: &Path) -> Result<Self> {
        fs::create_dir_all(run_dir).map_err(Error::state("create", run_dir))?;
        let path = run_dir.join("lock");
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(Error::state("open", &path))?;
        Ok(Self { file, path })
    }

    fn succeeds(&self) -> Result<bool> {
        match rustix::fs::flock(&self.file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(true),
            Err(Errno::WOULDBLOCK) => Ok(false),
            Err(error) => Err(Error::State { action: "lock", path: self.path.clone(), source: error.into() }),
        }
    }

    /// Who holds it, in the holder's words.
    fn holder(&mut self) -> String {
        let mut holder = String::new();
        let read = self.file.rewind().and_then(|()| self.file.read_to_string(&mut holder));
        if read.is_err() || holder.is_empty() { "another odin is at work".to_owned() } else { holder }
    }

    /// Leaves word of who holds it now.
    fn name(&mut self, action: &str) -> Result<()> {
        let holder = format!("`odin` (process {}) is at work: {action}, since {}", std::process::id(), now());
        self.file
            .set_len(0)
            .and_then(|()| self.file.rewind())
            .and_then(|()| self.file.write_all(holder.as_bytes()))
            .map_err(Error::state("write", &self.path))
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
    use std::sync::Mutex;

    use odin_model::event::Silent;

    use super::*;

    fn host(directory: &Path, lock_timeout: Duration) -> Host {
        Host { run_dir: directory.to_owned(), lock_timeout, ..Host::default() }
    }

    #[tokio::test]
    async fn a_second_operation_is_told_who_is_first() {
        let directory = tempfile::tempdir().expect("a directory");
        let host = host(directory.path(), Duration::ZERO);
        let first = Lock::take(&host, "back up", &Silent).await.expect("the lock");
        let error = Lock::take(&host, "apply", &Silent).await.expect_err("a second holder");
        assert!(error.to_string().contains("cannot apply"), "{error}");
        assert!(error.to_string().contains("is at work: back up, since"), "{error}");
        drop(first);
        Lock::take(&host, "apply", &Silent).await.expect("a free lock");
    }

    #[tokio::test]
    async fn a_second_operation_says_that_it_waits_and_goes_on_when_the_first_ends() {
        let directory = tempfile::tempdir().expect("a directory");
        let host = host(directory.path(), Duration::from_secs(600));
        let first = Mutex::new(Some(Lock::take(&host, "back up", &Silent).await.expect("the lock")));
        let said = Mutex::new(Vec::new());
        // The first ends once the second has said that it waits.
        let observer = |event: Event| {
            said.lock().expect("events").push(event);
            first.lock().expect("the first").take();
        };
        Lock::take(&host, "apply", &observer).await.expect("the lock of the first");
        let said = said.into_inner().expect("events");
        let [Event::Warning { message }] = said.as_slice() else { panic!("{said:?}") };
        assert!(message.contains("is at work: back up, since"), "{message}");
        assert!(message.ends_with("waiting up to 10m for it to end"), "{message}");
    }

    #[tokio::test]
    async fn what_a_dead_holder_wrote_does_not_hold_the_lock() {
        let directory = tempfile::tempdir().expect("a directory");
        fs::write(directory.path().join("lock"), "process 1 is at work").expect("a file");
        let host = host(directory.path(), Duration::ZERO);
        Lock::take(&host, "apply", &Silent).await.expect("a free lock");
    }
}
