//! The walk as the engine's source: entries, and readers that hash what the
//! engine reads of them.

use std::fs::File;
use std::io::{self, BufRead, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustic_core::repofile::Node;
use rustic_core::{ErrorKind, ReadSource, ReadSourceEntry, ReadSourceOpen, RusticError, RusticResult};
use sha2::{Digest as _, Sha256};

use super::ledger::Ledger;
use super::node;
use crate::record::{Digest, Kind, Record};
use crate::walk::{self, Failure, Root, Walk};

/// Records of an earlier snapshot, read alongside the walk: both have the same
/// order, so neither is ever in memory as a whole.
pub(super) struct Earlier<R> {
    lines: io::Lines<R>,
    ahead: Option<Record>,
}

impl<R: BufRead> Earlier<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { lines: reader.lines(), ahead: None }
    }

    /// Finds the digest of a file that did not change since.
    fn digest(&mut self, now: &Record) -> Option<Digest> {
        loop {
            if self.ahead.is_none() {
                let line = self.lines.next()?.ok()?;
                self.ahead = serde_json::from_str(&line).ok();
            }
            let before = self.ahead.as_ref()?;
            match before.path.cmp(&now.path) {
                std::cmp::Ordering::Less => self.ahead = None,
                std::cmp::Ordering::Greater => return None,
                std::cmp::Ordering::Equal => {
                    let same = before.kind == now.kind
                        && before.size == now.size
                        && before.mtime == now.mtime
                        && before.ctime == now.ctime;
                    return if same { before.sha256 } else { None };
                }
            }
        }
    }
}

type EarlierRecords = Earlier<Box<dyn BufRead + Send>>;

/// The source handed to the engine.
pub(super) struct Content {
    roots: Vec<Root>,
    ledger: Arc<Ledger>,
    /// Taken by the one walk.
    earlier: Mutex<Option<EarlierRecords>>,
    total: Option<u64>,
}

impl Content {
    pub(super) fn new(
        roots: Vec<Root>,
        ledger: Arc<Ledger>,
        earlier: Option<Box<dyn BufRead + Send>>,
        total: Option<u64>,
    ) -> Self {
        Self { roots, ledger, earlier: Mutex::new(earlier.map(Earlier::new)), total }
    }
}

impl ReadSource for Content {
    type Open = Open;
    type Iter = Entries;

    fn size(&self) -> RusticResult<Option<u64>> {
        Ok(self.total)
    }

    fn entries(&self) -> Entries {
        let earlier = self.earlier.lock().unwrap_or_else(PoisonError::into_inner).take();
        Entries { walk: Walk::new(self.roots.clone()), ledger: self.ledger.clone(), earlier }
    }
}

/// Counts the bytes the roots hold, for progress with a total.
pub(super) fn measure(roots: &[Root]) -> u64 {
    Walk::new(roots.to_vec()).filter_map(Result::ok).map(|entry| entry.record.size).sum()
}

/// The walk, translated.
pub(super) struct Entries {
    walk: Walk,
    ledger: Arc<Ledger>,
    earlier: Option<EarlierRecords>,
}

impl Iterator for Entries {
    type Item = RusticResult<ReadSourceEntry<Open>>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.walk.next()? {
                Ok(entry) => match node::from_entry(&entry) {
                    Ok(node) => return Some(Ok(self.hand_over(&entry, node))),
                    Err(reason) => self.ledger.fail(&entry.record.path, &reason),
                },
                Err(Failure { path, reason }) => self.ledger.fail(&path, &reason),
            }
        }
    }
}

impl Entries {
    fn hand_over(&mut self, entry: &walk::Entry, node: Node) -> ReadSourceEntry<Open> {
        let record = &entry.record;
        let known = match (&mut self.earlier, record.kind) {
            (Some(earlier), Kind::File) => earlier.digest(record),
            _ => None,
        };
        let number = self.ledger.enter(record);
        let open = (record.kind == Kind::File).then(|| Open {
            local: entry.local.clone().unwrap_or_default(),
            record: record.clone(),
            number,
            known,
            ledger: self.ledger.clone(),
            opened: false,
            may_vanish: entry.may_vanish,
        });
        ReadSourceEntry { path: Path::new("/").join(&record.path), node, open }
    }
}

/// A regular file on its way through the engine. The engine opens it, or drops
/// it where the parent snapshot has the same file.
pub(super) struct Open {
    local: PathBuf,
    record: Record,
    number: usize,
    known: Option<Digest>,
    ledger: Arc<Ledger>,
    opened: bool,
    may_vanish: bool,
}

impl Drop for Open {
    fn drop(&mut self) {
        if self.opened {
            return;
        }
        match self.known {
            Some(digest) => {
                self.ledger.progressed(self.record.size);
                self.ledger.complete(self.number, digest);
            }
            None => {
                self.ledger.fail(&self.local, "the engine took it for unchanged, but its digest is not known")
            }
        }
    }
}

impl ReadSourceOpen for Open {
    type Reader = HashingReader;

    fn open(mut self) -> RusticResult<HashingReader> {
        self.opened = true;
        let opened = std::fs::OpenOptions::new()
            .read(true)
            // A pipe put in the place of the file must not block the backup.
            .custom_flags(
                i32::try_from((rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits())
                    .unwrap_or(0),
            )
            .open(&self.local);
        match opened {
            Ok(file) => Ok(HashingReader {
                file,
                left: self.record.size,
                hasher: Some(Sha256::new()),
                local: std::mem::take(&mut self.local),
                record: self.record.clone(),
                number: self.number,
                ledger: self.ledger.clone(),
                short: false,
            }),
            Err(error) => {
                // The engine leaves out what does not open, and so do the
                // records: the walk might have come a moment later.
                if error.kind() == io::ErrorKind::NotFound && self.may_vanish {
                    self.ledger.vanished(self.number);
                } else {
                    self.ledger.fail(&self.local, &error.to_string());
                }
                Err(RusticError::new(ErrorKind::InputOutput, error.to_string()))
            }
        }
    }
}

/// Reads a file to exactly the size the walk saw, and hashes what it gives.
///
/// A file that grew is cut there; one that shrank is filled up with zeros, as
/// tar does; both are recorded as changed. So node, content and record always
/// agree, whatever a writer does meanwhile.
pub(super) struct HashingReader {
    file: File,
    left: u64,
    /// None once the file is complete or failed.
    hasher: Option<Sha256>,
    local: PathBuf,
    record: Record,
    number: usize,
    ledger: Arc<Ledger>,
    short: bool,
}

impl HashingReader {
    fn complete(&mut self) -> io::Result<()> {
        let Some(hasher) = self.hasher.take() else {
            return Ok(());
        };
        let metadata = self.file.metadata()?;
        let changed = self.short
            || metadata.len() != self.record.size
            || walk::nanoseconds(metadata.mtime(), metadata.mtime_nsec()) != self.record.mtime;
        if changed {
            self.ledger.changed(self.number, &self.record.path);
        }
        self.ledger.complete(self.number, Digest(hasher.finalize().into()));
        Ok(())
    }

    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let limit = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let buffer = &mut buffer[..limit];
        let read = if self.short { 0 } else { self.file.read(buffer)? };
        if read == 0 && limit > 0 {
            self.short = true;
            buffer.fill(0);
            return Ok(limit);
        }
        Ok(read)
    }
}

impl Read for HashingReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let attempt = self.fill(buffer).and_then(|read| {
            if let Some(hasher) = &mut self.hasher {
                hasher.update(&buffer[..read]);
            }
            let done = u64::try_from(read).unwrap_or(u64::MAX).min(self.left);
            self.left -= done;
            self.ledger.progressed(done);
            if self.left == 0 {
                self.complete()?;
            }
            Ok(read)
        });
        if let Err(error) = &attempt
            && error.kind() != io::ErrorKind::Interrupted
        {
            self.hasher = None;
            self.ledger.fail(&self.local, &error.to_string());
        }
        attempt
    }
}

impl Drop for HashingReader {
    fn drop(&mut self) {
        if self.hasher.is_some() {
            // An empty file may be dropped without one read.
            if self.left == 0 && self.complete().is_ok() {
                return;
            }
            self.ledger.fail(&self.local, "the engine stopped reading it");
        }
    }
}

#[cfg(test)]
mod tests;
