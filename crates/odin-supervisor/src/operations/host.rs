//! Host: what a machine needs of its own before its services start.
//!
//! Without the lock of operations, which belongs to a daemon that starts later:
//! each part is one file that is put in its place in one step.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::json;

use super::{Outcome, Status};
use crate::Result;
use crate::preparation::{self, Part, State};

/// Shows what would be done.
///
/// # Errors
/// When the declaration cannot be read.
pub fn plan(file: &Path) -> Result<Outcome> {
    Ok(outcome(&preparation::run(file, false)?))
}

/// Does it, each part for itself.
///
/// # Errors
/// When the declaration cannot be read; a part that fails makes the outcome a
/// failed one.
pub fn apply(file: &Path) -> Result<Outcome> {
    Ok(outcome(&preparation::run(file, true)?))
}

fn outcome(parts: &[Part]) -> Outcome {
    let has = |state: State| parts.iter().any(|part| part.state == state);
    let status = match () {
        () if has(State::Failed) => Status::Failed,
        () if has(State::Pending) => Status::Pending,
        () => Status::Done,
    };
    let mut text = String::new();
    for Part { name, state, text: words, hint } in parts {
        // A String takes every text.
        writeln!(text, "{name:<20} {state:<10} {words}").ok();
        if let Some(hint) = hint {
            writeln!(text, "{:<31} hint: {hint}", "").ok();
        }
    }
    Outcome::new(status, text, &json!({ "parts": parts }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(state: State, hint: Option<&str>) -> Part {
        Part { name: "host-name", state, text: "words".to_owned(), hint: hint.map(str::to_owned) }
    }

    #[test]
    fn the_worst_part_decides_and_every_part_is_told() {
        let left = part(State::Left, None);
        assert_eq!(outcome(&[left.clone(), part(State::Done, None)]).status, Status::Done);
        assert_eq!(outcome(&[left.clone(), part(State::Pending, None)]).status, Status::Pending);
        let failed = outcome(&[part(State::Pending, None), part(State::Failed, Some("do this")), left]);
        assert_eq!(failed.status, Status::Failed);
        assert_eq!(failed.text.lines().count(), 4, "{}", failed.text);
        assert!(failed.text.contains("hint: do this"), "{}", failed.text);
        assert_eq!(failed.data["parts"][1]["state"], "failed");
    }

    #[test]
    fn one_part_that_fails_stops_no_other() {
        let directory = tempfile::tempdir().expect("a directory");
        let state = directory.path().join("state");
        std::fs::create_dir_all(&state).expect("a directory");
        // Nobody is told of alerts by a receiver that is not there: the two files
        // together are refused, and what needs both is.
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJLg9wULeIrs6MsrLy9zGDMt1npFt3A8J+EVti2lQ2ym you@desk";
        let site =
            format!("[access]\nauthorized-keys = [\"{key}\"]\n[alerting]\nreceiver = \"nobody-here\"\n");
        std::fs::write(state.join("site.toml"), site).expect("a file");
        let keys = directory.path().join("keys/admin");
        let file = directory.path().join("odin.toml");
        let declaration = format!(
            "[host]\nstate-dir = {state:?}\n[access]\nkeys-file = {keys:?}\n[backup]\n\
             repository = \"{0}/repository\"\npassword-file = \"{0}/password\"\n",
            state.display()
        );
        std::fs::write(&file, &declaration).expect("a file");
        let planned = plan(&file).expect("a plan");
        assert_eq!(planned.status, Status::Failed, "{}", planned.text);
        assert!(!keys.exists(), "a plan changes nothing");
        let done = apply(&file).expect("an outcome");
        assert_eq!(done.status, Status::Failed, "{}", done.text);
        assert!(done.text.contains("nobody-here"), "{}", done.text);
        assert!(std::fs::read_to_string(&keys).expect("keys").contains(key));
        assert!(!state.join("password").exists());

        std::fs::write(state.join("site.toml"), "").expect("a file");
        assert_eq!(apply(&file).expect("an outcome").status, Status::Done);
        assert!(!std::fs::read_to_string(&keys).expect("keys").contains(key));
        let password = std::fs::read_to_string(state.join("password")).expect("a password");
        let again = apply(&file).expect("an outcome");
        assert_eq!(again.data["parts"][2]["state"], "unchanged", "{}", again.text);
        assert!(!again.text.contains(password.trim_end()), "nobody repeats it");
        assert_eq!(std::fs::read_to_string(state.join("password")).expect("a password"), password);
    }
}
