//! A public key of OpenSSH as a line of `authorized_keys` has it.
//!
//! A key that sshd would pass over is found when a machine is installed, not
//! when nobody can log in to it. Format of the line: sshd(8); of what is
//! encoded: RFC 4253 section 6.6 (RSA), RFC 5656 section 3.1 (ECDSA), RFC 8709
//! section 4 (Ed25519), PROTOCOL.u2f of OpenSSH (`sk-`).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// What a part of an encoded key must be.
enum Part {
    /// So many bytes.
    Bytes(usize),
    /// At least so many bytes.
    AtLeast(usize),
    /// This text.
    Text(&'static str),
}
use Part::{AtLeast, Bytes, Text};

/// The types that are taken, with what follows the type in the encoding. DSA
/// left OpenSSH with 10.0; certificates are trusted by options, which are not
/// taken. sshd refuses RSA below 1024 bits (`RequiredRSASize`).
const TYPES: [(&str, &[Part]); 7] = [
    ("ssh-ed25519", &[Bytes(32)]),
    ("ssh-rsa", &[AtLeast(1), AtLeast(128)]),
    ("ecdsa-sha2-nistp256", &[Text("nistp256"), Bytes(65)]),
    ("ecdsa-sha2-nistp384", &[Text("nistp384"), Bytes(97)]),
    ("ecdsa-sha2-nistp521", &[Text("nistp521"), Bytes(133)]),
    ("sk-ssh-ed25519@openssh.com", &[Bytes(32), AtLeast(1)]),
    ("sk-ecdsa-sha2-nistp256@openssh.com", &[Text("nistp256"), Bytes(65), AtLeast(1)]),
];

/// Checks one line; the error says why sshd would not take it, or why it is not
/// wanted here.
pub(in crate::config) fn check(line: &str) -> Result<(), &'static str> {
    if line.chars().any(char::is_control) {
        return Err("must be one line without control characters");
    }
    let mut words = line.split(' ').filter(|word| !word.is_empty());
    let parts = |word: &str| TYPES.iter().find(|(name, _)| *name == word).map(|(_, parts)| *parts);
    let name = words.next().unwrap_or_default();
    let Some(parts) = parts(name) else {
        return Err(if words.any(|word| parts(word).is_some()) {
            "has options before the key, which are not taken: write type, key and comment alone"
        } else {
            "is no public key of OpenSSH: copy the line of the .pub file (ssh-ed25519, ssh-rsa from 1024 \
             bits on, ecdsa-sha2-nistp256, -384 or -521, sk-ssh-ed25519 or sk-ecdsa-sha2-nistp256)"
        });
    };
    let encoded = STANDARD.decode(words.next().unwrap_or_default());
    let whole = encoded.is_ok_and(|bytes| is_key(&bytes, name, parts));
    if whole { Ok(()) } else { Err("is damaged or cut off: copy the whole line of the .pub file") }
}

/// Whether `bytes` are the type, then `parts`, and nothing else.
fn is_key(bytes: &[u8], name: &str, parts: &[Part]) -> bool {
    let mut rest = bytes;
    take(&mut rest) == Some(name.as_bytes())
        && parts.iter().all(|part| {
            take(&mut rest).is_some_and(|found| match part {
                Bytes(length) => found.len() == *length,
                AtLeast(length) => found.len() >= *length,
                Text(text) => found == text.as_bytes(),
            })
        })
        && rest.is_empty()
}

/// Takes a string: its length in four bytes, most significant first, then
/// itself (RFC 4251 section 5).
fn take<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = rest.split_first_chunk::<4>()?;
    let (string, after) = after.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    *rest = after;
    Some(string)
}

#[cfg(test)]
mod tests;
