//! Bytes of the reader, cut into whole lines with bounded memory.

use super::cursor::Cursor;

/// Bytes that are read at once.
const READ: usize = 64 << 10;
/// Longest line that is kept in memory until it is whole; a longer one is
/// passed on in pieces. journald takes entries of hundreds of MiB.
const LONGEST: usize = 4 << 20;

/// What is read and not yet passed on.
#[derive(Debug, Default)]
pub(super) struct Lines {
    buffer: Vec<u8>,
    /// How far the buffer was searched for the end of a line.
    searched: usize,
    /// How many bytes at its begin were passed on.
    taken: usize,
    /// Whether the begin of a longer line was passed on already.
    inside: bool,
}

/// Bytes to write: whole lines, or a piece of a line that is too long.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece<'a> {
    /// The bytes.
    pub(super) bytes: &'a [u8],
    /// The place after them; none when it is not known.
    pub(super) place: Option<Cursor>,
}

impl Lines {
    /// Where the next bytes are read into.
    pub(super) fn space(&mut self) -> &mut Vec<u8> {
        self.buffer.drain(..self.taken);
        self.searched -= self.taken;
        self.taken = 0;
        self.buffer.reserve(READ);
        &mut self.buffer
    }

    /// The first line, or as much of it as is kept, once it is read.
    pub(super) fn first(&self) -> Option<&[u8]> {
        match self.buffer.iter().position(|byte| *byte == b'\n') {
            Some(end) => self.buffer.get(..end),
            None => (self.buffer.len() > LONGEST).then_some(self.buffer.as_slice()),
        }
    }

    /// What can be written now; none until more was read.
    pub(super) fn next_piece(&mut self) -> Option<Piece<'_>> {
        let begin = self.taken;
        let fresh = self.buffer.get(self.searched..)?;
        let end = if self.inside {
            // The rest of a long line, apart from the lines after it.
            let end = fresh.iter().position(|byte| *byte == b'\n');
            self.inside = end.is_none();
            end.map_or(self.buffer.len(), |end| self.searched + end + 1)
        } else if let Some(end) = fresh.iter().rposition(|byte| *byte == b'\n') {
            let end = self.searched + end + 1;
            self.taken = end;
            self.searched = end;
            let bytes = self.buffer.get(begin..end)?;
            return Some(Piece { bytes, place: last_line(bytes).and_then(Cursor::of_line) });
        } else if self.buffer.len() - begin > LONGEST {
            self.inside = true;
            self.buffer.len()
        } else {
            self.searched = self.buffer.len();
            return None;
        };
        self.taken = end;
        self.searched = end;
        let bytes = self.buffer.get(begin..end).filter(|bytes| !bytes.is_empty())?;
        Some(Piece { bytes, place: None })
    }
}

/// The last line of `bytes`, which end with one.
fn last_line(bytes: &[u8]) -> Option<&[u8]> {
    let line = bytes.strip_suffix(b"\n")?;
    line.rsplit(|byte| *byte == b'\n').next()
}

impl Piece<'_> {
    /// Leaves out the first line when it is the entry at `place`: the reader
    /// begins with the entry it is given.
    pub(super) fn skip_entry(&mut self, place: &Cursor) {
        let Some(end) = self.bytes.iter().position(|byte| *byte == b'\n') else { return };
        let (first, rest) = self.bytes.split_at(end + 1);
        if Cursor::of_line(first).is_some_and(|found| found.is_same_entry(place)) {
            self.bytes = rest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: u32) -> String {
        format!("{{\"__CURSOR\":\"s=1;i={number};b=1;m={number};t=1;x=1\"}}\n")
    }

    fn pieces(lines: &mut Lines, text: &[u8]) -> Vec<(Vec<u8>, Option<Cursor>)> {
        lines.space().extend_from_slice(text);
        let mut found = Vec::new();
        while let Some(piece) = lines.next_piece() {
            found.push((piece.bytes.to_vec(), piece.place));
        }
        found
    }

    #[test]
    fn lines_come_whole_however_they_are_read() {
        let text = [line(1), line(2), line(3)].concat();
        for size in [1, 7, 64, text.len()] {
            let mut lines = Lines::default();
            let mut whole = Vec::new();
            let mut last = None;
            for chunk in text.as_bytes().chunks(size) {
                for (bytes, place) in pieces(&mut lines, chunk) {
                    assert!(bytes.ends_with(b"\n"), "{size}");
                    whole.extend(bytes);
                    last = place;
                }
            }
            assert_eq!(whole, text.as_bytes(), "{size}");
            assert_eq!(last, Cursor::of_line(line(3).as_bytes()), "{size}");
        }
    }

    #[test]
    fn a_line_of_a_mebibyte_is_one_piece() {
        let mut lines = Lines::default();
        let long = format!("{}\n", "y".repeat(1 << 20));
        let (begin, end) = long.as_bytes().split_at(1 << 19);
        assert!(pieces(&mut lines, begin).is_empty());
        assert_eq!(pieces(&mut lines, end), [(long.into_bytes(), None)]);
    }

    #[test]
    fn a_longer_line_is_passed_on_in_pieces_with_bounded_memory() {
        let mut lines = Lines::default();
        let chunk = vec![b'z'; READ];
        let mut passed = 0;
        for _ in 0..(4 * LONGEST / READ) {
            passed += pieces(&mut lines, &chunk).iter().map(|(bytes, _)| bytes.len()).sum::<usize>();
            assert!(lines.buffer.len() <= LONGEST + 2 * READ);
        }
        let rest = pieces(&mut lines, format!("end\n{}", line(9)).as_bytes());
        assert_eq!(rest.len(), 2, "the line's own end, and the next line: {rest:?}");
        passed += rest[0].0.len();
        assert_eq!(passed, 4 * LONGEST + 4);
        assert_eq!(rest[1], (line(9).into_bytes(), Cursor::of_line(line(9).as_bytes())));
    }

    #[test]
    fn the_entry_that_was_written_last_is_left_out() {
        let text = [line(1), line(2)].concat();
        for (place, rest) in [(line(1), line(2)), (line(7), text.clone())] {
            let mut piece = Piece { bytes: text.as_bytes(), place: None };
            piece.skip_entry(&Cursor::of_line(place.as_bytes()).expect("a cursor"));
            assert_eq!(piece.bytes, rest.as_bytes());
        }
    }
}
