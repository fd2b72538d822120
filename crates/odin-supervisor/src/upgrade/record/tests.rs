use super::*;
use crate::upgrade::generation::tests::generation;

pub(crate) fn record(state: State) -> Record {
    Record {
        format: FORMAT,
        kind: Kind::Upgrade,
        state,
        from: generation("old", "1.35.6+k3s1"),
        to: generation("new", "1.35.8+k3s1"),
        snapshot: Some("aaaa".into()),
        attempt: 1,
        staged: "2026-11-23T08:00:00Z".parse().expect("a time"),
        staged_boot: "boot-1".into(),
        trial_boot: None,
        left_boot: None,
        tried: None,
        ended: None,
        reason: None,
        data: None,
        cordoned: false,
        forgiven: false,
        failed_before: Vec::new(),
        gpus: Before::default(),
    }
}

#[test]
fn a_record_is_kept_and_an_ended_one_enters_the_history_once() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = Store::below(directory.path());
    assert!(!store.exists());
    assert_eq!(store.load().expect("none"), None);
    let staged = record(State::Staged);
    store.save(&staged).expect("saved");
    assert!(store.exists());
    assert_eq!(store.load().expect("a record"), Some(staged));
    assert!(store.history().is_empty());
    let ended = Record { reason: Some("no node".into()), ..record(State::FellBack) };
    store.save(&ended).expect("saved");
    store.save(&ended).expect("saved again");
    assert_eq!(store.history(), [ended]);
}

#[test]
fn a_torn_line_of_history_costs_only_itself() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = Store::below(directory.path());
    store.save(&record(State::Confirmed)).expect("saved");
    let file = store.directory().join("history.jsonl");
    let mut text = fs::read(&file).expect("history");
    text.extend_from_slice(b"{\"format\":1,\"ki");
    fs::write(&file, text).expect("torn");
    let next = Record { staged_boot: "boot-2".into(), ..record(State::FellBack) };
    store.save(&next).expect("saved");
    assert_eq!(store.history(), [record(State::Confirmed), next]);
}

#[test]
fn a_damaged_or_foreign_record_is_an_error_that_names_the_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = Store::below(directory.path());
    store.save(&record(State::Staged)).expect("saved");
    let file = store.directory().join("pending.json");
    let text = fs::read_to_string(&file).expect("a record");
    for broken in [text[..text.len() / 2].to_owned(), text.replace("\"format\": 1", "\"format\": 9")] {
        fs::write(&file, broken).expect("broken");
        let error = store.load().expect_err("a broken record");
        assert!(error.to_string().contains("pending.json"), "{error}");
    }
}
