//! The only place that prints: data on stdout, talk on stderr.

use std::io::Write;

use serde_json::Value;

/// Writes a result for a person to stdout.
///
/// A reader that went away (`odin status | head -1`) is no failure.
pub(crate) fn show(text: &str) {
    if !text.is_empty() {
        drop(writeln!(std::io::stdout().lock(), "{text}"));
    }
}

/// Writes a result for a program to stdout.
pub(crate) fn show_json(value: &Value) {
    drop(writeln!(std::io::stdout().lock(), "{value:#}"));
}

/// Writes a line of talk to stderr.
pub(crate) fn tell(line: &str) {
    drop(std::io::stderr().lock().write_all(format!("{line}\n").as_bytes()));
}

/// Writes one event or error as a line of JSON to stderr.
pub(crate) fn tell_json(value: &Value) {
    // In one piece: a line is whole or not there, also when the program ends.
    drop(std::io::stderr().lock().write_all(format!("{value}\n").as_bytes()));
}
