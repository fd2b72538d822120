//! What the integration tests share: a scratch box, a tree with everything
//! odd in it, a stock restic.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use odin_backup::password::Password;
use odin_backup::repository::{Circumstances, Outcome, Repository, Settings};
use odin_backup::source::{self, Kind, NoHooks, Source};
use odin_model::event::Silent;
use tempfile::TempDir;

pub mod host;

pub const PASSWORD: &str = "correct horse";

/// A directory that is removed with everything in it.
pub struct Scratch {
    pub directory: TempDir,
}

impl Scratch {
    pub fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    /// In memory where the machine's tmpfs takes extended attributes: for tests
    /// of many processes, in which syncing a disk is all the time there is.
    pub fn fast() -> Self {
        let scratch = tempfile::tempdir_in("/dev/shm").ok().filter(|directory| {
            let flags = rustix::fs::XattrFlags::empty();
            rustix::fs::lsetxattr(directory.path(), "user.odin", b"1", flags).is_ok()
        });
        Self { directory: scratch.unwrap_or_else(|| tempfile::tempdir().unwrap()) }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn settings(&self) -> Settings {
        self.settings_of("repository")
    }

    pub fn settings_of(&self, name: &str) -> Settings {
        Settings { path: self.path(name), password: Password::new(PASSWORD), scratch: self.path("scratch") }
    }
}

pub fn circumstances() -> Circumstances {
    Circumstances {
        host: "box".into(),
        time: jiff::Timestamp::now(),
        generation: Some(7),
        bundle: Some("b".repeat(64)),
        versions: BTreeMap::from([("odin".to_owned(), "0.1.0".to_owned())]),
        tags: Vec::new(),
    }
}

pub fn directory(name: &str, path: impl Into<PathBuf>) -> Source {
    Source {
        name: name.into(),
        required: true,
        kind: Kind::Directory { path: path.into(), excludes: Vec::new() },
    }
}

pub fn file(name: &str, path: impl Into<PathBuf>) -> Source {
    Source { name: name.into(), required: true, kind: Kind::File { path: path.into() } }
}

pub fn sqlite(name: &str, path: impl Into<PathBuf>) -> Source {
    Source { name: name.into(), required: true, kind: Kind::Sqlite { path: path.into() } }
}

pub fn back_up(repository: &Repository, sources: &[Source]) -> odin_backup::Result<Outcome> {
    let plan = source::plan(sources, source::probe)?;
    repository.now(&plan, &circumstances(), &NoHooks, &Silent)
}

/// Makes a tree with one of everything that is easy to lose.
pub fn odd_tree(root: &Path) {
    odd_tree_of(root, 5_000_000);
}

/// The same with a largest file of four times `numbers` bytes.
pub fn odd_tree_of(root: &Path, numbers: u32) {
    std::fs::create_dir_all(root.join("empty")).unwrap();
    std::fs::create_dir_all(root.join("deep/er/still")).unwrap();
    let names: [&[u8]; 8] =
        [b"plain", b"with space", b"-rf", b"back\\slash", b"new\nline", b"\xff\xfe", b"\xc3\xa9", b"quote\""];
    for (index, name) in names.iter().enumerate() {
        std::fs::write(root.join(OsStr::from_bytes(name)), vec![u8::try_from(index).unwrap(); index * 1000])
            .unwrap();
    }
    std::fs::write(root.join("deep/er/still/a.b"), b"x").unwrap();
    std::fs::create_dir(root.join("deep/er/a")).unwrap();
    std::fs::write(root.join("deep/er/a/in"), b"in").unwrap();
    std::fs::write(root.join("deep/er/a.b"), b"beside").unwrap();
    let big: Vec<u8> =
        (0..numbers).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    std::fs::write(root.join("big"), big).unwrap();
    let sparse = std::fs::File::create(root.join("sparse")).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&sparse, b"end", u64::from(numbers) * 10).unwrap();
    symlink("plain", root.join("link")).unwrap();
    symlink("/nowhere/at all", root.join("dangling")).unwrap();
    symlink(OsStr::from_bytes(b"\xff"), root.join("raw link")).unwrap();
    std::fs::hard_link(root.join("plain"), root.join("deep/hard")).unwrap();
    std::fs::hard_link(root.join("big"), root.join("deep/big hard")).unwrap();
    for (name, mode) in [("setuid", 0o4755), ("setgid", 0o2711), ("nothing", 0o000)] {
        std::fs::write(root.join(name), name).unwrap();
        std::os::unix::fs::chown(root.join(name), Some(1234), Some(4321)).unwrap();
        std::fs::set_permissions(root.join(name), std::fs::Permissions::from_mode(mode)).unwrap();
    }
    std::fs::create_dir(root.join("sticky")).unwrap();
    std::fs::set_permissions(root.join("sticky"), std::fs::Permissions::from_mode(0o1777)).unwrap();
    rustix::fs::lsetxattr(root.join("plain"), "user.note", b"\0binary\xff", rustix::fs::XattrFlags::empty())
        .unwrap();
    rustix::fs::lsetxattr(root.join("empty"), "user.note", b"dir", rustix::fs::XattrFlags::empty()).unwrap();
    let mode = rustix::fs::Mode::from_raw_mode(0o640);
    rustix::fs::mknodat(rustix::fs::CWD, root.join("pipe"), rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let old = std::time::UNIX_EPOCH + std::time::Duration::new(1_000_000_000, 123_456_789);
    for name in ["plain", "empty", "deep/er", "big"] {
        std::fs::File::open(root.join(name)).unwrap().set_modified(old).unwrap();
    }
}

/// What a tree looks like, in a form that compares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    pub mode: u32,
    pub owner: (u32, u32),
    pub size: u64,
    pub mtime: (i64, i64),
    pub content: Vec<u8>,
    pub links: u64,
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

pub fn look(root: &Path) -> BTreeMap<PathBuf, Look> {
    let mut seen = BTreeMap::new();
    let mut pending = vec![root.to_path_buf()];
    while let Some(path) = pending.pop() {
        let metadata = std::fs::symlink_metadata(&path).unwrap();
        let kind = metadata.file_type();
        let content = if kind.is_file() {
            odin_backup::record::Digest::of(&std::fs::read(&path).unwrap()).0.to_vec()
        } else if kind.is_symlink() {
            std::fs::read_link(&path).unwrap().as_os_str().as_bytes().to_vec()
        } else {
            assert!(kind.is_dir() || kind.is_fifo() || kind.is_socket(), "{}", path.display());
            Vec::new()
        };
        if kind.is_dir() {
            pending.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        let look = Look {
            mode: metadata.mode(),
            owner: (metadata.uid(), metadata.gid()),
            size: if kind.is_dir() { 0 } else { metadata.len() },
            mtime: (metadata.mtime(), metadata.mtime_nsec()),
            content,
            links: if kind.is_dir() { 0 } else { metadata.nlink() },
            xattrs: xattrs(&path),
        };
        seen.insert(path.strip_prefix(root).unwrap().to_path_buf(), look);
    }
    seen
}

fn xattrs(path: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut names = vec![0; 65536];
    let length = rustix::fs::llistxattr(path, &mut names[..]).unwrap();
    names[..length]
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
        .map(|name| {
            let mut value = vec![0; 65536];
            let length = rustix::fs::lgetxattr(path, OsStr::from_bytes(name), &mut value[..]).unwrap();
            (name.to_vec(), value[..length].to_vec())
        })
        .collect()
}

/// Compares two trees and names the first difference.
pub fn assert_same(left: &Path, right: &Path) {
    let (left, right) = (look(left), look(right));
    for (path, seen) in &left {
        assert_eq!(Some(seen), right.get(path), "{}", path.display());
    }
    let extra: Vec<_> = right.keys().filter(|path| !left.contains_key(*path)).collect();
    assert!(extra.is_empty(), "{extra:?}");
}

/// Runs a stock restic, the judge of what is written here.
pub fn restic(repository: &Path, arguments: &[&str]) -> Output {
    Command::new("restic")
        .env("RESTIC_PASSWORD", PASSWORD)
        .args(["--no-cache", "-r"])
        .arg(repository)
        .args(arguments)
        .output()
        .expect("these tests need a stock `restic` in PATH (Debian: apt-get install restic)")
}

pub fn restic_ok(repository: &Path, arguments: &[&str]) -> String {
    let output = restic(repository, arguments);
    assert!(
        output.status.success(),
        "restic {arguments:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// A small generator: tests name its seed, and a seed replays them.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit.max(1)).unwrap()).unwrap()
    }
}

/// The files of a repository by kind, `config` among them.
pub fn file_kinds(repository: &Path) -> BTreeMap<&'static str, Vec<PathBuf>> {
    let mut kinds = BTreeMap::from([("config", vec![repository.join("config")])]);
    for kind in ["keys", "index", "snapshots", "data"] {
        let mut files = Vec::new();
        let mut pending = vec![repository.join(kind)];
        while let Some(path) = pending.pop() {
            if path.is_dir() {
                pending.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            } else {
                files.push(path);
            }
        }
        files.sort();
        kinds.insert(kind, files);
    }
    kinds
}

/// A file system of a few megabytes, unmounted at the end.
pub struct Tiny<'a>(&'a Path);

impl<'a> Tiny<'a> {
    pub fn mount(path: &'a Path, size: &str) -> Self {
        std::fs::create_dir_all(path).unwrap();
        let status = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(path)
            .status()
            .unwrap();
        assert!(status.success(), "this test mounts a tmpfs and needs root for it");
        Self(path)
    }
}

impl Drop for Tiny<'_> {
    fn drop(&mut self) {
        let status = Command::new("umount").arg("-l").arg(self.0).status();
        assert!(status.is_ok_and(|status| status.success()), "{} is still mounted", self.0.display());
    }
}
