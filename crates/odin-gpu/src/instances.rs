//! MIG devices of a GPU.

use nvml_wrapper::Device;
use nvml_wrapper::enums::device::MigMode as _;

use crate::nvml::Session;
use crate::sample::Instance;
