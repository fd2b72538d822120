//! What a model of GPU is: the figures that do not change while it runs.
//!
//! The figures are data (`src/profiles/*.toml`, each with its sources); this
//! file says only which there are. No source is public for what differs between
//! boards of one model: subsystem identifiers, part numbers, versions of VBIOS
//! and InfoROM have the right form and may be of another revision; power and
//! temperature without work, and temperature under full load, are plausible.
//! Memory of MIG instances is that of their names, rounded to what fits.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

/// One model.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Profile {
    /// As the driver names it.
    pub name: String,
    /// Generation of the chip.
    pub architecture: Architecture,
    /// CUDA compute capability.
    pub compute_capability: (i32, i32),
    /// PCI device in the upper half, vendor in the lower.
    pub device_id: u32,
    /// PCI subsystem, in the same form.
    pub subsystem_id: u32,
    /// NVIDIA's number of the board.
    pub board_part_number: String,
    /// Version of the board's firmware.
    pub vbios: String,
    /// Version of the board's description of itself.
    pub inforom_image: String,
    /// CUDA cores.
    pub cores: u32,
    /// Memory as the driver counts it.
    pub memory_mib: u32,
    /// Memory the driver keeps for itself.
    pub reserved_mib: u32,
    /// Window through which the CPU sees the memory.
    pub bar1_mib: u32,
    /// Memory bus in bits.
    pub bus_width: u32,
    /// How the board is built in.
    pub form: Form,
    /// Memory banks whose rows are remapped when bad (Ampere and later); none
    /// where pages are retired instead.
    pub remap_banks: Option<u32>,
    /// Frequencies.
    pub clocks: Clocks,
    /// Power.
    pub power: Power,
    /// Temperatures.
    pub temperature: Temperature,
    /// The bus to the host.
    pub pcie: Pcie,
    /// Links between GPUs; none on most cards.
    pub nvlink: Option<Nvlink>,
    /// Video engines.
    pub engines: Engines,
    /// GPU instance profiles; empty where MIG is not supported.
    #[serde(default)]
    pub mig: Vec<MigProfile>,
}

/// Generation; the numbers are NVML's `NVML_DEVICE_ARCH_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u32)]
pub enum Architecture {
    /// T4.
    Turing = 6,
    /// A100.
    Ampere = 7,
    /// L40S.
    Ada = 8,
    /// H100, H200.
    Hopper = 9,
    /// B200.
    Blackwell = 10,
}

/// How the board is built in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// A PCIe card cooled by the server's fans.
    Passive,
    /// A module on a baseboard with NVSwitches.
    Sxm,
}

/// Frequencies in MHz.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Clocks {
    /// Highest of graphics and SM.
    pub graphics: u32,
    /// What is guaranteed below the power limit.
    pub base: u32,
    /// Without work.
    pub idle: u32,
    /// Highest of the video engines.
    pub video: u32,
    /// Video engines without work.
    pub video_idle: u32,
    /// What the memory can run at, highest first.
    pub memory: Vec<u32>,
}

/// Power in watts.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Power {
    /// Without work.
    pub idle: f64,
    /// Limit the board starts with.
    pub limit: f64,
    /// Lowest limit that can be set.
    pub minimum: f64,
    /// Highest limit that can be set.
    pub maximum: f64,
}

/// Temperatures in degrees Celsius.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Temperature {
    /// Without work.
    pub idle: f64,
    /// Under full load.
    pub full: f64,
    /// Highest at which clocks are not lowered.
    pub target: u32,
    /// The same of the memory, where it has a sensor.
    pub memory_maximum: Option<u32>,
    /// Where the hardware halves the clocks.
    pub slowdown: u32,
    /// Where it turns itself off.
    pub shutdown: u32,
}

/// The bus to the host.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Pcie {
    /// Highest generation.
    pub generation: u32,
    /// Lanes.
    pub width: u32,
}

/// Links between GPUs.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Nvlink {
    /// Generation.
    pub version: u32,
    /// How many.
    pub links: u32,
    /// Speed of one, one way.
    pub megabytes_per_second: u32,
}

impl Nvlink {
    /// `NVML_NVLINK_VERSION_*`, which count the half steps too.
    #[must_use]
    pub fn number(&self) -> u32 {
        match self.version {
            3 => 4,
            4 => 6,
            5 => 7,
            other => other,
        }
    }
}

/// Video engines.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Engines {
    /// NVENC.
    pub encoders: u32,
    /// NVDEC.
    pub decoders: u32,
    /// NVJPG.
    pub jpegs: u32,
    /// Optical flow.
    pub ofas: u32,
}

/// One kind of GPU instance a card can be cut into.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct MigProfile {
    /// As `nvidia-smi mig -lgip` names it, without `MIG `.
    pub name: String,
    /// `NVML_GPU_INSTANCE_PROFILE_*`.
    pub profile: u32,
    /// Compute slices.
    pub slices: u32,
    /// How many fit on a card.
    pub instances: u32,
    /// Multiprocessors of one.
    pub multiprocessors: u32,
    /// Copy engines of one.
    pub copy_engines: u32,
    /// Decoders of one.
    pub decoders: u32,
    /// Encoders of one.
    pub encoders: u32,
    /// JPEG engines of one.
    pub jpegs: u32,
    /// Optical flow engines of one.
    pub ofas: u32,
    /// Memory of one.
    pub memory_mib: u32,
    /// Memory slices at which one can begin.
    pub placements: Vec<u32>,
    /// Memory slices one takes.
    pub placement_size: u32,
}

impl MigProfile {
    /// The number `nvidia-smi mig -lgip` shows and creation asks for, as in the
    /// "Multi-Instance GPU User Guide".
    #[must_use]
    pub fn id(&self) -> u32 {
        match self.profile {
            0 => 19,
            1 => 14,
            2 => 9,
            3 => 5,
            4 => 0,
            7 => 20,
            9 => 15,
            other => other,
        }
    }
}

/// All models, by the name a scenario uses.
pub static PROFILES: LazyLock<Result<BTreeMap<&'static str, Profile>, String>> = LazyLock::new(|| {
    let sources = [
        ("a100", include_str!("profiles/a100.toml")),
        ("b200", include_str!("profiles/b200.toml")),
        ("h100", include_str!("profiles/h100.toml")),
        ("h200", include_str!("profiles/h200.toml")),
        ("l40s", include_str!("profiles/l40s.toml")),
        ("t4", include_str!("profiles/t4.toml")),
    ];
    let mut profiles = BTreeMap::new();
    for (name, source) in sources {
        profiles.insert(name, toml::from_str(source).map_err(|error| format!("profile {name}: {error}"))?);
    }
    Ok(profiles)
});

/// The model of that name, or a sentence with the names there are.
///
/// # Errors
/// The name is none of them.
pub fn named(name: &str) -> Result<&'static Profile, String> {
    let profiles = PROFILES.as_ref().map_err(Clone::clone)?;
    profiles.get(name).ok_or_else(|| {
        let known: Vec<&str> = profiles.keys().copied().collect();
        format!("no profile `{name}`; there are {}", known.join(", "))
    })
}
