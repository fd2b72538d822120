//! GPUs that were there, and are not.

use std::collections::BTreeMap;

use super::{Fault, Gpu};

/// Reason of a GPU that NVML no longer lists.
pub(super) const MISSING: &str = "GpuGone";

/// Remembers every GPU that was seen.
///
/// NVML drops a card that fell off the bus from its list. Were it dropped from
/// the resource too, a machine with a dead card would look like a smaller
/// machine in good health. MIG devices come and go by somebody's will, so they
/// are as they were seen last.
#[derive(Clone, Debug, Default)]
pub struct Roster {
    gpus: BTreeMap<String, Gpu>,
}

impl Roster {
    /// Takes in what was seen and gives back all that is known, by index.
    ///
    /// `seen` is an error when NVML itself could not be asked: then every GPU
    /// has that fault. A GPU without a UUID answers nothing: it stands for one
    /// that is missed, and only where none is missed it is one more.
    pub fn observe(&mut self, seen: Result<Vec<Gpu>, Fault>) -> Vec<Gpu> {
        let (seen, fault) = match seen {
            Ok(seen) => (seen, Fault::new(MISSING, "it was there before and NVML no longer lists it")),
            Err(fault) => (Vec::new(), fault),
        };
        let (silent, seen): (Vec<Gpu>, Vec<Gpu>) = seen.into_iter().partition(|gpu| gpu.uuid.is_empty());
        let mut absent: Vec<String> = self.gpus.keys().cloned().collect();
        for gpu in seen {
            absent.retain(|uuid| *uuid != gpu.uuid);
            self.gpus.insert(gpu.uuid.clone(), gpu);
        }
        let silent = silent.into_iter().skip(absent.len());
        for uuid in absent {
            if let Some(gpu) = self.gpus.get_mut(&uuid) {
                gpu.fault = Some(fault.clone());
            }
        }
        let named = |gpu: Gpu| Gpu { uuid: format!("GPU-unknown-{}", gpu.index), ..gpu };
        let mut all: Vec<Gpu> = self.gpus.values().cloned().chain(silent.map(named)).collect();
        all.sort_by(|one, other| (one.index, &one.uuid).cmp(&(other.index, &other.uuid)));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gpu(index: u32, uuid: &str) -> Gpu {
        Gpu { index, uuid: uuid.into(), ..Gpu::default() }
    }

    fn faults(gpus: &[Gpu]) -> Vec<(&str, Option<&str>)> {
        gpus.iter()
            .map(|gpu| (gpu.uuid.as_str(), gpu.fault.as_ref().map(|fault| fault.reason.as_str())))
            .collect()
    }

    #[test]
    fn a_gpu_that_vanished_stays_and_is_well_again_when_it_is_back() {
        let mut roster = Roster::default();
        let both = || Ok(vec![gpu(0, "a"), gpu(1, "b")]);
        assert_eq!(faults(&roster.observe(both())), [("a", None), ("b", None)]);
        assert_eq!(faults(&roster.observe(Ok(vec![gpu(0, "b")]))), [("a", Some(MISSING)), ("b", None)]);
        assert_eq!(
            faults(&roster.observe(Err(Fault::new("NvmlUnavailable", "")))),
            [("a", Some("NvmlUnavailable")), ("b", Some("NvmlUnavailable"))]
        );
        assert_eq!(faults(&roster.observe(both())), [("a", None), ("b", None)]);
    }

    #[test]
    fn one_that_answers_nothing_is_one_that_is_missed_or_one_more() {
        let silent = || Gpu { index: 1, fault: Some(Fault::new("GpuLost", "")), ..Gpu::default() };
        let mut roster = Roster::default();
        let seen = roster.observe(Ok(vec![gpu(0, "a"), silent()]));
        assert_eq!(faults(&seen), [("a", None), ("GPU-unknown-1", Some("GpuLost"))]);
        let seen = roster.observe(Ok(vec![gpu(0, "a"), gpu(1, "b")]));
        assert_eq!(faults(&seen), [("a", None), ("b", None)]);
        let seen = roster.observe(Ok(vec![gpu(0, "a"), silent()]));
        assert_eq!(faults(&seen), [("a", None), ("b", Some(MISSING))]);
    }

    #[test]
    fn nothing_is_made_up_while_nothing_was_seen() {
        assert_eq!(Roster::default().observe(Err(Fault::new("NvmlUnavailable", ""))), []);
    }
}
