//! What is wrong on a machine, and what to do next, from its status.

use super::view::{Alert, Component, Gpus, Trouble};
use crate::operations::status::{Report, Seen, short};

/// What the status tells, the gravest first. That there is no backup is a
/// trouble where one is declared.
pub(super) fn of_status(report: &Report, backs_up: bool) -> Vec<Trouble> {
    let mut found = Vec::new();
    let mut put = |critical, what: String, next_step: &str| {
        found.push(Trouble { what, next_step: next_step.to_owned(), runbook: None, critical });
    };
    if !report.unit_active {
        put(
            true,
            format!("{} is not active", report.unit),
            "systemctl status, then journalctl -u, of that unit",
        );
    }
    match &report.cluster {
        Seen::Unknown { unknown } => {
            put(
                true,
                format!("the cluster does not answer: {unknown}"),
                "odin status, and kubectl get nodes",
            );
        }
        Seen::Known(cluster) => {
            for node in cluster.nodes.iter().filter(|node| !node.ready) {
                put(
                    true,
                    format!("node {} is not ready: {}", node.name, node.reason),
                    "kubectl describe node",
                );
            }
            if cluster.incomplete {
                put(
                    true,
                    "an apply did not end well".to_owned(),
                    "odin apply takes it up again and says what fails",
                );
            }
            match &report.bundle {
                Seen::Unknown { unknown } => {
                    put(
                        false,
                        format!("the declared bundle cannot be read: {unknown}"),
                        "odin bundle lint /etc/odin/bundle",
                    );
                }
                Seen::Known(bundle) if bundle.digest != cluster.digest && report.undone.is_none() => {
                    put(
                        false,
                        format!("bundle {} is declared and not in force", short(&bundle.digest)),
                        "odin plan shows what would change; odin apply does it",
                    );
                }
                Seen::Known(_) => {}
            }
        }
    }
    if let Some(undone) = &report.undone {
        put(false, format!("bundle {} was undone", short(undone)), "odin apply brings it back");
    }
    if let Some(drill) = report.drill.as_ref().filter(|drill| !drill.passed) {
        put(
            true,
            format!("the last drill failed: {}", drill.findings.join("; ")),
            "odin backup check --read-data, then odin backup drill",
        );
    }
    if let Some(test) = report.self_test.as_ref().filter(|test| !test.passed) {
        put(
            true,
            format!("the delivery of alerts failed: {}", test.findings.join("; ")),
            "mend the receiver, then odin alerts test",
        );
    }
    if let Some(upgrade) = report.upgrade.as_ref().filter(|upgrade| !upgrade.well) {
        put(false, format!("the last upgrade: {}", upgrade.newest), "odin upgrade history says why");
    }
    if backs_up && report.backup.is_none() {
        put(false, "there is no backup yet".to_owned(), "odin backup now");
    }
    if report.suspended {
        put(false, "the repair of drift is suspended".to_owned(), "odin resume");
    }
    found
}

/// What components, GPUs and alerts tell besides; the watchdog is no trouble.
pub(super) fn of_parts(
    components: Option<&[Component]>,
    gpus: Option<&Gpus>,
    alerts: Option<&[Alert]>,
) -> Vec<Trouble> {
    let mut found = Vec::new();
    for alert in alerts.unwrap_or_default().iter().filter(|alert| alert.is_trouble()) {
        found.push(Trouble {
            what: format!("{}: {}", alert.name, alert.summary),
            next_step: match &alert.runbook {
                Some(_) => format!("the runbook {}", alert.name),
                None => "it has no runbook on this machine".to_owned(),
            },
            runbook: alert.runbook.clone(),
            critical: alert.severity == "critical",
        });
    }
    for component in components.unwrap_or_default() {
        for ill in &component.ill {
            found.push(Trouble {
                what: format!("{}: {}: {}", component.name, ill.object, ill.reason),
                next_step: "kubectl describe it, and read the logs of its pods".to_owned(),
                runbook: None,
                critical: true,
            });
        }
    }
    if let Some(gpus) = gpus {
        let of_gpus =
            gpus.gpus.iter().flat_map(|gpu| gpu.findings.iter().map(move |found| (Some(gpu.index), found)));
        let of_machine = gpus.findings.iter().map(|found| (None, found));
        for (index, finding) in of_gpus.chain(of_machine).filter(|(_, finding)| finding.verdict != "healthy")
        {
            let whose = index.map_or_else(|| "GPUs".to_owned(), |index| format!("GPU {index}"));
            found.push(Trouble {
                what: format!("{whose}: {}: {}", finding.name, finding.evidence),
                next_step: finding.next_step.clone(),
                runbook: None,
                critical: finding.verdict != "degraded",
            });
        }
    }
    found
}

impl Alert {
    /// Whether it says that something is wrong: it is not silenced, and it is
    /// not one that always fires.
    pub(super) fn is_trouble(&self) -> bool {
        self.state != "suppressed" && !matches!(self.severity.as_str(), "none" | "info")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::status::{BundleState, ClusterState, NodeState};
    use crate::records::SelfTestRecord;

    /// A machine that is well.
    fn well() -> Report {
        let node = NodeState {
            name: "gpu-01".into(),
            ready: true,
            reason: String::new(),
            version: "v1.35.4".into(),
        };
        Report {
            host: "gpu-01".into(),
            unit: "k3s.service".into(),
            unit_active: true,
            cluster: Seen::Known(ClusterState {
                nodes: vec![node],
                generation: 1,
                digest: "same".into(),
                objects: 1,
                incomplete: false,
            }),
            bundle: Seen::Known(BundleState {
                digest: "same".into(),
                overlay: "lab".into(),
                components: 1,
                objects: 1,
            }),
            suspended: false,
            undone: None,
            backup: None,
            drill: None,
            self_test: None,
            upgrade: None,
            under_way: None,
        }
    }

    #[test]
    fn a_machine_that_is_not_well_says_what_is_wrong() {
        type Spoil = fn(&mut Report);
        let cases: [(&str, bool, Spoil); 3] = [
            ("k3s.service is not active", true, |report| report.unit_active = false),
            ("the delivery of alerts failed: mail: refused", true, |report| {
                report.self_test = Some(SelfTestRecord {
                    time: jiff::Timestamp::UNIX_EPOCH,
                    seconds: 1.0,
                    passed: false,
                    findings: vec!["mail: refused".into()],
                });
            }),
            ("is declared and not in force", false, |report| {
                if let Seen::Known(cluster) = &mut report.cluster {
                    cluster.digest = "another".into();
                }
            }),
        ];
        assert!(well().is_well());
        assert_eq!(of_status(&well(), false), []);
        for (what, critical, spoil) in cases {
            let mut report = well();
            spoil(&mut report);
            let found = of_status(&report, false);
            assert!(!report.is_well(), "{what}");
            assert!(found[0].what.contains(what), "{found:?}");
            assert_eq!(found[0].critical, critical, "{what}");
        }
    }
}
