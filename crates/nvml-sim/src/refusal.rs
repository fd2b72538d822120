//! The ways in which NVML says no.

use serde::Deserialize;

/// An `nvmlReturn_t` other than success; the discriminants are NVML's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u32)]
pub enum Refusal {
    /// `nvmlInit` was not called, or undone.
    Uninitialized = 1,
    /// An argument cannot be.
    InvalidArgument = 2,
    /// The device cannot do this.
    NotSupported = 3,
    /// The caller may not do this.
    NoPermission = 4,
    /// Nothing of that name.
    NotFound = 6,
    /// The caller's buffer is too small.
    InsufficientSize = 7,
    /// The device lacks external power.
    InsufficientPower = 8,
    /// The kernel module is not loaded.
    DriverNotLoaded = 9,
    /// The time ran out.
    Timeout = 10,
    /// The kernel found an interrupt problem.
    IrqIssue = 11,
    /// A shared library is missing.
    LibraryNotFound = 12,
    /// The driver does not have the function.
    FunctionNotFound = 13,
    /// The board's own description is damaged.
    CorruptedInforom = 14,
    /// The device is off the bus or otherwise out of reach.
    GpuIsLost = 15,
    /// The device wants a reset first.
    ResetRequired = 16,
    /// The operating system blocked the request.
    OperatingSystem = 17,
    /// Library and kernel module are of different versions.
    LibRmVersionMismatch = 18,
    /// The device is in use.
    InUse = 19,
    /// No memory.
    Memory = 20,
    /// Nothing was recorded.
    NoData = 21,
    /// Not enough of something the device has.
    InsufficientResources = 23,
    /// The structure's version is not one this library knows.
    ArgumentVersionMismatch = 25,
    /// The function was given up.
    Deprecated = 26,
    /// Not yet.
    NotReady = 27,
    /// No GPU was found.
    GpuNotFound = 28,
    /// Not in this state.
    InvalidState = 29,
    /// Anything else.
    Unknown = 999,
}

impl Refusal {
    /// The number NVML returns.
    #[must_use]
    pub fn code(self) -> u32 {
        self as u32
    }
}

/// What a getter gives: the value, or why there is none.
pub type Answer<T> = Result<T, Refusal>;
