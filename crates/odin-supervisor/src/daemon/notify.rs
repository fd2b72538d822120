//! systemd's readiness protocol (sd_notify(3)), for units of `Type=notify`.

use std::os::unix::net::UnixDatagram;

/// Tells the service manager that the sockets answer.
pub(crate) fn ready() {
    send("READY=1");
}

/// Tells the service manager that the end has begun.
pub(super) fn stopping() {
    send("STOPPING=1");
}

fn send(state: &str) {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let sent = UnixDatagram::unbound().and_then(|socket| socket.send_to(state.as_bytes(), path));
    if let Err(error) = sent {
        tracing::warn!(%error, state, "cannot notify the service manager");
    }
}
