//! Old and new change places, and back. Each call may be cut off anywhere and
//! called again: what is left to do is read off what is where.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::journal::{Exchange, Journal, sync};
use super::{Method, Piece};
use crate::steps::Steps;
use crate::{Error, Result};

/// Puts the staged data of a piece in place; old data goes to its old place.
pub(super) fn put_in_place(
    piece: &Piece,
    index: usize,
    journal: &mut Journal,
    steps: &dyn Steps,
) -> Result<()> {
    match piece.method {
        Method::Rename => {
            steps.reached(&format!("move old {}", piece.source))?;
            if piece.replaces {
                rename(&piece.target, &piece.old)?;
            }
            for (new, old) in piece.companions(&piece.target).iter().zip(piece.companions(&piece.old)) {
                if exists(new)? {
                    rename(new, &old)?;
                }
            }
            steps.reached(&format!("move new {}", piece.source))?;
            rename(&piece.stage, &piece.target)?;
            sync(parent(&piece.target))?;
            steps.reached(&format!("moved {}", piece.source))
        }
        Method::Children => {
            steps.reached(&format!("move old {}", piece.source))?;
            create(&piece.old)?;
            move_children(piece, &piece.target, &piece.old)?;
            steps.reached(&format!("move new {}", piece.source))?;
            journal.set_exchange(index, Exchange::In)?;
            let metadata =
                fs::metadata(&piece.stage).map_err(|error| Error::io("look at", &piece.stage, error))?;
            move_children(piece, &piece.stage, &piece.target)?;
            set_attributes(&piece.target, metadata.mode() & 0o7777, metadata.uid(), metadata.gid())?;
            steps.reached(&format!("moved {}", piece.source))
        }
    }
}

/// Puts the old data of a piece back, from wherever the exchange stopped.
pub(super) fn put_back(piece: &Piece, index: usize, journal: &mut Journal, steps: &dyn Steps) -> Result<()> {
    steps.reached(&format!("put back {}", piece.source))?;
    match piece.method {
        Method::Rename => {
            let is_new = !exists(&piece.stage)?;
            if is_new && exists(&piece.target)? && (exists(&piece.old)? || !piece.replaces) {
                // What the new database left beside it belongs to it.
                for companion in piece.companions(&piece.target) {
                    remove(&companion)?;
                }
                rename(&piece.target, &piece.stage)?;
            }
            for (new, old) in piece.companions(&piece.target).iter().zip(piece.companions(&piece.old)) {
                if exists(&old)? {
                    rename(&old, new)?;
                }
            }
            if exists(&piece.old)? {
                rename(&piece.old, &piece.target)?;
            }
            if exists(parent(&piece.target))? {
                sync(parent(&piece.target))?;
            }
            Ok(())
        }
        Method::Children => {
            if journal.exchange(index) == Exchange::In {
                create(&piece.stage)?;
                move_children(piece, &piece.target, &piece.stage)?;
                journal.set_exchange(index, Exchange::Out)?;
            }
            if exists(&piece.old)? {
                move_children(piece, &piece.old, &piece.target)?;
            }
            match piece.root {
                Some((mode, uid, gid)) => set_attributes(&piece.target, mode, uid, gid),
                None => Ok(()),
            }
        }
    }
}

/// Refuses where an old place is taken: what is there would be mistaken for
/// the data of before this restore.
pub(super) fn require_free(piece: &Piece) -> Result<()> {
    if exists(&piece.old)? {
        let reason = "data of an earlier restore is in the way".to_owned();
        return Err(Error::Target { path: piece.old.clone(), reason });
    }
    Ok(())
}

/// Removes what is staged, and on a machine that was bare nothing else.
pub(super) fn drop_stage(piece: &Piece) -> Result<()> {
    remove(&piece.stage)
}

/// Removes the old data.
pub(super) fn drop_old(piece: &Piece) -> Result<()> {
    for companion in piece.companions(&piece.old) {
        remove(&companion)?;
    }
    remove(&piece.old)?;
    // Emptied by the exchange, or a database's stage that left files beside.
    for companion in piece.companions(&piece.stage) {
        remove(&companion)?;
    }
    remove(&piece.stage)
}

/// Removes what an undone exchange leaves: the new data, and an old place that
/// is empty now. An old place with something in it is an error: that something
/// was to be put back.
pub(super) fn drop_old_places(piece: &Piece) -> Result<()> {
    remove(&piece.stage)?;
    if piece.method == Method::Children && exists(&piece.old)? {
        fs::remove_dir(&piece.old).map_err(|error| Error::io("remove", &piece.old, error))?;
    }
    Ok(())
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

fn exists(path: &Path) -> Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::io("look at", path, error)),
    }
}

/// Renames to a place that is free; what is there is never replaced.
fn rename(from: &Path, to: &Path) -> Result<()> {
    use rustix::fs::{CWD, RenameFlags};
    rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)
        .map_err(|error| Error::io("rename to", to, error))
}

fn create(path: &Path) -> Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(Error::io("create directory", path, error))
        }
        _ => Ok(()),
    }
}

fn remove(path: &Path) -> Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", path, error)),
        _ => Ok(()),
    }
}

/// Moves what is in one directory to another; ODIN's own directories and what
/// the file system itself keeps stay.
fn move_children(piece: &Piece, from: &Path, to: &Path) -> Result<()> {
    let mut names = Vec::new();
    for entry in fs::read_dir(from).map_err(|error| Error::io("list", from, error))? {
        names.push(entry.map_err(|error| Error::io("list", from, error))?.file_name());
    }
    names.sort();
    let stays = |name: &OsStr| {
        Some(name) == piece.stage.file_name() || Some(name) == piece.old.file_name() || name == "lost+found"
    };
    for name in names.iter().filter(|name| !stays(name)) {
        rename(&from.join(name), &to.join(name))?;
    }
    sync(from)?;
    sync(to)
}

/// Gives a directory an owner and a mode. Its time is that of the exchange.
fn set_attributes(path: &Path, mode: u32, uid: u32, gid: u32) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::os::unix::fs::chown(path, Some(uid), Some(gid))
        .map_err(|error| Error::io("set the owner of", path, error))?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .map_err(|error| Error::io("set the mode of", path, error))
}

/// Creates the parents of a target on a bare machine.
pub(super) fn create_parents(piece: &Piece) -> Result<()> {
    let directory: PathBuf = parent(&piece.stage).to_path_buf();
    fs::create_dir_all(&directory).map_err(|error| Error::io("create directory", &directory, error))
}
