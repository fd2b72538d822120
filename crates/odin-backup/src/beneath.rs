//! Writing below a directory and nowhere else.
//!
//! Every path is resolved by the kernel from one directory handle with
//! `RESOLVE_BENEATH` and `RESOLVE_NO_SYMLINKS`: a name, or a link made behind
//! our back, cannot lead out. The names themselves are checked before
//! ([`check_name`]), so that a hostile snapshot is refused by what it says.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, Timespec, Timestamps, XattrFlags};

use crate::record::{Kind, Record};
use crate::{Error, Result};

/// Blocks of zeros of this size are left as holes.
const BLOCK: usize = 64 * 1024;

/// A directory that is written to.
pub(crate) struct Beneath {
    root: OwnedFd,
    /// For messages.
    path: PathBuf,
}

/// Refuses names that mean another directory than the one they are in.
pub(crate) fn check_name(name: &OsStr, parent: &Path) -> Result<()> {
    let bytes = name.as_bytes();
    let unsafe_name = bytes.is_empty()
        || bytes == b"."
        || bytes == b".."
        || bytes.len() > 255
        || bytes.iter().any(|byte| *byte == b'/' || *byte == 0);
    if unsafe_name {
        let name = name.to_string_lossy().into_owned();
        return Err(Error::UnsafeName { name, parent: parent.to_path_buf() });
    }
    Ok(())
}

impl Beneath {
    /// Opens a directory; creates it where it is absent.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        match std::fs::create_dir(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(Error::io("create directory", path, error));
            }
            _ => {}
        }
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let root = rustix::fs::openat(CWD, path, flags, Mode::empty())
            .map_err(|error| Error::io("open directory", path, error))?;
        Ok(Self { root, path: path.to_path_buf() })
    }

    fn fail(&self, action: &'static str, path: &Path, error: impl Into<io::Error>) -> Error {
        Error::io(action, self.path.join(path), error)
    }

    fn resolve(&self, path: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let how = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        rustix::fs::openat2(&self.root, path, flags | OFlags::CLOEXEC, Mode::empty(), how)
    }

    /// Opens the directory a path is in and names the last component.
    fn parent<'a>(&self, path: &'a Path) -> Result<(OwnedFd, &'a OsStr)> {
        let name = path.file_name().unwrap_or(OsStr::new(""));
        check_name(name, path)?;
        let parent = path.parent().unwrap_or(Path::new(""));
        let directory = self
            .resolve(parent, OFlags::DIRECTORY | OFlags::RDONLY)
            .map_err(|error| self.fail("open directory", parent, error))?;
        Ok((directory, name))
    }

    /// Creates an entry without its content and its metadata. Owner only, until
    /// the content is there.
    pub(crate) fn create(&self, record: &Record) -> Result<()> {
        let path = &record.path;
        let (directory, name) = self.parent(path)?;
        let private = Mode::RUSR | Mode::WUSR;
        let made = match record.kind {
            Kind::Directory => rustix::fs::mkdirat(&directory, name, Mode::RWXU),
            Kind::File => {
                let flags =
                    OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                rustix::fs::openat(&directory, name, flags, private)
                    .and_then(|file| rustix::fs::ftruncate(&file, record.size))
            }
            Kind::Symlink => {
                let target = record.target.as_deref().unwrap_or(Path::new(""));
                rustix::fs::symlinkat(target, &directory, name)
            }
            Kind::Fifo => rustix::fs::mknodat(&directory, name, FileType::Fifo, private, 0),
            Kind::Socket => rustix::fs::mknodat(&directory, name, FileType::Socket, private, 0),
            Kind::CharacterDevice => {
                rustix::fs::mknodat(&directory, name, FileType::CharacterDevice, private, record.device)
            }
            Kind::BlockDevice => {
                rustix::fs::mknodat(&directory, name, FileType::BlockDevice, private, record.device)
            }
        };
        made.map_err(|error| self.fail("create", path, error))
    }

    /// Gives an existing file a second name.
    pub(crate) fn link(&self, from: &Path, to: &Path) -> Result<()> {
        let (source, source_name) = self.parent(from)?;
        let (target, target_name) = self.parent(to)?;
        rustix::fs::linkat(&source, source_name, &target, target_name, AtFlags::empty())
            .map_err(|error| self.fail("create link", to, error))
    }

    /// Opens a file for [`Beneath::write`].
    pub(crate) fn open_file(&self, path: &Path) -> Result<File> {
        self.resolve(path, OFlags::WRONLY).map(File::from).map_err(|error| self.fail("open", path, error))
    }

    /// Writes bytes to a file of ours, leaving long zeros as the holes they are.
    pub(crate) fn write(&self, file: &File, path: &Path, bytes: &[u8], at: u64) -> Result<()> {
        let mut at = at;
        for block in bytes.chunks(BLOCK) {
            if block.iter().any(|byte| *byte != 0) {
                file.write_all_at(block, at).map_err(|error| self.fail("write", path, error))?;
            }
            at += u64::try_from(block.len()).unwrap_or(0);
        }
        Ok(())
    }

    /// Sets owner, extended attributes, mode and times, in the order in which
    /// none undoes another: changing the owner clears set-user-id, writing
    /// attributes moves the times.
    pub(crate) fn dress(&self, record: &Record, xattrs: &[(String, Vec<u8>)]) -> Result<()> {
        let path = &record.path;
        let is_root = path.as_os_str().is_empty();
        let (directory, name) = if is_root {
            let root = self.root.try_clone().map_err(|error| self.fail("open directory", path, error))?;
            (root, OsStr::new("."))
        } else {
            self.parent(path)?
        };
        let (uid, gid) = (rustix::fs::Uid::from_raw(record.uid), rustix::fs::Gid::from_raw(record.gid));
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        rustix::fs::chownat(&directory, name, Some(uid), Some(gid), flags)
            .map_err(|error| self.fail("set the owner of", path, error))?;
        for (attribute, value) in xattrs {
            // There is no call relative to a directory; the handle's own entry
            // below /proc names the directory without resolving it again.
            let local = handle_path(&directory).join(name);
            rustix::fs::lsetxattr(&local, attribute.as_str(), value, XattrFlags::empty())
                .map_err(|error| self.fail("set an extended attribute of", path, error))?;
        }
        if record.kind != Kind::Symlink {
            let mode = Mode::from_raw_mode(record.mode);
            rustix::fs::chmodat(&directory, name, mode, AtFlags::empty())
                .map_err(|error| self.fail("set the mode of", path, error))?;
        }
        let time = Timespec {
            tv_sec: i64::try_from(record.mtime.div_euclid(1_000_000_000)).unwrap_or(0),
            tv_nsec: i64::try_from(record.mtime.rem_euclid(1_000_000_000)).unwrap_or(0),
        };
        rustix::fs::utimensat(
            &directory,
            name,
            &Timestamps { last_access: time, last_modification: time },
            flags,
        )
        .map_err(|error| self.fail("set the times of", path, error))
    }

    /// Makes everything on the file system durable and reports what could not
    /// be written; one call instead of one for each file.
    pub(crate) fn sync(&self) -> Result<()> {
        rustix::fs::syncfs(&self.root).map_err(|error| self.fail("sync", Path::new(""), error))
    }

    /// Tells whether nothing is in the directory.
    pub(crate) fn is_empty(&self) -> Result<bool> {
        let mut entries =
            std::fs::read_dir(&self.path).map_err(|error| self.fail("list", Path::new(""), error))?;
        Ok(entries.next().is_none())
    }
}

fn handle_path(directory: &OwnedFd) -> PathBuf {
    use std::os::fd::AsRawFd;
    PathBuf::from(format!("/proc/self/fd/{}", directory.as_fd().as_raw_fd()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        let long = "x".repeat(256);
        for name in ["", ".", "..", "../x", "/etc/passwd", "a/b", "a\0b", &long] {
            assert!(check_name(OsStr::new(name), Path::new("d")).is_err(), "{name:?}");
        }
        for name in ["a", "...", "..a", "-rf", "a b", "\u{1f980}", "a\\b"] {
            assert!(check_name(OsStr::new(name), Path::new("d")).is_ok(), "{name:?}");
        }
    }

    #[test]
    fn a_link_in_the_way_is_not_followed() {
        let scratch = tempfile::tempdir().unwrap();
        let outside = scratch.path().join("outside");
        std::fs::create_dir(&outside).unwrap();
        let beneath = Beneath::open(&scratch.path().join("inside")).unwrap();
        std::os::unix::fs::symlink(&outside, scratch.path().join("inside/door")).unwrap();
        let record = Record {
            path: "door/file".into(),
            kind: Kind::File,
            mode: 0o644,
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
        assert!(beneath.create(&record).is_err());
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
    }
}
