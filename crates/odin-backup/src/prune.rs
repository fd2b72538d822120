//! What a prune comes to, in figures; what it does is in [`crate::engine`].

use serde::{Deserialize, Serialize};

/// Packs and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Tally {
    /// How many.
    pub packs: u64,
    /// Their bytes in all.
    pub bytes: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, bytes: u64) {
        self.packs += 1;
        self.bytes += bytes;
    }
}

/// What a prune does, or did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Pruned {
    /// Snapshots whose data is kept.
    pub snapshots: u64,
    /// Packs there were before.
    pub before: Tally,
    /// Packs that no index names: what was cut off left them.
    pub orphaned: Tally,
    /// Packs of which no snapshot needs anything.
    pub unused: Tally,
    /// Packs whose needed part is written anew.
    pub repacked: Tally,
    /// Bytes written anew for them; what is needed of them in a plan.
    pub written: u64,
    /// Bytes of no use that stay within packs, below the limit.
    pub unused_left: u64,
}

impl Pruned {
    /// Bytes that become free.
    #[must_use]
    pub fn freed(&self) -> u64 {
        (self.orphaned.bytes + self.unused.bytes + self.repacked.bytes).saturating_sub(self.written)
    }

    /// Tells whether there is nothing to free.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.orphaned.packs + self.unused.packs + self.repacked.packs == 0
    }
}
