//! Bad input and bad circumstances, on the command line: one clear message
//! (what, where, what to do), the right exit status, nothing lost and nothing
//! half done. `usage.rs` has the declaration; these need root, as they mount
//! small disks and give up their rights.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing test panics")]

mod bundle;
mod interrupt;
mod place;
mod repository;
