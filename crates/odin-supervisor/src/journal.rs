//! The host's side of logs: the journal as files that a collector reads.
//!
//! `odin logs journal` runs as odin-journal.service. journald's own tool reads
//! the journal ([`source`]), because its file format is journald's alone; its
//! entries become lines of JSON with bounded memory ([`export`]) and go into
//! files that only ever grow and are rotated by rename ([`sink`]). No entry is
//! lost: the place in the journal moves on only once a line is written, and
//! what cannot be written is waited for. After a kill the last whole line tells
//! the place, so nothing is doubled either; the saved cursor is for files that
//! are gone. Anybody may log what nobody can read within the unit's memory: of
//! an entry at which the reader ends twice only what journald itself says of it
//! is written.

mod cursor;
mod export;
mod sink;
mod source;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};

use crate::appliance::Appliance;
use crate::{Error, Result};
use cursor::Cursor;
use export::Export;
use sink::{Piece, Sink};
use source::{Ended, Follower, Found, Origin, Outline, READ, Source};

/// Where the collector finds the files.
pub const DIRECTORY: &str = "/var/log/odin/journal";
/// Time between two saves of the place. After a power cut what was written
/// since is read again from the journal.
const SAVE_EVERY: Duration = Duration::from_secs(5);
/// Shortest and longest pause before the reader is started again.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// How often the reader ends badly at one entry before it is passed over.
const ATTEMPTS: u32 = 2;
/// Entries that are read one at a time to come to it.
const SINGLY: usize = 1024;
/// What is written of such an entry in place of its fields.
const PASSED_OVER: &str =
    "all but these fields: the program that reads the journal ended whenever it read them";
/// Pause before a write that failed is tried again.
const RETRY_WRITE: Duration = Duration::from_secs(1);
/// Time between two words about a write that keeps failing.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// How the journal is followed.
#[derive(Clone, Debug)]
struct Options {
    /// The program that reads the journal.
    program: PathBuf,
    /// Directory of the files.
    directory: PathBuf,
    /// Size at which a file is rotated.
    file_bytes: u64,
    /// How many files are kept, the current one among them.
    files: u32,
}

/// Follows the journal until the process is told to stop.
///
/// # Errors
/// When the directory of the files cannot be made or read.
pub async fn follow(appliance: &Appliance) -> Result<()> {
    let logs = &appliance.config.logs;
    let options = Options {
        program: "journalctl".into(),
        directory: DIRECTORY.into(),
        file_bytes: logs.journal_file_size.as_u64(),
        files: logs.journal_files,
    };
    let sink = open(&options)?;
    crate::daemon::ready();
    run(sink, &Source::new(&options.program), crate::daemon::termination()).await
}

fn open(options: &Options) -> Result<Sink> {
    Sink::open(&options.directory, options.file_bytes, options.files)
        .map_err(Error::state("use the journal's files in", &options.directory))
}

/// Why following came to an end.
enum End {
    /// The reader ended or could not be started.
    Reader(Ended),
    /// Lines could not be written; they wait in the sink.
    Write(io::Error),
}

impl End {
    /// The reader gave nothing, for a reason that is not in an entry.
    fn unread(reason: String) -> Self {
        Self::Reader(Ended { reason, badly: false })
    }
}

async fn run(mut sink: Sink, source: &Source, stop: impl Future<Output = ()>) -> Result<()> {
    tokio::select! {
        biased;
        () = stop => {}
        // Every write in it is done when it comes to wait, so that it may be
        // left there.
        () = keep_following(&mut sink, source) => {}
    }
    sink.save().map_err(Error::state("save the place in the journal in", sink.directory()))
}

async fn keep_following(sink: &mut Sink, source: &Source) {
    let mut pause = PAUSES.0;
    let mut stuck = 0;
    loop {
        let before = sink.place().cloned();
        let end = attempt(sink, source, false).await;
        let moved = before.as_ref() != sink.place();
        match end {
            End::Reader(Ended { reason, badly }) => {
                if moved {
                    pause = PAUSES.0;
                    stuck = 0;
                }
                // What it ended at may be the entry after those it gave.
                stuck += u32::from(badly);
                tracing::warn!(%reason, again_in = ?pause, "the reader of the journal ended; its place is kept");
                sleep(pause).await;
                pause = PAUSES.1.min(pause * 2);
                if stuck < ATTEMPTS {
                    continue;
                }
                stuck = 0;
                match go_past(sink, source).await {
                    Ok(()) => {}
                    Err(End::Reader(ended)) => {
                        tracing::warn!(reason = ended.reason, "cannot look at the entry the reader ends at");
                    }
                    Err(End::Write(error)) => wait_for_the_disk(sink, error).await,
                }
            }
            End::Write(error) => wait_for_the_disk(sink, error).await,
        }
    }
}

/// Reads entries one at a time up to the one at which the reader ends, and
/// passes that one over.
async fn go_past(sink: &mut Sink, source: &Source) -> std::result::Result<(), End> {
    for _ in 0..SINGLY {
        let before = sink.place().cloned();
        match attempt(sink, source, true).await {
            End::Reader(_) if before.as_ref() != sink.place() => {}
            End::Reader(Ended { badly: true, .. }) => return pass_over(sink, source).await,
            End::Reader(_) => return Ok(()),
            End::Write(error) => return Err(End::Write(error)),
        }
    }
    Ok(())
}

/// Writes what journald itself says of the entry after the place, and that the
/// rest of it is lost.
async fn pass_over(sink: &mut Sink, source: &Source) -> std::result::Result<(), End> {
    let Some(Outline { cursor, line }) = next_entry(sink.place(), source).await.map_err(End::unread)? else {
        return Ok(());
    };
    let mut fields: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(&line).map_err(|error| End::unread(error.to_string()))?;
    fields.insert(export::CUT.to_owned(), PASSED_OVER.into());
    let mut line = serde_json::to_vec(&fields).map_err(|error| End::unread(error.to_string()))?;
    line.push(b'\n');
    tracing::error!(
        place = %cursor,
        "an entry of the journal cannot be read within the unit's memory; \
         it is passed over, and what it said is in the journal alone"
    );
    sink.end_cut_line().map_err(End::Write)?;
    sink.append(&Piece { bytes: &line, place: Some(cursor) }).map_err(End::Write)
}

/// The entry that would be read next.
async fn next_entry(place: Option<&Cursor>, source: &Source) -> std::result::Result<Option<Outline>, String> {
    if let Some(place) = place {
        let found = source.look(&Origin::At(place.clone()), 2).await?;
        if !found.is_empty() {
            return Ok(found.into_iter().find(|outline| !outline.cursor.is_same_entry(place)));
        }
    }
    Ok(source.look(&Origin::Begin, 1).await?.pop())
}

/// Tries the lines that wait until they are written. The reader is not at work
/// meanwhile: started anew, it tells whether the journal went on without it.
async fn wait_for_the_disk(sink: &mut Sink, error: io::Error) {
    let since = Instant::now();
    let mut told: Option<Instant> = None;
    let mut error = error;
    loop {
        if told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
            tracing::error!(
                %error,
                directory = %sink.directory().display(),
                "cannot write the journal's lines; waiting, the place is kept: free space, or check the disk"
            );
            told = Some(Instant::now());
        }
        sleep(RETRY_WRITE).await;
        match sink.flush().and_then(|()| sink.save()) {
            Ok(()) => break,
            Err(again) => error = again,
        }
    }
    tracing::info!(waited = ?since.elapsed(), "the journal's lines are written again");
}

/// Reads from the place on, until reader or disk give up; or `one` entry.
async fn attempt(sink: &mut Sink, source: &Source, one: bool) -> End {
    let from = match sink.place() {
        None => Origin::Begin,
        Some(place) => match source.find(place).await {
            Ok(found) => tell(place, found),
            Err(reason) => return End::unread(reason),
        },
    };
    let started = if one { source.read_one(&from).await } else { source.follow(&from) };
    let mut follower = match started {
        Ok(follower) => follower,
        Err(reason) => return End::unread(reason),
    };
    // A place that journald copied to another file is not known to it as one.
    let known = match from {
        Origin::After(place) => Some(place),
        Origin::Begin | Origin::At(_) => None,
    };
    match copy(sink, &mut follower, known).await {
        Ok(None) => End::Reader(follower.ended().await),
        Ok(Some(reason)) => End::Reader(Ended { reason, badly: true }),
        Err(error) => End::Write(error),
    }
}

/// Says what became of the place in the journal; gives where to read on.
fn tell(place: &Cursor, found: Found) -> Origin {
    match found {
        Found::Same => Origin::After(place.clone()),
        Found::Later(next) => {
            tracing::warn!(
                last = %place,
                next = %next,
                "the journal no longer holds the entry that was written last; what was between the two is lost"
            );
            Origin::At(next)
        }
        Found::Nothing => {
            tracing::warn!(
                last = %place,
                "the journal ends before the entry that was written last, as after the clock was set back; \
                 reading it from its begin, lines may be doubled"
            );
            Origin::Begin
        }
    }
}

/// Copies entries until the reader ends; says what was wrong with what it gave.
async fn copy(sink: &mut Sink, follower: &mut Follower, known: Option<Cursor>) -> io::Result<Option<String>> {
    let mut export = Export::after(known);
    let (mut bytes, mut lines) = (Vec::with_capacity(READ), Vec::new());
    let mut save = interval_at(Instant::now() + SAVE_EVERY, SAVE_EVERY);
    save.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // A line that was cut off is not gone on with: the reader may order the
    // fields of an entry anew.
    if sink.end_cut_line()? {
        tracing::warn!("the last line was cut off; it is ended, and its entry follows once more");
    }
    loop {
        tokio::select! {
            biased;
            _ = save.tick() => sink.save()?,
            read = follower.read(&mut bytes) => {
                if read.unwrap_or(0) == 0 {
                    return Ok(None);
                }
                let read = export.read(&bytes, &mut lines);
                bytes.clear();
                if let Some(place) = export.place() {
                    sink.append(&Piece { bytes: &lines, place: Some(place) })?;
                    lines.clear();
                    lines.shrink_to(READ);
                }
                if let Err(reason) = read {
                    return Ok(Some(reason));
                }
            }
        }
    }
}

/// Makes a directory that root's group may read.
fn make_directory(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::create_dir_all(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o750))
}

#[cfg(test)]
mod tests;
