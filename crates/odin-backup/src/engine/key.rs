//! The key file of a new repository: the master key, sealed with the password.
//!
//! The format is restic's (its design document, "Keys, Encryption and MAC");
//! the cost of the derivation is the writer's choice. `rustic_core` chooses
//! N = 2^17, r = 8, p = 1: every command that opens the repository then needs
//! 128 MiB for a moment, which is most of what the supervisor may have. The
//! parameters here, N = 2^15, r = 8, p = 3, cost a guesser as much and need
//! 32 MiB (OWASP Password Storage Cheat Sheet, which lists both as equal).

use aes256ctr_poly1305aes::aead::AeadInPlace;
use aes256ctr_poly1305aes::{Aes256CtrPoly1305Aes, Key, Nonce};
use rustic_core::repofile::{KeyFile, MasterKey};
use rustic_core::{FileType, Id};
use scrypt::Params;
use sha2::{Digest, Sha256};

use super::store::Store;
use crate::{Error, Result};

const LOG_N: u8 = 15;
const R: u32 = 8;
const P: u32 = 3;

/// Makes a master key and stores it, sealed with the password.
pub(super) fn create(store: &Store, password: &str) -> Result<MasterKey> {
    let master = MasterKey::new();
    let content = seal(&master, password).map_err(|message| Error::Engine {
        action: "seal the master key",
        path: store.root().into(),
        message,
    })?;
    let id = Id::new(Sha256::digest(&content).into());
    store.write(FileType::Key, &id, &content.into())?;
    Ok(master)
}

/// Content of a key file.
fn seal(master: &MasterKey, password: &str) -> std::result::Result<Vec<u8>, String> {
    let salt: [u8; 64] = random()?;
    let params = Params::new(LOG_N, R, P).map_err(|error| error.to_string())?;
    let mut derived = Key::default();
    scrypt::scrypt(password.as_bytes(), &salt, &params, &mut derived).map_err(|error| error.to_string())?;

    let nonce: [u8; 16] = random()?;
    let mut body = serde_json::to_vec(master).map_err(|error| error.to_string())?;
    let tag = Aes256CtrPoly1305Aes::new(&derived)
        .encrypt_in_place_detached(Nonce::from_slice(&nonce), &[], &mut body)
        .map_err(|error| error.to_string())?;
    let file = KeyFile {
        hostname: None,
        username: None,
        created: None,
        kdf: "scrypt".to_owned(),
        n: 1 << LOG_N,
        r: R,
        p: P,
        data: [&nonce[..], &body, &tag].concat(),
        salt: salt.to_vec(),
    };
    serde_json::to_vec(&file).map_err(|error| error.to_string())
}

/// Bytes of the kernel's generator.
pub(super) fn random<const LENGTH: usize>() -> std::result::Result<[u8; LENGTH], String> {
    let mut bytes = [0; LENGTH];
    getrandom::fill(&mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_key_files_of_one_key_share_nothing() {
        let master = MasterKey::new();
        let parse = |content: Vec<u8>| serde_json::from_slice::<KeyFile>(&content).unwrap();
        let (one, other) = (parse(seal(&master, "p").unwrap()), parse(seal(&master, "p").unwrap()));
        assert_ne!(one.salt, other.salt);
        assert_ne!(one.data, other.data);
        assert_eq!((one.n, one.r, one.p, one.kdf.as_str()), (32768, 8, 3, "scrypt"));
        assert!(one.kdf_key(&"p").is_ok());
    }

    #[test]
    fn the_engine_finds_the_key_by_the_password_alone() {
        let master = MasterKey::new();
        let file: KeyFile = serde_json::from_slice(&seal(&master, "p").unwrap()).unwrap();
        let opened = |password: &str| file.key_from_password(&password);
        assert!(opened("p").is_ok());
        assert!(opened("q").is_err());
    }
}
