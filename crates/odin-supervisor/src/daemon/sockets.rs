//! The Unix sockets: control for root, reading for the group `odin`.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use axum::Router;
use nix::unistd::Group;
use tokio::net::UnixListener;

use crate::{Error, Result};

/// Name of the reading socket in the run directory.
pub(crate) const READ_SOCKET: &str = "odin-read.sock";

/// The group that may read; the system's configuration makes it and puts people
/// into it.
const READERS: &str = "odin";

/// Who may use a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Users {
    /// Root alone.
    Root,
    /// Root, and the group [`READERS`] where there is one.
    Readers,
}

/// Listens on `run_dir/name` for these users.
pub(super) fn bind(run_dir: &Path, name: &str, users: Users) -> Result<UnixListener> {
    fs::create_dir_all(run_dir).map_err(Error::state("create", run_dir))?;
    let path = run_dir.join(name);
    if std::os::unix::net::UnixStream::connect(&path).is_ok() {
        return Err(Error::Busy {
            action: "supervise",
            holder: format!("another daemon answers at {}", path.display()),
        });
    }
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(Error::State { action: "replace", path, source: error });
        }
        _ => {}
    }
    let listener = UnixListener::bind(&path).map_err(Error::state("listen on", &path))?;
    let group = if users == Users::Readers { readers(READERS) } else { None };
    restrict(&path, group).map_err(Error::state("restrict", &path))?;
    Ok(listener)
}

/// Gives a file to root and to a group. The group comes before the mode: what
/// the file had before is opened to nobody.
fn restrict(path: &Path, group: Option<u32>) -> io::Result<()> {
    if group.is_some() {
        chown(path, None, group)?;
    }
    let mode = if group.is_some() { 0o660 } else { 0o600 };
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

/// The number of a group; none where the system knows no such group.
fn readers(name: &str) -> Option<u32> {
    match Group::from_name(name) {
        Ok(Some(group)) => Some(group.gid.as_raw()),
        Ok(None) => {
            tracing::debug!(group = name, "there is no such group: the reading socket is root's");
            None
        }
        Err(error) => {
            tracing::warn!(group = name, %error, "cannot look the group up: the reading socket is root's");
            None
        }
    }
}

/// Serves until the task is aborted. Only local, trusted peers connect: root,
/// or the group the administrator put people into.
pub(super) async fn serve(listener: UnixListener, router: Router) {
    if let Err(error) = axum::serve(listener, router).await {
        tracing::error!(%error, "a socket ended");
    }
}

/// Removes the sockets; a killed daemon leaves them, which is recognised.
pub(super) fn remove(run_dir: &Path) {
    for name in [crate::client::CONTROL_SOCKET, READ_SOCKET] {
        drop(fs::remove_file(run_dir.join(name)));
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn a_group_is_known_by_its_name() {
        assert_eq!(readers("root"), Some(0));
        assert_eq!(readers("no-such-group-here"), None);
    }

    #[test]
    fn a_socket_is_roots_or_a_groups() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&path).expect("a socket");
        let found = || {
            let metadata = fs::metadata(&path).expect("metadata");
            (metadata.mode() & 0o777, metadata.gid())
        };
        let own = found().1;
        restrict(&path, None).expect("restricted");
        assert_eq!(found(), (0o600, own));
        // One's own group can be given by everybody, another one by root.
        restrict(&path, Some(own)).expect("given");
        assert_eq!(found(), (0o660, own));
    }
}
