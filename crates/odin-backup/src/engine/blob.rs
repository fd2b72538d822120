//! Opening one stored blob: authenticate, decrypt, decompress, compare.

use std::num::NonZeroU32;

use aes256ctr_poly1305aes::aead::AeadInPlace;
use aes256ctr_poly1305aes::{Aes256CtrPoly1305Aes, Key, Nonce, Tag};
use rustic_core::Id;
use rustic_core::repofile::MasterKey;
use sha2::{Digest, Sha256};

/// Bytes a blob grows by when it is encrypted: nonce before, tag after.
pub(super) const OVERHEAD: usize = 32;
/// Largest blob that is believed. Chunks end at 8 MiB; trees of directories
/// with very many entries are larger.
const LARGEST: usize = 512 * 1024 * 1024;

/// Opens the blobs of one repository.
#[derive(Clone)]
pub(super) struct Opener {
    cipher: Aes256CtrPoly1305Aes,
}

impl Opener {
    /// Takes the master key apart.
    pub(super) fn new(key: &MasterKey) -> Result<Self, &'static str> {
        if key.encrypt.len() != 32 || key.mac.k.len() != 16 || key.mac.r.len() != 16 {
            return Err("its master key has parts of wrong lengths");
        }
        let mut bytes = Key::default();
        bytes[..32].copy_from_slice(&key.encrypt);
        bytes[32..48].copy_from_slice(&key.mac.k);
        bytes[48..].copy_from_slice(&key.mac.r);
        Ok(Self { cipher: Aes256CtrPoly1305Aes::new(&bytes) })
    }

    /// Encrypts and authenticates under a nonce of its own.
    pub(super) fn seal(&self, plain: &[u8]) -> Result<Vec<u8>, String> {
        let nonce: [u8; 16] = super::key::random()?;
        let mut body = plain.to_vec();
        let tag = self
            .cipher
            .encrypt_in_place_detached(Nonce::from_slice(&nonce), &[], &mut body)
            .map_err(|error| error.to_string())?;
        Ok([&nonce[..], &body, &tag].concat())
    }

    /// Authenticates and decrypts in place; the plain bytes are returned.
    pub(super) fn decrypt<'a>(&self, sealed: &'a mut [u8]) -> Result<&'a mut [u8], String> {
        if sealed.len() < OVERHEAD {
            return Err(format!("{} bytes are too few for a sealed blob", sealed.len()));
        }
        let (nonce, rest) = sealed.split_at_mut(16);
        let (body, tag) = rest.split_at_mut(rest.len() - 16);
        self.cipher
            .decrypt_in_place_detached(Nonce::from_slice(nonce), &[], body, Tag::from_slice(tag))
            .map_err(|_| "it is not authentic".to_owned())?;
        Ok(body)
    }

    /// Opens a blob and compares it with its id. Decompression writes no more
    /// than the length the index gives, whatever the compressed bytes ask for.
    pub(super) fn open(
        &self,
        sealed: &mut [u8],
        length: Option<NonZeroU32>,
        id: &Id,
    ) -> Result<Vec<u8>, String> {
        let body = self.decrypt(sealed)?;
        let plain = match length {
            None => body.to_vec(),
            Some(length) => {
                let length = usize::try_from(length.get()).unwrap_or(usize::MAX);
                if length > LARGEST {
                    return Err(format!("it claims to hold {length} bytes"));
                }
                let plain = zstd::bulk::decompress(body, length)
                    .map_err(|error| format!("decompression: {error}"))?;
                if plain.len() != length {
                    return Err(format!("it holds {} bytes, {length} are expected", plain.len()));
                }
                plain
            }
        };
        if Id::new(Sha256::digest(&plain).into()) != *id {
            return Err("its SHA-256 is not its id".to_owned());
        }
        Ok(plain)
    }
}
