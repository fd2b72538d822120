//! Snapshots of etcd by its own command.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::{Error, Result};

/// Stands for the path of the snapshot in a command.
const PLACE: &str = "{}";

/// Runs the command and expects a snapshot at `into`.
pub(super) fn snapshot(name: &str, command: &[String], into: &Path) -> Result<()> {
    let shown = command.join(" ");
    let fail = |message: String| Error::Command { name: name.into(), command: shown.clone(), message };
    let path = into.to_str().ok_or_else(|| fail("the staging directory is no text".into()))?;
    let mut words = command.iter().map(|word| word.replace(PLACE, path));
    let program = words.next().ok_or_else(|| fail("it is empty".into()))?;
    if !command.iter().any(|word| word.contains(PLACE)) {
        return Err(fail(format!("no argument holds {PLACE}, so it cannot know where to write")));
    }
    let output = Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| fail(error.to_string()))?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        let last = words.trim().lines().last().unwrap_or("").to_owned();
        return Err(fail(format!("{}: {last}", output.status)));
    }
    let size = std::fs::metadata(into).map(|metadata| metadata.len()).unwrap_or(0);
    if size == 0 {
        return Err(fail("it succeeded but wrote no snapshot".into()));
    }
    Ok(())
}
