//! A verdict for each GPU: what is wrong, how that is known, what to do.
//!
//! Judging is a function of what was read; a GPU that cannot be read is never
//! healthy.

use std::fmt;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::catalogue::CATALOGUE;
use crate::events::Xids;
use crate::exposition::View;
use crate::fleet::{Fleet, storm};
use crate::identity::Identity;
use crate::sample::State;
use crate::xid::{self, Class};

/// How well a GPU is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Nothing is wrong.
    Healthy,
    /// It works, and something should be done.
    Degraded,
    /// It must not be used.
    Failed,
    /// It cannot be read, so nobody knows.
    Unknown,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Finding {
    /// Stable name.
    pub name: String,
    /// What it makes of the GPU.
    pub verdict: Verdict,
    /// What was seen.
    pub evidence: String,
    /// What to do.
    pub next_step: String,
}

/// One GPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Gpu {
    /// Index NVML gives it.
    pub index: u32,
    /// Who it is; none when it never told.
    pub identity: Option<Identity>,
    /// What it is doing.
    pub state: State,
    /// The worst of its findings.
    pub verdict: Verdict,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// The fleet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Health {
    /// What the library is: `open`, or why not.
    pub library: String,
    /// Why there is no library to ask, and what to do about it.
    pub unavailable: Option<Finding>,
    /// Version of the driver; empty when nobody can tell.
    pub driver: String,
    /// The GPUs.
    pub gpus: Vec<Gpu>,
}

impl Health {
    /// Whether everything that is there is healthy.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.unavailable.is_none() && self.gpus.iter().all(|gpu| gpu.verdict == Verdict::Healthy)
    }
}

impl Fleet {
    /// Judges every GPU as it is now.
    #[must_use]
    pub fn health(&self) -> Health {
        let now = Instant::now();
        let (library, unavailable, driver) = {
            let library = self.shared.library();
            let reason = library.unavailable(now, self.shared.options.deadline);
            let driver = library.state.as_ref().map(|open| open.driver.clone()).unwrap_or_default();
            let name = reason.as_ref().map_or("open", crate::nvml::Unavailable::name).to_owned();
            let finding = reason.map(|reason| Finding {
                name: reason.name().to_owned(),
                verdict: Verdict::Unknown,
                evidence: reason.to_string(),
                next_step: reason.hint().to_owned(),
            });
            (name, finding, driver)
        };
        let gpus = self.views(now).iter().map(|view| self.judge(view, now)).collect();
        Health { library, unavailable, driver, gpus }
    }

    fn judge(&self, view: &View, now: Instant) -> Gpu {
        let mut findings: Vec<Finding> = of_state(view).into_iter().collect();
        findings.extend(of_numbers(&|family, labels| {
            let value = *view.sample.as_ref()?.values.get(CATALOGUE.slot(family, labels)?)?;
            (!value.is_nan()).then_some(value)
        }));
        findings.extend(view.sample.as_ref().and_then(|sample| of_storm(sample.nvlink_error_rate?)));
        let identity = view.identity.as_ref().map(|labelled| labelled.identity.clone());
        if let Some(identity) = &identity {
            let counted = self.shared.events.counted();
            let theirs = counted.xids.iter().filter(|((uuid, ..), _)| *uuid == identity.uuid);
            let count = |xids: &Xids| xids.in_window_after(now, view.back_since);
            for ((_, number, _), xids) in theirs.filter(|(_, xids)| count(xids) > 0) {
                let found = of_xid(*number, count(xids));
                if !findings.iter().any(|finding| finding.name == found.name) {
                    findings.push(found);
                }
            }
        }
        let verdict = findings.iter().map(|finding| finding.verdict).max().unwrap_or(Verdict::Healthy);
        Gpu { index: view.index, identity, state: view.state, verdict, findings }
    }
}

fn finding(name: &str, verdict: Verdict, evidence: String, next_step: &str) -> Finding {
    Finding { name: name.to_owned(), verdict, evidence, next_step: next_step.to_owned() }
}

fn of_state(view: &View) -> Option<Finding> {
    let age = view.age.as_secs();
    let (verdict, evidence, next_step) = match view.state {
        State::Running => return None,
        State::Starting => {
            (Verdict::Unknown, "it was not read yet".to_owned(), "wait a moment and ask again")
        }
        State::Hung => (
            Verdict::Unknown,
            format!("a call of the driver does not return; last read {age} s ago"),
            "read `journalctl -k` for NVRM and XID; drain the node; a driver that stays so needs a reboot",
        ),
        State::Lost => (
            Verdict::Failed,
            "the driver says the GPU is lost".to_owned(),
            "drain and power-cycle the node; check seating, power and the riser",
        ),
        State::ResetRequired => {
            (Verdict::Failed, "the driver wants a reset".to_owned(), "drain the GPU and reset it")
        }
        State::NoPermission => (
            Verdict::Unknown,
            "the driver refuses this user".to_owned(),
            "run as root, or give the user access to /dev/nvidia*",
        ),
        State::Failing => (
            Verdict::Unknown,
            format!("calls about it fail; last read {age} s ago"),
            "read `journalctl -k` for NVRM and XID",
        ),
        State::Gone => (
            Verdict::Failed,
            "the driver no longer lists it".to_owned(),
            "look for it with `lspci`; read `journalctl -k`",
        ),
    };
    Some(finding(view.state.name(), verdict, evidence, next_step))
}

/// Findings from the numbers of one sample.
fn of_numbers(read: &dyn Fn(&str, &str) -> Option<f64>) -> Vec<Finding> {
    let mut found = Vec::new();
    let flag = |family: &str, labels: &str| read(family, labels).is_some_and(|value| value > 0.0);
    if flag("odin_gpu_row_remap_failed", "") {
        found.push(finding(
            "row_remap_failed",
            Verdict::Failed,
            "no spare memory row was left".to_owned(),
            "replace the GPU",
        ));
    }
    if flag("odin_gpu_row_remap_pending", "") || flag("odin_gpu_page_retirement_pending", "") {
        found.push(finding(
            "row_remap_pending",
            Verdict::Degraded,
            "memory is replaced at the next reset".to_owned(),
            "reset the GPU when it is idle",
        ));
    }
    if let Some(errors) = read("odin_gpu_ecc_errors_total", r#"error="uncorrected",since="boot""#)
        && errors > 0.0
    {
        found.push(finding(
            "ecc_uncorrected",
            Verdict::Degraded,
            format!("{errors} uncorrected memory errors since the driver was loaded"),
            "drain the GPU and reset it; replace it when they come again",
        ));
    }
    for (name, family, words) in [
        ("memory_unrepairable", "odin_gpu_memory_unrepairable", "memory is faulty and cannot be repaired"),
        ("sram_threshold", "odin_gpu_sram_ecc_threshold_exceeded", "SRAM has more errors than NVIDIA allows"),
    ] {
        if flag(family, "") {
            found.push(finding(name, Verdict::Failed, words.to_owned(), "replace the GPU"));
        }
    }
    if let Some(action) = read("odin_gpu_recovery_action", "")
        && action > 0.0
    {
        found.push(finding(
            "recovery_action",
            Verdict::Failed,
            format!("the driver asks for recovery action {action}"),
            "1 reset, 2 reboot, 3 drain peers, 4 drain and reset, 5 recover the IMEX domain",
        ));
    }
    let pair =
        |family: &str| Some((read(family, r#"value="current""#)?, read(family, r#"value="maximum""#)?));
    if let Some((now, possible)) = pair("odin_gpu_pcie_link_width")
        && now < possible
    {
        found.push(finding(
            "pcie_width",
            Verdict::Degraded,
            format!("PCIe runs with {now} of {possible} lanes"),
            "reseat the GPU; check the riser and the slot",
        ));
    }
    // An idle GPU lowers the generation to save power; one that works does not.
    if let Some((now, possible)) = pair("odin_gpu_pcie_link_generation")
        && now < possible
        && flag("odin_gpu_utilization_ratio", r#"engine="gpu""#)
    {
        found.push(finding(
            "pcie_generation",
            Verdict::Degraded,
            format!("PCIe runs at generation {now} of {possible} under load"),
            "reseat the GPU; check the riser and the slot",
        ));
    }
    for (reason, step) in [
        ("hardware_thermal", "check fans, filters and the temperature of the room"),
        ("hardware_power_brake", "check the power supplies; the server asserts its power brake"),
        ("hardware_slowdown", "check cooling and power supplies"),
    ] {
        if flag("odin_gpu_clock_event_active", &format!("reason=\"{reason}\"")) {
            let words = format!("the hardware holds the clocks down: {}", reason.replace('_', " "));
            found.push(finding(reason, Verdict::Degraded, words, step));
        }
    }
    found
}

fn of_storm(rate: f64) -> Option<Finding> {
    (rate >= storm::LIMIT).then(|| {
        finding(
            "nvlink_errors",
            Verdict::Degraded,
            format!("NVLink has {rate:.0} CRC errors a second"),
            "drain and reset the GPUs at both ends; check the bridge or switch",
        )
    })
}

fn of_xid(number: u64, count: usize) -> Finding {
    let name = format!("xid_{number}");
    let times = format!("XID {number}, {count} in the last 5 minutes");
    match xid::look_up(number) {
        Some(known) => {
            let verdict = match known.class {
                Class::Application => Verdict::Healthy,
                Class::Notice => Verdict::Degraded,
                Class::Reset | Class::Hardware => Verdict::Failed,
            };
            finding(&name, verdict, format!("{times}: {}", known.meaning), known.action)
        }
        None => finding(&name, Verdict::Degraded, times, "look it up in NVIDIA's list of XID errors"),
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        })
    }
}

impl fmt::Display for Health {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(reason) = &self.unavailable {
            writeln!(formatter, "unknown   {}", reason.evidence)?;
            return write!(formatter, "          next: {}", reason.next_step);
        }
        if self.gpus.is_empty() {
            return write!(formatter, "no GPU: driver {} counts none", self.driver);
        }
        for (at, gpu) in self.gpus.iter().enumerate() {
            let identity = gpu.identity.clone().unwrap_or_default();
            if at > 0 {
                writeln!(formatter)?;
            }
            write!(formatter, "{:<3} {:<9} {} {}", gpu.index, gpu.verdict, identity.name, identity.uuid)?;
            for finding in &gpu.findings {
                write!(
                    formatter,
                    "\n    {}: {}\n        next: {}",
                    finding.name, finding.evidence, finding.next_step
                )?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_in_the_numbers_is_found() {
        let cases: [(&str, &str, f64, &str); 9] = [
            ("odin_gpu_row_remap_failed", "", 1.0, "row_remap_failed"),
            ("odin_gpu_row_remap_pending", "", 1.0, "row_remap_pending"),
            ("odin_gpu_page_retirement_pending", "", 1.0, "row_remap_pending"),
            ("odin_gpu_ecc_errors_total", r#"error="uncorrected",since="boot""#, 2.0, "ecc_uncorrected"),
            ("odin_gpu_memory_unrepairable", "", 1.0, "memory_unrepairable"),
            ("odin_gpu_sram_ecc_threshold_exceeded", "", 1.0, "sram_threshold"),
            ("odin_gpu_recovery_action", "", 2.0, "recovery_action"),
            ("odin_gpu_clock_event_active", r#"reason="hardware_thermal""#, 1.0, "hardware_thermal"),
            ("odin_gpu_clock_event_active", r#"reason="hardware_power_brake""#, 1.0, "hardware_power_brake"),
        ];
        for (family, labels, value, name) in cases {
            assert!(CATALOGUE.slot(family, labels).is_some(), "{family} {labels}");
            let found = of_numbers(&|f, l| (f == family && l == labels).then_some(value));
            assert_eq!(found.iter().map(|found| found.name.as_str()).collect::<Vec<_>>(), [name]);
            assert!(of_numbers(&|f, l| (f == family && l == labels).then_some(0.0)).is_empty(), "{family}");
        }
        assert!(of_numbers(&|_, _| None).is_empty());
    }

    #[test]
    fn an_idle_gpu_may_lower_its_pcie_generation() {
        let read = |busy: f64| {
            of_numbers(&move |family, labels| match (family, labels) {
                ("odin_gpu_pcie_link_generation", r#"value="current""#) => Some(1.0),
                ("odin_gpu_pcie_link_generation", r#"value="maximum""#) => Some(5.0),
                ("odin_gpu_utilization_ratio", _) => Some(busy),
                _ => None,
            })
        };
        assert!(read(0.0).is_empty());
        assert_eq!(read(0.5).len(), 1);
    }

    #[test]
    fn an_xid_of_a_program_leaves_the_gpu_healthy() {
        for (number, verdict) in
            [(13, Verdict::Healthy), (79, Verdict::Failed), (63, Verdict::Degraded), (7, Verdict::Degraded)]
        {
            assert_eq!(of_xid(number, 1).verdict, verdict, "{number}");
        }
    }
}
