//! NVML -> samples -> facts.
//!
//! [`Fleet`] keeps one thread for each GPU, which reads everything NVML tells
//! (tables of fields and getters) into a sample; everything else looks at
//! samples and never calls the driver. A driver call that hangs stops its own
//! thread and nothing more: the age of that GPU's sample rises, and its numbers
//! leave the exposition before they are wrong.
//!
//! [`allocation`] and [`cdi`] turn what is known of the GPUs into devices a
//! scheduler can give out; both are pure. [`Devices`] feeds them.
//!
//! This crate knows no HTTP server and no client of Kubernetes; of the kubelet
//! it reads the socket that tells which pod has which device.

mod account;
pub mod allocation;
mod catalogue;
pub mod cdi;
pub mod coverage;
mod dcgm;
mod devices;
mod events;
mod exposition;
mod family;
mod fields;
mod fleet;
mod getters;
pub mod health;
mod identity;
mod instances;
mod labels;
pub mod nvml;
mod pods;
mod process;
mod rates;
mod reader;
pub mod reference;
mod sample;
mod xid;

pub use devices::Devices;
pub use exposition::CONTENT_TYPE;
pub use fleet::{Fleet, Options};
pub use identity::Identity;
pub use pods::PodSource;
pub use sample::State;
