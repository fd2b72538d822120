//! The only place that composes: declaration, cluster, backups and the machine
//! become operations, and the daemon carries them out on time.
//!
//! Every verb is one function in [`operations`]. The command line calls it in
//! its own process, or sends the same [`operations::Request`] to the daemon
//! over the control socket ([`client`]); the outcome is the same value.

mod alerting;
pub mod appliance;
mod bundle_in_force;
pub mod client;
pub mod daemon;
mod error;
pub mod gpu;
mod hooks;
pub mod host;
pub mod install;
pub mod interrupt;
pub mod job;
pub mod lock;
pub mod operations;
pub mod records;
mod secrets;
mod sources;
pub mod upgrade;
mod wire;

pub use error::{Error, Result};
