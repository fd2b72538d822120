//! `bundle.toml`, in a bundle and in the sources of one.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::sums::Files;
use crate::Error;

/// Name of the file.
pub(super) const FILE: &str = "bundle.toml";

/// The only format there is.
pub(super) const FORMAT: u32 = 1;

/// `bundle.toml` of a rendered bundle.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Header {
    pub(super) format: u32,
    pub(super) overlay: String,
    #[serde(rename = "component", default)]
    pub(super) components: Vec<Entry>,
}

/// One component of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) namespace: String,
    #[serde(default)]
    pub(super) after: Vec<String>,
    pub(super) timeout: String,
    #[serde(default = "yes")]
    pub(super) gate: bool,
}

/// `bundle.toml` among the sources: also says how to render.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Sources {
    pub(super) format: u32,
    #[serde(rename = "component", default)]
    pub(super) components: Vec<Source>,
}

/// One component of the sources.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Source {
    pub(super) name: String,
    pub(super) chart: String,
    pub(super) namespace: String,
    #[serde(default)]
    pub(super) after: Vec<String>,
    pub(super) timeout: String,
    #[serde(default = "yes")]
    pub(super) gate: bool,
    #[serde(default)]
    pub(super) overlays: Option<Vec<String>>,
    /// In the bundle only when it was asked for by name.
    #[serde(default)]
    pub(super) optional: bool,
}

fn yes() -> bool {
    true
}

pub(super) fn parse(dir: &Path, files: &Files) -> Result<Header, Error> {
    let refuse = |reason: String| Error::Bundle { dir: dir.to_owned(), file: FILE.to_owned(), reason };
    let bytes = files.contents.get(FILE).ok_or_else(|| refuse("it is missing".to_owned()))?;
    let text = std::str::from_utf8(bytes).map_err(|_| refuse("it is not text".to_owned()))?;
    let header: Header = toml::from_str(text).map_err(|error| refuse(first_lines(&error.to_string())))?;
    check_format(header.format).map_err(refuse)?;
    Ok(header)
}

pub(super) fn check_format(format: u32) -> Result<(), String> {
    if format == FORMAT { Ok(()) } else { Err(format!("its format is {format}, this odin knows {FORMAT}")) }
}

/// toml's message spans lines with a drawing of the place; on one line it
/// still says where and what, with the line that is meant.
pub(super) fn first_lines(message: &str) -> String {
    let lines: Vec<String> = message
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('|'))
        .map(|line| line.split_once(" | ").map_or_else(|| line.to_owned(), |(_, text)| format!("`{text}`")))
        .collect();
    lines.join(": ")
}

/// Reads `30s`, `5m`, `1h` or a sequence of them.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("timeout {text:?} is not a duration like 30s or 5m");
    let mut total = Duration::ZERO;
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let end = rest.find(|symbol: char| !symbol.is_ascii_digit()).ok_or_else(wrong)?;
        let number: u64 = rest[..end].parse().map_err(|_| wrong())?;
        let unit =
            rest[end..].find(|symbol: char| symbol.is_ascii_digit()).map_or(rest.len(), |next| end + next);
        let factor = match rest[end..unit].trim() {
            "s" => 1,
            "m" | "min" => 60,
            "h" => 3600,
            _ => return Err(wrong()),
        };
        let part = number.checked_mul(factor).ok_or_else(wrong)?;
        total = total.checked_add(Duration::from_secs(part)).ok_or_else(wrong)?;
        rest = &rest[unit..];
    }
    if total.is_zero() || total > Duration::from_secs(24 * 3600) {
        return Err(format!("timeout {text:?} is not between 1s and 24h"));
    }
    Ok(total)
}
