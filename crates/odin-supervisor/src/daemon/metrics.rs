//! What `/metrics` tells, in Prometheus' text format.

use std::sync::atomic::AtomicU64;

use odin_model::config::Remedy;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::alerting::remediation::record::Verdict;
use crate::api::Traffic;
use crate::appliance::Appliance;
use crate::records::Records;

/// Counters of the daemon's life; gauges are read when asked for.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    operations: Family<OperationLabels, Counter>,
    /// A counter that appears with its first failure has no increase; this has a value.
    last: Family<LastLabels, Gauge>,
    drift: Family<DriftLabels, Counter>,
    remediation: Family<RemediationLabels, Counter>,
    resolved: Family<ResolvedLabels, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabels {
    operation: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LastLabels {
    operation: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DriftLabels {
    action: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RemediationLabels {
    action: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResolvedLabels {
    by: &'static str,
}

impl Metrics {
    /// Counts a turn of a remedy: `would-be-done`, `done`, `failed`, `resolved`
    /// or `not-resolved`.
    pub(super) fn remediation(&self, action: Remedy, result: &Verdict) {
        let labels = RemediationLabels { action: action.name(), result: result.name() };
        self.remediation.get_or_create(&labels).inc();
    }

    /// Counts an alert that resolved: by a remedy of ODIN, or otherwise.
    pub(super) fn resolved(&self, by_odin: bool) {
        let by = if by_odin { "odin" } else { "other" };
        self.resolved.get_or_create(&ResolvedLabels { by }).inc();
    }

    /// Counts an operation that ended.
    pub(super) fn operation(&self, operation: &'static str, succeeded: bool) {
        let result = if succeeded { "succeeded" } else { "failed" };
        self.operations.get_or_create(&OperationLabels { operation, result }).inc();
        self.last.get_or_create(&LastLabels { operation }).set(i64::from(succeeded));
    }

    /// Counts a drift that was seen: `repaired`, `suspended` or `failed`.
    pub(super) fn drift(&self, action: &'static str) {
        self.drift.get_or_create(&DriftLabels { action }).inc();
    }

    /// The exposition.
    pub(super) fn render(&self, appliance: &Appliance, traffic: &Traffic) -> String {
        let mut registry = Registry::with_prefix("odin");
        let version = [("version".into(), env!("CARGO_PKG_VERSION").into())].into_iter();
        let build = Gauge::<i64>::default();
        build.set(1);
        registry.sub_registry_with_labels(version).register("build_info", "The version that runs", build);
        registry.register("operations", "Operations that ended, by result", self.operations.clone());
        registry.register(
            "operation_last_succeeded",
            "1 when the newest operation of this kind succeeded, 0 when it failed",
            self.last.clone(),
        );
        // From the beginning, so that the first one counts in a rate.
        for action in ["repaired", "suspended", "failed"] {
            drop(self.drift.get_or_create(&DriftLabels { action }));
        }
        registry.register(
            "drift",
            "Changes made by others to declared objects, by what was done",
            self.drift.clone(),
        );
        traffic.register(&mut registry);
        if appliance.config.alerting.as_ref().is_some_and(|alerting| !alerting.remediation.actions.is_empty())
        {
            for by in ["odin", "other"] {
                drop(self.resolved.get_or_create(&ResolvedLabels { by }));
            }
            registry.register(
                "remediation_actions",
                "Remedies for alerts, by what came of them",
                self.remediation.clone(),
            );
            registry.register(
                "alerts_resolved",
                "Alerts that resolved, by who made them",
                self.resolved.clone(),
            );
        }
        let records = Records::of(appliance);
        let suspended = Gauge::<i64>::default();
        suspended.set(i64::from(records.is_suspended()));
        registry.register("suspended", "1 while the repair of drift is suspended", suspended);
        // A time that is unknown has no sample: 0 would be a time.
        if let Some(backup) = records.backup() {
            gauge(
                &mut registry,
                "backup_last_success_timestamp_seconds",
                "When the newest snapshot was taken",
                seconds(backup.time),
            );
            gauge(
                &mut registry,
                "backup_last_duration_seconds",
                "How long the newest backup took",
                backup.seconds,
            );
        }
        if let Some(declared) = &appliance.config.backup {
            gauge(
                &mut registry,
                "backup_maximum_age_seconds",
                "Declared age above which the newest snapshot is too old",
                declared.maximum_age.as_secs_f64(),
            );
            // Who has no drills by schedule is not told that there was none.
            if declared.drill.schedule.is_some() {
                gauge(
                    &mut registry,
                    "drill_maximum_age_seconds",
                    "Declared age above which the newest drill is too old",
                    declared.drill.maximum_age.as_secs_f64(),
                );
            }
        }
        if let Some(drill) = records.drill() {
            gauge(
                &mut registry,
                "drill_last_timestamp_seconds",
                "When the newest drill began",
                seconds(drill.time),
            );
            gauge(
                &mut registry,
                "drill_last_passed",
                "1 when the newest drill passed",
                f64::from(u8::from(drill.passed)),
            );
            gauge(
                &mut registry,
                "drill_last_duration_seconds",
                "How long the newest drill took",
                drill.seconds,
            );
        }
        if let Some(prune) = records.prune() {
            gauge(
                &mut registry,
                "prune_last_timestamp_seconds",
                "When the newest prune of the repository began",
                seconds(prune.time),
            );
            // Freed by this one; the next that finds nothing says 0.
            #[allow(clippy::cast_precision_loss, reason = "a gauge is a double")]
            gauge(
                &mut registry,
                "prune_last_freed_bytes",
                "Bytes the newest prune of the repository freed",
                prune.freed as f64,
            );
        }
        if let Some(test) = records.self_test() {
            gauge(
                &mut registry,
                "alert_self_test_last_timestamp_seconds",
                "When the delivery of alerts was last tried",
                seconds(test.time),
            );
            gauge(
                &mut registry,
                "alert_self_test_last_passed",
                "1 when every receiver took the alert",
                f64::from(u8::from(test.passed)),
            );
            gauge(
                &mut registry,
                "alert_self_test_last_duration_seconds",
                "How long the newest trial of delivery took",
                test.seconds,
            );
        }
        let mut text = String::new();
        if let Err(error) = encode(&mut text, &registry) {
            tracing::error!(%error, "cannot encode the metrics");
        }
        text
    }
}

fn gauge(registry: &mut Registry, name: &str, help: &str, value: f64) {
    let gauge = Gauge::<f64, AtomicU64>::default();
    gauge.set(value);
    registry.register(name, help, gauge);
}

fn seconds(time: jiff::Timestamp) -> f64 {
    time.as_duration().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use odin_model::config::Config;

    use super::*;

    fn appliance(state: &Path, text: &str) -> Appliance {
        let mut config = Config::parse(text, Path::new("odin.toml")).expect("a declaration");
        config.host.state_dir = state.to_owned();
        Appliance { config, site_keys: Vec::new(), file: "/etc/odin/odin.toml".into() }
    }

    #[test]
    fn the_newest_operation_of_a_kind_is_what_counts() {
        let state = tempfile::tempdir().expect("a directory");
        let metrics = Metrics::default();
        metrics.operation("apply", true);
        metrics.operation("backup-now", false);
        let appliance = appliance(state.path(), "");
        let text = metrics.render(&appliance, &Traffic::default());
        assert!(text.contains("odin_operation_last_succeeded{operation=\"apply\"} 1\n"), "{text}");
        assert!(text.contains("odin_operation_last_succeeded{operation=\"backup-now\"} 0\n"), "{text}");
        metrics.operation("backup-now", true);
        let text = metrics.render(&appliance, &Traffic::default());
        assert!(text.contains("odin_operation_last_succeeded{operation=\"backup-now\"} 1\n"), "{text}");
    }

    #[test]
    fn ages_are_told_where_they_are_declared() {
        let state = tempfile::tempdir().expect("a directory");
        let metrics = Metrics::default();
        let none = metrics.render(&appliance(state.path(), ""), &Traffic::default());
        assert!(!none.contains("maximum_age"), "{none}");
        let backup = "[backup]\npassword-file = \"/p\"\nmaximum-age = \"2h\"";
        let unscheduled = metrics.render(&appliance(state.path(), backup), &Traffic::default());
        assert!(unscheduled.contains("odin_backup_maximum_age_seconds 7200"), "{unscheduled}");
        assert!(!unscheduled.contains("odin_drill_maximum_age"), "{unscheduled}");
        let drilled = format!("{backup}\n[backup.drill]\nschedule = \"0 4 * * 0\"");
        let scheduled = metrics.render(&appliance(state.path(), &drilled), &Traffic::default());
        assert!(scheduled.contains("odin_drill_maximum_age_seconds 691200"), "{scheduled}");
    }
}
