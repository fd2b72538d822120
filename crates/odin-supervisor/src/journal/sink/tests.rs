use super::*;

const KIB: u64 = 1 << 10;

fn entry(number: u64) -> String {
    let cursor = format!("s=1;i={number:x};b=1;m={number:x};t={number:x};x=1");
    format!("{{\"__CURSOR\":\"{cursor}\",\"MESSAGE\":\"{}\"}}\n", "m".repeat(100))
}

fn place(number: u64) -> Option<Cursor> {
    Cursor::of_line(entry(number).as_bytes())
}

fn append(sink: &mut Sink, number: u64) {
    let line = entry(number);
    sink.append(&Piece { bytes: line.as_bytes(), place: place(number) }).expect("written");
}

/// Names and content of the files with lines, oldest first.
fn files(directory: &Path) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = fs::read_dir(directory)
        .expect("a directory")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(CURRENT)))
        .map(|path| {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, fs::read_to_string(&path).expect("text"))
        })
        .collect();
    found.sort_by_key(|(name, _)| {
        std::cmp::Reverse(name.rsplit('.').next().and_then(|n| n.parse::<u32>().ok()))
    });
    found
}

#[test]
fn files_are_rotated_by_size_and_the_oldest_go() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut sink = Sink::open(directory.path(), KIB, 3).expect("open");
    for number in 0..40 {
        append(&mut sink, number);
    }
    let found = files(directory.path());
    let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["current.jsonl.2", "current.jsonl.1", "current.jsonl"]);
    assert!(found.iter().all(|(_, text)| text.len() as u64 <= KIB && text.ends_with('\n')));
    let kept: String = found.into_iter().map(|(_, text)| text).collect();
    let all: String = (0..40).map(entry).collect();
    assert!(all.ends_with(&kept), "the newest lines are there, in order");
    // A file that only root and its group read, in a directory alike.
    let mode = |path: &Path| fs::metadata(path).expect("metadata").permissions().mode() & 0o777;
    assert_eq!((mode(directory.path()), mode(&directory.path().join(CURRENT))), (0o750, 0o640));
}

#[test]
fn fewer_files_than_before_are_kept_from_the_next_rotation_on() {
    let directory = tempfile::tempdir().expect("a directory");
    for (files_kept, expected) in [(6, 6), (2, 2)] {
        let mut sink = Sink::open(directory.path(), KIB, files_kept).expect("open");
        for number in 0..60 {
            append(&mut sink, number);
        }
        assert_eq!(files(directory.path()).len(), expected);
    }
}

#[test]
fn a_kill_between_two_renames_loses_no_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut sink = Sink::open(directory.path(), KIB, 4).expect("open");
    for number in 0..30 {
        append(&mut sink, number);
    }
    drop(sink);
    let before = files(directory.path());
    // Killed after the oldest was overwritten and before the others moved on.
    let path = |name: &str| directory.path().join(name);
    fs::rename(path("current.jsonl.2"), path("current.jsonl.3")).expect("a rename");
    fs::rename(path("current.jsonl.1"), path("current.jsonl.2")).expect("a rename");
    let mut sink = Sink::open(directory.path(), KIB, 4).expect("open");
    assert_eq!(sink.place().cloned(), place(29));
    for number in 30..35 {
        append(&mut sink, number);
    }
    let after: String = files(directory.path()).into_iter().map(|(_, text)| text).collect();
    assert!(after.contains(&before[1].1), "what was moved on before is still there");
    let all: String = (0..35).map(entry).collect();
    assert!(all.ends_with(&after));
}

#[test]
fn the_place_is_that_of_the_last_whole_entry() {
    // What is at the end of the file, the entry that counts, and whether the
    // file ends inside a line.
    let cut = entry(3)[..40].to_owned();
    for (end, counts, ends_inside) in [
        (String::new(), 2, false),
        (entry(3), 3, false),
        (cut.clone(), 2, true),
        (format!("{cut}\n"), 2, false),
        (format!("{cut}\n{cut}\n{cut}"), 2, true),
        ("\0".repeat(4096), 2, true),
        (format!("{}\n", "y".repeat(1 << 20)), 2, false),
    ] {
        let directory = tempfile::tempdir().expect("a directory");
        let text = format!("{}{}{end}", entry(1), entry(2));
        fs::write(directory.path().join(CURRENT), &text).expect("a file");
        let mut sink = Sink::open(directory.path(), KIB, 2).expect("open");
        assert_eq!(sink.place().cloned(), place(counts), "{end:.60}");
        assert_eq!(sink.end_cut_line().expect("written"), ends_inside, "{end:.60}");
        append(&mut sink, 4);
        let kept: String = files(directory.path()).into_iter().map(|(_, text)| text).collect();
        assert!(kept.starts_with(&text), "what is there stays as it is: {end:.60}");
        assert!(kept.ends_with(&format!("\n{}", entry(4))), "{end:.60}");
    }
}

#[test]
fn an_empty_file_after_a_rotation_has_its_place_in_the_one_before() {
    let directory = tempfile::tempdir().expect("a directory");
    fs::write(directory.path().join(CURRENT), "").expect("a file");
    fs::write(directory.path().join("current.jsonl.1"), entry(5)).expect("a file");
    assert_eq!(Sink::open(directory.path(), KIB, 2).expect("open").place().cloned(), place(5));
}

#[test]
fn the_saved_place_counts_when_the_files_are_gone() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut sink = Sink::open(directory.path(), KIB, 2).expect("open");
    append(&mut sink, 7);
    sink.save().expect("saved");
    drop(sink);
    fs::remove_file(directory.path().join(CURRENT)).expect("removed");
    assert_eq!(Sink::open(directory.path(), KIB, 2).expect("open").place().cloned(), place(7));
    for garbage in [&b"nonsense"[..], b"\xff\xfe", b""] {
        fs::write(directory.path().join(SAVED), garbage).expect("a file");
        assert_eq!(Sink::open(directory.path(), KIB, 2).expect("open").place(), None, "{garbage:?}");
    }
}

#[test]
fn a_last_line_that_is_too_long_gives_way_to_the_saved_place_not_to_an_older_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name);
    fs::write(path("current.jsonl.1"), entry(5)).expect("a file");
    let long = format!("{}{}\n", entry(6), "y".repeat(7 << 20));
    fs::write(path(CURRENT), &long).expect("a file");
    let found = || Sink::open(directory.path(), KIB, 2).expect("open").place().cloned();
    assert_eq!(found(), place(5), "nothing is saved");
    let saved = place(9).expect("a place");
    fs::write(path(SAVED), saved.as_str()).expect("a file");
    assert_eq!(found(), Some(saved));
}

#[test]
fn what_cannot_be_written_waits_and_the_place_with_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut sink = Sink::open(directory.path(), KIB, 2).expect("open");
    // Stands for a disk that refuses: it cannot be opened for writing.
    fs::create_dir(directory.path().join(CURRENT)).expect("a directory");
    let line = entry(1);
    assert!(sink.append(&Piece { bytes: line.as_bytes(), place: place(1) }).is_err());
    assert!(sink.flush().is_err());
    assert_eq!(sink.place(), None);
    fs::remove_dir(directory.path().join(CURRENT)).expect("removed");
    sink.flush().expect("written");
    assert_eq!(sink.place().cloned(), place(1));
    assert_eq!(fs::read_to_string(directory.path().join(CURRENT)).expect("text"), line);
}
