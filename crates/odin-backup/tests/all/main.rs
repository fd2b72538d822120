//! The crate from outside: repositories on a real disk, a stock restic as
//! judge, processes killed, bits flipped, disks filled.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failing test panics")]
#![allow(missing_docs, unreachable_pub, reason = "nothing here is an interface")]

mod bad_input;
mod damage;
mod faults;
mod properties;
mod prune;
mod restore;
mod roundtrip;
mod support;
mod vanish;
