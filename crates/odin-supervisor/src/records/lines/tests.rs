use jiff::Timestamp;
use odin_model::config::Remedy;
use serde_json::{Value, json};

use super::*;
use crate::alerting::remediation::record::{FILE, Verdict, fold};
use crate::records::Records;

fn records(directory: &tempfile::TempDir) -> Records {
    Records { directory: directory.path().to_owned() }
}

#[test]
fn a_torn_line_is_lost_alone_also_inside_a_character() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("a.jsonl");
    let torn = "{\"name\":\"ä".as_bytes();
    std::fs::write(&path, [b"{\"name\":1}\n", &torn[..torn.len() - 1]].concat()).expect("a file");
    let records = records(&directory);
    records.append("a.jsonl", &json!({"name": 2})).expect("written");
    let expected = [json!({"name": 1}), json!({"name": 2})];
    assert_eq!(records.lines::<Value>("a.jsonl").expect("lines"), expected);
    assert_eq!(records.newest::<Value>("a.jsonl", 1).expect("lines"), expected[1..]);
    assert_eq!(records.lines::<Value>("none.jsonl").expect("no lines"), Vec::<Value>::new());
}

#[test]
fn the_newest_lines_are_read_from_the_end_within_a_bound() {
    let directory = tempfile::tempdir().expect("a directory");
    let line = |number: usize| format!("{{\"number\":{number},\"text\":\"{}\"}}\n", "x".repeat(1000));
    let text: String = (0..6000).map(line).collect();
    std::fs::write(directory.path().join("a.jsonl"), text).expect("a file");
    let records = records(&directory);
    for (limit, wanted) in [(1, 1), (3, 3), (500, 500)] {
        let found: Vec<Value> = records.newest("a.jsonl", limit).expect("lines");
        assert_eq!(found.len(), wanted);
        assert_eq!(found[0]["number"], 5999);
        assert_eq!(found[wanted - 1]["number"], 6000 - wanted);
    }
    let found: Vec<Value> = records.newest("a.jsonl", 100_000).expect("lines");
    assert!((4000..4200).contains(&found.len()), "{}", found.len());
    // One that is longer than all that is read else.
    let long = json!({"text": "y".repeat(5 << 20)});
    std::fs::write(directory.path().join("b.jsonl"), format!("{long}\n")).expect("a file");
    assert_eq!(records.newest::<Value>("b.jsonl", 5).expect("lines"), [long]);
}

#[test]
fn a_file_stays_within_its_bound_and_keeps_the_newest() {
    let directory = tempfile::tempdir().expect("a directory");
    let records = records(&directory);
    let path = directory.path().join("a.jsonl");
    let large = "x".repeat(1 << 20);
    for number in 0..20 {
        records.append("a.jsonl", &json!({"number": number, "text": large})).expect("written");
        assert!(path.metadata().expect("metadata").len() <= MOST);
    }
    let found: Vec<Value> = records.lines("a.jsonl").expect("lines");
    let numbers: Vec<u64> = found.iter().filter_map(|one| one["number"].as_u64()).collect();
    assert!(numbers.len() >= 3, "{numbers:?}");
    assert_eq!(numbers, (20 - numbers.len() as u64..20).collect::<Vec<_>>());
    // One that is larger than the bound is kept, alone.
    records.append("a.jsonl", &"y".repeat(9 << 20)).expect("written");
    assert_eq!(records.lines::<Value>("a.jsonl").expect("lines").len(), 1);
}

#[test]
fn what_open_remedies_are_known_by_is_never_cut() {
    let attempt = |name: &str, result: Verdict, resolved_at| Attempt {
        time: Timestamp::UNIX_EPOCH,
        fingerprint: name.to_owned(),
        alert: "TargetDown".to_owned(),
        action: Remedy::RestartPod,
        target: "pod monitoring/a".to_owned(),
        dry_run: false,
        result,
        resolved_at,
    };
    let directory = tempfile::tempdir().expect("a directory");
    let records = records(&directory);
    let open = attempt("open", Verdict::Done, None);
    let closed = attempt("closed", Verdict::Resolved, Some(Timestamp::UNIX_EPOCH));
    for one in
        [&attempt("open", Verdict::Begun, None), &attempt("closed", Verdict::Begun, None), &open, &closed]
    {
        records.append(FILE, one).expect("written");
    }
    let large = attempt("large", Verdict::Failed("x".repeat(1 << 20)), Some(Timestamp::UNIX_EPOCH));
    for _ in 0..20 {
        records.append(FILE, &large).expect("written");
    }
    assert_eq!(fold(records.lines(FILE).expect("lines")), [open, large]);
}

#[test]
fn many_who_append_at_once_lose_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let text = "x".repeat(100 << 10);
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let (records, text) = (records(&directory), &text);
            scope.spawn(move || {
                for number in 0..30 {
                    let line = json!({"writer": writer, "number": number, "text": text});
                    records.append("a.jsonl", &line).expect("written");
                }
            });
        }
    });
    // 12 MB were written: what is left is the end of each writer's lines.
    let found: Vec<Value> = records(&directory).lines("a.jsonl").expect("lines");
    assert!(found.len() > 30, "{}", found.len());
    for writer in 0..4 {
        let own = found.iter().filter(|line| line["writer"] == writer);
        let numbers: Vec<u64> = own.filter_map(|line| line["number"].as_u64()).collect();
        assert_eq!(numbers, (30 - numbers.len() as u64..30).collect::<Vec<_>>(), "{writer}");
    }
}
