//! Copies of SQLite databases that are being written to.
//!
//! The online backup copies all pages in one step, inside one read
//! transaction: the copy is the database as of one commit, whatever a writer
//! does meanwhile, and pages keep their places, so an unchanged page is an
//! unchanged chunk in the next snapshot. `VACUUM INTO` would be as consistent,
//! but moves pages and may renumber rows.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::{Error, Result};

/// How long a busy database is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// Copies a database and checks the copy.
pub(super) fn copy(name: &str, database: &Path, into: &Path) -> Result<()> {
    crate::staging::require_space(into, size(database)?)?;
    let fail = |error: rusqlite::Error| explain(name, database, into, &error);
    let source = open(database).map_err(fail)?;
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut target = Connection::open_with_flags(into, flags).map_err(fail)?;
    // The copy is thrown away unless it is complete: no journal of its own.
    target.pragma_update(None, "journal_mode", "OFF").map_err(fail)?;
    target.pragma_update(None, "synchronous", "OFF").map_err(fail)?;
    {
        let backup = Backup::new(&source, &mut target).map_err(fail)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match backup.step(-1).map_err(fail)? {
                StepResult::Done => break,
                _ if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(20)),
                state => {
                    let message = format!("it stayed {state:?} for {} s", PATIENCE.as_secs()).to_lowercase();
                    return Err(Error::Database { name: name.into(), path: database.into(), message });
                }
            }
        }
    }
    drop(target);
    let findings = integrity_findings(into).map_err(fail)?;
    if let Some(finding) = findings.first() {
        let message = format!("integrity check of the copy: {finding}");
        return Err(Error::Database { name: name.into(), path: database.into(), message });
    }
    // The copy carries the owner and mode of the database, as the snapshot
    // must; what a checking connection left beside it is not part of it.
    dress(database, into)
}

/// Runs SQLite's integrity check; an empty list means the database is sound.
///
/// # Errors
///
/// Where the file cannot be opened as a database.
pub fn integrity_findings(database: &Path) -> std::result::Result<Vec<String>, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(database, flags)?;
    let mut statement = connection.prepare("PRAGMA integrity_check")?;
    let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
    let mut findings = rows.collect::<std::result::Result<Vec<_>, _>>()?;
    findings.retain(|finding| finding != "ok");
    Ok(findings)
}

/// Opens for reading. A database whose last writer died needs its journal
/// replayed, which only a writing connection may do.
fn open(database: &Path) -> std::result::Result<Connection, rusqlite::Error> {
    let attempt = |flags: OpenFlags| {
        let connection = Connection::open_with_flags(database, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(PATIENCE)?;
        connection.query_row("SELECT count(*) FROM sqlite_master", [], |_| Ok(()))?;
        Ok(connection)
    };
    match attempt(OpenFlags::SQLITE_OPEN_READ_ONLY) {
        Err(rusqlite::Error::SqliteFailure(error, _))
            if matches!(error.code, ErrorCode::ReadOnly | ErrorCode::CannotOpen) =>
        {
            attempt(OpenFlags::SQLITE_OPEN_READ_WRITE)
        }
        other => other,
    }
}

/// Bytes of a database with its log.
fn size(database: &Path) -> Result<u64> {
    let main = fs::metadata(database).map_err(|error| Error::io("look at", database, error))?.len();
    let mut log = database.as_os_str().to_os_string();
    log.push("-wal");
    Ok(main + fs::metadata(&log).map_or(0, |metadata| metadata.len()))
}

fn dress(database: &Path, copy: &Path) -> Result<()> {
    use std::os::unix::fs::MetadataExt;
    let metadata = fs::metadata(database).map_err(|error| Error::io("look at", database, error))?;
    std::os::unix::fs::chown(copy, Some(metadata.uid()), Some(metadata.gid()))
        .map_err(|error| Error::io("set the owner of", copy, error))?;
    fs::set_permissions(copy, metadata.permissions())
        .map_err(|error| Error::io("set the mode of", copy, error))
}

fn explain(name: &str, database: &Path, into: &Path, error: &rusqlite::Error) -> Error {
    if error.sqlite_error_code() == Some(ErrorCode::DiskFull) {
        return Error::io("write", into, std::io::Error::from(std::io::ErrorKind::StorageFull));
    }
    Error::Database { name: name.into(), path: database.into(), message: error.to_string() }
}
