//! The files: `current.jsonl` grows, and becomes `current.jsonl.1` by a rename
//! when it is full, so a collector that holds it open loses no line.
//!
//! A file never shrinks and is never written anew. What a kill or a full disk
//! cut off is ended by a line break, and its entry written again after it.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::cursor::Cursor;

/// The file that grows.
const CURRENT: &str = "current.jsonl";
/// The file of the saved place.
const SAVED: &str = "cursor";
/// Root's group may read, as it may the journal.
const MODE: u32 = 0o640;
/// How much of a file's end is searched for its last entry: first a little,
/// then enough for the longest line, each of whose bytes became six of JSON.
const TAILS: [u64; 2] = [64 << 10, 6 << 20];
/// How many lines at a file's end may be no entry: each cut left one.
const CUT_LINES: usize = 64;

/// Bytes to write.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece<'a> {
    /// The bytes.
    pub(super) bytes: &'a [u8],
    /// The place after them; none when it is not known.
    pub(super) place: Option<Cursor>,
}

/// Where the journal's lines go.
#[derive(Debug)]
pub(super) struct Sink {
    directory: PathBuf,
    file_bytes: u64,
    files: u32,
    file: Option<File>,
    size: u64,
    /// Whether the file ends inside a line.
    cut: bool,
    /// What could not be written yet, and the place after it.
    pending: Vec<u8>,
    pending_place: Option<Cursor>,
    /// The place after what is written.
    place: Option<Cursor>,
    unsaved: bool,
}

impl Sink {
    /// Takes up the files where the last writer left them.
    pub(super) fn open(directory: &Path, file_bytes: u64, files: u32) -> io::Result<Self> {
        super::make_directory(directory)?;
        let mut sink = Self {
            directory: directory.to_owned(),
            file_bytes,
            files,
            file: None,
            size: 0,
            cut: false,
            pending: Vec::new(),
            pending_place: None,
            place: None,
            unsaved: false,
        };
        for number in 0..files {
            let tail = tail(&sink.path(number))?;
            if number == 0 {
                sink.cut = tail.cut;
            }
            if tail.place.is_some() {
                sink.place = tail.place;
                return Ok(sink);
            }
            // What is in it was written after all that is in older files: the
            // saved place is nearer to its end than theirs.
            if !tail.empty
                && let Some(saved) = read_saved(&directory.join(SAVED))?
            {
                tracing::warn!(
                    place = %saved,
                    file = %sink.path(number).display(),
                    "the end of the file is no entry; going on from the saved place, \
                     lines of the last seconds may be doubled"
                );
                sink.place = Some(saved);
                return Ok(sink);
            }
        }
        sink.place = read_saved(&directory.join(SAVED))?;
        if let Some(place) = &sink.place {
            tracing::warn!(
                %place,
                directory = %directory.display(),
                "no entry is in the files; going on from the saved place, lines of the last seconds may be doubled"
            );
        }
        Ok(sink)
    }

    /// The directory of the files.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The place of the last entry that is written.
    pub(super) fn place(&self) -> Option<&Cursor> {
        self.place.as_ref()
    }

    /// Ends a line that was cut off; tells whether there was one.
    pub(super) fn end_cut_line(&mut self) -> io::Result<bool> {
        let was = self.cut;
        if was {
            self.append(&Piece { bytes: b"\n", place: None })?;
        }
        Ok(was)
    }

    /// Writes a piece. On an error the rest of it stays, for [`Sink::flush`].
    pub(super) fn append(&mut self, piece: &Piece<'_>) -> io::Result<()> {
        self.pending.extend_from_slice(piece.bytes);
        self.pending_place.clone_from(&piece.place);
        self.flush()
    }

    /// Writes what could not be written before.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if !self.pending.is_empty() {
            self.write_pending()?;
        }
        if let Some(place) = self.pending_place.take() {
            self.place = Some(place);
            self.unsaved = true;
        }
        Ok(())
    }

    fn write_pending(&mut self) -> io::Result<()> {
        if self.file.is_none() {
            self.open_current()?;
        }
        let full = self.size > 0 && self.size.saturating_add(self.pending.len() as u64) > self.file_bytes;
        if full && !self.cut {
            self.rotate()?;
        }
        while let (false, Some(file)) = (self.pending.is_empty(), &mut self.file) {
            let written = match file.write(&self.pending) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => written,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            self.size += written as u64;
            self.cut = self.pending.get(written - 1) != Some(&b'\n');
            self.pending.drain(..written);
        }
        Ok(())
    }

    /// Makes sure of what is written, then of the place after it.
    pub(super) fn save(&mut self) -> io::Result<()> {
        if !self.unsaved {
            return Ok(());
        }
        if let Some(file) = &self.file {
            file.sync_data()?;
        }
        if let Some(place) = &self.place {
            let scratch = self.directory.join("cursor.new");
            let mut file =
                OpenOptions::new().write(true).create(true).truncate(true).mode(MODE).open(&scratch)?;
            file.write_all(place.as_str().as_bytes())?;
            file.sync_data()?;
            fs::rename(&scratch, self.directory.join(SAVED))?;
            sync_directory(&self.directory)?;
        }
        self.unsaved = false;
        Ok(())
    }

    fn path(&self, number: u32) -> PathBuf {
        match number {
            0 => self.directory.join(CURRENT),
            number => self.directory.join(format!("{CURRENT}.{number}")),
        }
    }

    fn open_current(&mut self) -> io::Result<()> {
        let path = self.path(0);
        let fresh = !path.try_exists()?;
        let file = OpenOptions::new().append(true).create(true).mode(MODE).open(&path)?;
        // The unit's mask takes the group's right away.
        file.set_permissions(Permissions::from_mode(MODE))?;
        if fresh {
            sync_directory(&self.directory)?;
        }
        self.size = file.metadata()?.size();
        self.file = Some(file);
        Ok(())
    }

    /// Makes room for a new file. A number that is missing, as after a kill
    /// between two renames, takes what would be pushed on.
    fn rotate(&mut self) -> io::Result<()> {
        if let Some(file) = self.file.take() {
            file.sync_data()?;
        }
        let mut free = 1;
        while free + 1 < self.files && self.path(free).try_exists()? {
            free += 1;
        }
        for number in (0..free).rev() {
            fs::rename(self.path(number), self.path(number + 1))?;
        }
        self.remove_surplus()?;
        self.open_current()
    }

    /// Removes files that an earlier, larger number of files left.
    fn remove_surplus(&self) -> io::Result<()> {
        let mut number = self.files;
        loop {
            match fs::remove_file(self.path(number)) {
                Ok(()) => number += 1,
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }
}

/// The end of a file.
struct Tail {
    /// The place of its last entry.
    place: Option<Cursor>,
    /// Whether it ends inside a line.
    cut: bool,
    /// Whether there is nothing in it.
    empty: bool,
}

fn tail(path: &Path) -> io::Result<Tail> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Ok(Tail { place: None, cut: false, empty: true });
        }
        Err(error) => return Err(error),
    };
    let size = file.metadata()?.size();
    let empty = size == 0;
    let mut cut = false;
    for length in TAILS {
        let begin = size.saturating_sub(length);
        file.seek(SeekFrom::Start(begin))?;
        let mut bytes = Vec::new();
        (&file).take(size - begin).read_to_end(&mut bytes)?;
        cut = bytes.last().is_some_and(|last| *last != b'\n');
        let mut lines = bytes.rsplit(|byte| *byte == b'\n');
        // What follows the last line break is nothing, or was cut off.
        lines.next();
        if let Some(place) = lines.take(CUT_LINES).find_map(Cursor::of_line) {
            return Ok(Tail { place: Some(place), cut, empty });
        }
        if begin == 0 {
            break;
        }
    }
    Ok(Tail { place: None, cut, empty })
}

fn read_saved(path: &Path) -> io::Result<Option<Cursor>> {
    match fs::read_to_string(path) {
        Ok(text) => {
            let place = Cursor::parse(text.trim_end());
            if place.is_none() {
                tracing::warn!(
                    file = %path.display(),
                    "the saved place is no cursor; reading the journal from its begin, lines may be doubled"
                );
            }
            Ok(place)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == ErrorKind::InvalidData => {
            tracing::warn!(
                file = %path.display(),
                "the saved place is no text; reading the journal from its begin, lines may be doubled"
            );
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests;
