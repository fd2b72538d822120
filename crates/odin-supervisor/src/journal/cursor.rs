//! A place in the journal, as journald writes it.

use std::fmt;

use serde::Deserialize;

/// Longest cursor that is believed; journald's have about 150 bytes.
const LONGEST: usize = 512;

/// A cursor: `s=…;i=…;b=…;m=…;t=…;x=…`, all of them hexadecimal
/// (sd_journal_get_cursor(3)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cursor(String);

impl Cursor {
    /// Reads one; none when it is no cursor.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let well = text.len() <= LONGEST
            && text.split(';').all(|part| {
                part.split_once('=').is_some_and(|(key, value)| {
                    key.len() == 1
                        && key.bytes().all(|byte| byte.is_ascii_lowercase())
                        && !value.is_empty()
                        && value.bytes().all(|byte| byte.is_ascii_hexdigit())
                })
            });
        well.then(|| Self(text.to_owned()))
    }

    /// The cursor of an entry, from its line of JSON.
    pub(super) fn of_line(line: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Entry {
            #[serde(rename = "__CURSOR")]
            cursor: String,
        }
        let entry: Entry = serde_json::from_slice(line).ok()?;
        Self::parse(&entry.cursor)
    }

    /// Tells whether both are places of one entry. Its number in a file
    /// (`s`, `i`) is not part of that: journald copies entries from one file
    /// to another when it makes the journal persistent.
    pub(super) fn is_same_entry(&self, other: &Self) -> bool {
        let parts = |text: &'_ str| -> Vec<String> {
            let mut parts: Vec<String> = text
                .split(';')
                .filter(|part| !part.starts_with("s=") && !part.starts_with("i="))
                .map(str::to_owned)
                .collect();
            parts.sort();
            parts
        };
        parts(&self.0) == parts(&other.0)
    }

    /// As journald wrote it.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: &str = "s=53b0;i=835;b=e943;m=c7bf;t=660f;x=86f1";

    #[test]
    fn a_cursor_is_what_journald_writes_and_nothing_else() {
        let long = format!("s={}", "0".repeat(LONGEST));
        for (text, is_one) in [
            (PLACE, true),
            ("", false),
            ("--follow", false),
            ("s=53b0;i=", false),
            ("s=53b0;;", false),
            ("s=53b0 ; i=1", false),
            (long.as_str(), false),
        ] {
            assert_eq!(Cursor::parse(text).is_some(), is_one, "{text:?}");
        }
    }

    #[test]
    fn the_cursor_of_a_line_is_found_wherever_it_stands() {
        for line in [
            format!(r#"{{"__CURSOR":"{PLACE}","MESSAGE":"x"}}"#),
            format!(r#"{{"MESSAGE":[1,2,255],"A":null,"__CURSOR":"{PLACE}"}}"#),
        ] {
            assert_eq!(Cursor::of_line(line.as_bytes()), Cursor::parse(PLACE), "{line}");
        }
        for line in ["", "{", r#"{"MESSAGE":"__CURSOR"}"#, r#"{"__CURSOR":"; rm"}"#] {
            assert_eq!(Cursor::of_line(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn an_entry_stays_the_same_in_another_file() {
        let place = Cursor::parse(PLACE).expect("a cursor");
        for (other, same) in [
            ("s=0000;i=1;b=e943;m=c7bf;t=660f;x=86f1", true),
            ("s=53b0;i=835;b=e943;m=c7bf;t=660f;x=86f2", false),
            ("s=53b0;i=835;b=e944;m=c7bf;t=660f;x=86f1", false),
        ] {
            assert_eq!(place.is_same_entry(&Cursor::parse(other).expect(other)), same, "{other}");
        }
    }
}
