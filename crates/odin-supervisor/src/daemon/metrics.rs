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
use crate::appliance::Appliance;
use crate::records::Records;

/// Counters of the daemon's life; gauges are read when asked for.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    operations: Family<OperationLabels, Counter>,
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
    }

    /// Counts a drift that was seen: `repaired`, `suspended` or `failed`.
    pub(super) fn drift(&self, action: &'static str) {
        self.drift.get_or_create(&DriftLabels { action }).inc();
    }

    /// The exposition.
    pub(super) fn render(&self, appliance: &Appliance) -> String {
        let mut registry = Registry::with_prefix("odin");
        let version = [("version".into(), env!("CARGO_PKG_VERSION").into())].into_iter();
        let build = Gauge::<i64>::default();
        build.set(1);
        registry.sub_registry_with_labels(version).register("build_info", "The version that runs", build);
        registry.register("operations", "Operations that ended, by result", self.operations.clone());
        registry.register(
            "drift",
            "Changes made by others to declared objects, by what was done",
            self.drift.clone(),
        );
        if appliance.config.alerting.as_ref().is_some_and(|alerting| !alerting.remediation.actions.is_empty())
        {
            // From the beginning, so that the first one counts in a rate.
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
