//! `nvml-sim`: a `libnvidia-ml.so.1` of our own, for tests on machines without
//! a GPU.
//!
//! It has NVML's C ABI (names and structures of the public header) and answers
//! from a scenario file, which the environment variable [`world::VARIABLE`]
//! names and which may change while it runs. Clients need not know: whatever
//! loads NVML can load this.
//!
//! The layers, from the outside in: [`mod@abi`] turns C calls into questions
//! about a [`gpu::Gpu`] and is the only place with `unsafe`; `gpu` answers as a
//! pure function of [`scenario::Scenario`], [`profile::Profile`] and time;
//! [`world`] reads the file, keeps the clock and hands out handles.
//!
//! The built file is `libnvml_sim.so` beside the other products of Cargo; its
//! SONAME is `libnvidia-ml.so.1`. A test in Rust that has this crate among its
//! dev-dependencies finds it with [`library`]; `README.md` says how others do.

use std::path::PathBuf;

mod abi;
pub mod card;
pub mod curve;
pub mod fault;
pub mod gpu;
pub mod profile;
pub mod refusal;
pub mod round;
pub mod scenario;
pub mod world;

/// The built library, for tests that load it: beside the test's own executable
/// (`target/*/deps`), where Cargo puts it when this crate is a dev-dependency.
///
/// # Errors
/// The executable's path is unknown, or the file is not there.
pub fn library() -> std::io::Result<PathBuf> {
    let executable = std::env::current_exe()?;
    let places = executable.ancestors().skip(1).take(2).map(|directory| directory.join("libnvml_sim.so"));
    places.into_iter().find(|path| path.is_file()).ok_or_else(|| {
        std::io::Error::new(
            std::io::ErrorKind::NotFound,
            format!(
                "no libnvml_sim.so beside {}; build it with `cargo build -p nvml-sim`",
                executable.display()
            ),
        )
    })
}
