//! NVML -> samples -> facts.
//!
//! [`fleet`] keeps one thread for each GPU, which reads everything NVML tells
//! ([`catalogue`]: tables of fields and getters) into a sample; everything else
//! looks at samples and never calls the driver. A driver call that hangs stops
//! its own thread and nothing more: the age of that GPU's sample rises, and its
//! numbers leave the exposition before they are wrong.
//!
//! This crate knows no HTTP server and no client of Kubernetes; of the kubelet
//! it reads the socket that tells which pod has which device.

mod catalogue;
mod family;
mod fields;
mod getters;
pub mod identity;
pub mod nvml;
mod reader;
