//! What can be wrong with a GPU, and since when.

use serde::Deserialize;

use crate::refusal::Refusal;

/// One fault of a scenario: what, where and when.
///
/// Three keys belong to all kinds (`gpu`, `after`, `for`); the rest is the
/// kind's own, so a key of another kind is refused.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "toml::Table")]
pub struct Fault {
    /// Index of the GPU; none means all of them.
    pub gpu: Option<usize>,
    /// Seconds between the fault being read and it beginning.
    pub after: f64,
    /// Seconds it lasts; for ever where none.
    pub duration: Option<f64>,
    /// What is wrong.
    pub kind: Kind,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields, rename_all_fields = "kebab-case")]
pub enum Kind {
    /// Known, but every call about it says that it is lost.
    Lost {},
    /// XID 79: no handle can be had any more, and old ones are lost.
    OffBus {},
    /// The driver reports an XID, to event sets.
    Xid {
        /// Number of the XID.
        code: u64,
        /// Seconds after which it is reported again.
        every: Option<f64>,
    },
    /// Corrected memory errors.
    EccSingle {
        /// Errors at once.
        #[serde(default = "one")]
        count: u64,
        /// Errors a second after that.
        #[serde(default)]
        rate: f64,
        /// Where.
        #[serde(default)]
        location: Location,
    },
    /// Uncorrected memory errors; XID 48 comes with them.
    EccDouble {
        /// Errors at once.
        #[serde(default = "one")]
        count: u64,
        /// Where.
        #[serde(default)]
        location: Location,
    },
    /// A row is to be remapped, or a page to be retired, at the next reset.
    RemapPending {
        /// Rows for corrected errors.
        #[serde(default)]
        correctable: u32,
        /// Rows for uncorrected errors.
        #[serde(default = "one")]
        uncorrectable: u32,
    },
    /// Rows were remapped, or pages retired.
    Remapped {
        /// Rows for corrected errors.
        #[serde(default)]
        correctable: u32,
        /// Rows for uncorrected errors.
        #[serde(default = "one")]
        uncorrectable: u32,
    },
    /// No spare row was left.
    RemapFailed {},
    /// The chip is too hot, and the hardware lowers its clocks.
    ThermalSlowdown {
        /// Degrees; above the slowdown threshold where none.
        temperature: Option<u32>,
    },
    /// The server asserts the power brake, and the clocks fall.
    PowerSlowdown {},
    /// The draw is held at the limit by software.
    PowerCap {},
    /// The link to the host trained at less than it can.
    PcieDowntrained {
        /// Generation it trained at.
        generation: Option<u32>,
        /// Lanes it trained at.
        width: Option<u32>,
    },
    /// The link to the host repeats itself.
    PcieReplays {
        /// Replays a second.
        rate: f64,
    },
    /// Links count errors.
    NvlinkErrors {
        /// Which link; none means all.
        link: Option<u32>,
        /// Errors a second and link.
        rate: f64,
    },
    /// A link is down.
    NvlinkDown {
        /// Which link; none means all.
        link: Option<u32>,
    },
    /// Calls do not come back while it lasts.
    Hang {
        /// Names of functions; empty means every call about the GPU.
        #[serde(default)]
        calls: Vec<String>,
    },
    /// Calls take longer than they should.
    Slow {
        /// How much longer.
        seconds: f64,
        /// Names of functions; empty means every call about the GPU.
        #[serde(default)]
        calls: Vec<String>,
    },
    /// Calls answer that they are not supported.
    NotSupported {
        /// Names of functions; empty means every getter about the GPU.
        #[serde(default)]
        calls: Vec<String>,
    },
    /// Calls fail.
    Fails {
        /// With what.
        error: Refusal,
        /// Names of functions, those without a GPU (`nvmlInit_v2`) among them;
        /// empty means every call about the GPU.
        #[serde(default)]
        calls: Vec<String>,
    },
}

/// Memory of the chip; the order is that of `nvmlMemoryLocation_t`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u32)]
pub enum Location {
    /// L1 cache.
    L1Cache = 0,
    /// L2 cache.
    L2Cache = 1,
    /// The memory beside the chip.
    #[default]
    DeviceMemory = 2,
    /// Registers.
    RegisterFile = 3,
    /// Texture memory.
    TextureMemory = 4,
    /// Convergence barrier unit.
    Cbu = 6,
    /// Any memory on the chip.
    Sram = 7,
}

fn one<T: From<u8>>() -> T {
    T::from(1)
}

impl TryFrom<toml::Table> for Fault {
    type Error = String;

    fn try_from(mut table: toml::Table) -> Result<Self, String> {
        let gpu = match table.remove("gpu") {
            None => None,
            Some(value) => Some(value.try_into().map_err(|_| "`gpu` is an index, 0 or higher".to_owned())?),
        };
        let after = seconds(&mut table, "after")?.unwrap_or(0.0);
        let duration = seconds(&mut table, "for")?;
        let kind = Kind::deserialize(table).map_err(|error| error.to_string().trim_end().to_owned())?;
        Ok(Self { gpu, after, duration, kind })
    }
}

fn seconds(table: &mut toml::Table, key: &str) -> Result<Option<f64>, String> {
    let Some(value) = table.remove(key) else { return Ok(None) };
    let number: f64 = match value {
        toml::Value::Integer(whole) => i32::try_from(whole).map(f64::from).unwrap_or(f64::NAN),
        toml::Value::Float(number) => number,
        _ => f64::NAN,
    };
    if number.is_finite() && number >= 0.0 {
        Ok(Some(number))
    } else {
        Err(format!("`{key}` is a number of seconds, 0 or more"))
    }
}

/// A fault with the time at which this library first read it.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// The fault.
    pub fault: Fault,
    /// When it was read, in the scenario's time.
    pub seen: f64,
}

impl Observed {
    /// When it begins.
    #[must_use]
    pub fn start(&self) -> f64 {
        self.seen + self.fault.after
    }

    /// How long it has lasted, up to its end. None before it begins.
    #[must_use]
    pub fn lasted(&self, now: f64) -> Option<f64> {
        let elapsed = now - self.start();
        (elapsed >= 0.0).then(|| self.fault.duration.map_or(elapsed, |duration| elapsed.min(duration)))
    }

    /// Whether it is there now.
    #[must_use]
    pub fn active(&self, now: f64) -> bool {
        let elapsed = now - self.start();
        elapsed >= 0.0 && self.fault.duration.is_none_or(|duration| elapsed < duration)
    }

    /// Whether it is about this GPU.
    #[must_use]
    pub fn concerns(&self, gpu: usize) -> bool {
        self.fault.gpu.is_none_or(|index| index == gpu)
    }
}
