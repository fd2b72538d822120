//! The service manager behind a port of three verbs.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::{Error, Result};

/// How long systemd is waited for by those who only ask.
const PATIENCE: Duration = Duration::from_secs(5);

/// Starts, stops and looks at units.
pub trait Units: Send + Sync {
    /// Stops a unit and waits until it has stopped.
    ///
    /// # Errors
    /// When the unit is unknown or does not stop.
    fn stop(&self, unit: &str) -> Result<()>;
    /// Starts a unit and waits until it is active.
    ///
    /// # Errors
    /// When the unit is unknown or does not become active.
    fn start(&self, unit: &str) -> Result<()>;
    /// Tells whether a unit is active.
    ///
    /// # Errors
    /// When the service manager does not answer.
    fn is_active(&self, unit: &str) -> Result<bool>;
}

/// systemd, by `systemctl`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Systemd;

impl Systemd {
    /// Makes sure that systemd knows a unit.
    ///
    /// # Errors
    /// When it has none of this name, or cannot load it, or does not answer.
    pub fn require(self, unit: &str) -> Result<()> {
        let refused = |reason: String| Error::Host {
            action: format!("use the unit {unit}"),
            reason,
            hint: "install K3s, or name its unit in odin.toml as `k3s-unit` of `[host]`",
        };
        let done = Command::new("systemctl")
            .args(["show", "--property=LoadState", "--value", "--", unit])
            .stdin(Stdio::null())
            .output()
            .map_err(|error| refused(format!("systemctl cannot be run: {error}")))?;
        if !done.status.success() {
            return Err(refused(String::from_utf8_lossy(&done.stderr).trim().replace('\n', "; ")));
        }
        match String::from_utf8_lossy(&done.stdout).trim() {
            "loaded" => Ok(()),
            state => Err(refused(format!("systemd says it is {state}"))),
        }
    }

    /// Tells whether a unit is there and started with the machine.
    #[must_use]
    pub fn is_enabled(self, unit: &str) -> bool {
        let told = Command::new("systemctl")
            .args(["is-enabled", "--quiet", "--", unit])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .status();
        told.is_ok_and(|status| status.success())
    }

    /// Tells whether a unit neither runs nor is about to: it may be unknown, and
    /// systemd may be too.
    #[must_use]
    pub fn is_at_rest(self, unit: &str) -> bool {
        let told = Command::new("systemctl")
            .args(["show", "--property=ActiveState", "--value", "--", unit])
            .stdin(Stdio::null())
            .output();
        // Without systemd no unit runs.
        let Ok(told) = told else { return true };
        !matches!(
            String::from_utf8_lossy(&told.stdout).trim(),
            "active" | "activating" | "reloading" | "deactivating" | "refreshing" | "maintenance"
        )
    }

    /// Tells whether a unit is active, without keeping a thread, and in time.
    ///
    /// # Errors
    /// When the service manager does not answer.
    pub async fn tell_active(self, unit: &str) -> Result<bool> {
        tell_active(Path::new("systemctl"), unit, PATIENCE).await
    }

    fn run(self, verb: &str, unit: &str) -> Result<()> {
        let refused = |reason: String| Error::Host {
            action: format!("{verb} {unit}"),
            reason,
            hint: "look at the unit: `systemctl status` and `journalctl -u` name the cause",
        };
        let done = Command::new("systemctl")
            .args([verb, "--", unit])
            .stdin(Stdio::null())
            .output()
            .map_err(|error| refused(format!("systemctl cannot be run: {error}")))?;
        if done.status.success() {
            return Ok(());
        }
        Err(refused(String::from_utf8_lossy(&done.stderr).trim().replace('\n', "; ")))
    }
}

impl Units for Systemd {
    fn stop(&self, unit: &str) -> Result<()> {
        self.run("stop", unit)
    }

    fn start(&self, unit: &str) -> Result<()> {
        // A unit that failed often enough refuses to start until its counter
        // is cleared; that it failed before is no reason not to try. A unit
        // that never failed makes this an error, which says nothing.
        drop(self.run("reset-failed", unit));
        self.run("start", unit)
    }

    fn is_active(&self, unit: &str) -> Result<bool> {
        let done = Command::new("systemctl")
            .args(["is-active", "--quiet", "--", unit])
            .stdin(Stdio::null())
            .status()
            .map_err(|error| Error::Host {
                action: format!("look at {unit}"),
                reason: format!("systemctl cannot be run: {error}"),
                hint: "ODIN needs systemd",
            })?;
        Ok(done.success())
    }
}

async fn tell_active(program: &Path, unit: &str, patience: Duration) -> Result<bool> {
    let failed = |reason: String| Error::Host {
        action: format!("look at {unit}"),
        reason,
        hint: "ODIN needs systemd: does `systemctl` answer?",
    };
    let told = tokio::process::Command::new(program)
        .args(["is-active", "--quiet", "--", unit])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .status();
    match tokio::time::timeout(patience, told).await {
        Ok(Ok(status)) => Ok(status.success()),
        Ok(Err(error)) => Err(failed(format!("systemctl cannot be run: {error}"))),
        Err(_) => Err(failed(format!("systemctl did not answer within {} s", patience.as_secs()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_service_manager_that_is_silent_is_not_waited_for_without_end() {
        let directory = tempfile::tempdir().expect("a directory");
        let program = |name: &str, text: &str| {
            let path = directory.path().join(name);
            // Written by a child: what another test forks meanwhile would hold it
            // open, and what is open for writing cannot be run.
            let write = r#"printf %s "$1" >"$0" && chmod 755 "$0""#;
            let made = Command::new("sh").args(["-c", write]).arg(&path).arg(text).status().expect("sh");
            assert!(made.success());
            path
        };
        let silent = program("silent", "#!/bin/sh\nexec sleep 1000\n");
        let told = tell_active(&silent, "k3s.service", Duration::from_millis(100)).await;
        assert!(told.expect_err("in time").to_string().contains("did not answer"));
        for (code, active) in [(0, true), (3, false)] {
            let answers = program(&format!("answers-{code}"), &format!("#!/bin/sh\nexit {code}\n"));
            let patience = Duration::from_secs(60);
            assert_eq!(tell_active(&answers, "k3s.service", patience).await.expect("told"), active);
        }
    }
}
