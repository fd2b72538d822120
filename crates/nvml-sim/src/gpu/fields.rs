//! The values that `nvmlDeviceGetFieldValues` reads by number.
//!
//! The numbers are those of `nvml.h` of NVML 13.3 (`NVML_FI_DEV_*`). They are
//! written out here and not taken from nvml-wrapper-sys 0.10.0, whose numbers
//! from 251 to 273 are those of an early 13.0 header: in 13.3 the fields
//! `NVML_FI_PWR_SMOOTHING_*` are 251 to 268 and the clock event reasons follow
//! at 269 to 273.

use super::Gpu;
use super::clocks::Engine;
use crate::fault::{Kind, Location};
use crate::profile::Architecture;
use crate::refusal::{Answer, Refusal};
use crate::round::whole;

/// One more than the highest number this library knows (nvidia-ml-py 13.615
/// has five more than the 13.3 header: the bank remapper's).
pub const END: u32 = 308;

/// The same for a driver of NVML 12.2.
pub const END_OLD: u32 = 197;

/// A value with the type NVML gives it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// `unsigned int`.
    Small(u32),
    /// `unsigned long long`.
    Large(u64),
    /// `int`.
    Signed(i32),
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Small(u32::from(value))
    }
}

/// Where the counters of links 0 to 5 and 6 to 11 begin, and their total.
const LINK_TABLES: [(u32, u32, u32, Counter); 7] = [
    (32, 96, 38, Counter::Errors),  // CRC_FLIT_ERROR_COUNT
    (39, 102, 45, Counter::Errors), // CRC_DATA_ERROR_COUNT
    (46, 108, 52, Counter::Errors), // REPLAY_ERROR_COUNT
    (53, 114, 59, Counter::Recoveries),
    (60, 120, 66, Counter::Kilobytes), // BANDWIDTH_C0
    (67, 126, 73, Counter::Kilobytes), // BANDWIDTH_C1
    (148, 154, 160, Counter::Errors),  // ECC_DATA_ERROR_COUNT
];

#[derive(Clone, Copy)]
enum Counter {
    Errors,
    Recoveries,
    Kilobytes,
}

/// ECC fields 7 to 28 without total: corrected, and where.
const ECC: [(u32, bool, Location); 22] = [
    (7, true, Location::L1Cache),
    (8, false, Location::L1Cache),
    (9, true, Location::L2Cache),
    (10, false, Location::L2Cache),
    (11, true, Location::DeviceMemory),
    (12, false, Location::DeviceMemory),
    (13, true, Location::RegisterFile),
    (14, false, Location::RegisterFile),
    (15, true, Location::TextureMemory),
    (16, false, Location::TextureMemory),
    (17, false, Location::Cbu),
    (18, true, Location::L1Cache),
    (19, false, Location::L1Cache),
    (20, true, Location::L2Cache),
    (21, false, Location::L2Cache),
    (22, true, Location::DeviceMemory),
    (23, false, Location::DeviceMemory),
    (24, true, Location::RegisterFile),
    (25, false, Location::RegisterFile),
    (26, true, Location::TextureMemory),
    (27, false, Location::TextureMemory),
    (28, false, Location::Cbu),
];

impl Gpu<'_> {
    /// A field by number; the scope is a link's number where the field is about
    /// links, and `u32::MAX` is then their sum.
    ///
    /// # Errors
    /// There is no such field, or the board has no value for it.
    pub fn field(&self, id: u32, scope: u32) -> Answer<Value> {
        if let Some((_, corrected, location)) = ECC.iter().find(|(field, ..)| *field == id) {
            return self.ecc(*corrected, Some(*location)).map(Value::Large);
        }
        for (low, high, total, counter) in LINK_TABLES {
            let link = match id {
                _ if id == total => u32::MAX,
                _ if (low..low + 6).contains(&id) => id - low,
                _ if (high..high + 6).contains(&id) => id - high + 6,
                _ => continue,
            };
            return self.over_present_links(link, counter);
        }
        match id {
            1 | 2 => Ok(self.card.ecc.into()),
            3 | 5 => self.ecc(true, None).map(Value::Large),
            4 | 6 => self.ecc(false, None).map(Value::Large),
            29 => self.pages().map(|pages| Value::Small(pages.correctable)),
            30 => self.pages().map(|pages| Value::Small(pages.uncorrectable)),
            31 | 93 => self.pages().map(|pages| pages.pending.into()),
            92 => self.pages().map(|_| Value::Small(0)),
            74..=79 => self.violation(id - 74).map(Value::Large),
            80 | 81 => self.violation(id - 70).map(Value::Large),
            82 => self.memory_temperature().map(Value::Small),
            83 | 191 => self.energy().map(Value::Large),
            84..=89 => self.present(id - 84).and_then(|link| self.link_speed(link)).map(Value::Small),
            132..=137 => self.present(id - 126).and_then(|link| self.link_speed(link)).map(Value::Small),
            90 => self.nvlink().map(|nvlink| Value::Small(nvlink.megabytes_per_second)),
            91 | 147 => self.nvlink().map(|nvlink| Value::Small(nvlink.links)),
            94 => Ok(Value::Small(u32::try_from(self.pcie_replays()).unwrap_or(u32::MAX))),
            95 | 169 | 183 => Ok(Value::Small(0)),
            138..=141 => {
                self.over_links(scope, |link| self.link_bytes(link)).map(|bytes| Value::Large(bytes / 1024))
            }
            142 => self.rows().map(|rows| Value::Small(rows.correctable)),
            143 => self.rows().map(|rows| Value::Small(rows.uncorrectable)),
            144 => self.rows().map(|rows| rows.pending.into()),
            145 => self.rows().map(|rows| rows.failed.into()),
            301 | 302 => self.rows().map(|_| Value::Small(0)),
            303..=307 => self.bank(id),
            146 | 161..=168 | 200..=225 | 235..=250 | 289..=296 => self.link_field(id, scope),
            // Chip to chip links and extension modules are Grace's.
            170..=172 | 231..=234 => Err(Refusal::NotSupported),
            173 | 174 => Ok(Value::Small(u32::try_from(self.pcie_replays()).unwrap_or(u32::MAX))),
            175..=182 => Ok(Value::Small(0)),
            184 | 199 => Ok((!self.card.profile.mig.is_empty()
                && self.card.profile.architecture >= Architecture::Hopper)
                .into()),
            185..=190 | 192 => self.power_field(id),
            193..=196 => self.limit_field(id),
            197 | 198 => self.pcie_bytes(id == 197).map(Value::Large),
            226 | 227 => Err(Refusal::Deprecated),
            228 | 229 => Ok(Value::Small(0)),
            230 => Ok(Value::Small(self.recovery())),
            251..=268 | 275..=288 | 300 => self.smoothing_field(id),
            269 => Ok(Value::Large(0)),
            270 => Ok(Value::Large(self.held(|kind| matches!(kind, Kind::ThermalSlowdown { .. })))),
            271 => Ok(Value::Large(self.held(|kind| matches!(kind, Kind::PowerSlowdown {})))),
            // Averages over the clock and over activity since time zero.
            272 => Ok(Value::Large(whole(
                f64::from(self.card.profile.clocks.graphics) * self.card.worked(self.now()) / 100.0,
            ))),
            273 => Ok(Value::Large(whole(self.card.worked(self.now())))),
            274 => self.newest().map(|()| Value::Small(100)),
            297 => self.newest().and_then(|()| self.engine(Engine::Decoder)).map(Value::Small),
            298 | 299 => Ok(Value::Small(0)),
            _ => Err(Refusal::InvalidArgument),
        }
    }

    fn present(&self, link: u32) -> Answer<u32> {
        if link < self.nvlink()?.links { Ok(link) } else { Err(Refusal::NotSupported) }
    }

    fn newest(&self) -> Answer<()> {
        if self.card.profile.architecture >= Architecture::Blackwell {
            Ok(())
        } else {
            Err(Refusal::NotSupported)
        }
    }

    fn over_present_links(&self, link: u32, counter: Counter) -> Answer<Value> {
        if link != u32::MAX {
            self.present(link)?;
        }
        let sum = match counter {
            Counter::Errors => self.over_links(link, |link| self.link_errors(link)),
            Counter::Recoveries => self.over_links(link, |link| Ok(self.link_errors(link)? / 10)),
            Counter::Kilobytes => self.over_links(link, |link| Ok(self.link_bytes(link)? / 1024)),
        };
        sum.map(Value::Large)
    }

    fn bank(&self, id: u32) -> Answer<Value> {
        let banks = self.banks()?;
        Ok(match id {
            303 => Value::Small(banks[1]),
            305 => Value::Small(banks[0]),
            306 => Value::Small(banks[4]),
            307 => self.rows()?.pending.into(),
            _ => Value::Small(0),
        })
    }

    fn power_field(&self, id: u32) -> Answer<Value> {
        let (default, lowest, highest) = self.power_limits();
        match id {
            // "Supported on Ampere (except GA100) or newer" (nvml.h).
            185 if self.card.profile.architecture <= Architecture::Ampere => Err(Refusal::NotSupported),
            185 | 186 => self.power().map(Value::Small),
            187 => Ok(Value::Small(lowest)),
            188 => Ok(Value::Small(highest)),
            189 => Ok(Value::Small(default)),
            _ => Ok(Value::Small(self.power_limit())),
        }
    }

    /// Thresholds as distances from the target, "supported on Ada and later".
    fn limit_field(&self, id: u32) -> Answer<Value> {
        let temperature = &self.card.profile.temperature;
        if self.card.profile.architecture < Architecture::Ada {
            return Err(Refusal::NotSupported);
        }
        let at = match id {
            193 => temperature.shutdown,
            194 => temperature.slowdown,
            195 => temperature.memory_maximum.ok_or(Refusal::NotSupported)?,
            _ => temperature.target,
        };
        let distance = i64::from(temperature.target) - i64::from(at);
        i32::try_from(distance).map(Value::Signed).map_err(|_| Refusal::Unknown)
    }

    fn link_field(&self, id: u32, scope: u32) -> Answer<Value> {
        let nvlink = self.nvlink()?;
        let errors = |scope| self.over_links(scope, |link| self.link_errors(link));
        let bytes = |scope| self.over_links(scope, |link| self.link_bytes(link));
        let first = if scope == u32::MAX { 0 } else { scope };
        let fifth = nvlink.version >= 5;
        match id {
            146 => self.switch(first).map(|_| Value::Small(first % 4)),
            // "Unsupported for Blackwell+" (nvml.h).
            161..=163 if fifth => Err(Refusal::NotSupported),
            161 | 163 => errors(scope).map(Value::Large),
            162 => errors(scope).map(|errors| Value::Large(errors / 10)),
            164 => self.link_speed(first).map(Value::Small),
            165 => self.link_up(first).map(Value::from),
            166 => self.link(first).map(|nvlink| Value::Small(nvlink.number())),
            167 => self.link(first).map(|_| Value::Small(0)),
            168 if nvlink.version < 4 => Err(Refusal::NotSupported),
            168 => Ok(Value::Small(500)),
            200 if nvlink.version < 4 => Err(Refusal::NotSupported),
            200 => Ok(Value::Small(1_048_575)),
            223 => Ok(Value::Small(1)),
            224 => Ok(Value::Small(0)),
            225 => Ok((nvlink.version >= 4).into()),
            205 | 216..=218 => Err(Refusal::Deprecated),
            // The rest is "in NVLink5" (nvml.h).
            _ if !fifth => Err(Refusal::NotSupported),
            201 | 203 => bytes(scope).map(|bytes| Value::Large(bytes / 256)),
            202 | 204 => bytes(scope).map(Value::Large),
            208 | 211 | 219 | 221 | 289 | 290 => errors(scope).map(Value::Large),
            215 => errors(scope).map(|errors| Value::Large(errors / 10)),
            213 => errors(scope).map(|errors| Value::Large(errors / 10)),
            // Corrected symbols fall off from bin to bin.
            235..=250 => errors(scope).map(|errors| Value::Large(errors >> (id - 235))),
            294 => bytes(scope).map(|bytes| Value::Large(bytes / 64)),
            295 => errors(scope).map(Value::Large),
            296 => self.link_speed(first).map(Value::Small),
            _ => self.over_links(scope, |link| self.link(link).map(|_| 0)).map(Value::Large),
        }
    }

    /// Power smoothing is Blackwell's, and off.
    fn smoothing_field(&self, id: u32) -> Answer<Value> {
        self.newest()?;
        let watts = self.power_limits().0 / 1000;
        Ok(Value::Small(match id {
            254 => watts,
            255 => watts / 4,
            256 => 90,
            257 => 10,
            258 => 100,
            259 => 5,
            260 | 265 => 25,
            261 | 262 | 266 | 267 => 100_000,
            263 | 268 => 500,
            275 | 276 | 281 | 285 => watts / 4,
            277 | 278 | 284 | 288 => watts / 20,
            279 => 100,
            280 => 1,
            _ => 0,
        }))
    }
}
