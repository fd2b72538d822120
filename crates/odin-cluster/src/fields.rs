//! Fields of objects: who owns them, what they hold, how two objects differ.
//!
//! The API server rewrites what it is given (quantities, defaults, empty
//! maps), so "declared equals live" cannot be decided by comparing text. What
//! can be compared exactly is the set of fields ODIN owns with the values they
//! had after the last apply: their digest is kept in the inventory. Comparing
//! declared with live is left to predictions and to telling a person what
//! changed.

mod diff;
mod ownership;

use serde_json::Value;
use sha2::{Digest, Sha256};

pub use diff::{FieldChange, changes, show};
pub use ownership::{Owner, at, extract, managed, owned_digest, owner, removed};

/// Name under which ODIN owns fields.
pub const FIELD_MANAGER: &str = "odin";

/// Digest of a value: independent of the order of keys, 16 hexadecimal digits.
#[must_use]
pub fn digest(value: &Value) -> String {
    let mut text = String::new();
    canonical(value, &mut text);
    hex(&Sha256::digest(text.as_bytes()), 8)
}

/// Writes the first bytes of a hash as hexadecimal digits.
#[must_use]
pub(crate) fn hex(bytes: &[u8], count: usize) -> String {
    bytes.iter().take(count).map(|byte| format!("{byte:02x}")).collect()
}

/// JSON with sorted keys, whatever map serde_json was compiled with.
fn canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort_unstable();
            out.push('{');
            for key in keys {
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                canonical(&map[key.as_str()], out);
                out.push(',');
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for item in items {
                canonical(item, out);
                out.push(',');
            }
            out.push(']');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}

#[cfg(test)]
mod tests;
