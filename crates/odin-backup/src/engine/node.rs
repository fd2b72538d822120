//! Between the walk's entries and the nodes of the repository format.
//!
//! The format keeps modes in the bits of Go's `os.FileMode`, because restic
//! is written in Go.

use std::ffi::OsStr;
use std::path::PathBuf;

use jiff::Timestamp;
use rustic_core::repofile::{Metadata, Node, NodeType};

use crate::record::{Kind, Record, escaped, hex};
use crate::walk::Entry;

const GO_DIRECTORY: u32 = 1 << 31;
const GO_SYMLINK: u32 = 1 << 27;
const GO_DEVICE: u32 = 1 << 26;
const GO_FIFO: u32 = 1 << 25;
const GO_SOCKET: u32 = 1 << 24;
const GO_SETUID: u32 = 1 << 23;
const GO_SETGID: u32 = 1 << 22;
const GO_CHARACTER: u32 = 1 << 21;
const GO_STICKY: u32 = 1 << 20;

fn go_mode(kind: Kind, mode: u32) -> u32 {
    let mut bits = mode & 0o777;
    bits |= match kind {
        Kind::File => 0,
        Kind::Directory => GO_DIRECTORY,
        Kind::Symlink => GO_SYMLINK,
        Kind::Fifo => GO_FIFO,
        Kind::Socket => GO_SOCKET,
        Kind::CharacterDevice => GO_DEVICE | GO_CHARACTER,
        Kind::BlockDevice => GO_DEVICE,
    };
    for (unix, go) in [(0o4000, GO_SETUID), (0o2000, GO_SETGID), (0o1000, GO_STICKY)] {
        if mode & unix != 0 {
            bits |= go;
        }
    }
    bits
}

fn unix_mode(go: u32) -> u32 {
    let mut mode = go & 0o777;
    for (unix, bit) in [(0o4000, GO_SETUID), (0o2000, GO_SETGID), (0o1000, GO_STICKY)] {
        if go & bit != 0 {
            mode |= unix;
        }
    }
    mode
}

fn timestamp(nanoseconds: i128) -> Option<Timestamp> {
    Timestamp::from_nanosecond(nanoseconds).ok()
}

/// Makes the node of an entry.
pub(super) fn from_entry(entry: &Entry) -> Result<Node, String> {
    let record = &entry.record;
    let kind = match record.kind {
        Kind::File => NodeType::File,
        Kind::Directory => NodeType::Dir,
        Kind::Symlink => NodeType::from_link(record.target.as_deref().unwrap_or(std::path::Path::new(""))),
        Kind::Fifo => NodeType::Fifo,
        Kind::Socket => NodeType::Socket,
        Kind::CharacterDevice => NodeType::Chardev { device: record.device },
        Kind::BlockDevice => NodeType::Dev { device: record.device },
    };
    let linked = entry.links > 1 && record.kind != Kind::Directory;
    let mut meta = Metadata {
        mode: Some(go_mode(record.kind, record.mode)),
        mtime: timestamp(record.mtime),
        atime: timestamp(record.mtime),
        ctime: timestamp(record.ctime),
        uid: Some(record.uid),
        gid: Some(record.gid),
        inode: entry.inode,
        // Only links need the device to find each other; elsewhere it would
        // make every snapshot differ after a reboot renumbers the disks.
        device_id: if linked { entry.volume } else { 0 },
        size: record.size,
        links: if record.kind == Kind::Directory { 0 } else { entry.links },
        ..Metadata::default()
    };
    if !entry.xattrs.is_empty() {
        meta.extended_attributes = extended(&entry.xattrs)?;
    }
    Ok(Node::new_node(record.path.file_name().unwrap_or(OsStr::new("")), kind, meta))
}

/// The engine does not export the type of an extended attribute, so the list
/// is made from its JSON form, which the format fixes.
fn extended<T: serde::de::DeserializeOwned>(xattrs: &[(std::ffi::OsString, Vec<u8>)]) -> Result<T, String> {
    let mut list = Vec::new();
    for (name, value) in xattrs {
        let name = name.to_str().ok_or("the name of an extended attribute is no text")?;
        list.push(serde_json::json!({"name": name, "value": base64(value)}));
    }
    serde_json::from_value(serde_json::Value::Array(list))
        .map_err(|error| format!("extended attributes: {error}"))
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let number = group.iter().fold(0_usize, |number, byte| number << 8 | usize::from(*byte))
            << (8 * (3 - group.len()));
        for place in 0..4 {
            let digit = DIGITS[number >> (18 - 6 * place) & 63];
            text.push(if place <= group.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

/// What to restore of a node.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) record: Record,
    pub(super) xattrs: Vec<(String, Vec<u8>)>,
    /// Device and inode of a file with several names.
    pub(super) link: Option<(u64, u64)>,
}

/// Reads a node back, at a path; the name in it is not looked at.
pub(super) fn to_item(node: &Node, path: PathBuf) -> Item {
    let meta = &node.meta;
    let (kind, device, target) = match &node.node_type {
        NodeType::File => (Kind::File, 0, None),
        NodeType::Dir => (Kind::Directory, 0, None),
        NodeType::Symlink { .. } => (Kind::Symlink, 0, Some(node.node_type.to_link().to_path_buf())),
        NodeType::Fifo => (Kind::Fifo, 0, None),
        NodeType::Socket => (Kind::Socket, 0, None),
        NodeType::Chardev { device } => (Kind::CharacterDevice, *device, None),
        NodeType::Dev { device } => (Kind::BlockDevice, *device, None),
    };
    let xattrs: Vec<(String, Vec<u8>)> = meta
        .extended_attributes
        .iter()
        .map(|attribute| (attribute.name.clone(), attribute.value.clone().unwrap_or_default()))
        .collect();
    let record = Record {
        path,
        kind,
        mode: unix_mode(meta.mode.unwrap_or(0o600)),
        uid: meta.uid.unwrap_or(0),
        gid: meta.gid.unwrap_or(0),
        size: if kind == Kind::File { meta.size } else { 0 },
        mtime: meta.mtime.map_or(0, Timestamp::as_nanosecond),
        ctime: 0,
        sha256: None,
        target,
        device,
        xattrs: xattrs.iter().map(|(name, value)| (escaped::name(OsStr::new(name)), hex(value))).collect(),
        changed: false,
    };
    let link = (meta.links > 1 && kind == Kind::File).then_some((meta.device_id, meta.inode));
    Item { record, xattrs, link }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_survive_both_ways() {
        for mode in [0, 0o644, 0o4755, 0o2770, 0o1777, 0o7777] {
            assert_eq!(unix_mode(go_mode(Kind::File, mode)), mode);
        }
    }

    #[test]
    fn base64_has_the_rfc_4648_vectors() {
        for (plain, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(plain.as_bytes()), text);
        }
    }
}
