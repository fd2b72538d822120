//! Doing what was decided.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::HOSTNAME;
use super::decide::Action;
use crate::appliance::create_scratch;
use crate::{Error, Result};

/// Random bytes of a password: 256 bits, as the keys of the repository have.
const PASSWORD_BYTES: usize = 32;

pub(super) fn carry_out(action: &Action) -> Result<()> {
    match action {
        Action::WriteKeys { file, content } => write_public(file, content),
        Action::Name { name, content } => {
            // First: where /etc cannot be written, it is the name of this boot.
            rustix::system::sethostname(name.as_bytes()).map_err(|error| Error::Host {
                action: format!("make {name} the host's name"),
                reason: error.to_string(),
                hint: "run it as root",
            })?;
            content.as_ref().map_or(Ok(()), |content| write_public(Path::new(HOSTNAME), content))
        }
        Action::MakePassword { file } => make_password(file),
    }
}

/// Writes what everybody may read.
fn write_public(file: &Path, content: &str) -> Result<()> {
    place(file, content.as_bytes(), Mode { file: 0o644, directory: 0o755 }, RenameFlags::empty())
}

/// Makes a password where there is none.
fn make_password(file: &Path) -> Result<()> {
    let mut random = [0; PASSWORD_BYTES];
    // Waits, early at boot, until the kernel has randomness to give.
    getrandom::fill(&mut random).map_err(|error| Error::Host {
        action: format!("make a password for {}", file.display()),
        reason: format!("the kernel gives no random bytes: {error}"),
        hint: "write one by hand (chmod 600), and keep a copy away from the machine",
    })?;
    let text = format!("{}\n", STANDARD.encode(random));
    // Never over one that came meanwhile: a repository may be made with it.
    place(file, text.as_bytes(), Mode { file: 0o600, directory: 0o700 }, RenameFlags::NOREPLACE)
}

/// Modes of a file and of a directory that is made for it, whatever the umask.
#[derive(Clone, Copy)]
struct Mode {
    file: u32,
    directory: u32,
}

/// Puts a file in its place in one step, also as far as a power cut is
/// concerned.
fn place(path: &Path, content: &[u8], mode: Mode, flags: RenameFlags) -> Result<()> {
    let failed = || Error::state("write", path);
    let directory = path.parent().unwrap_or(Path::new("/"));
    if !directory.try_exists().map_err(failed())? {
        let made = fs::DirBuilder::new().recursive(true).mode(mode.directory).create(directory);
        made.and_then(|()| fs::set_permissions(directory, fs::Permissions::from_mode(mode.directory)))
            .map_err(Error::state("create", directory))?;
    }
    let (scratch, mut file) = create_scratch(directory, path).map_err(failed())?;
    let placed = file
        .write_all(content)
        .and_then(|()| file.set_permissions(fs::Permissions::from_mode(mode.file)))
        .and_then(|()| file.sync_all())
        .and_then(|()| renameat_with(CWD, &scratch, CWD, path, flags).map_err(Into::into));
    if let Err(error) = placed {
        drop(fs::remove_file(&scratch));
        return Err(failed()(error));
    }
    fs::File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("metadata").permissions().mode() & 0o7777
    }

    fn names(directory: &Path) -> Vec<PathBuf> {
        fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path()).collect()
    }

    #[test]
    fn keys_are_for_everybody_to_read_and_replace_those_before() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("keys/admin");
        for content in ["first\n", "second\n"] {
            carry_out(&Action::WriteKeys { file: file.clone(), content: content.to_owned() })
                .expect("written");
            assert_eq!(fs::read_to_string(&file).expect("keys"), content);
        }
        assert_eq!((mode(&file), mode(&directory.path().join("keys"))), (0o644, 0o755));
        assert_eq!(names(&directory.path().join("keys")), [file], "nothing is left beside it");
    }

    #[test]
    fn a_password_is_secret_random_and_made_once() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = |name: &str| directory.path().join("state").join(name);
        let make = |name: &str| carry_out(&Action::MakePassword { file: file(name) });
        make("a").expect("a password");
        make("b").expect("a password");
        let read = |name: &str| fs::read_to_string(file(name)).expect("a password");
        let first = read("a");
        assert_eq!(STANDARD.decode(first.trim_end()).expect("base64").len(), PASSWORD_BYTES);
        assert!(first.ends_with('\n') && first != read("b"));
        assert_eq!((mode(&file("a")), mode(&directory.path().join("state"))), (0o600, 0o700));
        odin_backup::password::Password::read(&file("a")).expect("what a backup takes");
        let error = make("a").expect_err("it is there").to_string();
        assert!(error.contains("cannot write"), "{error}");
        assert_eq!(read("a"), first);
        assert_eq!(names(&directory.path().join("state")).len(), 2, "nothing is left beside them");
    }
}
