//! What a baseline records of a GPU, and which way each may change.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::catalogue::CATALOGUE;

/// Numbers by their stable name, in base units; what a GPU does not tell is not
/// there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Facts(pub BTreeMap<String, f64>);

/// Which change of a fact is for the worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bad {
    /// To become less.
    Less,
    /// To become more.
    More,
    /// None: it is recorded to be looked at.
    Never,
}

/// One fact.
pub(super) struct Fact {
    pub(super) name: &'static str,
    /// As a person calls it, with the unit it is shown in.
    pub(super) words: &'static str,
    /// From the base unit to that.
    pub(super) shown: f64,
    pub(super) family: &'static str,
    /// Labels of the sample; the samples of all links are added up.
    pub(super) labels: &'static str,
    pub(super) bad: Bad,
    pub(super) next_step: &'static str,
}

const RESEAT: &str = "reseat the GPU; check the riser, the slot and the BIOS' settings of it";
const DRIVER: &str = "look for another driver, another VBIOS or another setting than before; \
                      `odin gpu health --record` when it is meant so";
const MEMORY: &str = "drain the GPU and reset it; replace it when errors come again; \
                      `odin gpu health --record` when it is well";

/// Marks a fact that is the sum over all links.
pub(super) const LINKS: &str = "link";

pub(super) const FACTS: &[Fact] = &[
    Fact {
        name: "memory-bytes",
        words: "MiB of memory",
        shown: 1.0 / 1_048_576.0,
        family: "odin_gpu_memory_total_bytes",
        labels: "",
        bad: Bad::Less,
        next_step: DRIVER,
    },
    Fact {
        name: "sm-clock-maximum-hertz",
        words: "MHz of SM clock at most",
        shown: 1e-6,
        family: "odin_gpu_clock_maximum_hertz",
        labels: r#"clock="sm""#,
        bad: Bad::Less,
        next_step: DRIVER,
    },
    Fact {
        name: "memory-clock-maximum-hertz",
        words: "MHz of memory clock at most",
        shown: 1e-6,
        family: "odin_gpu_clock_maximum_hertz",
        labels: r#"clock="memory""#,
        bad: Bad::Less,
        next_step: DRIVER,
    },
    Fact {
        name: "power-limit-watts",
        words: "W of power allowed",
        shown: 1.0,
        family: "odin_gpu_power_limit_watts",
        labels: r#"limit="enforced""#,
        bad: Bad::Less,
        next_step: DRIVER,
    },
    Fact {
        name: "pcie-generation",
        words: "as the highest PCIe generation here",
        shown: 1.0,
        family: "odin_gpu_pcie_link_generation",
        labels: r#"value="maximum""#,
        bad: Bad::Less,
        next_step: RESEAT,
    },
    Fact {
        name: "pcie-width",
        words: "PCIe lanes here",
        shown: 1.0,
        family: "odin_gpu_pcie_link_width",
        labels: r#"value="maximum""#,
        bad: Bad::Less,
        next_step: RESEAT,
    },
    Fact {
        name: "nvlinks-active",
        words: "active NVLinks",
        shown: 1.0,
        family: "odin_gpu_nvlink_link_active",
        labels: LINKS,
        bad: Bad::Less,
        next_step: "check the bridge or switch and the fabric manager; reset the GPUs at both ends",
    },
    Fact {
        name: "ecc-uncorrected",
        words: "uncorrected ECC errors ever",
        shown: 1.0,
        family: "odin_gpu_ecc_errors_total",
        labels: r#"error="uncorrected",since="ever""#,
        bad: Bad::More,
        next_step: MEMORY,
    },
    Fact {
        name: "ecc-corrected",
        words: "corrected ECC errors ever",
        shown: 1.0,
        family: "odin_gpu_ecc_errors_total",
        labels: r#"error="corrected",since="ever""#,
        bad: Bad::Never,
        next_step: "",
    },
    Fact {
        name: "remapped-rows-uncorrectable",
        words: "memory rows replaced for uncorrectable errors",
        shown: 1.0,
        family: "odin_gpu_remapped_rows_total",
        labels: r#"cause="uncorrectable""#,
        bad: Bad::More,
        next_step: MEMORY,
    },
];

/// The slots of each fact, which are added up.
static SLOTS: LazyLock<Vec<(&'static Fact, Vec<usize>)>> = LazyLock::new(|| {
    FACTS
        .iter()
        .map(|fact| {
            let links = (0..crate::fields::MAXIMUM_LINKS).map(|link| format!("link=\"{link}\""));
            let slots = if fact.labels == LINKS {
                links.filter_map(|labels| CATALOGUE.slot(fact.family, &labels)).collect()
            } else {
                CATALOGUE.slot(fact.family, fact.labels).into_iter().collect()
            };
            (fact, slots)
        })
        .collect()
});

impl Facts {
    /// The facts of one sample.
    pub(super) fn of(values: &[f64]) -> Self {
        Self(
            SLOTS
                .iter()
                .filter_map(|(fact, slots)| {
                    let told: Vec<f64> = slots
                        .iter()
                        .filter_map(|slot| values.get(*slot))
                        .filter(|value| !value.is_nan())
                        .copied()
                        .collect();
                    (!told.is_empty()).then(|| (fact.name.to_owned(), told.iter().sum()))
                })
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::ABSENT;

    #[test]
    fn every_fact_is_a_sample_that_exists_and_says_what_to_do() {
        for (fact, slots) in SLOTS.iter() {
            assert!(!slots.is_empty(), "{}", fact.name);
            assert!(fact.bad == Bad::Never || !fact.next_step.is_empty(), "{}", fact.name);
        }
    }

    #[test]
    fn links_are_added_up_and_what_is_not_told_is_not_there() {
        let mut values = vec![ABSENT; CATALOGUE.slots()];
        for (link, active) in [(0, 1.0), (1, 0.0), (35, 1.0)] {
            let slot = CATALOGUE.slot("odin_gpu_nvlink_link_active", &format!("link=\"{link}\""));
            values[slot.expect("a slot")] = active;
        }
        assert_eq!(Facts::of(&values).0, BTreeMap::from([("nvlinks-active".to_owned(), 2.0)]));
    }
}
