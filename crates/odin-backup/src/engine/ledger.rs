//! The ledger of a running backup: what was handed to the engine, and what
//! came of it.
//!
//! `rustic_core` drops a file it cannot read with a log line and goes on to
//! write a snapshot without it. The ledger makes that impossible to miss: each
//! regular file is opened here before it is handed over and closed when its
//! last byte was read, and a backup with an open entry or a failure is none.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::record::{Digest, Record};
use crate::{Error, Result};

/// How many failures are kept by name; the rest is counted.
const NAMED: usize = 20;

pub(super) struct Ledger {
    state: Mutex<State>,
    spool: PathBuf,
}

struct State {
    writer: BufWriter<File>,
    spool_error: Option<std::io::Error>,
    /// One slot for each regular file, in the order of the walk.
    digests: Vec<Option<Digest>>,
    changed: HashMap<usize, PathBuf>,
    vanished: HashSet<usize>,
    failures: Vec<String>,
    failed: usize,
    directories: u64,
    others: u64,
    bytes: u64,
}

/// Counts of what was handed to the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Handed {
    pub(super) directories: u64,
    /// Everything that is no directory.
    pub(super) others: u64,
}

impl Ledger {
    pub(super) fn new(scratch: &Path) -> Result<Self> {
        let spool = scratch.join("records.spool");
        let file = File::create(&spool).map_err(|error| Error::io("create", &spool, error))?;
        let state = State {
            writer: BufWriter::new(file),
            spool_error: None,
            digests: Vec::new(),
            changed: HashMap::new(),
            vanished: HashSet::new(),
            failures: Vec::new(),
            failed: 0,
            directories: 0,
            others: 0,
            bytes: 0,
        };
        Ok(Self { state: Mutex::new(state), spool })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters something that is about to be handed over; regular files get a
    /// number for [`Ledger::complete`].
    pub(super) fn enter(&self, record: &Record) -> usize {
        let mut state = self.state();
        let written = serde_json::to_writer(&mut state.writer, record)
            .map_err(std::io::Error::from)
            .and_then(|()| state.writer.write_all(b"\n"));
        if let Err(error) = written {
            state.spool_error.get_or_insert(error);
        }
        if record.kind == crate::record::Kind::Directory {
            state.directories += 1;
        } else {
            state.others += 1;
        }
        if record.kind == crate::record::Kind::File {
            state.digests.push(None);
        }
        state.digests.len().saturating_sub(1)
    }

    /// Closes the entry of a regular file.
    pub(super) fn complete(&self, number: usize, digest: Digest) {
        if let Some(slot) = self.state().digests.get_mut(number) {
            *slot = Some(digest);
        }
    }

    /// Notes that a file changed while it was read.
    pub(super) fn changed(&self, number: usize, path: &Path) {
        self.state().changed.insert(number, path.to_path_buf());
    }

    /// Notes that a file was gone when it was to be opened: it is in neither
    /// snapshot nor records.
    pub(super) fn vanished(&self, number: usize) {
        let mut state = self.state();
        if state.vanished.insert(number) {
            state.others -= 1;
        }
    }

    /// Notes what could not be read.
    pub(super) fn fail(&self, path: &Path, reason: &str) {
        let mut state = self.state();
        state.failed += 1;
        if state.failures.len() < NAMED {
            let text = format!("{}: {reason}", path.display());
            state.failures.push(text);
        }
    }

    /// Notes bytes that are done: read, or known from the parent.
    pub(super) fn progressed(&self, bytes: u64) {
        self.state().bytes += bytes;
    }

    /// Bytes done so far.
    pub(super) fn bytes(&self) -> u64 {
        self.state().bytes
    }

    pub(super) fn handed(&self) -> Handed {
        let state = self.state();
        Handed { directories: state.directories, others: state.others }
    }

    /// Tells whether anything was noted that forbids a snapshot.
    pub(super) fn verdict(&self) -> Result<()> {
        let state = self.state();
        match state.failures.first() {
            Some(first) => Err(Error::Unreadable { count: state.failed, first: first.clone() }),
            None => Ok(()),
        }
    }

    /// Writes the records with their digests; an entry still open is an error.
    pub(super) fn settle(self, into: &Path) -> Result<Vec<PathBuf>> {
        self.verdict()?;
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = state.spool_error {
            return Err(Error::io("write", &self.spool, error));
        }
        let mut file =
            state.writer.into_inner().map_err(|error| Error::io("write", &self.spool, error.into_error()))?;
        std::io::Seek::rewind(&mut file).map_err(|error| Error::io("read", &self.spool, error))?;
        let source = File::open(&self.spool).map_err(|error| Error::io("read", &self.spool, error))?;
        let target = File::create(into).map_err(|error| Error::io("create", into, error))?;
        let mut writer = BufWriter::new(target);
        let mut digests = state.digests.into_iter().enumerate();
        for line in BufReader::new(source).lines() {
            let line = line.map_err(|error| Error::io("read", &self.spool, error))?;
            let mut record: Record =
                serde_json::from_str(&line).map_err(|error| Error::io("read", &self.spool, error))?;
            if record.kind == crate::record::Kind::File {
                let (number, digest) = digests.next().unwrap_or((usize::MAX, None));
                if state.vanished.contains(&number) {
                    continue;
                }
                let Some(digest) = digest else {
                    let first = format!("{}: the engine did not store it", record.path.display());
                    return Err(Error::Unreadable { count: 1, first });
                };
                record.sha256 = Some(digest);
                record.changed = state.changed.contains_key(&number);
            }
            serde_json::to_writer(&mut writer, &record)
                .map_err(std::io::Error::from)
                .and_then(|()| writer.write_all(b"\n"))
                .map_err(|error| Error::io("write", into, error))?;
        }
        writer.flush().map_err(|error| Error::io("write", into, error))?;
        std::fs::remove_file(&self.spool).map_err(|error| Error::io("remove", &self.spool, error))?;
        let mut changed: Vec<(usize, PathBuf)> = state.changed.into_iter().collect();
        changed.sort();
        Ok(changed.into_iter().map(|(_, path)| path).collect())
    }
}
