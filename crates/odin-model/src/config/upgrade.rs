//! What a new generation needs before it is staged, and to be confirmed.

use std::time::Duration;

use jiff::fmt::serde::unsigned_duration::friendly::compact;
use serde::{Deserialize, Serialize};

use super::Impossible;

/// `[upgrade]`: when a generation may be staged, and when it is good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Upgrade {
    /// How long a new generation has, after its boot, to become well; then it
    /// is given up.
    #[serde(with = "compact::required")]
    pub deadline: Duration,
    /// How long it must be well without a break to be confirmed.
    #[serde(with = "compact::required")]
    pub steady: Duration,
    /// Age of the newest snapshot up to which `odin upgrade apply` takes no
    /// other.
    #[serde(with = "compact::required")]
    pub fresh_backup: Duration,
    /// Free space, in MiB, that the store needs for an upgrade.
    pub free_store_mib: u64,
    /// Free space, in MiB, that the boot partition needs for an upgrade.
    pub free_boot_mib: u64,
    /// Units that must be active besides K3s' and ODIN's own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub units: Vec<String>,
}

impl Default for Upgrade {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(15 * 60),
            steady: Duration::from_secs(30),
            fresh_backup: Duration::from_secs(60 * 60),
            free_store_mib: 2048,
            free_boot_mib: 96,
            units: Vec::new(),
        }
    }
}

impl Upgrade {
    pub(super) fn validate(&self) -> Result<(), Impossible> {
        if self.deadline <= self.steady {
            return Err(Impossible::new(
                "upgrade.deadline",
                format!("{}s", self.deadline.as_secs()),
                "must be longer than upgrade.steady, or no generation is ever confirmed",
            ));
        }
        if let Some(unit) = self.units.iter().find(|unit| !unit.contains('.')) {
            return Err(Impossible::new(
                "upgrade.units",
                unit,
                "must be a systemd unit with its suffix, for example \"sshd.service\"",
            ));
        }
        Ok(())
    }
}
