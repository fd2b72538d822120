//! Sources, repository, check, restore, drill.
//!
//! Bytes flow source -> tree walk -> chunk -> blob -> pack -> index ->
//! snapshot, and the snapshot is written last: it exists only when all it
//! names is stored. The repository has the restic format, so a stock `restic`
//! reads it; why it is written by `rustic_core` and read by code of our own
//! is told in `docs/adr/0004-backup-engine.md`.
//!
//! Whatever changes something is planned first ([`source`], [`restore::plan`],
//! [`retention`]) and done by one executor. The crate is synchronous, knows no
//! Kubernetes, and meets the machine through small traits: [`source::Hooks`],
//! [`restore::Host`], [`steps::Steps`] and the observer of `odin-model`.

#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failing test panics")
)]

pub mod drill;
pub mod engine;
pub mod error;
pub mod manifest;
pub mod password;
pub mod prune;
pub mod record;
pub mod repository;
pub mod restore;
pub mod retention;
pub mod source;
pub mod steps;

mod beneath;
mod lock;
mod staging;
mod verify;
mod walk;

pub use error::{Error, Result};
