//! `SHA256SUMS`: everything a bundle holds, and that it is intact.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path};

use sha2::{Digest, Sha256};

use super::FILE_LIMIT;
use crate::Error;
use crate::fields::hex;

/// Name of the file.
pub(super) const FILE: &str = "SHA256SUMS";

/// Contents of a bundle whose sums hold.
pub(super) struct Files {
    /// SHA-256 of `SHA256SUMS`.
    pub(super) digest: String,
    /// Every other file, by its path with `/`.
    pub(super) contents: BTreeMap<String, Vec<u8>>,
}

/// Reads a bundle's files and checks every one of them.
pub(super) fn read(dir: &Path) -> Result<Files, Error> {
    let refuse =
        |file: &str, reason: String| Error::Bundle { dir: dir.to_owned(), file: file.to_owned(), reason };
    let bytes = load(dir, FILE).map_err(|reason| refuse(FILE, reason))?;
    let listed = parse(&bytes).map_err(|reason| refuse(FILE, reason))?;
    let mut present = Vec::new();
    walk(dir, "", &mut present).map_err(|(file, reason)| refuse(&file, reason))?;
    if let Some(extra) = present.iter().find(|path| *path != FILE && !listed.contains_key(*path)) {
        return Err(refuse(extra, "it is not listed in SHA256SUMS".to_owned()));
    }
    let mut contents = BTreeMap::new();
    for (path, wanted) in listed {
        if !present.contains(&path) {
            return Err(refuse(&path, "it is listed in SHA256SUMS but missing".to_owned()));
        }
        let bytes = load(dir, &path).map_err(|reason| refuse(&path, reason))?;
        let has = sum(&bytes);
        if has != wanted {
            let reason = if bytes.is_empty() {
                "it is empty, its checksum differs".to_owned()
            } else {
                format!("its checksum is {}..., SHA256SUMS says {}...", &has[..12], &wanted[..12])
            };
            return Err(refuse(&path, reason));
        }
        contents.insert(path, bytes);
    }
    Ok(Files { digest: sum(&bytes), contents })
}

/// SHA-256 as 64 hexadecimal digits.
pub(super) fn sum(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes), 32)
}

/// Writes the text of `SHA256SUMS` for the given files.
pub(super) fn render(files: &BTreeMap<String, Vec<u8>>) -> String {
    files.iter().map(|(path, bytes)| format!("{}  {path}\n", sum(bytes))).collect()
}

fn parse(bytes: &[u8]) -> Result<BTreeMap<String, String>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not text".to_owned())?;
    if text.is_empty() {
        return Err("it is empty".to_owned());
    }
    if !text.ends_with('\n') {
        return Err("it is truncated: the last line has no end".to_owned());
    }
    let mut listed = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        let parts = line.split_once("  ").filter(|(sum, _)| {
            sum.len() == 64 && sum.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
        });
        let Some((sum, path)) = parts else {
            return Err(format!("line {number} is not `<sha256>  <path>`"));
        };
        let inside = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
        if path.is_empty() || !inside || path == FILE {
            return Err(format!("line {number} names {path:?}, which is not a file inside the bundle"));
        }
        if listed.insert(path.to_owned(), sum.to_owned()).is_some() {
            return Err(format!("line {number} names {path} a second time"));
        }
    }
    Ok(listed)
}

fn load(dir: &Path, path: &str) -> Result<Vec<u8>, String> {
    let full = dir.join(path);
    let about = fs::symlink_metadata(&full).map_err(|error| error.to_string())?;
    if !about.is_file() {
        return Err("it is not a regular file".to_owned());
    }
    if about.len() > FILE_LIMIT {
        return Err(format!(
            "it has {} bytes, more than the {FILE_LIMIT} an object file may have",
            about.len()
        ));
    }
    fs::read(&full).map_err(|error| error.to_string())
}

fn walk(dir: &Path, below: &str, found: &mut Vec<String>) -> Result<(), (String, String)> {
    let shown = if below.is_empty() { "." } else { below };
    let fail = |error: std::io::Error| (shown.to_owned(), error.to_string());
    for entry in fs::read_dir(dir.join(below)).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else {
            return Err((format!("{shown}/{}", name.display()), "its name is not text".to_owned()));
        };
        let path = if below.is_empty() { name.to_owned() } else { format!("{below}/{name}") };
        let kind = entry.file_type().map_err(fail)?;
        if kind.is_symlink() {
            return Err((path, "it is a symbolic link; a bundle holds plain files".to_owned()));
        }
        if kind.is_dir() {
            walk(dir, &path, found)?;
        } else {
            found.push(path);
        }
    }
    Ok(())
}
