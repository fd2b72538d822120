use serde_json::{Value, json};

use super::*;

fn cursor(number: u32) -> String {
    format!("s=1;i={number};b=1;m={number};t=1;x=1")
}

fn head(number: u32) -> Vec<u8> {
    format!("__CURSOR={}\n", cursor(number)).into_bytes()
}

fn binary(name: &str, value: &[u8]) -> Vec<u8> {
    let length = (value.len() as u64).to_le_bytes();
    [name.as_bytes(), b"\n", &length, value, b"\n"].concat()
}

/// Objects that come of `text`, read in pieces of `size` bytes, and the place.
fn read(text: &[u8], size: usize) -> (Vec<Value>, Option<Cursor>) {
    let (mut export, mut lines, mut place) = (Export::default(), Vec::new(), None);
    for piece in text.chunks(size) {
        export.read(piece, &mut lines).expect("an export");
        place = export.place().or(place);
    }
    let text = String::from_utf8(lines).expect("text");
    (text.lines().map(|line| serde_json::from_str(line).expect("an object")).collect(), place)
}

#[test]
fn entries_are_the_same_however_they_are_read() {
    let text = [
        head(1),
        b"MESSAGE=a \"text\" = \xc3\xa4\n_UID=0\n\n".to_vec(),
        head(2),
        binary("MESSAGE", b"two\nlines\x1b[0m"),
        b"A=1\nA=2\n".to_vec(),
        binary("B", b""),
        b"\n".to_vec(),
    ]
    .concat();
    let expected = [
        json!({"__CURSOR": cursor(1), "MESSAGE": "a \"text\" = ä", "_UID": "0"}),
        json!({"__CURSOR": cursor(2), "MESSAGE": "two\nlines\u{1b}[0m", "A": ["1", "2"], "B": ""}),
    ];
    for size in [1, 2, 7, 64, text.len()] {
        let (found, place) = read(&text, size);
        assert_eq!(found, expected, "{size}");
        assert_eq!(place, Cursor::parse(&cursor(2)), "{size}");
    }
    // An entry that did not end is none.
    assert_eq!(read(&text[..text.len() - 1], 64).0, expected[..1]);
}

#[test]
fn what_is_no_text_is_replaced_and_named() {
    let text = [head(1), binary("MESSAGE", b"a\xff\x00b"), b"\n".to_vec()].concat();
    let expected = json!({
        "__CURSOR": cursor(1),
        "MESSAGE": "a\u{fffd}\u{0}b",
        CUT: "MESSAGE: 4 bytes, what is no UTF-8 replaced",
    });
    assert_eq!(read(&text, 5).0, [expected]);
}

#[test]
fn a_field_of_any_length_needs_bounded_memory_and_its_cut_is_named() {
    const LENGTH: u64 = 64 << 20;
    for (byte, no_text) in [(b'x', ""), (0xff, ", what is no UTF-8 replaced")] {
        let (mut export, mut lines) = (Export::default(), Vec::new());
        let begin = [head(1), b"MESSAGE\n".to_vec(), LENGTH.to_le_bytes().to_vec()].concat();
        assert_eq!(export.read(&begin, &mut lines), Ok(()));
        let piece = vec![byte; 64 << 10];
        for _ in 0..LENGTH / (64 << 10) {
            assert_eq!(export.read(&piece, &mut lines), Ok(()));
            assert!(export.kept.capacity() <= 2 * FIELD && lines.is_empty());
        }
        let end = [b"\n_UID=1\n\n".to_vec(), head(2), b"MESSAGE=next\n\n".to_vec()].concat();
        assert_eq!(export.read(&end, &mut lines), Ok(()));
        assert_eq!(export.place(), Cursor::parse(&cursor(2)));
        let text = String::from_utf8(lines).expect("text");
        let found: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(found[0][CUT], format!("MESSAGE: {FIELD} of {LENGTH} bytes{no_text}"));
        assert_eq!(found[0]["_UID"], "1");
        assert_eq!(found[1], json!({"__CURSOR": cursor(2), "MESSAGE": "next"}));
    }
}

#[test]
fn a_line_and_an_entry_without_end_are_cut_too() {
    let long = format!("MESSAGE={}ä{}\n", "x".repeat(FIELD - 1), "y".repeat(FIELD));
    let mut text = [head(1), long.into_bytes()].concat();
    for number in 0..40_000 {
        text.extend_from_slice(format!("FIELD_{number}=value\n").as_bytes());
    }
    text.extend_from_slice(b"\n");
    let mut lines = Vec::new();
    let mut export = Export::default();
    export.read(&text, &mut lines).expect("an export");
    assert!(lines.len() < 2 * ENTRY, "{}", lines.len());
    let found: Value = serde_json::from_slice(&lines).expect("an object");
    let cut = found[CUT].as_str().expect("a text");
    assert!(cut.starts_with(&format!("MESSAGE: {} of {} bytes; ", FIELD - 1, 2 * FIELD + 1)), "{cut}");
    assert!(cut.ends_with(" more"), "{cut}");
}

#[test]
fn the_entry_that_was_written_last_is_left_out() {
    let text = [head(1), b"A=1\n\n".to_vec(), head(2), b"A=2\n\n".to_vec()].concat();
    for (known, lines_left) in [(1, 1), (7, 2)] {
        let mut lines = Vec::new();
        Export::after(Cursor::parse(&cursor(known))).read(&text, &mut lines).expect("an export");
        assert_eq!(lines.iter().filter(|byte| **byte == b'\n').count(), lines_left, "{known}");
    }
}

#[test]
fn what_is_no_export_is_refused() {
    let long = format!("{}\n", "x".repeat(1000));
    let overlong = [head(1), binary("A", b"1"), b"\n".to_vec()].concat();
    let overlong = [&overlong[..overlong.len() - 2], b"x\n\n"].concat();
    let good = [head(1), b"A=1\n\n".to_vec()].concat();
    for text in [long.as_bytes(), b"A=1\n\n", b"__CURSOR=; rm\n\n", &overlong] {
        let (mut export, mut lines) = (Export::default(), Vec::new());
        assert!(export.read(&[&good, text].concat(), &mut lines).is_err(), "{text:?}");
        assert_eq!(export.place(), Cursor::parse(&cursor(1)), "what came before counts");
        assert_eq!(lines.iter().filter(|byte| **byte == b'\n').count(), 1);
    }
}

proptest::proptest! {
    #[test]
    fn nothing_that_is_read_makes_it_fail_badly(bytes in proptest::collection::vec(0u8..=255, 0..400)) {
        let mut lines = Vec::new();
        drop(Export::default().read(&[head(1), bytes].concat(), &mut lines));
        let whole = lines.is_empty() || lines.ends_with(b"}\n");
        proptest::prop_assert!(whole);
    }
}
