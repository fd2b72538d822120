//! One GPU of a scenario with all defaults filled in.

use crate::curve::Curve;
use crate::profile::{self, Profile};
use crate::scenario::{Process, Scenario};

/// A GPU: model, identity, and what it does over time.
#[derive(Clone, Debug)]
pub struct Card {
    /// Model.
    pub profile: &'static Profile,
    /// `GPU-` and a UUID.
    pub uuid: String,
    /// Serial number.
    pub serial: String,
    /// PCI bus number.
    pub bus: u32,
    /// Utilization in percent.
    pub load: Curve,
    /// Percent of the memory in use beside that of processes.
    pub memory: Curve,
    /// Degrees, in place of what follows from the load.
    pub temperature: Option<Curve>,
    /// Power limit in watts.
    pub power_limit: f64,
    /// Whether ECC is on.
    pub ecc: bool,
    /// Whether persistence mode is on.
    pub persistence: bool,
    /// Fans.
    pub fans: u32,
    /// GPU instances; none where MIG mode is off.
    pub mig: Option<Vec<String>>,
    /// What runs on it.
    pub processes: Vec<Process>,
    /// Work done before `since`, in percent times seconds.
    pub work: f64,
    /// From when on `load` tells the work.
    pub since: f64,
}

impl Card {
    /// All GPUs of a scenario. What a GPU with the same UUID did before goes on
    /// being counted: a counter must not fall because a curve changed.
    ///
    /// # Errors
    /// A model is unknown.
    pub fn all(scenario: &Scenario, before: &[Self], now: f64) -> Result<Vec<Self>, String> {
        (0..scenario.count())
            .map(|index| {
                let mut card = Self::new(scenario, index)?;
                if let Some(old) = before.iter().find(|old| old.uuid == card.uuid) {
                    card.work = old.worked(now);
                    card.since = now;
                }
                Ok(card)
            })
            .collect()
    }

    fn new(scenario: &Scenario, index: usize) -> Result<Self, String> {
        let gpu = scenario.gpu(index);
        let profile = profile::named(gpu.profile.as_deref().unwrap_or(&scenario.profile))?;
        let bus = u32::try_from(index).map_err(|error| error.to_string())? * 0x0B + 0x0B;
        Ok(Self {
            profile,
            uuid: gpu.uuid.unwrap_or_else(|| uuid("GPU", scenario.seed, index, 0)),
            serial: gpu.serial.unwrap_or_else(|| {
                format!("{:013}", 1_650_000_000_000 + scramble(scenario.seed, index, 7) % 9_999_999)
            }),
            bus,
            load: gpu.load.unwrap_or_else(|| scenario.load.clone()),
            memory: gpu.memory.unwrap_or_else(|| scenario.memory.clone()),
            temperature: gpu.temperature,
            power_limit: gpu
                .power_limit
                .unwrap_or(profile.power.limit)
                .clamp(profile.power.minimum, profile.power.maximum),
            ecc: gpu.ecc.unwrap_or(true),
            persistence: gpu.persistence.unwrap_or(true),
            fans: gpu.fans,
            mig: gpu.mig,
            processes: gpu.process,
            work: 0.0,
            since: 0.0,
        })
    }

    /// The area under the utilization, in percent times seconds.
    #[must_use]
    pub fn worked(&self, now: f64) -> f64 {
        self.work + (self.load.integral(now) - self.load.integral(self.since)).max(0.0)
    }
}

/// A number that looks random and is always the same (splitmix64).
#[must_use]
pub fn scramble(seed: u32, index: usize, salt: u64) -> u64 {
    let index = u64::try_from(index).unwrap_or(u64::MAX);
    let mut z = u64::from(seed)
        .wrapping_mul(0x9E37_79B9_7F4A_7C15)
        .wrapping_add(index.wrapping_mul(0xD1B5_4A32_D192_ED03))
        .wrapping_add(salt.wrapping_mul(0x8CB9_2BA7_2F3D_8DD7));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A UUID of version 4's form that is always the same.
#[must_use]
pub fn uuid(prefix: &str, seed: u32, index: usize, salt: u64) -> String {
    let high = scramble(seed, index, salt * 2 + 1);
    let low = scramble(seed, index, salt * 2 + 2);
    format!(
        "{prefix}-{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xFFFF,
        high & 0xFFF,
        0x8000 | (low >> 48) & 0x3FFF,
        low & 0xFFFF_FFFF_FFFF
    )
}
