//! The host's side of logs: the journal as files that a collector reads.
//!
//! `odin logs journal` runs as odin-journal.service. journald's own tool reads
//! the journal ([`source`]), because its file format is journald's alone, and
//! its lines go unchanged into files that only ever grow and are rotated by
//! rename ([`sink`]). No line is lost: the place in the journal moves on only
//! once a line is written, and what cannot be written is waited for. After a
//! kill the last whole line tells the place, so nothing is doubled either; the
//! saved cursor is for files that are gone.

mod cursor;
mod lines;
mod sink;
mod source;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};

use crate::appliance::Appliance;
use crate::{Error, Result};
use cursor::Cursor;
use lines::Lines;
use sink::Sink;
use source::{Follower, Found, Source};

/// Where the collector finds the files.
pub const DIRECTORY: &str = "/var/log/odin/journal";
/// Time between two saves of the place. After a power cut what was written
/// since is read again from the journal.
const SAVE_EVERY: Duration = Duration::from_secs(5);
/// Shortest and longest pause before the reader is started again.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
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
    /// The reader ended or could not be started; why.
    Reader(String),
    /// Lines could not be written; they wait in the sink.
    Write(io::Error),
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
    loop {
        let before = sink.place().cloned();
        match attempt(sink, source).await {
            End::Reader(reason) => {
                if before.as_ref() != sink.place() {
                    pause = PAUSES.0;
                }
                tracing::warn!(%reason, again_in = ?pause, "the reader of the journal ended; its place is kept");
                sleep(pause).await;
                pause = PAUSES.1.min(pause * 2);
            }
            End::Write(error) => wait_for_the_disk(sink, error).await,
        }
    }
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

/// Reads from the place on, until reader or disk give up.
async fn attempt(sink: &mut Sink, source: &Source) -> End {
    let known = match sink.place() {
        None => None,
        Some(place) => match source.find(place).await {
            Ok(found) => still_there(place, &found).then(|| place.clone()),
            Err(reason) => return End::Reader(reason),
        },
    };
    let mut follower = match source.follow(known.as_ref()) {
        Ok(follower) => follower,
        Err(reason) => return End::Reader(reason),
    };
    match copy(sink, &mut follower, known).await {
        Ok(()) => End::Reader(follower.ended().await),
        Err(error) => End::Write(error),
    }
}

/// Says what became of the place in the journal; false when nothing there can
/// be told to come after it.
fn still_there(place: &Cursor, found: &Found) -> bool {
    match found {
        Found::Same => true,
        Found::Later(next) => {
            tracing::warn!(
                last = %place,
                next = %next,
                "the journal no longer holds the entry that was written last; what was between the two is lost"
            );
            true
        }
        Found::Nothing => {
            tracing::warn!(
                last = %place,
                "the journal ends before the entry that was written last, as after the clock was set back; \
                 reading it from its begin, lines may be doubled"
            );
            false
        }
    }
}

/// Copies lines until the reader ends.
async fn copy(sink: &mut Sink, follower: &mut Follower, mut known: Option<Cursor>) -> io::Result<()> {
    let mut lines = Lines::default();
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
            read = follower.read(lines.space()) => {
                if read.unwrap_or(0) == 0 {
                    return Ok(());
                }
                while let Some(piece) = lines.next_piece() {
                    let mut piece = piece;
                    if let Some(place) = known.take() {
                        piece.skip_entry(&place);
                    }
                    sink.append(&piece)?;
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
