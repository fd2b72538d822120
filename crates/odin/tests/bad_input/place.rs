//! A directory with everything `odin` is told of: declaration, data,
//! repository, state; and what must be true of every refusal.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub(crate) struct Place {
    directory: tempfile::TempDir,
}

/// How one call ended.
pub(crate) struct Ended {
    pub(crate) status: Option<i32>,
    pub(crate) told: String,
    pub(crate) printed: String,
}

impl Place {
    /// An agent, so that there is no datastore, with one declared directory.
    pub(crate) fn new() -> Self {
        let place = Self { directory: tempfile::tempdir().unwrap() };
        fs::set_permissions(place.directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        place.write("data/file", "of the first day");
        place.write("password", "correct horse\n");
        place.set_mode("password", 0o600);
        place.declare("");
        place
    }

    /// One with a snapshot.
    pub(crate) fn backed_up() -> Self {
        let place = Self::new();
        place.done(&["backup", "now"]);
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(crate) fn set_mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    /// A program in front of PATH.
    pub(crate) fn program(&self, name: &str, text: &str) -> PathBuf {
        let file = format!("bin/{name}");
        self.write(&file, format!("#!/bin/sh\n{text}\n"));
        self.set_mode(&file, 0o755);
        self.path(&file)
    }

    /// Declares what every place has, and more of `[backup]`.
    pub(crate) fn declare(&self, more: &str) {
        let root = self.directory.path().display();
        self.write(
            "odin.toml",
            format!(
                "[host]\nname = \"box\"\nrole = \"agent\"\nk3s-unit = \"no-such.service\"\n\
                 k3s-data-dir = \"{root}/k3s\"\nkubeconfig = \"{root}/kubeconfig\"\n\
                 state-dir = \"{root}/state\"\nrun-dir = \"{root}/run\"\nlock-timeout = \"0s\"\n\
                 [apply]\nbundle = \"{root}/out/bundle\"\n\
                 [backup]\nrepository = \"{root}/repository\"\npassword-file = \"{root}/password\"\n\
                 [[backup.sources]]\nname = \"data\"\nkind = \"directory\"\npath = \"{root}/data\"\n{more}\n"
            ),
        );
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_odin"));
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .arg("--config")
            .arg(self.path("odin.toml"))
            .args(arguments)
            .current_dir(self.directory.path())
            .env_remove("ODIN_CONFIG")
            .env("PATH", format!("{}:{path}", self.text("bin")))
            .stdin(Stdio::null());
        command
    }

    #[track_caller]
    pub(crate) fn done(&self, arguments: &[&str]) -> String {
        let ended = end(&mut self.command(arguments));
        assert_eq!(ended.status, Some(0), "{arguments:?}: {}", ended.told);
        ended.printed
    }

    #[track_caller]
    pub(crate) fn refused(&self, arguments: &[&str], status: i32, words: &[&str]) {
        check(&format!("{arguments:?}"), &end(&mut self.command(arguments)), status, words);
    }

    /// Every file below some names, to compare with later.
    pub(crate) fn look(&self, names: &[&str]) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut seen = BTreeMap::new();
        let mut pending: Vec<PathBuf> = names.iter().map(|name| self.path(name)).collect();
        while let Some(path) = pending.pop() {
            if path.is_dir() {
                pending.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
                seen.insert(path, Vec::new());
            } else if path.exists() && !path.ends_with("odin.lock") {
                let bytes = fs::read(&path).unwrap();
                seen.insert(path, bytes);
            }
        }
        seen
    }
}

pub(crate) fn end(command: &mut Command) -> Ended {
    let output = command.output().unwrap();
    Ended {
        status: output.status.code(),
        told: String::from_utf8_lossy(&output.stderr).into_owned(),
        printed: String::from_utf8_lossy(&output.stdout).into_owned(),
    }
}

/// One error and one hint, in words, and no data.
#[track_caller]
pub(crate) fn check(what: &str, ended: &Ended, status: i32, words: &[&str]) {
    let told = &ended.told;
    assert_eq!(ended.status, Some(status), "{what}: {told}");
    assert!(ended.printed.is_empty(), "{what} wrote data: {}", ended.printed);
    assert!(!told.contains("panicked"), "{what}: {told}");
    for (mark, count) in [("error: ", 1), ("hint: ", 1)] {
        let lines = told.lines().filter(|line| line.starts_with(mark)).count();
        assert_eq!(lines, count, "{what}: {mark}\n{told}");
    }
    for word in words {
        assert!(told.contains(word), "{what} does not say {word:?}:\n{told}");
    }
}

/// A file system of a few kilobytes, unmounted at the end.
pub(crate) struct Tiny(PathBuf);

impl Tiny {
    pub(crate) fn mount(path: &Path, size: &str) -> Self {
        fs::create_dir_all(path).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(path)
            .status();
        assert!(mounted.unwrap().success(), "this test mounts a tmpfs and needs root for it");
        Self(path.to_owned())
    }
}

impl Drop for Tiny {
    fn drop(&mut self) {
        let done = Command::new("umount").arg("-l").arg(&self.0).status();
        assert!(done.is_ok_and(|status| status.success()), "{} is still mounted", self.0.display());
    }
}
