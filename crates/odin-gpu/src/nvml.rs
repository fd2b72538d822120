//! The library: opening it, and what it can be instead of open.
//!
//! A machine without a driver, with another driver than its library, or with a
//! file that is no library at all is a state that is told, not an error that
//! ends anything: the daemon looks again until the library opens.

pub(crate) mod raw;

use std::fmt;
use std::path::{Path, PathBuf};

use nvml_wrapper::Nvml;
use nvml_wrapper::error::NvmlError;

pub(crate) use raw::{Buffer, FieldBatch, Session, Value};

use crate::getters;

/// Name the driver installs; the dynamic linker knows where.
pub const LIBRARY: &str = "libnvidia-ml.so.1";

/// Result of one call.
pub(crate) type Result<T> = std::result::Result<T, Code>;

/// What NVML returned, by its number (`nvmlReturn_t` of nvml.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Code(pub u32);

impl Code {
    pub(crate) const UNINITIALIZED: Self = Self(1);
    pub(crate) const INVALID_ARGUMENT: Self = Self(2);
    pub(crate) const NOT_SUPPORTED: Self = Self(3);
    pub(crate) const NO_PERMISSION: Self = Self(4);
    pub(crate) const NOT_FOUND: Self = Self(6);
    pub(crate) const DRIVER_NOT_LOADED: Self = Self(9);
    pub(crate) const TIMEOUT: Self = Self(10);
    pub(crate) const FUNCTION_NOT_FOUND: Self = Self(13);
    pub(crate) const GPU_IS_LOST: Self = Self(15);
    pub(crate) const RESET_REQUIRED: Self = Self(16);
    pub(crate) const LIBRARY_MISMATCH: Self = Self(18);
    pub(crate) const NO_DATA: Self = Self(21);
    pub(crate) const UNKNOWN: Self = Self(999);

    pub(crate) fn check(status: u32) -> Result<()> {
        if status == 0 { Ok(()) } else { Err(Self(status)) }
    }

    /// Whether the device answers no further call either.
    pub(crate) fn ends_device(self) -> bool {
        matches!(self, Self::GPU_IS_LOST | Self::RESET_REQUIRED)
    }

    /// Whether the library answers no further call either.
    pub(crate) fn ends_library(self) -> bool {
        matches!(self, Self::UNINITIALIZED | Self::DRIVER_NOT_LOADED | Self::LIBRARY_MISMATCH)
    }

    /// The code as the wrapper reports it.
    pub(crate) fn of(error: &NvmlError) -> Self {
        match error {
            NvmlError::Uninitialized => Self::UNINITIALIZED,
            NvmlError::InvalidArg => Self::INVALID_ARGUMENT,
            NvmlError::NotSupported => Self::NOT_SUPPORTED,
            NvmlError::NoPermission => Self::NO_PERMISSION,
            NvmlError::NotFound => Self::NOT_FOUND,
            NvmlError::DriverNotLoaded => Self::DRIVER_NOT_LOADED,
            NvmlError::Timeout => Self::TIMEOUT,
            NvmlError::FunctionNotFound | NvmlError::FailedToLoadSymbol(_) => Self::FUNCTION_NOT_FOUND,
            NvmlError::GpuLost => Self::GPU_IS_LOST,
            NvmlError::ResetRequired => Self::RESET_REQUIRED,
            NvmlError::LibRmVersionMismatch => Self::LIBRARY_MISMATCH,
            NvmlError::NoData => Self::NO_DATA,
            _ => Self::UNKNOWN,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self.0 {
            1 => "NVML is not initialised",
            2 => "invalid argument",
            3 => "not supported",
            4 => "no permission",
            6 => "not found",
            9 => "the driver is not loaded",
            10 => "timeout",
            12 => "a library is missing",
            13 => "this driver has no such function",
            14 => "the inforom is corrupted",
            15 => "the GPU is lost",
            16 => "the GPU needs a reset",
            17 => "the operating system blocks the GPU",
            18 => "driver and library are of different versions",
            21 => "no data",
            25 => "the driver knows another version of the structure",
            999 => "an unknown error of the driver",
            other => return write!(formatter, "NVML error {other}"),
        };
        formatter.write_str(words)
    }
}

/// Why there is no library to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unavailable {
    /// It was not opened yet.
    Opening,
    /// No such file, here or where the dynamic linker looks.
    Missing(PathBuf),
    /// The file may not be read.
    Unreadable(PathBuf),
    /// It is not a shared library of this machine, or one it needs is missing.
    NotALibrary(PathBuf, String),
    /// It is a library, but not NVML.
    NotNvml(PathBuf),
    /// The library is there and the kernel driver is not.
    DriverNotLoaded,
    /// The driver refuses this user.
    NoPermission,
    /// Library and driver are of different versions.
    VersionMismatch,
    /// A call about all GPUs does not return.
    Hung,
    /// Anything else NVML said.
    Failed(Code),
}

impl Unavailable {
    /// All stable names, as the label `state` of `odin_gpu_library_state`.
    pub const NAMES: [&str; 10] = [
        "opening",
        "missing",
        "unreadable",
        "not_a_library",
        "not_nvml",
        "driver_not_loaded",
        "no_permission",
        "version_mismatch",
        "hung",
        "failed",
    ];

    /// Stable name of the state.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Opening => "opening",
            Self::Missing(_) => "missing",
            Self::Unreadable(_) => "unreadable",
            Self::NotALibrary(..) => "not_a_library",
            Self::NotNvml(_) => "not_nvml",
            Self::DriverNotLoaded => "driver_not_loaded",
            Self::NoPermission => "no_permission",
            Self::VersionMismatch => "version_mismatch",
            Self::Hung => "hung",
            Self::Failed(_) => "failed",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Opening => "wait a moment and ask again",
            Self::Missing(_) => "install the NVIDIA driver, or set gpu.library to its libnvidia-ml.so.1",
            Self::Unreadable(_) => "make the file readable for root, or set gpu.library to another",
            Self::NotALibrary(..) => "set gpu.library to the driver's own libnvidia-ml.so.1",
            Self::NotNvml(_) => "set gpu.library to libnvidia-ml.so.1; the file named is another library",
            Self::DriverNotLoaded => "load the kernel module (`modprobe nvidia`) and read `journalctl -k`",
            Self::NoPermission => "run as root, or give the user access to /dev/nvidiactl and /dev/nvidia*",
            Self::VersionMismatch => {
                "the driver was replaced while the old one is loaded: drain the node and reboot"
            }
            Self::Hung => "read `journalctl -k` for NVRM; a driver that does not answer needs a reboot",
            Self::Failed(_) => "read `journalctl -k` for NVRM and XID",
        }
    }

    fn of(path: &Path, error: &NvmlError) -> Self {
        match error {
            NvmlError::LibloadingError(error) => Self::not_loaded(path, &chain(error)),
            NvmlError::FailedToLoadSymbol(_) | NvmlError::FunctionNotFound => Self::NotNvml(path.to_owned()),
            NvmlError::DriverNotLoaded => Self::DriverNotLoaded,
            NvmlError::NoPermission => Self::NoPermission,
            NvmlError::LibRmVersionMismatch => Self::VersionMismatch,
            other => Self::Failed(Code::of(other)),
        }
    }

    /// The dynamic linker only says so in words (`dlerror(3)`).
    fn not_loaded(path: &Path, words: &str) -> Self {
        let found = path.components().count() > 1 && path.exists();
        if words.contains("Permission denied") {
            Self::Unreadable(path.to_owned())
        } else if !found && words.contains("No such file") {
            Self::Missing(path.to_owned())
        } else {
            Self::NotALibrary(path.to_owned(), words.to_owned())
        }
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Opening => formatter.write_str("the NVML library is being opened"),
            Self::Missing(path) => write!(formatter, "there is no NVML library {}", path.display()),
            Self::Unreadable(path) => write!(formatter, "may not read the NVML library {}", path.display()),
            Self::NotALibrary(path, words) => {
                write!(formatter, "cannot load {} as a library: {words}", path.display())
            }
            Self::NotNvml(path) => write!(formatter, "{} is a library, but not NVML", path.display()),
            Self::DriverNotLoaded => formatter.write_str("the NVIDIA driver is not loaded"),
            Self::NoPermission => formatter.write_str("the NVIDIA driver refuses this user"),
            Self::VersionMismatch => {
                formatter.write_str("the NVIDIA driver and its library are of different versions")
            }
            Self::Hung => formatter.write_str("the NVIDIA driver does not answer"),
            Self::Failed(code) => write!(formatter, "NVML cannot be used: {code}"),
        }
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words = format!("{words}: {error}");
        cause = error.source();
    }
    words
}

/// Opens and initialises the library at `path`, or where the linker finds it.
pub(crate) fn open(path: &Path) -> std::result::Result<Session, Unavailable> {
    let nvml: Nvml =
        Nvml::builder().lib_path(path.as_os_str()).init().map_err(|error| Unavailable::of(path, &error))?;
    Ok(Session::new(nvml, getters::all()))
}
