//! One line for each thing a snapshot holds.
//!
//! The records are what a restore is compared with, file by file. They are
//! stored in the snapshot as `/odin/files.jsonl`, in the order of the walk:
//! by path, component by component, a directory before what is in it.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Hashes bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, formatter)
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

impl TryFrom<String> for Digest {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return Err(format!("{text:?} is no SHA-256"));
        }
        for (byte, index) in bytes.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(&text[index..index + 2], 16)
                .map_err(|_| format!("{text:?} is no SHA-256"))?;
        }
        Ok(Self(bytes))
    }
}

/// What a record is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A named pipe.
    Fifo,
    /// A socket; restored as one, though nobody listens on it.
    Socket,
    /// A character device.
    CharacterDevice,
    /// A block device.
    BlockDevice,
}

/// One file, directory or other entry of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Path below the root of the snapshot, for example `sources/token/token`.
    #[serde(with = "escaped")]
    pub path: PathBuf,
    /// What it is.
    pub kind: Kind,
    /// Permission bits with set-user-id, set-group-id and sticky.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Bytes of content; 0 for everything but regular files.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub size: u64,
    /// Last change of the content, nanoseconds since 1970.
    pub mtime: i128,
    /// Last change of the inode, nanoseconds since 1970; tells a later backup
    /// that the file need not be read again.
    #[serde(default, skip_serializing_if = "is_zero_time")]
    pub ctime: i128,
    /// SHA-256 of the stored content of a regular file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Digest>,
    /// Target of a symbolic link.
    #[serde(default, with = "escaped::option", skip_serializing_if = "Option::is_none")]
    pub target: Option<PathBuf>,
    /// Number of a device node.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub device: u64,
    /// Extended attributes: escaped name to value in hexadecimal digits.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub xattrs: BTreeMap<String, String>,
    /// The file changed while it was read; the content is what was read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub changed: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
fn is_zero(value: &u64) -> bool {
    *value == 0
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
fn is_zero_time(value: &i128) -> bool {
    *value == 0
}

impl Record {
    /// Feeds what the digest of a source covers: path below the source, kind,
    /// mode, owner, size, content and link target. Times are left out, so that
    /// equal data has an equal digest.
    pub fn feed(&self, below: &Path, hasher: &mut Sha256) {
        let path = self.path.strip_prefix(below).unwrap_or(&self.path);
        hasher.update(path.as_os_str().as_bytes());
        hasher.update(format!(
            "\0{:?} {:o} {} {} {} {} ",
            self.kind, self.mode, self.uid, self.gid, self.size, self.device
        ));
        if let Some(digest) = self.sha256 {
            hasher.update(digest.0);
        }
        if let Some(target) = &self.target {
            hasher.update(target.as_os_str().as_bytes());
        }
        for (name, value) in &self.xattrs {
            hasher.update(format!(" {name}={value}"));
        }
        hasher.update(b"\n");
    }
}

/// Bytes as lower-case hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Paths as text: a backslash starts an escape, `\\` or `\xNN`; every byte
/// that is not UTF-8, and every control character, is written as the latter.
pub mod escaped {
    use super::{OsStr, OsStrExt, OsString, OsStringExt, Path, PathBuf};
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    /// Renders a path.
    #[must_use]
    pub fn render(path: &Path) -> String {
        let mut text = String::new();
        for chunk in path.as_os_str().as_bytes().utf8_chunks() {
            for character in chunk.valid().chars() {
                match character {
                    '\\' => text.push_str("\\\\"),
                    c if c.is_ascii_control() => text.push_str(&format!("\\x{:02x}", u32::from(c))),
                    c => text.push(c),
                }
            }
            for byte in chunk.invalid() {
                text.push_str(&format!("\\x{byte:02x}"));
            }
        }
        text
    }

    /// Parses what [`render`] wrote.
    ///
    /// # Errors
    ///
    /// The text, where it holds an unknown or cut escape.
    pub fn parse(text: &str) -> Result<PathBuf, String> {
        let mut bytes = Vec::with_capacity(text.len());
        let mut rest = text.as_bytes();
        while let Some((&byte, tail)) = rest.split_first() {
            rest = tail;
            if byte != b'\\' {
                bytes.push(byte);
                continue;
            }
            match rest {
                [b'\\', tail @ ..] => {
                    bytes.push(b'\\');
                    rest = tail;
                }
                [b'x', high, low, tail @ ..] => {
                    let digits = [*high, *low];
                    let value = std::str::from_utf8(&digits)
                        .ok()
                        .and_then(|digits| u8::from_str_radix(digits, 16).ok());
                    bytes.push(value.ok_or_else(|| format!("bad escape in {text:?}"))?);
                    rest = tail;
                }
                _ => return Err(format!("bad escape in {text:?}")),
            }
        }
        Ok(PathBuf::from(OsString::from_vec(bytes)))
    }

    /// Serialises a path.
    ///
    /// # Errors
    ///
    /// As the serialiser fails.
    pub fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&render(path))
    }

    /// Deserialises a path.
    ///
    /// # Errors
    ///
    /// Where the text is no escaped path.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
        parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }

    /// The same for paths that may be absent.
    pub mod option {
        use super::{Deserialize, Deserializer, PathBuf, Serializer, parse, render};
        use serde::de::Error as _;

        /// Serialises a path or nothing.
        ///
        /// # Errors
        ///
        /// As the serialiser fails.
        #[allow(clippy::ref_option, reason = "the signature serde asks for")]
        pub fn serialize<S: Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
            match path {
                Some(path) => serializer.serialize_some(&render(path)),
                None => serializer.serialize_none(),
            }
        }

        /// Deserialises a path or nothing.
        ///
        /// # Errors
        ///
        /// Where the text is no escaped path.
        pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
            Option::<String>::deserialize(deserializer)?
                .map(|text| parse(&text).map_err(D::Error::custom))
                .transpose()
        }
    }

    /// Renders one name.
    #[must_use]
    pub fn name(name: &OsStr) -> String {
        render(Path::new(name))
    }
}
