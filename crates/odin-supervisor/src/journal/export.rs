//! Entries in the journal export format
//! (<https://systemd.io/JOURNAL_EXPORT_FORMATS/>), made lines of JSON with
//! bounded memory.
//!
//! journald takes entries as large as its files from anybody. What is kept of one
//! is bounded, and what was cut is said in the entry. The JSON is made here:
//! journalctl's own needs forty times the size of a field that is no text.

use std::mem;

use super::cursor::Cursor;

/// Bytes that are kept of one field: what Loki takes of a line. A line of JSON
/// then stays within what the collector reads as one.
pub(super) const FIELD: usize = 256 << 10;
/// Bytes that are kept of one entry.
pub(super) const ENTRY: usize = 2 * FIELD;
/// What a field costs of them besides its bytes.
const FIELD_COSTS: usize = 64;
/// Longest name of a field; journald's have up to 64 bytes.
const NAME: usize = 256;
/// The field that says what was cut. Who logs cannot give one of this name:
/// journald takes none from them that begin with `_`.
pub(super) const CUT: &str = "__ODIN_CUT";
/// Fields it names; further ones are counted.
const NAMED: usize = 8;

/// Reads entries, however they are cut into pieces.
#[derive(Debug, Default)]
pub(super) struct Export {
    state: State,
    /// What is kept of the line or value under way, and how long it is.
    kept: Vec<u8>,
    length: u64,
    entry: Entry,
    /// The entry that was written last, where the first one read may be it.
    known: Option<Cursor>,
    /// The place after the entries that ended.
    place: Option<Cursor>,
}

#[derive(Debug, Default)]
enum State {
    /// In a line: `NAME=value`, the name of a value with a length, or the empty
    /// one that ends the entry.
    #[default]
    Line,
    /// In the eight bytes that tell the length, little endian.
    Length { name: Vec<u8>, bytes: Vec<u8> },
    /// In a value of which so many bytes are to come.
    Value { name: Vec<u8>, left: u64 },
    /// At the line break after a value.
    Break,
}

#[derive(Debug, Default)]
struct Entry {
    fields: Vec<(String, Vec<String>)>,
    cursor: Option<Cursor>,
    bytes: usize,
    /// What was cut, and what could not be named.
    cut: Vec<String>,
    more: usize,
}

impl Export {
    /// Leaves the first entry out when it is the one at `known`.
    pub(super) fn after(known: Option<Cursor>) -> Self {
        Self { known, ..Self::default() }
    }

    /// The place after the entries that ended since this was asked last.
    pub(super) fn place(&mut self) -> Option<Cursor> {
        self.place.take()
    }

    /// Reads on, and adds a line for each entry that ended to `lines`.
    ///
    /// # Errors
    /// When this is no journal export. The lines before it are good.
    pub(super) fn read(&mut self, mut bytes: &[u8], lines: &mut Vec<u8>) -> Result<(), String> {
        while let Some(first) = bytes.first().copied() {
            match &mut self.state {
                State::Line => {
                    let end = bytes.iter().position(|byte| *byte == b'\n');
                    self.keep(bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default(), NAME + 1 + FIELD);
                    bytes = end.and_then(|end| bytes.get(end + 1..)).unwrap_or_default();
                    if end.is_some() {
                        self.end_line(lines)?;
                    }
                }
                State::Length { name, bytes: length } => {
                    length.push(first);
                    bytes = bytes.get(1..).unwrap_or_default();
                    if let Ok(length) = <[u8; 8]>::try_from(length.as_slice()) {
                        self.state = State::Value { name: mem::take(name), left: u64::from_le_bytes(length) };
                    }
                }
                State::Value { left: 0, .. } => {
                    let State::Value { name, .. } = mem::replace(&mut self.state, State::Break) else {
                        continue;
                    };
                    let (value, length) = (mem::take(&mut self.kept), mem::take(&mut self.length));
                    self.entry.add(&name, &value, length);
                }
                State::Value { left, .. } => {
                    let size = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                    *left -= size as u64;
                    let (value, rest) = bytes.split_at(size);
                    self.keep(value, FIELD);
                    bytes = rest;
                }
                State::Break => {
                    if first != b'\n' {
                        return Err("it wrote a value that is longer than it said".to_owned());
                    }
                    bytes = bytes.get(1..).unwrap_or_default();
                    self.state = State::Line;
                }
            }
        }
        Ok(())
    }

    fn keep(&mut self, bytes: &[u8], most: usize) {
        self.length = self.length.saturating_add(bytes.len() as u64);
        let room = most.saturating_sub(self.kept.len()).min(bytes.len());
        self.kept.extend_from_slice(bytes.get(..room).unwrap_or_default());
    }

    fn end_line(&mut self, lines: &mut Vec<u8>) -> Result<(), String> {
        let (line, length) = (mem::take(&mut self.kept), mem::take(&mut self.length));
        if line.is_empty() {
            return self.end_entry(lines);
        }
        match line.iter().position(|byte| *byte == b'=') {
            Some(end) if end <= NAME => {
                let value = line.get(end + 1..).unwrap_or_default();
                self.entry.add(line.get(..end).unwrap_or_default(), value, length - end as u64 - 1);
            }
            None if line.len() <= NAME => self.state = State::Length { name: line, bytes: Vec::new() },
            _ => return Err("it wrote a line that is no field".to_owned()),
        }
        Ok(())
    }

    fn end_entry(&mut self, lines: &mut Vec<u8>) -> Result<(), String> {
        let entry = mem::take(&mut self.entry);
        if entry.fields.is_empty() {
            return Ok(());
        }
        let Some(cursor) = entry.cursor.clone() else {
            return Err("it wrote an entry without a place".to_owned());
        };
        if self.known.take().is_some_and(|known| known.is_same_entry(&cursor)) {
            return Ok(());
        }
        entry.write(lines);
        self.place = Some(cursor);
        Ok(())
    }
}

impl Entry {
    /// Adds a field of which `value` was kept, of `length` bytes.
    fn add(&mut self, name: &[u8], value: &[u8], length: u64) {
        let name = String::from_utf8_lossy(name).into_owned();
        let room = ENTRY.saturating_sub(self.bytes);
        if room < name.len() + FIELD_COSTS {
            self.more += 1;
            return;
        }
        let room = room - name.len() - FIELD_COSTS;
        let kept = within(value, FIELD.min(room));
        self.bytes += name.len() + FIELD_COSTS + kept.len();
        let text = String::from_utf8_lossy(kept);
        let is_text = matches!(text, std::borrow::Cow::Borrowed(_));
        if (kept.len() as u64) < length || !is_text {
            let size = if (kept.len() as u64) < length {
                format!("{} of {length} bytes", kept.len())
            } else {
                format!("{length} bytes")
            };
            let no_text = if is_text { "" } else { ", what is no UTF-8 replaced" };
            self.note(format!("{name}: {size}{no_text}"));
        }
        if name == "__CURSOR" {
            self.cursor = Cursor::parse(&text);
        }
        match self.fields.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) => values.push(text.into_owned()),
            None => self.fields.push((name, vec![text.into_owned()])),
        }
    }

    fn note(&mut self, note: String) {
        if self.cut.len() < NAMED {
            self.cut.push(note);
        } else {
            self.more += 1;
        }
    }

    /// One object, as journalctl writes them: values are texts, and a field
    /// that is there several times is a list.
    fn write(mut self, lines: &mut Vec<u8>) {
        if self.more > 0 {
            self.cut.push(format!("{} more", self.more));
        }
        if !self.cut.is_empty() {
            self.fields.push((CUT.to_owned(), vec![self.cut.join("; ")]));
        }
        lines.push(b'{');
        for (number, (name, values)) in self.fields.iter().enumerate() {
            if number > 0 {
                lines.push(b',');
            }
            // Writing texts into memory cannot fail.
            drop(serde_json::to_writer(&mut *lines, name));
            lines.push(b':');
            drop(match values.as_slice() {
                [value] => serde_json::to_writer(&mut *lines, value),
                values => serde_json::to_writer(&mut *lines, values),
            });
        }
        lines.extend_from_slice(b"}\n");
    }
}

/// The begin of `value`, `most` bytes at most, and no character cut where it
/// is a text.
fn within(value: &[u8], most: usize) -> &[u8] {
    let Some(kept) = value.get(..most).filter(|kept| kept.len() < value.len()) else {
        return if value.len() > most { &[] } else { value };
    };
    match std::str::from_utf8(kept) {
        Err(error) if error.error_len().is_none() => kept.get(..error.valid_up_to()).unwrap_or_default(),
        _ => kept,
    }
}

#[cfg(test)]
mod tests;
