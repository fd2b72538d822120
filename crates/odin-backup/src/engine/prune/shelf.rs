//! The files of a repository as a prune reads, writes and removes them: by
//! code of ODIN's own, so that what decides about removal is not what wrote.
//!
//! Formats: restic's design document, "Pack Format" and "Indexing". Every call
//! is announced as a step, so that tests can fail or kill it.

use std::num::NonZeroU32;

use rustic_core::repofile::BlobType;
use rustic_core::{FileType, Id};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::engine::blob::{OVERHEAD, Opener};
use crate::engine::store::Store;
use crate::{Error, Result};

/// An index file. What it calls superseded is of no use and not kept.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct IndexFile {
    pub(super) packs: Vec<Pack>,
    /// Packs another program marked and would remove later.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) packs_to_delete: Vec<Pack>,
}

/// A pack as an index names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pack {
    pub(super) id: Id,
    pub(super) blobs: Vec<Blob>,
    /// When it was written, as its writer put it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) time: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) size: Option<u32>,
}

/// A blob and where in its pack it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Blob {
    pub(super) id: Id,
    #[serde(rename = "type")]
    pub(super) kind: BlobType,
    pub(super) offset: u32,
    pub(super) length: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) uncompressed_length: Option<NonZeroU32>,
}

impl Blob {
    /// Bytes of its entry in a pack's header.
    fn entry_length(&self) -> u64 {
        if self.uncompressed_length.is_some() { 41 } else { 37 }
    }

    pub(super) fn end(&self) -> u64 {
        u64::from(self.offset) + u64::from(self.length)
    }
}

/// Bytes of a pack besides its blobs and their entries: the header's nonce and
/// tag, and its length.
const FRAME: u64 = 32 + 4;

impl Pack {
    /// Bytes the pack's file must have.
    pub(super) fn bytes(&self) -> u64 {
        let computed =
            || self.blobs.iter().map(|blob| u64::from(blob.length) + blob.entry_length()).sum::<u64>();
        self.size.map_or_else(|| FRAME + computed(), u64::from)
    }

    /// Tells whether every blob lies within the file.
    pub(super) fn holds_its_blobs(&self) -> bool {
        let bytes = self.bytes();
        self.blobs.iter().all(|blob| {
            usize::try_from(blob.length).is_ok_and(|length| length >= OVERHEAD) && blob.end() + FRAME <= bytes
        })
    }
}

/// The header of a pack, not yet sealed.
pub(super) fn header(blobs: &[Blob]) -> Vec<u8> {
    let mut header = Vec::new();
    for blob in blobs {
        let kind = if blob.kind == BlobType::Tree { 1 } else { 0 };
        match blob.uncompressed_length {
            None => {
                header.push(kind);
                header.extend(blob.length.to_le_bytes());
            }
            Some(plain) => {
                header.push(kind + 2);
                header.extend(blob.length.to_le_bytes());
                header.extend(plain.get().to_le_bytes());
            }
        }
        header.extend(raw(&blob.id));
    }
    header
}

/// The bytes of an id, which shows itself in hexadecimal digits only.
fn raw(id: &Id) -> Vec<u8> {
    let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let hex = id.to_hex();
    hex.as_bytes().chunks_exact(2).filter_map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

/// The files of one repository.
pub(super) struct Shelf<'a> {
    pub(super) store: &'a Store,
    pub(super) opener: Opener,
    /// Whether the format is one that compresses.
    pub(super) compresses: bool,
}

impl Shelf<'_> {
    pub(super) fn damaged(&self, what: String) -> Error {
        Error::Damaged { path: self.store.root().into(), what }
    }

    pub(super) fn failed(&self, action: &'static str, message: String) -> Error {
        Error::Engine { action, path: self.store.root().into(), message }
    }

    pub(super) fn list(&self, kind: FileType) -> Result<Vec<(Id, u64)>> {
        self.store.reached(&format!("store: list {}", kind.dirname()))?;
        self.store.list(kind)
    }

    /// Reads a file whose name is the digest of its bytes.
    pub(super) fn read(&self, kind: FileType, id: &Id) -> Result<Vec<u8>> {
        self.store.reached(&format!("store: read {}", kind.dirname()))?;
        let bytes = self.store.read(kind, id)?;
        if Id::new(Sha256::digest(&bytes).into()) != *id {
            let what = format!("{} file {} is not what was written", kind.dirname(), id.to_hex().as_str());
            return Err(self.damaged(what));
        }
        Ok(bytes)
    }

    /// Reads an index or a snapshot.
    pub(super) fn document<T: DeserializeOwned>(&self, kind: FileType, id: &Id) -> Result<T> {
        let mut bytes = self.read(kind, id)?;
        let parse = |bytes: &mut [u8]| -> Result<T, String> {
            let plain = self.opener.decrypt(bytes)?;
            match plain.split_first() {
                Some((b'{', _)) => serde_json::from_slice(plain),
                // What follows is compressed.
                Some((2, rest)) => {
                    let plain = zstd::stream::decode_all(rest).map_err(|error| error.to_string())?;
                    serde_json::from_slice(&plain)
                }
                _ => return Err("its content is of no known form".to_owned()),
            }
            .map_err(|error| error.to_string())
        };
        parse(&mut bytes).map_err(|reason| {
            self.damaged(format!("{} file {}: {reason}", kind.dirname(), id.to_hex().as_str()))
        })
    }

    /// Reads a blob as it lies in a pack, after it was opened and compared with
    /// its id; returns it sealed and plain.
    pub(super) fn blob(&self, pack: &Id, blob: &Blob) -> Result<(Vec<u8>, Vec<u8>)> {
        let length = usize::try_from(blob.length).unwrap_or(usize::MAX);
        let sealed = self.store.read_range(FileType::Pack, pack, u64::from(blob.offset), length)?;
        let plain = self.opener.open(&mut sealed.clone(), blob.uncompressed_length, &blob.id);
        let plain = plain.map_err(|reason| {
            let (blob, pack) = (blob.id.to_hex(), pack.to_hex());
            self.damaged(format!("blob {} in pack {}: {reason}", blob.as_str(), pack.as_str()))
        })?;
        Ok((sealed, plain))
    }

    pub(super) fn write(&self, kind: FileType, bytes: Vec<u8>) -> Result<Id> {
        let id = Id::new(Sha256::digest(&bytes).into());
        self.store.write(kind, &id, &bytes.into())?;
        Ok(id)
    }

    pub(super) fn write_index(&self, index: &IndexFile) -> Result<Id> {
        let failed = |message: String| self.failed("write an index", message);
        let mut plain = serde_json::to_vec(index).map_err(|error| failed(error.to_string()))?;
        if self.compresses {
            let mut packed = vec![2];
            zstd::stream::copy_encode(&*plain, &mut packed, 0).map_err(|error| failed(error.to_string()))?;
            plain = packed;
        }
        let sealed = self.opener.seal(&plain).map_err(failed)?;
        self.write(FileType::Index, sealed)
    }

    pub(super) fn remove(&self, kind: FileType, id: &Id) -> Result<()> {
        self.store.remove_file(kind, id)
    }
}
