//! What the owner of an appliance declares, and what ODIN reports about it.
//!
//! Declared -> plan -> apply -> observe -> report: this crate holds the first
//! and the last as plain data. It reads no file, no clock and no environment. [`promtail`] reads the words of
//! another declaration.

pub mod config;
pub mod event;
pub mod promtail;
pub mod report;
pub mod schedule;
pub mod unused;
