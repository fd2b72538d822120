//! The only place that composes: declaration, cluster, backups and the machine
//! become operations, and the daemon carries them out on time.
//!
//! Every verb is one function in [`operations`]. The command line calls it in
//! its own process, or sends the same [`operations::Request`] to the daemon
//! over the control socket ([`client`]); the outcome is the same value.

mod alerting;
mod api;
pub mod appliance;
mod applies;
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
pub mod journal;
pub mod lock;
pub mod operations;
mod preparation;
pub mod records;
mod scrape;
mod secrets;
mod sources;
mod tls;
pub mod tokens;
pub mod upgrade;
mod wire;

pub use error::{Error, Result};
