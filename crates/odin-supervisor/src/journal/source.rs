//! `journalctl`, which reads the journal for ODIN.
//!
//! It is given the cursor of the entry that was written last and begins with
//! that entry itself, which is how one knows that it is still there;
//! `--after-cursor` would hide that the journal was vacuumed past it.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::AsyncReadExt;
use tokio::process::{Child, ChildStdout, Command};

use super::cursor::Cursor;
use super::lines::Lines;

/// All boots, whole fields (without `--all` those above 4 KiB become null),
/// one object in a line (journalctl(1)).
const ARGUMENTS: [&str; 5] = ["--boot=all", "--output=json", "--all", "--quiet", "--no-pager"];

/// The program that reads the journal.
#[derive(Debug)]
pub(super) struct Source {
    program: PathBuf,
}

/// What is in the journal at a place.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The entry itself.
    Same,
    /// An entry after it; the entry itself is gone.
    Later(Cursor),
    /// Nothing, and nothing after it.
    Nothing,
}

/// A reader at work.
#[derive(Debug)]
pub(super) struct Follower {
    // Killed when it is dropped.
    child: Child,
    output: ChildStdout,
}

impl Source {
    /// Reads with `program`.
    pub(super) fn new(program: &Path) -> Self {
        Self { program: program.to_owned() }
    }

    fn start(&self, more: &[&str], from: Option<&Cursor>) -> Result<Follower, String> {
        let mut command = Command::new(&self.program);
        command.args(ARGUMENTS).args(more);
        if let Some(cursor) = from {
            command.arg(format!("--cursor={cursor}"));
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let named = self.program.display();
        let mut child = command.spawn().map_err(|error| format!("cannot start {named}: {error}"))?;
        let output = child.stdout.take().ok_or_else(|| format!("{named} has no output"))?;
        Ok(Follower { child, output })
    }

    /// Reads from an entry on, that entry included, or from the begin; and
    /// waits for more.
    pub(super) fn follow(&self, from: Option<&Cursor>) -> Result<Follower, String> {
        self.start(&["--follow", "--no-tail"], from)
    }

    /// Looks for an entry.
    pub(super) async fn find(&self, place: &Cursor) -> Result<Found, String> {
        let mut reader = self.start(&[], Some(place))?;
        let mut lines = Lines::default();
        loop {
            if reader.read(lines.space()).await? == 0 {
                let ended = reader.child.wait().await.map_err(|error| error.to_string())?;
                return if ended.success() { Ok(Found::Nothing) } else { Err(self.told(&ended.to_string())) };
            }
            if let Some(first) = lines.first() {
                return Ok(match Cursor::of_line(first) {
                    Some(next) if !next.is_same_entry(place) => Found::Later(next),
                    // A line too long to be looked at says nothing else.
                    _ => Found::Same,
                });
            }
        }
    }

    fn told(&self, ended: &str) -> String {
        format!("{} looked for the place in the journal and ended with {ended}", self.program.display())
    }
}

impl Follower {
    /// Reads more into `space`; 0 at the end.
    pub(super) async fn read(&mut self, space: &mut Vec<u8>) -> Result<usize, String> {
        self.output.read_buf(space).await.map_err(|error| error.to_string())
    }

    /// Says how the reader ended.
    pub(super) async fn ended(mut self) -> String {
        // One that closed its output is of no use, also when it stays.
        drop(self.child.start_kill());
        match self.child.wait().await {
            Ok(status) => format!("it ended with {status}"),
            Err(error) => error.to_string(),
        }
    }
}
