//! The machine under an upgrade: boot loader, profiles, boot, power.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::statvfs;

use super::decide::Role;
use super::entries::{self, Entry};
use super::profile::Profile;
use crate::{Error, Result};

/// What an upgrade does to a machine and asks of it. Every call that changes
/// something may be repeated.
pub trait Machine: Send + Sync {
    /// The system that was booted; none where none was: while a system is
    /// installed, or on another distribution.
    ///
    /// # Errors
    /// When it cannot be told.
    fn booted(&self) -> Result<Option<PathBuf>>;
    /// Id of this boot.
    ///
    /// # Errors
    /// When the kernel does not tell.
    fn boot_id(&self) -> Result<String>;
    /// Entries of the boot menu.
    ///
    /// # Errors
    /// When the boot loader cannot be asked.
    fn entries(&self) -> Result<Vec<Entry>>;
    /// Makes an entry the default.
    ///
    /// # Errors
    /// When the firmware does not take it.
    fn set_default(&self, id: &str) -> Result<()>;
    /// Sets the entry of the next boot only; clears it with none.
    ///
    /// # Errors
    /// When the firmware does not take it.
    fn set_oneshot(&self, id: Option<&str>) -> Result<()>;
    /// Generations of the system profile.
    ///
    /// # Errors
    /// When they cannot be read.
    fn generations(&self) -> Result<Vec<(u64, PathBuf)>>;
    /// The system its profile leads to.
    ///
    /// # Errors
    /// When it cannot be read.
    fn profile(&self) -> Result<Option<PathBuf>>;
    /// Makes the system profile lead to a system.
    ///
    /// # Errors
    /// When it cannot be written.
    fn point_profile(&self, system: &Path) -> Result<()>;
    /// Keeps a system from garbage collection, and the confirmed one's boot
    /// entry from its installer's limit.
    ///
    /// # Errors
    /// When it cannot be written.
    fn keep(&self, role: Role, system: &Path) -> Result<()>;
    /// The system that is kept in a role.
    ///
    /// # Errors
    /// When it cannot be read.
    fn kept(&self, role: Role) -> Result<Option<PathBuf>>;
    /// Has a system write the boot menu (`switch-to-configuration boot`).
    ///
    /// # Errors
    /// When it refuses.
    fn install(&self, system: &Path) -> Result<()>;
    /// Reboots in an orderly way; returns at once.
    ///
    /// # Errors
    /// When the service manager refuses.
    fn reboot(&self) -> Result<()>;
    /// Free bytes of the file system a path lies on.
    ///
    /// # Errors
    /// When it cannot be told.
    fn free(&self, path: &Path) -> Result<u64>;
}

/// A NixOS machine with systemd-boot.
#[derive(Clone, Debug)]
pub struct NixOs {
    root: PathBuf,
}

impl Default for NixOs {
    fn default() -> Self {
        Self { root: "/".into() }
    }
}

impl NixOs {
    fn at(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    fn system_profile(&self) -> Profile {
        Profile::at(self.at("/nix/var/nix/profiles/system"))
    }

    /// A profile of its own for what must stay bootable: the installer of
    /// systemd-boot writes entries for every profile in this directory, and
    /// counts its limit in each alone. A profile is a root of the collector.
    fn known_good(&self) -> Profile {
        Profile::at(self.at("/nix/var/nix/profiles/system-profiles").join(entries::KNOWN_GOOD))
    }

    fn previous(&self) -> Profile {
        Profile::at(self.at("/nix/var/nix/profiles/odin/previous"))
    }
}

impl Machine for NixOs {
    fn booted(&self) -> Result<Option<PathBuf>> {
        let link = self.at("/run/booted-system");
        match fs::canonicalize(&link) {
            Ok(system) => Ok(Some(system)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::state("read", link)(error)),
        }
    }

    fn boot_id(&self) -> Result<String> {
        let file = Path::new("/proc/sys/kernel/random/boot_id");
        fs::read_to_string(file).map(|id| id.trim().to_owned()).map_err(Error::state("read", file))
    }

    fn entries(&self) -> Result<Vec<Entry>> {
        let text = run("list the boot entries", Command::new("bootctl").args(["list", "--json=short"]))?;
        entries::parse(&text).map_err(|reason| Error::Host {
            action: "list the boot entries".to_owned(),
            reason,
            hint: "`bootctl list` shows what there is; upgrades need systemd-boot",
        })
    }

    fn set_default(&self, id: &str) -> Result<()> {
        run(&format!("make {id} the default"), Command::new("bootctl").args(["set-default", id])).map(drop)
    }

    fn set_oneshot(&self, id: Option<&str>) -> Result<()> {
        let action = id.map_or_else(
            || "clear the entry of the next boot".to_owned(),
            |id| format!("set {id} for the next boot"),
        );
        // An empty id clears it (bootctl(1)).
        run(&action, Command::new("bootctl").args(["set-oneshot", id.unwrap_or("")])).map(drop)
    }

    fn generations(&self) -> Result<Vec<(u64, PathBuf)>> {
        self.system_profile().generations()
    }

    fn profile(&self) -> Result<Option<PathBuf>> {
        self.system_profile().target()
    }

    fn point_profile(&self, system: &Path) -> Result<()> {
        self.system_profile().point_to(system)
    }

    fn keep(&self, role: Role, system: &Path) -> Result<()> {
        let profile = match role {
            Role::KnownGood => self.known_good(),
            Role::Previous => self.previous(),
        };
        profile.point_to(system)?;
        profile.keep_only_target()
    }

    fn kept(&self, role: Role) -> Result<Option<PathBuf>> {
        match role {
            Role::KnownGood => self.known_good().target(),
            Role::Previous => self.previous().target(),
        }
    }

    fn install(&self, system: &Path) -> Result<()> {
        let program = system.join("bin/switch-to-configuration");
        run(&format!("write the boot menu with {}", program.display()), Command::new(program).arg("boot"))
            .map(drop)
    }

    fn reboot(&self) -> Result<()> {
        run("reboot", Command::new("systemctl").args(["--no-block", "reboot"])).map(drop)
    }

    fn free(&self, path: &Path) -> Result<u64> {
        let at = self.root.join(path.strip_prefix("/").unwrap_or(path));
        let found = statvfs(&at).map_err(|error| Error::state("measure", &at)(error.into()))?;
        Ok(found.f_bavail.saturating_mul(found.f_frsize))
    }
}

/// Runs a program and gives what it printed.
fn run(action: &str, command: &mut Command) -> Result<String> {
    let refused = |reason: String| Error::Host {
        action: action.to_owned(),
        reason,
        hint: "upgrades need NixOS with systemd-boot and a firmware that keeps its variables; \
               `bootctl status` tells what it has",
    };
    let program = command.get_program().to_string_lossy().into_owned();
    let done = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| refused(format!("{program} cannot be run: {error}")))?;
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    let last: Vec<&str> = said.trim().lines().rev().take(5).collect();
    let last: Vec<&str> = last.into_iter().rev().collect();
    Err(refused(format!("{program}: {} ({})", last.join("; "), done.status)))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn an_installation_has_no_booted_system() {
        let root = tempfile::tempdir().expect("a directory");
        let machine = NixOs { root: root.path().to_owned() };
        assert_eq!(machine.booted().expect("none"), None);
        let system = root.path().join("system");
        fs::create_dir_all(&system).expect("a directory");
        fs::create_dir_all(root.path().join("run")).expect("a directory");
        symlink(&system, root.path().join("run/booted-system")).expect("a link");
        assert_eq!(machine.booted().expect("one"), Some(system));
    }

    #[test]
    fn what_is_kept_is_one_system_a_role() {
        let root = tempfile::tempdir().expect("a directory");
        let machine = NixOs { root: root.path().to_owned() };
        assert_eq!(machine.kept(Role::Previous).expect("none"), None);
        for system in ["/nix/store/one", "/nix/store/two"] {
            machine.keep(Role::KnownGood, Path::new(system)).expect("kept");
        }
        assert_eq!(machine.kept(Role::KnownGood).expect("one"), Some("/nix/store/two".into()));
        let links = fs::read_dir(root.path().join("nix/var/nix/profiles/system-profiles"))
            .expect("a directory")
            .filter(|entry| entry.as_ref().is_ok_and(|entry| entry.path().is_symlink()))
            .count();
        assert_eq!(links, 2, "the profile and its one generation");
    }

    #[test]
    fn a_program_that_fails_is_named_with_its_words() {
        let error = run("try", Command::new("sh").args(["-c", "echo no firmware >&2; exit 3"]));
        let text = error.expect_err("a failure").to_string();
        assert!(text.contains("cannot try: sh: no firmware"), "{text}");
    }
}
