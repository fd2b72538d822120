//! What is there.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use odin_backup::engine::rustic::{Found, inspect};
use odin_model::config::Backup;

use crate::{Error, Result, host};

/// Begin of the first line of a file that ODIN wrote. sshd and systemd pass over
/// lines with a `#` (sshd(8), hostname(5)), and who takes the file over takes the
/// line out.
pub(super) const MARK: &str = "# Written by ODIN from ";

/// A file that ODIN may write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// There is none.
    Absent,
    /// ODIN wrote it.
    Own { content: String, mode: u32 },
    /// Somebody else did.
    Foreign { content: String },
    /// It leads elsewhere, on NixOS to what the configuration declares.
    Link { content: String },
}

/// Looks at a file.
pub(super) fn file(path: &Path) -> Result<Seen> {
    let failed = || Error::state("read", path);
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Seen::Absent),
        found => found.map_err(failed())?,
    };
    // One that is no text is somebody else's, whatever it says.
    let content = String::from_utf8_lossy(&fs::read(path).map_err(failed())?).into_owned();
    Ok(match () {
        () if metadata.is_symlink() => Seen::Link { content },
        () if content.starts_with(MARK) => {
            Seen::Own { content, mode: metadata.permissions().mode() & 0o7777 }
        }
        () => Seen::Foreign { content },
    })
}

/// The host name that the kernel has.
pub(super) fn kernel_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Where the password belongs, and what it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// There is a password.
    Taken,
    /// Something should be mounted here first.
    Missing(PathBuf),
    /// There is none, and the repository is this.
    Empty(Found),
}

/// Looks for the password, and where it is absent at the repository.
pub(super) fn password(backup: &Backup, mounts: &Mounts) -> Result<Place> {
    let file = &backup.password_file;
    if let Some(point) = mounts.missing(file) {
        return Ok(Place::Missing(point));
    }
    if file.try_exists().map_err(Error::state("look for", file))? {
        return Ok(Place::Taken);
    }
    match mounts.missing(&backup.repository) {
        Some(point) => Ok(Place::Missing(point)),
        None => Ok(Place::Empty(inspect(&backup.repository)?)),
    }
}

/// Where something is, or should be, mounted.
#[derive(Clone, Debug, Default)]
pub(super) struct Mounts {
    declared: Vec<PathBuf>,
    mounted: Vec<PathBuf>,
}

impl Mounts {
    /// Reads fstab(5), which NixOS writes too, and what the kernel has.
    pub(super) fn read() -> Result<Self> {
        let table = Path::new("/etc/fstab");
        let text = match fs::read_to_string(table) {
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            read => read.map_err(Error::state("read", table))?,
        };
        Ok(Self { declared: declared(&text), mounted: host::mounts_under(&[PathBuf::from("/")])? })
    }

    /// The outermost place at or above `path` where something should be mounted
    /// and is not: what is seen below is not what is meant.
    pub(super) fn missing(&self, path: &Path) -> Option<PathBuf> {
        let missing = |point: &&PathBuf| path.starts_with(point) && !self.mounted.contains(point);
        self.declared.iter().filter(missing).min().cloned()
    }
}

/// The mount points of fstab(5), those that nobody mounts at boot among them.
fn declared(table: &str) -> Vec<PathBuf> {
    let lines = table.lines().map(str::trim_start).filter(|line| !line.starts_with('#'));
    let points = lines.filter_map(|line| line.split_whitespace().nth(1));
    points.filter(|point| point.starts_with('/')).map(host::unescaped).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_file_is_known_by_its_first_line() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name);
        assert_eq!(file(&path("absent")).expect("none"), Seen::Absent);
        fs::write(path("own"), format!("{MARK}a test\nbox\n")).expect("a file");
        fs::write(path("foreign"), format!("box\n{MARK}a test\n")).expect("a file");
        symlink("own", path("link")).expect("a link");
        assert!(matches!(file(&path("own")).expect("seen"), Seen::Own { .. }));
        assert!(matches!(file(&path("foreign")).expect("seen"), Seen::Foreign { .. }));
        assert!(matches!(file(&path("link")).expect("seen"), Seen::Link { .. }));
        let error = file(directory.path()).expect_err("a directory is no file").to_string();
        assert!(error.contains("cannot read"), "{error}");
    }

    #[test]
    fn what_should_be_mounted_is_missed() {
        let table = "# /dev/sdz /not ext4\n/dev/sda1 / ext4 defaults 0 1\n\
                     LABEL=b\\040c /mnt/b\\040c ext4 noauto\n  /srv/odin /var/lib/odin none bind\nswap none swap\n";
        let mounts = Mounts { declared: declared(table), mounted: vec!["/".into(), "/var/lib/odin".into()] };
        assert_eq!(mounts.missing(Path::new("/mnt/b c/repository")), Some("/mnt/b c".into()));
        assert_eq!(mounts.missing(Path::new("/mnt/b cd")), None);
        assert_eq!(mounts.missing(Path::new("/var/lib/odin/repository-password")), None);
        assert_eq!(mounts.missing(Path::new("/not/there")), None);
    }

    #[test]
    fn the_repository_is_looked_at_where_there_is_no_password() {
        let directory = tempfile::tempdir().expect("a directory");
        let backup = Backup::at(directory.path().join("repository"), directory.path().join("password"));
        let place = |mounts: &Mounts| password(&backup, mounts).expect("a place");
        assert_eq!(place(&Mounts::default()), Place::Empty(Found::Nothing));
        for name in ["config", "keys"] {
            fs::create_dir_all(backup.repository.join(name)).expect("a directory");
        }
        assert_eq!(place(&Mounts::default()), Place::Empty(Found::Repository));
        let missing = Mounts { declared: vec![backup.repository.clone()], mounted: Vec::new() };
        assert_eq!(place(&missing), Place::Missing(backup.repository.clone()));
        fs::write(&backup.password_file, "secret").expect("a file");
        // With a password nothing is to be made, wherever the repository is.
        assert_eq!(place(&missing), Place::Taken);
        let missing = Mounts { declared: vec![directory.path().to_owned()], mounted: Vec::new() };
        assert_eq!(place(&missing), Place::Missing(directory.path().to_owned()));
    }
}
