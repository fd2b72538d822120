//! The Unix sockets: control for root, reading for the group `odin`.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use axum::Router;
use tokio::net::UnixListener;

use crate::{Error, Result};

/// Name of the reading socket in the run directory.
pub(crate) const READ_SOCKET: &str = "odin-read.sock";

/// Listens on `run_dir/name` with the given mode.
pub(super) fn bind(run_dir: &Path, name: &str, mode: u32) -> Result<UnixListener> {
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
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).map_err(Error::state("restrict", &path))?;
    Ok(listener)
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
