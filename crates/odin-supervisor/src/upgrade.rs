//! Upgrades with a way back.
//!
//! A new generation is staged: the old boot entry stays the default and the
//! new one is set for one boot. When it comes up it is judged, and either made
//! the default or left for good, by one reboot. [`record`] is what survives a
//! power cut, [`decide`] what happens next, [`machine`] the boot loader and the
//! profiles, [`execute`] carries steps out (docs/adr/0009-upgrades.md).

pub mod decide;
pub mod entries;
pub mod execute;
pub mod generation;
pub mod gpus;
pub mod machine;
pub(crate) mod obstacles;
pub mod profile;
pub mod record;
