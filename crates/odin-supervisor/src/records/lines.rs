//! Files of records, one JSON object a line: appended to, read from their end,
//! and cut at their begin when they are large.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::fs::FlockOperation;
use serde::de::DeserializeOwned;

use crate::alerting::remediation::record::Attempt;

/// Size above which a file is cut, and what is kept of it then.
const MOST: u64 = 8 << 20;
const KEPT: usize = 4 << 20;
/// How much of a file's end is read for its newest lines: first a little.
const WINDOWS: [u64; 2] = [128 << 10, 4 << 20];

/// Locks the files of a directory against other processes, until it is
/// dropped.
pub(super) fn lock(directory: &Path) -> io::Result<File> {
    let file = File::open(directory)?;
    rustix::io::retry_on_intr(|| rustix::fs::flock(&file, FlockOperation::LockExclusive))?;
    Ok(file)
}

/// Appends a line.
pub(super) fn append(path: &Path, mut line: Vec<u8>) -> io::Result<()> {
    let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
    if file.metadata()?.len() > 0 {
        let mut last = [0];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        // A line that was torn by a power cut is lost alone.
        if last != *b"\n" {
            line.insert(0, b'\n');
        }
    }
    file.write_all(&line)?;
    file.sync_all()
}

/// What a file is to be replaced with when `line` makes it too large: its
/// newest lines, and `line`. With `remedies`, older lines of attempts that are
/// open stay too.
pub(super) fn cut(path: &Path, line: &[u8], remedies: bool) -> io::Result<Option<Vec<u8>>> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.len() + line.len() as u64 > MOST => {}
        Ok(_) => return Ok(None),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    }
    let bytes = std::fs::read(path)?;
    let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    let mut size = line.len();
    let newest = lines.iter().rev().take_while(|line| {
        size += line.len() + 1;
        size <= KEPT
    });
    let (older, newest) = lines.split_at(lines.len() - newest.count());
    let mut whole = Vec::with_capacity(KEPT);
    let open = if remedies { open_attempts(older, newest) } else { Vec::new() };
    for line in open.iter().chain(newest) {
        whole.extend_from_slice(line);
        whole.push(b'\n');
    }
    whole.extend_from_slice(line);
    Ok(Some(whole))
}

/// The lines of `older` that say last of an attempt that it is open.
fn open_attempts<'a>(older: &[&'a [u8]], newest: &[&[u8]]) -> Vec<&'a [u8]> {
    let key = |attempt: &Attempt| (attempt.fingerprint.clone(), attempt.time);
    let parse = |line: &[u8]| serde_json::from_slice::<Attempt>(line).ok();
    let mut later: BTreeSet<_> = newest.iter().filter_map(|line| parse(line)).map(|one| key(&one)).collect();
    let mut open: Vec<&[u8]> = Vec::new();
    for line in older.iter().rev() {
        if let Some(attempt) = parse(line)
            && later.insert(key(&attempt))
            && attempt.is_open()
        {
            open.push(line);
        }
    }
    open.reverse();
    open
}

/// All lines that can be read, the oldest first.
pub(super) fn all<T: DeserializeOwned>(path: &Path) -> io::Result<Vec<T>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(bytes.split(|byte| *byte == b'\n').filter_map(|line| parse(path, line)).collect()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// The newest lines that can be read, the newest first.
pub(super) fn newest<T: DeserializeOwned>(path: &Path, limit: usize) -> io::Result<Vec<T>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let size = file.metadata()?.len();
    let mut found = Vec::new();
    // The whole file where not even one line is in less.
    for window in WINDOWS.into_iter().chain([size]) {
        let begin = size.saturating_sub(window);
        file.seek(SeekFrom::Start(begin))?;
        let mut bytes = Vec::new();
        (&file).take(size - begin).read_to_end(&mut bytes)?;
        let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
        if begin > 0 {
            // It begins before what is read.
            lines.remove(0);
        }
        found = lines.into_iter().rev().filter_map(|line| parse(path, line)).take(limit).collect();
        let enough = found.len() >= limit || begin == 0;
        if enough || (window >= WINDOWS[1] && !found.is_empty()) {
            break;
        }
    }
    Ok(found)
}

/// Reads a line. One that cannot be read is told of, once for each file.
fn parse<T: DeserializeOwned>(path: &Path, line: &[u8]) -> Option<T> {
    static TOLD: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
    if line.is_empty() {
        return None;
    }
    let parsed = serde_json::from_slice(line);
    if let Err(error) = &parsed
        && TOLD.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned())
    {
        tracing::warn!(path = %path.display(), %error, "a record is damaged and left out; others of this file are not told of");
    }
    parsed.ok()
}

#[cfg(test)]
mod tests;
