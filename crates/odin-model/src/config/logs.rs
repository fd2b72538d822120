//! The journal as files for a collector.

use bytesize::ByteSize;
use serde::{Deserialize, Serialize};

use super::Impossible;

/// Below this, rotation would cost more than writing, and the first bytes by
/// which a collector knows a file would be too much of it.
const SMALLEST: ByteSize = ByteSize::mib(1);
/// A larger file is no file for a collector.
const LARGEST: ByteSize = ByteSize::gib(1);

/// `[logs]`: the host's side of logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Logs {
    /// Size at which a file of the journal's lines is rotated. The file may
    /// grow larger by one line that is longer than that.
    #[serde(with = "size")]
    pub journal_file_size: ByteSize,
    /// How many such files are kept, the one that grows among them. What a
    /// collector has not read of the oldest is gone for it.
    pub journal_files: u32,
}

impl Default for Logs {
    fn default() -> Self {
        Self { journal_file_size: ByteSize::mib(32), journal_files: 8 }
    }
}

impl Logs {
    pub(super) fn validate(&self) -> Result<(), Impossible> {
        if !(SMALLEST..=LARGEST).contains(&self.journal_file_size) {
            return Err(Impossible::new(
                "logs.journal-file-size",
                size::write(self.journal_file_size),
                "must be between 1MiB and 1GiB",
            ));
        }
        if !(2..=1000).contains(&self.journal_files) {
            return Err(Impossible::new(
                "logs.journal-files",
                self.journal_files,
                "must be between 2 and 1000: one grows while a collector reads another to its end",
            ));
        }
        Ok(())
    }
}

/// `32MiB`, in the largest unit that says it exactly.
mod size {
    use bytesize::ByteSize;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn write(size: ByteSize) -> String {
        let units = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
        let bytes = size.as_u64();
        units
            .into_iter()
            .find(|(_, shift)| bytes > 0 && bytes.trailing_zeros() >= *shift)
            .map_or_else(|| format!("{bytes}B"), |(unit, shift)| format!("{}{unit}", bytes >> shift))
    }

    pub(super) fn serialize<S: Serializer>(size: &ByteSize, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&write(*size))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ByteSize, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|_| D::Error::custom(format!("{text:?} is no size; write it like \"32MiB\"")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_written_as_they_are_read() {
        for (size, text) in [
            (ByteSize::mib(32), "32MiB"),
            (ByteSize::gib(1), "1GiB"),
            (ByteSize::kib(1536), "1536KiB"),
            (ByteSize::b(5_000_001), "5000001B"),
        ] {
            assert_eq!(size::write(size), text);
            let read: Logs = toml::from_str(&format!("journal-file-size = {text:?}")).expect(text);
            assert_eq!(read.journal_file_size, size);
        }
    }
}
