//! MIG devices of a GPU.

use nvml_wrapper::Device;

use crate::catalogue::CATALOGUE;
use crate::getters::Each;
use crate::nvml::{Buffer, Session};
use crate::sample::Instance;

/// Most MIG devices of one GPU; drivers say 7 or less.
const MAXIMUM: u32 = 8;

/// Slices of a whole GPU, of which a profile counts some (`1g` is one of 7).
pub(crate) const SLICES: f64 = 7.0;

/// Reads the MIG devices there are now; a layout that changed is simply
/// another list.
pub(crate) fn read(
    session: &Session,
    device: &Device<'_>,
    buffer: &mut Buffer,
    instances: &mut Vec<Instance>,
) {
    instances.clear();
    if !device.mig_mode().is_ok_and(|mode| mode.current == 1) {
        return;
    }
    let count = device.mig_device_count().unwrap_or_default().min(MAXIMUM);
    instances.extend((0..count).filter_map(|index| {
        let instance = device.mig_device_by_index(index).ok()?;
        read_one(session, &instance, buffer)
    }));
}

fn read_one(session: &Session, instance: &Device<'_>, buffer: &mut Buffer) -> Option<Instance> {
    let uuid = instance.uuid().ok()?;
    let mut values: Vec<(usize, f64)> = Vec::new();
    for (index, plan) in CATALOGUE.getters.iter().enumerate() {
        if plan.each != Each::Instance || session.read(instance, index, 0, buffer).is_err() {
            continue;
        }
        for (number, slots) in &plan.numbers {
            let value = number.read(buffer);
            let slot = slots.first().copied()?;
            if !value.is_nan() && !values.iter().any(|(given, _)| *given == slot) {
                values.push((slot, value));
            }
        }
    }
    let given = |family: &str, labels: &str| {
        let slot = CATALOGUE.slot(family, labels)?;
        values.iter().find(|(given, _)| *given == slot).map(|(_, value)| *value)
    };
    let slices = given("odin_gpu_mig_device_slices", r#"slice="gpu_instance""#).unwrap_or_default();
    let compute = given("odin_gpu_mig_device_slices", r#"slice="compute_instance""#).unwrap_or(slices);
    let memory = given("odin_gpu_mig_device_profile_memory_bytes", "").unwrap_or_default();
    Some(Instance {
        uuid,
        gpu_instance: whole(given("odin_gpu_mig_device_gpu_instance", "")?),
        compute_instance: whole(given("odin_gpu_mig_device_compute_instance", "").unwrap_or_default()),
        profile: profile(slices, compute, memory),
        slices: whole(slices),
        values,
    })
}

/// The name of a profile, as NVIDIA forms them: `1g.10gb`, and `1c.3g.20gb`
/// when the compute instance is smaller than the GPU instance.
fn profile(slices: f64, compute: f64, memory: f64) -> String {
    let gigabytes = (memory / 1_073_741_824.0).ceil();
    let part = if compute < slices { format!("{compute}c.") } else { String::new() };
    format!("{part}{slices}g.{gigabytes}gb")
}

/// A small number NVML gave as an integer.
fn whole(value: f64) -> u32 {
    format!("{value:.0}").parse().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_have_the_names_of_nvidia() {
        let gib = 1_073_741_824.0;
        assert_eq!(profile(1.0, 1.0, 9.5 * gib), "1g.10gb");
        assert_eq!(profile(3.0, 1.0, 39.5 * gib), "1c.3g.40gb");
        assert_eq!(profile(7.0, 7.0, 79.5 * gib), "7g.80gb");
    }

    #[test]
    fn small_numbers_come_back_whole() {
        assert_eq!((whole(0.0), whole(13.0)), (0, 13));
    }
}
