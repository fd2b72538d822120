//! How GPUs are cut into MIG devices.

use std::collections::BTreeMap;

use super::super::Impossible;
use super::Gpu;

/// MIG devices of one GPU: how many of each profile, by the names of
/// `nvidia-smi mig -lgip`; none at all means that MIG mode is off.
pub type MigDevices = BTreeMap<String, u32>;

/// Compute slices of a whole GPU; no model has more.
const SLICES: u32 = 7;

impl Gpu {
    /// Refuses what fits on no GPU. What a model has is known to its driver
    /// only, and looked at by `odin gpu mig plan`.
    pub(super) fn validate_mig(&self) -> Result<(), Impossible> {
        for (model, devices) in &self.mig {
            let key = format!("gpu.mig.{model:?}");
            if model.trim().is_empty() || model.trim() != model {
                return Err(Impossible::new(
                    "gpu.mig",
                    model,
                    "must be a model as `odin gpu list` tells it, for example \"NVIDIA H100 80GB HBM3\"",
                ));
            }
            let mut slices: u32 = 0;
            for (profile, count) in devices {
                let Some(each) = slices_of(profile) else {
                    return Err(Impossible::new(
                        key,
                        profile,
                        "must be a profile of GPU instances as `nvidia-smi mig -lgip` names them, \
                         for example \"1g.10gb\" or \"1g.10gb+me\"",
                    ));
                };
                if *count == 0 {
                    return Err(Impossible::new(
                        format!("{key}.{profile:?}"),
                        count,
                        "must be 1 or more; leave out what is not wanted",
                    ));
                }
                slices = slices.saturating_add(each.saturating_mul(*count));
            }
            if slices > SLICES {
                return Err(Impossible::new(
                    key,
                    format!("{slices} slices"),
                    "is more than a GPU has; there are 7",
                ));
            }
        }
        Ok(())
    }
}

/// Compute slices of a profile, by its name: `Ng.Mgb` with attributes after a
/// plus sign. A name with `c.` is a part of an instance and is no such profile.
fn slices_of(profile: &str) -> Option<u32> {
    let (name, attributes) =
        profile.split_once('+').map_or((profile, None), |(name, rest)| (name, Some(rest)));
    let attribute = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
    if !attributes.is_none_or(|attributes| attributes.split('.').all(attribute)) {
        return None;
    }
    let (slices, memory) = name.split_once("g.")?;
    let number =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u32>().ok())?;
    number(memory.strip_suffix("gb")?)?;
    number(slices).filter(|slices| (1..=SLICES).contains(slices))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_tell_their_slices() {
        let cases = [
            ("1g.10gb", Some(1)),
            ("1g.10gb+me", Some(1)),
            ("1g.23gb+me.all", Some(1)),
            ("7g.141gb", Some(7)),
            ("1c.2g.20gb", None),
            ("8g.80gb", None),
            ("0g.10gb", None),
            ("1g.10gb+", None),
            ("1g.10GB", None),
            ("1g.gb", None),
            ("all-1g.10gb", None),
            ("", None),
        ];
        for (profile, slices) in cases {
            assert_eq!(slices_of(profile), slices, "{profile}");
        }
    }
}
