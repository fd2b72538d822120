use super::*;

/// Reads a file the walk saw with another size; returns what was read, and what
/// the ledger wrote down.
fn read(now: &[u8], seen: u64) -> (Vec<u8>, Record, Vec<PathBuf>) {
    let scratch = tempfile::tempdir().unwrap();
    let local = scratch.path().join("file");
    std::fs::write(&local, now).unwrap();
    let entry = Walk::new(vec![Root::local("sources/file", &local)]).next().unwrap().unwrap();
    let record = Record { size: seen, ..entry.record };
    let ledger = Arc::new(Ledger::new(scratch.path()).unwrap());
    let number = ledger.enter(&record);
    let open =
        Open { local, record, number, known: None, ledger: ledger.clone(), opened: false, may_vanish: false };
    let mut content = Vec::new();
    open.open().unwrap().read_to_end(&mut content).unwrap();
    let records = scratch.path().join("records");
    let changed = Arc::into_inner(ledger).unwrap().settle(&records).unwrap();
    let record = serde_json::from_str(std::fs::read_to_string(&records).unwrap().trim()).unwrap();
    (content, record, changed)
}

#[test]
fn what_is_read_is_what_is_recorded_whatever_the_file_became() {
    for (now, seen, expected) in [
        (&b"same"[..], 4, &b"same"[..]),
        (b"", 0, b""),
        (b"grown by much", 5, b"grown"),
        (b"cut", 6, b"cut\0\0\0"),
        (b"", 3, b"\0\0\0"),
        (b"full", 0, b""),
    ] {
        let (content, record, changed) = read(now, seen);
        assert_eq!(content, expected);
        assert_eq!(record.sha256, Some(Digest::of(expected)));
        let differs = now != expected;
        assert_eq!(
            (record.changed, changed.len()),
            (differs, usize::from(differs)),
            "{now:?} seen as {seen}"
        );
    }
}

#[test]
fn a_file_the_engine_does_not_finish_forbids_the_snapshot() {
    let scratch = tempfile::tempdir().unwrap();
    let local = scratch.path().join("file");
    std::fs::write(&local, "content").unwrap();
    let record = Walk::new(vec![Root::local("f", &local)]).next().unwrap().unwrap().record;
    let begin = || {
        let ledger = Arc::new(Ledger::new(scratch.path()).unwrap());
        let number = ledger.enter(&record);
        let open = Open {
            local: local.clone(),
            record: record.clone(),
            number,
            known: None,
            ledger: ledger.clone(),
            opened: false,
            may_vanish: false,
        };
        (ledger, open)
    };
    let settle =
        |ledger: Arc<Ledger>| Arc::into_inner(ledger).unwrap().settle(&scratch.path().join("records"));

    let (ledger, open) = begin();
    let mut reader = open.open().unwrap();
    let mut some = [0; 3];
    reader.read_exact(&mut some).unwrap();
    drop(reader);
    assert!(settle(ledger).is_err(), "read in part");

    let (ledger, open) = begin();
    drop(open);
    assert!(settle(ledger).is_err(), "dropped as unchanged with no digest known");

    let (ledger, open) = begin();
    std::fs::remove_file(&local).unwrap();
    assert!(open.open().is_err());
    assert!(settle(ledger).is_err(), "gone");
}

#[test]
fn a_file_that_is_gone_when_it_is_opened_is_in_no_record() {
    let scratch = tempfile::tempdir().unwrap();
    let tree = scratch.path().join("tree");
    std::fs::create_dir(&tree).unwrap();
    for name in ["a", "b", "c"] {
        std::fs::write(tree.join(name), name).unwrap();
    }
    let ledger = Arc::new(Ledger::new(scratch.path()).unwrap());
    let content = Content::new(vec![Root::local("t", &tree)], ledger.clone(), None, None);
    let entries: Vec<_> = content.entries().map(|entry| entry.unwrap()).collect();
    std::fs::remove_file(tree.join("b")).unwrap();
    for entry in entries {
        if let Some(open) = entry.open
            && let Ok(mut reader) = open.open()
        {
            reader.read_to_end(&mut Vec::new()).unwrap();
        }
    }
    drop(content);
    assert_eq!((ledger.handed().directories, ledger.handed().others), (1, 2));
    let records = scratch.path().join("records");
    Arc::into_inner(ledger).unwrap().settle(&records).unwrap();
    let paths: Vec<PathBuf> = std::fs::read_to_string(&records)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str::<Record>(line).unwrap().path)
        .collect();
    assert_eq!(paths, [Path::new("t"), Path::new("t/a"), Path::new("t/c")]);
}
