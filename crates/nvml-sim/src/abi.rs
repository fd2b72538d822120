//! NVML's C ABI.
//!
//! Each exported function is one line of a macro: its arguments, its outputs,
//! and the question to a [`Gpu`]. What all have in common is here: the order of
//! checks (initialised, handle known, hang, fault, value), no panic across the
//! boundary, and the writing through the caller's pointers.
#![allow(unsafe_code, reason = "this is a C ABI: callers pass pointers, symbols have fixed names")]

mod arrays;
mod devices;
mod events;
mod gpm;
mod instances;
#[cfg(not(feature = "old-driver"))]
mod newer;
mod numbers;
mod pointers;
mod structures;
mod system;
mod unsupported;
#[cfg(not(feature = "old-driver"))]
mod versioned;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use nvml_wrapper_sys::bindings::{nvmlDevice_t, nvmlReturn_t};

use crate::gpu::Gpu;
use crate::refusal::{Answer, Refusal};
use crate::world::{self, Snapshot, Target};

/// How often a call that hangs looks whether it still has to.
const PAUSE: Duration = Duration::from_millis(5);

/// Runs a call that is about no GPU.
fn on_system(call: &str, body: impl FnOnce(&Snapshot) -> Answer<()>) -> nvmlReturn_t {
    guarded(|| {
        held_up(call, None)?;
        let snapshot = world::snapshot()?;
        snapshot.refused(call, None)?;
        body(&snapshot)
    })
}

/// Runs a call about a GPU or MIG device.
fn on_device(call: &str, device: nvmlDevice_t, body: impl FnOnce(&Gpu<'_>) -> Answer<()>) -> nvmlReturn_t {
    guarded(|| {
        let snapshot = world::snapshot()?;
        let target = world::target(device as usize)?;
        let index = snapshot.gpu(&target)?.index;
        held_up(call, Some(index))?;
        let snapshot = world::snapshot()?;
        let gpu = snapshot.gpu(&target)?;
        snapshot.refused(call, Some(gpu.index))?;
        body(&gpu)
    })
}

/// Waits for as long as a fault holds the call up. Nothing is locked meanwhile:
/// only the calling thread hangs, and it comes back when the fault ends.
fn held_up(call: &str, gpu: Option<usize>) -> Answer<()> {
    let started = world::monotonic();
    loop {
        let delay = world::snapshot()?.delay(call, gpu);
        if delay.is_none_or(|delay| world::monotonic() - started >= delay) {
            return Ok(());
        }
        std::thread::sleep(PAUSE);
    }
}

fn guarded(body: impl FnOnce() -> Answer<()>) -> nvmlReturn_t {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => 0,
        Ok(Err(refusal)) => refusal.code(),
        Err(_) => Refusal::Unknown.code(),
    }
}

/// The handle of a GPU or MIG device. It is a number and never dereferenced.
fn handle(target: &Target) -> nvmlDevice_t {
    std::ptr::without_provenance_mut(world::handle(target))
}

/// Functions `name(device, arguments..., outputs...)` whose outputs are plain
/// values: `nvmlX(kind: u32; clock: u32) |gpu| answer;`.
macro_rules! number_getters {
    ($($(#[$meta:meta])* $name:ident($($argument:ident: $type:ty),*; $($output:ident: $target:ty),+) |$gpu:ident| $body:expr;)+) => {$(
        $(#[$meta])*
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(
            device: nvml_wrapper_sys::bindings::nvmlDevice_t,
            $($argument: $type,)*
            $($output: *mut $target),+
        ) -> nvml_wrapper_sys::bindings::nvmlReturn_t {
            $crate::abi::on_device(stringify!($name), device, |$gpu| {
                let value = $body?;
                // SAFETY: NVML's contract: outputs are null or point to what the
                // header declares.
                unsafe { $crate::abi::pointers::Store::store(($($output,)+), value) }
            })
        }
    )+};
}

/// Functions `name(device, char *text, unsigned length)`.
macro_rules! text_getters {
    ($($(#[$meta:meta])* $name:ident($($argument:ident: $type:ty),*) |$gpu:ident| $body:expr;)+) => {$(
        $(#[$meta])*
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(
            device: nvml_wrapper_sys::bindings::nvmlDevice_t,
            $($argument: $type,)*
            text: *mut std::ffi::c_char,
            length: std::ffi::c_uint,
        ) -> nvml_wrapper_sys::bindings::nvmlReturn_t {
            $crate::abi::on_device(stringify!($name), device, |$gpu| {
                let value = $body?;
                // SAFETY: NVML's contract: `text` is null or has `length` bytes.
                unsafe { $crate::abi::pointers::text(text, length, &value) }
            })
        }
    )+};
}

/// Functions `name(device, structure *)` that fill a structure: the body gets
/// `&mut` to the caller's. The versions say which `version` fields are taken;
/// none for structures without one.
macro_rules! structure_getters {
    ($($(#[$meta:meta])* $name:ident($type:ty $(, $version:expr)?) |$gpu:ident, $filled:ident| $body:expr;)+) => {$(
        $(#[$meta])*
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(
            device: nvml_wrapper_sys::bindings::nvmlDevice_t,
            structure: *mut $type,
        ) -> nvml_wrapper_sys::bindings::nvmlReturn_t {
            $crate::abi::on_device(stringify!($name), device, |$gpu| {
                // SAFETY: NVML's contract: null, or a structure of the header's type.
                let $filled = unsafe { $crate::abi::pointers::borrow(structure) }?;
                $($crate::abi::pointers::version::<$type>($filled.version, $version)?;)?
                $body
            })
        }
    )+};
}

use {number_getters, structure_getters, text_getters};
