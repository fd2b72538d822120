//! Plain values that calls fill.

/// Where a getter writes: words of eight bytes, aligned for every NVML type.
#[derive(Debug)]
pub(crate) struct Buffer(pub(super) [u64; Self::WORDS]);

impl Buffer {
    /// Enough for the largest structure of the table.
    pub(crate) const WORDS: usize = 160;

    pub(crate) fn new() -> Box<Self> {
        Box::new(Self([0; Self::WORDS]))
    }

    /// Bytes at `offset`, as NVML left them.
    pub(crate) fn bytes<const N: usize>(&self, offset: usize) -> [u8; N] {
        let mut bytes = [0; N];
        for (at, byte) in bytes.iter_mut().enumerate() {
            let at = offset + at;
            let word = self.0.get(at / 8).copied().unwrap_or_default();
            *byte = word.to_ne_bytes()[at % 8];
        }
        bytes
    }

    /// Writes a 32-bit word at a byte offset.
    pub(super) fn set_word(&mut self, offset: usize, word: u32) {
        let Some(slot) = self.0.get_mut(offset / 8) else { return };
        let mut bytes = slot.to_ne_bytes();
        if let Some(place) = bytes.get_mut(offset % 8..offset % 8 + 4) {
            place.copy_from_slice(&word.to_ne_bytes());
        }
        *slot = u64::from_ne_bytes(bytes);
    }
}

/// A number as NVML gave it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value {
    Unsigned(u64),
    Signed(i64),
    Float(f64),
}

/// A kind of GPU instance, as NVML tells it.
#[derive(Clone, Debug)]
pub(crate) struct KindInfo {
    pub(crate) id: u32,
    pub(crate) slices: u32,
    pub(crate) instances: u32,
    pub(crate) memory_mib: u64,
    /// None from a library that does not tell names.
    pub(crate) name: Option<String>,
}
