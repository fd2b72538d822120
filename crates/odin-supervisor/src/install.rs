//! Installation: the raw image onto a disk.
//!
//! A disk is chosen by a rule, its contents are shown, and one with data on it
//! is refused unless it is named again. What was written is read back from the
//! disk and compared.

pub mod boot_partition;
pub mod disks;
pub mod plan;
pub mod seed;
pub mod write;

/// Where the host's own values lie until the daemon's first start takes them
/// to the data partition: on the boot partition, which the image has and
/// installation can write.
pub const SITE: &str = "/boot/odin-site.toml";

/// Its name on the boot partition.
const SITE_FILE: &str = "odin-site.toml";
