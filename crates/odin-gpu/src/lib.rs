//! NVML -> samples -> facts: metrics, health verdicts, devices.

pub mod allocation;
pub mod cdi;
