//! `journalctl`, which reads the journal for ODIN.
//!
//! It is asked two ways. [`Source::follow`] reads whole entries, in the export
//! format, which it writes as it reads. [`Source::look`] gives of entries what
//! journald itself says of them and nothing that who logs can make large; that
//! is how one knows whether the entry that was written last is still there,
//! which `--after-cursor` alone would hide.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::process::{Child, ChildStdout, Command};

use super::cursor::Cursor;

/// All boots (journalctl(1)).
const ARGUMENTS: [&str; 3] = ["--boot=all", "--quiet", "--no-pager"];
/// Without `--all` no value above 4 KiB is made JSON, and fields of these names
/// are journald's own (systemd.journal-fields(7)). An entry is unpacked for it
/// as large as it is all the same.
const LOOK: [&str; 2] = [
    "--output=json",
    "--output-fields=_TRANSPORT,_PID,_UID,_GID,_COMM,_EXE,_SYSTEMD_UNIT,_HOSTNAME,_MACHINE_ID",
];
/// Longest line of those that is read.
const LONGEST: usize = 1 << 20;
/// Bytes that are read at once.
pub(super) const READ: usize = 64 << 10;
/// How long a reader that closed its output is waited for.
const END: Duration = Duration::from_secs(5);

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

/// A place to read from.
#[derive(Clone, Debug)]
pub(super) enum Origin {
    /// The begin of the journal.
    Begin,
    /// The entry, or the first after it.
    At(Cursor),
    /// What comes after the entry.
    After(Cursor),
}

/// What journald itself says of an entry.
#[derive(Debug)]
pub(super) struct Outline {
    /// Its place.
    pub(super) cursor: Cursor,
    /// Its line of JSON.
    pub(super) line: Vec<u8>,
}

/// A reader at work.
#[derive(Debug)]
pub(super) struct Follower {
    // Killed when it is dropped.
    child: Child,
    output: ChildStdout,
}

/// How a reader ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// In words.
    pub(super) reason: String,
    /// Whether it did not end by itself and well.
    pub(super) badly: bool,
}

impl Source {
    /// Reads with `program`.
    pub(super) fn new(program: &Path) -> Self {
        Self { program: program.to_owned() }
    }

    fn start(&self, more: &[&str], from: &Origin) -> Result<Follower, String> {
        let mut command = Command::new(&self.program);
        command.args(ARGUMENTS).args(more);
        match from {
            Origin::Begin => {}
            Origin::At(cursor) => drop(command.arg(format!("--cursor={cursor}"))),
            Origin::After(cursor) => drop(command.arg(format!("--after-cursor={cursor}"))),
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let named = self.program.display();
        let mut child = command.spawn().map_err(|error| format!("cannot start {named}: {error}"))?;
        let output = child.stdout.take().ok_or_else(|| format!("{named} has no output"))?;
        Ok(Follower { child, output })
    }

    /// Reads the next entry and ends: what comes before one that cannot be read
    /// is else lost in the reader's buffers with it.
    pub(super) async fn read_one(&self, from: &Origin) -> Result<Follower, String> {
        let mut from = from.clone();
        if matches!(from, Origin::Begin) {
            // Without a cursor it would be the newest.
            let first = self.look(&from, 1).await?.pop();
            from = Origin::At(first.ok_or_else(|| self.told("found none"))?.cursor);
        }
        self.start(&["--output=export", "--lines=1"], &from)
    }

    /// Reads whole entries, and waits for more.
    pub(super) fn follow(&self, from: &Origin) -> Result<Follower, String> {
        self.start(&["--output=export", "--follow", "--no-tail"], from)
    }

    /// Looks for an entry.
    pub(super) async fn find(&self, place: &Cursor) -> Result<Found, String> {
        Ok(match self.look(&Origin::At(place.clone()), 1).await?.pop() {
            None => Found::Nothing,
            Some(first) if first.cursor.is_same_entry(place) => Found::Same,
            Some(first) => Found::Later(first.cursor),
        })
    }

    /// Outlines of the first `count` entries from a place on; fewer when there
    /// are fewer.
    pub(super) async fn look(&self, from: &Origin, count: usize) -> Result<Vec<Outline>, String> {
        let mut reader = self.start(&LOOK, from)?;
        let mut bytes = Vec::new();
        loop {
            bytes.reserve(READ);
            let read = reader.read(&mut bytes).await?;
            let ends = bytes.iter().filter(|byte| **byte == b'\n').count();
            if ends >= count {
                break;
            }
            if bytes.len() > count.saturating_mul(LONGEST) {
                return Err(self.told("wrote a line without end"));
            }
            if read == 0 {
                let ended = reader.child.wait().await.map_err(|error| error.to_string())?;
                if !ended.success() {
                    return Err(self.told(&format!("ended with {ended}")));
                }
                break;
            }
        }
        let lines = bytes.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
        let outline =
            |line: &[u8]| Cursor::of_line(line).map(|cursor| Outline { cursor, line: line.to_vec() });
        let found: Option<Vec<Outline>> = lines.take(count).map(outline).collect();
        found.ok_or_else(|| self.told("wrote what is no entry"))
    }

    fn told(&self, what: &str) -> String {
        format!("{} looked for the place in the journal and {what}", self.program.display())
    }
}

impl Follower {
    /// Reads more into `space`; 0 at the end.
    pub(super) async fn read(&mut self, space: &mut Vec<u8>) -> Result<usize, String> {
        self.output.read_buf(space).await.map_err(|error| error.to_string())
    }

    /// Says how the reader ended.
    pub(super) async fn ended(mut self) -> Ended {
        let waited = tokio::time::timeout(END, self.child.wait()).await;
        let status = match waited {
            Ok(status) => status,
            // One that closed its output is of no use, also when it stays.
            Err(_) => {
                drop(self.child.start_kill());
                self.child.wait().await
            }
        };
        match status {
            Ok(status) => Ended { reason: format!("it ended with {status}"), badly: !status.success() },
            Err(error) => Ended { reason: error.to_string(), badly: true },
        }
    }
}
