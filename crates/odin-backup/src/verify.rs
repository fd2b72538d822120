//! Comparing what is on disk with records, entry by entry.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use odin_model::event::Observer;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::engine::rustic::Meter;
use crate::record::{Digest, Kind, Record};
use crate::walk::{self, look};
use crate::{Error, Result};

/// How many findings are kept by name.
const NAMED: usize = 20;

/// How much is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// All but the content of files.
    Metadata,
    /// Every byte.
    Content,
}

/// What a comparison came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comparison {
    /// Regular files read and hashed.
    pub files: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Differences in all.
    pub differences: usize,
    /// The first of them, in words.
    pub findings: Vec<String>,
}

impl Comparison {
    fn find(&mut self, path: &Path, what: &str) {
        self.differences += 1;
        if self.findings.len() < NAMED {
            self.findings.push(format!("{}: {what}", path.display()));
        }
    }

    /// Adds the result of a further comparison.
    pub(crate) fn add(&mut self, other: Self) {
        self.files += other.files;
        self.bytes += other.bytes;
        self.differences += other.differences;
        self.findings.extend(other.findings);
        self.findings.truncate(NAMED);
    }

    /// Turns differences into an error.
    pub(crate) fn require_equal(&self) -> Result<()> {
        match self.findings.first() {
            Some(first) => Err(Error::Differs { count: self.differences, first: first.clone() }),
            None => Ok(()),
        }
    }
}

/// Compares the records below `prefix` with what is at `local`.
///
/// Everything recorded must be there with the recorded kind, mode, owner, time,
/// attributes, target and content, and nothing else may be there.
pub(crate) fn compare(
    records: &Path,
    prefix: &Path,
    local: &Path,
    depth: Depth,
    meter: &Meter<'_>,
) -> Result<Comparison> {
    let mut result = Comparison::default();
    let mut recorded = 0_u64;
    for record in read(records)? {
        let record = record?;
        let Ok(below) = record.path.strip_prefix(prefix) else {
            continue;
        };
        recorded += 1;
        let path = if below.as_os_str().is_empty() { local.to_path_buf() } else { local.join(below) };
        compare_one(&record, &path, depth, &mut result, meter)?;
    }
    let present = count(local)? - own_places(local)?;
    if present != recorded {
        result.find(local, &format!("{present} entries are there, {recorded} are recorded"));
    }
    Ok(result)
}

/// Reads a file of records.
pub(crate) fn read(records: &Path) -> Result<impl Iterator<Item = Result<Record>>> {
    let file = File::open(records).map_err(|error| Error::io("open", records, error))?;
    let path = records.to_path_buf();
    Ok(BufReader::new(file).lines().map(move |line| {
        line.and_then(|line| serde_json::from_str(&line).map_err(Into::into))
            .map_err(|error| Error::io("read", &path, error))
    }))
}

fn compare_one(
    record: &Record,
    path: &Path,
    depth: Depth,
    result: &mut Comparison,
    meter: &Meter<'_>,
) -> Result<()> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            result.find(path, "it is missing");
            return Ok(());
        }
        Err(error) => return Err(Error::io("look at", path, error)),
    };
    let entry =
        look(path, record.path.clone(), &metadata).map_err(|error| Error::io("look at", path, error))?;
    let seen = &entry.record;
    if seen.kind != record.kind {
        result.find(path, &format!("it is a {:?}, recorded is a {:?}", seen.kind, record.kind));
        return Ok(());
    }
    // Linux has no mode of symbolic links.
    if seen.mode != record.mode && record.kind != Kind::Symlink {
        result.find(path, &format!("mode {:o}, recorded {:o}", seen.mode, record.mode));
    }
    if (seen.uid, seen.gid) != (record.uid, record.gid) {
        result
            .find(path, &format!("owner {}:{}, recorded {}:{}", seen.uid, seen.gid, record.uid, record.gid));
    }
    if seen.size != record.size {
        result.find(path, &format!("{} bytes, recorded {}", seen.size, record.size));
        return Ok(());
    }
    // Exchanging what is in a mount point moves the time of the mount point;
    // content was compared before, when there was nothing to exchange.
    if seen.mtime != record.mtime && depth == Depth::Content {
        result.find(path, &format!("time {}, recorded {}", seen.mtime, record.mtime));
    }
    if seen.target != record.target || seen.device != record.device {
        result.find(path, "it points elsewhere than recorded");
    }
    if seen.xattrs != record.xattrs {
        result.find(path, "its extended attributes differ from the record");
    }
    if record.kind == Kind::File && depth == Depth::Content {
        let digest = hash_file(path, meter)?;
        result.files += 1;
        result.bytes += record.size;
        if Some(digest) != record.sha256 {
            result.find(path, "its content differs from the record");
        }
    }
    Ok(())
}

/// Hashes a file.
pub(crate) fn hash_file(path: &Path, meter: &Meter<'_>) -> Result<Digest> {
    let mut file = File::open(path).map_err(|error| Error::io("open", path, error))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let read = file.read(&mut buffer).map_err(|error| Error::io("read", path, error))?;
        if read == 0 {
            return Ok(Digest(hasher.finalize().into()));
        }
        hasher.update(&buffer[..read]);
        meter.add(u64::try_from(read).unwrap_or(0));
    }
}

/// ODIN's own directories in a mount point that is being exchanged are no part
/// of what is compared.
fn own_places(local: &Path) -> Result<u64> {
    let mut own = 0;
    let Ok(entries) = fs::read_dir(local) else {
        return Ok(0);
    };
    for entry in entries {
        let entry = entry.map_err(|error| Error::io("list", local, error))?;
        let name = entry.file_name();
        if [".odin-stage-", ".odin-old-"]
            .iter()
            .any(|prefix| name.as_encoded_bytes().starts_with(prefix.as_bytes()))
        {
            own += count(&entry.path())?;
        }
    }
    Ok(own)
}

/// Counts what is at a path, itself included.
fn count(local: &Path) -> Result<u64> {
    let mut found = 0;
    let mut pending: Vec<PathBuf> = vec![local.to_path_buf()];
    while let Some(path) = pending.pop() {
        let metadata = match fs::symlink_metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(Error::io("look at", &path, error)),
        };
        found += 1;
        if walk::kind_of(&metadata) == Kind::Directory {
            for entry in fs::read_dir(&path).map_err(|error| Error::io("list", &path, error))? {
                pending.push(entry.map_err(|error| Error::io("list", &path, error))?.path());
            }
        }
    }
    Ok(found)
}

/// Finds what of the given observer a comparison of `bytes` is told to.
pub(crate) fn meter<'a>(observer: &'a dyn Observer, task: &str, bytes: u64) -> Meter<'a> {
    Meter::new(observer, task, Some(bytes), odin_model::event::Unit::Bytes)
}
