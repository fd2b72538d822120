//! The fleet against a simulated `libnvidia-ml.so.1` (crates/nvml-sim).
//!
//! NVML's state is that of the process, and a call that hangs ends only with
//! it: every test runs in a process of its own ([`support::in_child`]). Not
//! looked at here: a real driver.

#![allow(clippy::expect_used, clippy::panic, reason = "a failing test panics")]

mod bad_input;
mod devices;
mod faults;
mod fleet;
mod health;
mod kubelet;
mod pods;
mod support;
