//! Every `NVML_FI_*` field as data: its number, the metric it becomes, its
//! factor to the base unit.
//!
//! Ids and meanings are those of nvml.h, API version 13 (go-nvml v0.13.3).
//! Drivers before 580.82 numbered 251 to 273 differently; [`Field::id_for`]
//! translates (NVML API reference, "Known issues"). All fields of a device are
//! read in one batched call.

mod device;
mod nvlink;
mod power;
mod smoothing;

pub(crate) use device::DEVICE;
pub(crate) use nvlink::{LANES, NVLINK};
pub(crate) use power::POWER;
pub(crate) use smoothing::SMOOTHING;

/// Most links a device has (`NVML_NVLINK_MAX_LINKS`).
pub(crate) const MAXIMUM_LINKS: u32 = 36;

/// Field that tells how many links a device has.
pub(crate) const LINK_COUNT: u32 = 91;

/// Field that tells how many C2C links a device has.
pub(crate) const C2C_LINK_COUNT: u32 = 170;

/// What one field is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    /// Once, with this scope.
    Scope(u32),
    /// Once for each NVLink, one sample a link.
    EachLink,
    /// Once for each NVLink, added up.
    SumOfLinks,
    /// Once for each NVLink, the largest.
    MaximumOfLinks,
    /// Once for each C2C link, added up.
    SumOfC2c,
    /// Once for each C2C link, the largest.
    MaximumOfC2c,
}

/// How a number is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// As it is.
    Number,
    /// A bit error rate: exponent in bits 0 to 7, mantissa in bits 8 to 11
    /// (`NVML_NVLINK_ERROR_COUNTER_BER_GET`): mantissa times ten to the minus
    /// exponent.
    ErrorRate,
}

/// One field.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    /// NVML's number.
    pub(crate) id: u32,
    /// NVML's name.
    pub(crate) nvml: &'static str,
    /// The metric.
    pub(crate) family: &'static str,
    /// Labels that tell the samples of one metric apart.
    pub(crate) labels: &'static str,
    /// From NVML's unit to the base unit.
    pub(crate) scale: f64,
    pub(crate) over: Over,
    pub(crate) form: Form,
}

impl Field {
    /// The number this field had with drivers before 580.82.
    pub(crate) fn id_for(self, before_580_82: bool) -> u32 {
        match self.id {
            251..=268 if before_580_82 => self.id + 5,
            269..=273 if before_580_82 => self.id - 18,
            id => id,
        }
    }

    const fn labels(self, labels: &'static str) -> Self {
        Self { labels, ..self }
    }

    const fn times(self, scale: f64) -> Self {
        Self { scale, ..self }
    }

    const fn over(self, over: Over) -> Self {
        Self { over, ..self }
    }

    const fn error_rate(self) -> Self {
        Self { form: Form::ErrorRate, ..self }
    }
}

const fn field(id: u32, nvml: &'static str, family: &'static str) -> Field {
    Field { id, nvml, family, labels: "", scale: 1.0, over: Over::Scope(0), form: Form::Number }
}

/// All fields but the lanes.
pub(crate) fn all() -> impl Iterator<Item = &'static Field> {
    DEVICE.iter().chain(NVLINK).chain(POWER).chain(SMOOTHING)
}

#[cfg(test)]
mod tests;
