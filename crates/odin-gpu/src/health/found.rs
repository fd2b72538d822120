//! What is wrong with one GPU, from its state, its numbers and its XIDs.

use super::{Finding, Gpu, Verdict};
use crate::exposition::View;
use crate::nvml::Session;
use crate::pods::Pods;
use crate::rates::Rates;
use crate::sample::State;
use crate::xid::{self, Class};

/// NVLink errors a second that are a storm: DCGM's health watch takes 100 CRC
/// errors a second (DCGM, modules/health, `DCGM_LIMIT_MAX_NVLINK_CRC_ERROR`).
const NVLINK_STORM: f64 = 100.0;

/// PCIe replays a minute that are too many, as DCGM's health watch has it
/// (`DCGM_LIMIT_MAX_PCIREPLAY_RATE`).
const PCIE_REPLAYS: f64 = 8.0;

pub(super) fn finding(name: &str, verdict: Verdict, evidence: String, next_step: &str) -> Finding {
    Finding { name: name.to_owned(), verdict, evidence, next_step: next_step.to_owned() }
}

pub(super) fn of_state(view: &View) -> Option<Finding> {
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
pub(super) fn of_numbers(read: &dyn Fn(&str, &str) -> Option<f64>) -> Vec<Finding> {
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
    if let Some(health) = read("odin_gpu_fabric_health", "").filter(|health| *health >= 2.0) {
        found.push(finding(
            "fabric_health",
            if health < 3.0 { Verdict::Failed } else { Verdict::Degraded },
            format!("the NVLink fabric is {}", if health < 3.0 { "unhealthy" } else { "limited" }),
            "read the log of nvidia-fabricmanager.service; check the switches",
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

/// Findings from how fast counters of errors rise.
pub(super) fn of_rates(rates: &Rates) -> Vec<Finding> {
    let mut found = Vec::new();
    if let Some(rate) = rates.nvlink_errors.filter(|rate| *rate > NVLINK_STORM) {
        found.push(finding(
            "nvlink_errors",
            Verdict::Degraded,
            format!("its NVLinks have {rate:.0} errors a second"),
            "check the bridge or switch; drain and reset the GPUs at both ends",
        ));
    }
    if let Some(rate) = rates.pcie_replays.map(|rate| rate * 60.0).filter(|rate| *rate > PCIE_REPLAYS) {
        found.push(finding(
            "pcie_replays",
            Verdict::Degraded,
            format!("PCIe sends {rate:.0} packets a minute again"),
            "reseat the GPU; check the riser and the slot",
        ));
    }
    found
}

/// A driver that counts no GPU where somebody declared one.
pub(super) fn of_count(gpus: &[Gpu], driver: &str) -> Option<Finding> {
    gpus.is_empty().then(|| {
        finding(
            "no_gpu",
            Verdict::Failed,
            format!("driver {driver} counts no GPU"),
            "look for it with `lspci -d 10de:`, and why the driver leaves it out with `journalctl -k`",
        )
    })
}

/// A driver older than what is read.
pub(super) fn of_symbols(session: &Session) -> Option<Finding> {
    let (missing, all) = (session.missing(), session.known());
    (missing > 0).then(|| {
        finding(
            "old_driver",
            Verdict::Healthy,
            format!("the driver lacks {missing} of {all} calls that are read; their metrics are absent"),
            "nothing; a newer driver has them",
        )
    })
}

/// A kubelet that does not tell which pod has which GPU.
pub(super) fn of_pods(pods: &Pods) -> Option<Finding> {
    let refused = pods.refused.as_ref()?;
    Some(finding(
        &format!("pod_resources_{}", refused.name()),
        Verdict::Healthy,
        format!("use by pods is not known: the kubelet's pod-resources API: {refused}"),
        "look at the kubelet (`systemctl status k3s`) and at gpu.pod-resources-socket",
    ))
}

pub(super) fn of_xid(number: u64, count: usize) -> Finding {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::CATALOGUE;

    #[test]
    fn every_fault_in_the_numbers_is_found() {
        let cases: [(&str, &str, f64, &str); 11] = [
            ("odin_gpu_fabric_health", "", 2.0, "fabric_health"),
            ("odin_gpu_clock_event_active", r#"reason="hardware_slowdown""#, 1.0, "hardware_slowdown"),
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

    #[test]
    fn a_storm_of_errors_is_found_and_a_trickle_is_not() {
        let cases = [
            (None, None, 0),
            (Some(99.0), Some(0.1), 0),
            (Some(101.0), None, 1),
            (Some(500.0), Some(1.0), 2),
        ];
        for (nvlink_errors, pcie_replays, count) in cases {
            assert_eq!(of_rates(&Rates { nvlink_errors, pcie_replays }).len(), count, "{nvlink_errors:?}");
        }
    }
}
