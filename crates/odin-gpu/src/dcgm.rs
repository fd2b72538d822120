//! DCGM's metrics, so that dashboards and alerts made for dcgm-exporter work.
//!
//! The rows are the default counters of dcgm-exporter (etc/default-counters.csv
//! at d5e5f51), with ids of go-dcgm and the names DCGM 4.6 gave some of them.
//! Counters keep DCGM's names, without `_total`: the exposition is Prometheus'
//! text format 0.0.4, which allows that. Units are DCGM's: MHz, MiB, mJ.

mod rows;

use crate::catalogue::CATALOGUE;
use crate::identity::Identity;

pub(crate) use rows::ROWS;

/// Where the number of a row is from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source {
    /// A sample of ODIN's: metric, labels, factor to DCGM's unit.
    Sample(&'static str, &'static str, f64),
    /// The sum of two samples of one metric family or two.
    Sum([(&'static str, &'static str); 2], f64),
    /// The last XID; 0 while none was heard.
    LastXid,
    /// XIDs of the last five minutes, by XID.
    XidWindow,
    /// Times a reason began to hold clocks down, by reason.
    ClockEvents,
    /// NVML cannot answer it.
    Nothing(&'static str),
}

/// One metric of DCGM.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) id: u32,
    pub(crate) name: &'static str,
    /// The name in DCGM 4.6, where it changed.
    pub(crate) alias: Option<&'static str>,
    pub(crate) kind: Kind,
    pub(crate) help: &'static str,
    pub(crate) source: Source,
}

/// Type of a metric of DCGM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Gauge,
    Counter,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Counter => "counter",
        }
    }
}

impl Source {
    /// Slots to add up, and the factor; empty for what is no sample.
    pub(crate) fn slots(self) -> (Vec<usize>, f64) {
        match self {
            Self::Sample(family, labels, factor) => {
                (CATALOGUE.slot(family, labels).into_iter().collect(), factor)
            }
            Self::Sum(pair, factor) => {
                (pair.iter().filter_map(|(family, labels)| CATALOGUE.slot(family, labels)).collect(), factor)
            }
            _ => (Vec::new(), 0.0),
        }
    }
}

/// Value of a label field; none for a name DCGM does not have, or a field this
/// device does not tell.
pub(crate) fn label_value<'a>(
    name: &str,
    identity: &'a Identity,
    driver: &'a str,
    nvml: &'a str,
) -> Option<&'a str> {
    let value = match name {
        "DCGM_FI_DRIVER_VERSION" => driver,
        "DCGM_FI_NVML_VERSION" => nvml,
        "DCGM_FI_DEV_BRAND" => &identity.brand,
        "DCGM_FI_DEV_SERIAL" => &identity.serial,
        "DCGM_FI_DEV_OEM_INFOROM_VER" => &identity.inforom_oem,
        "DCGM_FI_DEV_ECC_INFOROM_VER" => &identity.inforom_ecc,
        "DCGM_FI_DEV_POWER_INFOROM_VER" => &identity.inforom_power,
        "DCGM_FI_DEV_INFOROM_IMAGE_VER" => &identity.inforom_image,
        "DCGM_FI_DEV_VBIOS_VERSION" => &identity.vbios,
        _ => return None,
    };
    (!value.is_empty()).then_some(value)
}

#[cfg(test)]
mod tests;
