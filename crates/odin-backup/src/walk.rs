//! The walk over what is backed up: local directories and files, each under
//! its path in the snapshot, in the order the repository wants them.
//!
//! The order is depth first, names of a directory by their bytes. What vanishes
//! between listing and looking is left out, as if the walk had come a moment
//! later; everything else that cannot be read is a failure by name.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::record::{Kind, Record, escaped, hex};

pub(crate) mod exclude;

/// One place of the snapshot that is filled from one place of the machine.
#[derive(Clone, Debug)]
pub struct Root {
    /// Path in the snapshot, relative.
    pub path: PathBuf,
    /// Where the content is; none for a directory that exists in the snapshot
    /// only.
    pub local: Option<PathBuf>,
    /// What of it is left out.
    pub excludes: Vec<exclude::Pattern>,
    /// Whether it is left out, rather than a failure, where it is gone when its
    /// turn comes.
    pub may_vanish: bool,
}

impl Root {
    /// A directory that exists in the snapshot only.
    #[must_use]
    pub fn bare(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), local: None, excludes: Vec::new(), may_vanish: false }
    }

    /// A place filled from a local path.
    #[must_use]
    pub fn local(path: impl Into<PathBuf>, local: impl Into<PathBuf>) -> Self {
        Self { local: Some(local.into()), ..Self::bare(path) }
    }
}

/// One thing the walk came to.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) record: Record,
    /// Where it is; none for a directory that exists in the snapshot only.
    pub(crate) local: Option<PathBuf>,
    pub(crate) xattrs: Vec<(std::ffi::OsString, Vec<u8>)>,
    pub(crate) inode: u64,
    pub(crate) links: u64,
    pub(crate) volume: u64,
    /// Whether it is left out where it is gone when it is opened.
    pub(crate) may_vanish: bool,
}

/// What kept the walk from an entry.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) path: PathBuf,
    pub(crate) reason: String,
}

/// The walk itself.
pub(crate) struct Walk {
    /// What is still to come, the next on top.
    stack: Vec<Pending>,
}

struct Pending {
    path: PathBuf,
    local: Option<PathBuf>,
    excludes: std::sync::Arc<(PathBuf, Vec<exclude::Pattern>)>,
    /// File system of the root, which the walk does not leave.
    volume: Option<u64>,
    may_vanish: bool,
}

impl Walk {
    /// Starts a walk; the roots are sorted here.
    pub(crate) fn new(mut roots: Vec<Root>) -> Self {
        roots.sort_by(|left, right| right.path.cmp(&left.path));
        let stack = roots
            .into_iter()
            .map(|root| Pending {
                excludes: std::sync::Arc::new((root.path.clone(), root.excludes)),
                path: root.path,
                local: root.local,
                volume: None,
                may_vanish: root.may_vanish,
            })
            .collect();
        Self { stack }
    }

    fn visit(&mut self, pending: Pending) -> Result<Option<Entry>, Failure> {
        let Some(local) = pending.local.clone() else {
            return Ok(Some(bare_directory(pending.path)));
        };
        match self.visit_local(&pending, &local) {
            Ok(entry) => Ok(Some(entry)),
            Err(error) if error.kind() == io::ErrorKind::NotFound && pending.may_vanish => Ok(None),
            Err(error) => Err(Failure { path: local, reason: error.to_string() }),
        }
    }

    fn visit_local(&mut self, pending: &Pending, local: &Path) -> io::Result<Entry> {
        let metadata = fs::symlink_metadata(local)?;
        let mut entry = look(local, pending.path.clone(), &metadata)?;
        entry.may_vanish = pending.may_vanish;
        let volume = pending.volume.unwrap_or_else(|| metadata.dev());
        if metadata.is_dir() && volume == metadata.dev() {
            self.descend(local, pending, volume)?;
        }
        Ok(entry)
    }

    fn descend(&mut self, local: &Path, parent: &Pending, volume: u64) -> io::Result<()> {
        let mut names =
            fs::read_dir(local)?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>()?;
        names.sort_by(|left, right| right.as_bytes().cmp(left.as_bytes()));
        for name in names {
            let path = parent.path.join(&name);
            let (base, patterns) = &*parent.excludes;
            let relative = path.strip_prefix(base).unwrap_or(&path);
            if patterns.iter().any(|pattern| pattern.matches(relative)) {
                continue;
            }
            self.stack.push(Pending {
                local: Some(local.join(&name)),
                path,
                excludes: parent.excludes.clone(),
                volume: Some(volume),
                may_vanish: true,
            });
        }
        Ok(())
    }
}

impl Iterator for Walk {
    type Item = Result<Entry, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let pending = self.stack.pop()?;
            match self.visit(pending) {
                Ok(Some(entry)) => return Some(Ok(entry)),
                Ok(None) => {}
                Err(failure) => return Some(Err(failure)),
            }
        }
    }
}

fn bare_directory(path: PathBuf) -> Entry {
    let record = Record {
        path,
        kind: Kind::Directory,
        mode: 0o755,
        uid: 0,
        gid: 0,
        size: 0,
        mtime: 0,
        ctime: 0,
        sha256: None,
        target: None,
        device: 0,
        xattrs: std::collections::BTreeMap::new(),
        changed: false,
    };
    Entry { record, local: None, xattrs: Vec::new(), inode: 0, links: 1, volume: 0, may_vanish: false }
}

/// Nanoseconds since 1970.
pub(crate) fn nanoseconds(seconds: i64, nanos: i64) -> i128 {
    i128::from(seconds) * 1_000_000_000 + i128::from(nanos)
}

/// Kind of a file, from its metadata.
pub(crate) fn kind_of(metadata: &Metadata) -> Kind {
    let kind = metadata.file_type();
    if kind.is_dir() {
        Kind::Directory
    } else if kind.is_symlink() {
        Kind::Symlink
    } else if kind.is_fifo() {
        Kind::Fifo
    } else if kind.is_socket() {
        Kind::Socket
    } else if kind.is_char_device() {
        Kind::CharacterDevice
    } else if kind.is_block_device() {
        Kind::BlockDevice
    } else {
        Kind::File
    }
}

/// Describes what is at a local path.
pub(crate) fn look(local: &Path, path: PathBuf, metadata: &Metadata) -> io::Result<Entry> {
    let kind = kind_of(metadata);
    let is_device = matches!(kind, Kind::CharacterDevice | Kind::BlockDevice);
    let xattrs = read_xattrs(local)?;
    let record = Record {
        path,
        kind,
        mode: metadata.mode() & 0o7777,
        uid: metadata.uid(),
        gid: metadata.gid(),
        size: if kind == Kind::File { metadata.len() } else { 0 },
        mtime: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
        ctime: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
        sha256: None,
        target: (kind == Kind::Symlink).then(|| fs::read_link(local)).transpose()?,
        device: if is_device { metadata.rdev() } else { 0 },
        xattrs: xattrs.iter().map(|(name, value)| (escaped::name(name), hex(value))).collect(),
        changed: false,
    };
    Ok(Entry {
        record,
        local: Some(local.to_path_buf()),
        xattrs,
        inode: metadata.ino(),
        links: metadata.nlink(),
        volume: metadata.dev(),
        may_vanish: false,
    })
}

/// Reads the extended attributes of a path, not following a symbolic link.
pub(crate) fn read_xattrs(local: &Path) -> io::Result<Vec<(std::ffi::OsString, Vec<u8>)>> {
    let names = match sized(|buffer| rustix::fs::llistxattr(local, buffer)) {
        Ok(names) => names,
        Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut xattrs = Vec::new();
    for name in names.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let name = std::ffi::OsStr::from_bytes(name);
        match sized(|buffer| rustix::fs::lgetxattr(local, name, buffer)) {
            Ok(value) => xattrs.push((name.to_os_string(), value)),
            // Removed since the listing.
            Err(Errno::NODATA) => {}
            Err(error) => return Err(error.into()),
        }
    }
    xattrs.sort();
    Ok(xattrs)
}

/// Calls with a small buffer and, where that is too small, with one of the
/// size Linux limits attributes to.
fn sized(mut call: impl FnMut(&mut [u8]) -> rustix::io::Result<usize>) -> rustix::io::Result<Vec<u8>> {
    let mut small = [0; 256];
    match call(&mut small) {
        Ok(read) => Ok(small[..read].to_vec()),
        Err(Errno::RANGE) => {
            let mut large = vec![0; 64 * 1024];
            let read = call(&mut large)?;
            large.truncate(read);
            Ok(large)
        }
        Err(error) => Err(error),
    }
}
