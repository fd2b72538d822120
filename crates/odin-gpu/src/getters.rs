//! Every getter of NVML that yields a number, as data.
//!
//! Symbols, selectors and layouts are those of nvml.h, API version 13 (go-nvml
//! v0.13.3). Where a getter gives what a field or an earlier row gives, both
//! name the same sample: the earlier one wins, the later one answers where an
//! older driver lacks the first.

mod clocks;
mod errors;
mod instance;
mod links;
mod memory;
mod state;
mod thermal;

/// What a number is repeated over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Each {
    /// Nothing: one call.
    Device,
    /// The links of the device, one sample each.
    Link,
    /// The links of the device, added up.
    SumOfLinks,
    /// The links of the device, the largest.
    MaximumOfLinks,
    /// The fans of the device, one sample each.
    Fan,
    /// The MIG devices; the whole GPU is not asked.
    Instance,
}

/// What a getter writes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Out {
    /// Number of out parameters; each has a slot of eight bytes, and a single
    /// one has the whole buffer.
    pub(crate) count: usize,
    /// Bytes of the structure, or of the slots.
    pub(crate) size: usize,
    /// Words that are set before the call: versions, and what is asked for.
    pub(crate) words: &'static [(usize, u32)],
}

/// How a number lies in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    U8,
    U32,
    I32,
    U64,
    /// One bit of a 64-bit mask, as 0 or 1.
    Bit(u32),
}

/// One number a getter gives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Number {
    pub(crate) word: Word,
    pub(crate) offset: usize,
    /// The metric.
    pub(crate) family: &'static str,
    /// Labels that tell the samples of one metric apart.
    pub(crate) labels: &'static str,
    /// From NVML's unit to the base unit.
    pub(crate) scale: f64,
    /// Offset of a 32-bit word that is 0 when the number means nothing.
    pub(crate) unless_zero: Option<usize>,
}

/// One call.
#[derive(Debug)]
pub(crate) struct Getter {
    pub(crate) symbol: &'static str,
    pub(crate) select: &'static [u32],
    pub(crate) each: Each,
    pub(crate) out: Out,
    pub(crate) numbers: &'static [Number],
}

impl Getter {
    /// Stands for the link or fan asked for.
    pub(crate) const EACH: u32 = 0xFFFF_FF00;

    /// Whether it changes only with a setting, a driver or a reset; such
    /// getters are read now and then ([`crate::catalogue::Cadence`]).
    pub(crate) fn is_steady(&self) -> bool {
        STEADY.contains(&self.symbol)
    }
}

impl Number {
    const fn labels(self, labels: &'static str) -> Self {
        Self { labels, ..self }
    }

    const fn times(self, scale: f64) -> Self {
        Self { scale, ..self }
    }

    const fn unless_zero(self, offset: usize) -> Self {
        Self { unless_zero: Some(offset), ..self }
    }
}

const fn number(word: Word, offset: usize, family: &'static str) -> Number {
    Number { word, offset, family, labels: "", scale: 1.0, unless_zero: None }
}

/// `count` separate outs.
const fn outs(count: usize) -> Out {
    Out { count, size: 8 * count, words: &[] }
}

/// One structure without a version.
const fn plain(size: usize) -> Out {
    Out { count: 1, size, words: &[] }
}

/// One structure whose first word is its version (`NVML_STRUCT_VERSION`).
const fn versioned(size: usize, words: &'static [(usize, u32)]) -> Out {
    Out { count: 1, size, words }
}

/// Version word of a structure of `size` bytes.
const fn version(size: u32, version: u32) -> u32 {
    size | (version << 24)
}

const STEADY: &[&str] = &[
    "nvmlDeviceGetAddressingMode",
    "nvmlDeviceGetArchitecture",
    "nvmlDeviceGetBoardId",
    "nvmlDeviceGetBrand",
    "nvmlDeviceGetBridgeChipInfo",
    "nvmlDeviceGetBusType",
    "nvmlDeviceGetCapabilities",
    "nvmlDeviceGetCudaComputeCapability",
    "nvmlDeviceGetDefaultApplicationsClock",
    "nvmlDeviceGetDefaultEccMode",
    "nvmlDeviceGetGpuMaxPcieLinkGeneration",
    "nvmlDeviceGetInforomConfigurationChecksum",
    "nvmlDeviceGetIrqNum",
    "nvmlDeviceGetMaxClockInfo",
    "nvmlDeviceGetMaxCustomerBoostClock",
    "nvmlDeviceGetMaxMigDeviceCount",
    "nvmlDeviceGetMaxPcieLinkGeneration",
    "nvmlDeviceGetMaxPcieLinkWidth",
    "nvmlDeviceGetMemoryBusWidth",
    "nvmlDeviceGetMinMaxClockOfPState",
    "nvmlDeviceGetMinMaxFanSpeed",
    "nvmlDeviceGetMinorNumber",
    "nvmlDeviceGetModuleId",
    "nvmlDeviceGetMultiGpuBoard",
    "nvmlDeviceGetNumFans",
    "nvmlDeviceGetNumGpuCores",
    "nvmlDeviceGetNumaNodeId",
    "nvmlDeviceGetNvLinkCapability",
    "nvmlDeviceGetNvLinkRemoteDeviceType",
    "nvmlDeviceGetPcieLinkMaxSpeed",
    "nvmlDeviceGetPlatformInfo",
    "nvmlDeviceGetPowerManagementDefaultLimit",
    "nvmlDeviceGetPowerManagementLimitConstraints",
    "nvmlDeviceGetSupportedClocksEventReasons",
    "nvmlDeviceGetSupportedClocksThrottleReasons",
    "nvmlDeviceGetSupportedEventTypes",
    "nvmlDeviceGetTemperatureThreshold",
    "nvmlDeviceGetVgpuCapabilities",
    "nvmlDeviceGetVgpuSchedulerCapabilities",
];

/// All getters, in the order in which they are read.
pub(crate) fn all() -> impl Iterator<Item = &'static Getter> {
    [
        clocks::CLOCKS,
        memory::MEMORY,
        thermal::THERMAL,
        errors::ERRORS,
        links::LINKS,
        state::STATE,
        instance::INSTANCE,
    ]
    .into_iter()
    .flatten()
}

#[cfg(test)]
mod tests;
