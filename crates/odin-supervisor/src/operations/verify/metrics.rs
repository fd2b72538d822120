//! Rows about Prometheus: asked here, judged in [`judge`].

mod judge;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::join;
use odin_cluster::cluster::Service;
use odin_model::report::Row;
use serde::de::DeserializeOwned;

use super::stack::{Finding, Stack, absent, bounded, judged, settled};
use judge::{Answer, Rules, Runtime, Storage, Targets, Vector};
pub(super) use judge::{Sample, list};

const PHASE: u8 = 2;
const ROWS: [&str; 7] = [
    "targets-up",
    "jobs-found",
    "series-fresh",
    "retention-set",
    "rules-healthy",
    "samples-accepted",
    "storage-healthy",
];
/// Jobs that every cluster has.
const ALWAYS: [&str; 5] = ["prometheus", "apiserver", "kubelet", "cadvisor", "coredns"];
/// Components that are scraped, by a job of their name.
const SCRAPED: [&str; 6] =
    ["alertmanager", "node-exporter", "loki", "otel-collector", "grafana", "kube-state-metrics"];
/// A target or a rule that was never tried yet is, within the longest interval
/// that is usual.
const SETTLE: Duration = Duration::from_secs(40);
/// No row takes longer.
const LIMIT: Duration = Duration::from_secs(60);

/// A Prometheus that is asked.
#[derive(Clone, Copy)]
pub(super) struct Prometheus<'a> {
    stack: &'a Stack,
    service: Service<'a>,
}

impl<'a> Prometheus<'a> {
    /// The declared one.
    pub(super) fn of(stack: &'a Stack) -> Option<Self> {
        Some(Self { stack, service: stack.service("prometheus", "9090")? })
    }

    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<T, String> {
        let answer: Answer<T> = self.stack.ask(self.service, path, query).await?;
        Ok(answer.data)
    }

    /// What an expression is now.
    pub(super) async fn now(&self, expression: &str) -> Result<Vec<Sample>, String> {
        let vector: Vector = self.ask("/api/v1/query", &[("query", expression)]).await?;
        vector.samples()
    }
}

/// Every row about Prometheus itself. `host` are the jobs of the host's own
/// units that must be there.
pub(super) async fn rows(stack: &Stack, host: &[&'static str]) -> Vec<Row> {
    let Some(prometheus) = Prometheus::of(stack) else { return absent(PHASE, &ROWS, "prometheus") };
    let expected = expected(|component| stack.has(component), host);
    let targets = targets(&prometheus, &expected).await;
    let (fresh, retention, rules, accepted, storage) = join!(
        bounded(LIMIT, fresh(&prometheus, &targets)),
        bounded(LIMIT, retention(&prometheus)),
        bounded(LIMIT, rules(&prometheus)),
        bounded(LIMIT, accepted(&prometheus)),
        bounded(LIMIT, storage(&prometheus)),
    );
    let pods = "`kubectl -n monitoring get pods`, then the log of prometheus-0";
    let [up, found, new, kept, ruled, taken, stored] = ROWS;
    vec![
        judged(
            PHASE,
            up,
            targets.clone().and_then(|targets| judge::up(&targets)),
            "docs/runbooks/TargetDown.md",
        ),
        judged(
            PHASE,
            found,
            targets.and_then(|targets| judge::found(&targets, &expected)),
            "docs/runbooks/TargetMissing.md",
        ),
        judged(PHASE, new, fresh, pods),
        judged(
            PHASE,
            kept,
            retention,
            "`retention` in the values of the chart prometheus, then `odin apply`",
        ),
        judged(PHASE, ruled, rules, "docs/runbooks/PrometheusRuleFailures.md"),
        judged(PHASE, taken, accepted, "the log of prometheus-0 names the target whose samples it drops"),
        judged(PHASE, stored, storage, "docs/runbooks/PrometheusStorageFailing.md"),
    ]
}

/// Jobs that must have a target on this machine.
fn expected(has: impl Fn(&str) -> bool, host: &[&'static str]) -> BTreeSet<&'static str> {
    let scraped = SCRAPED.into_iter().filter(|component| has(component));
    ALWAYS.into_iter().chain(scraped).chain(host.iter().copied()).collect()
}

/// The targets, once each was tried and none is missing that a pod which has
/// just started will be.
async fn targets(prometheus: &Prometheus<'_>, expected: &BTreeSet<&str>) -> Result<Targets, String> {
    let ask = || prometheus.ask("/api/v1/targets", &[("state", "active")]);
    settled(SETTLE, ask, |targets: &Targets| targets.settled() && judge::found(targets, expected).is_ok())
        .await
}

/// The newest sample of each job.
async fn fresh(prometheus: &Prometheus<'_>, targets: &Result<Targets, String>) -> Finding {
    let intervals = targets.as_ref().map_err(Clone::clone)?.intervals()?;
    let samples = prometheus.now("time() - max by (job) (timestamp(up))").await?;
    let ages: BTreeMap<String, f64> = samples
        .into_iter()
        .filter_map(|sample| Some((sample.label("job")?.to_owned(), sample.value)))
        .collect();
    judge::fresh(&ages, &intervals)
}

async fn retention(prometheus: &Prometheus<'_>) -> Finding {
    let runtime: Runtime = prometheus.ask("/api/v1/status/runtimeinfo", &[]).await?;
    judge::retention(&runtime)
}

async fn rules(prometheus: &Prometheus<'_>) -> Finding {
    let runtime: Runtime = prometheus.ask("/api/v1/status/runtimeinfo", &[]).await?;
    let rules = settled(SETTLE, || prometheus.ask("/api/v1/rules", &[]), Rules::settled).await?;
    judge::rules(&rules, &runtime)
}

/// Samples that were thrown away because another one was there already.
async fn accepted(prometheus: &Prometheus<'_>) -> Finding {
    let mut dropped = Vec::new();
    for (why, metric) in judge::DROPPED {
        let query = format!("sum(increase(prometheus_target_scrapes_sample_{metric}_total[15m]))");
        // A Prometheus that just started has been scraped once, and an increase
        // needs two.
        let found = settled(SETTLE, || prometheus.now(&query), |samples| !samples.is_empty()).await?;
        dropped.push((why, found.first().map(|sample| sample.value)));
    }
    judge::accepted(&dropped)
}

async fn storage(prometheus: &Prometheus<'_>) -> Finding {
    let head: Storage = prometheus.ask("/api/v1/status/tsdb", &[]).await?;
    let told = prometheus.now(&judge::failures_told()).await?;
    let failures = prometheus.now(&judge::failures()).await?;
    judge::storage(&head, &told, &failures)
}

/// Whether kube-state-metrics tells of every node.
pub(super) async fn object_state(stack: &Stack) -> Row {
    const NAME: &str = "object-state";
    const COMPONENT: &str = "kube-state-metrics";
    let (Some(prometheus), true) = (Prometheus::of(stack), stack.has(COMPONENT)) else {
        return absent(PHASE, &[NAME], COMPONENT).remove(0);
    };
    let finding = bounded(LIMIT, async {
        let nodes = stack.cluster.nodes().await.map_err(|error| error.to_string())?;
        let told = prometheus.now("count(kube_node_info{job=\"kube-state-metrics\"})").await?;
        judge::object_state(nodes.len(), &told)
    })
    .await;
    judged(PHASE, NAME, finding, "`kubectl -n monitoring get pods`, then the log of kube-state-metrics")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_must_be_scraped_follows_from_what_is_declared() {
        let jobs = |components: &[&str], host| expected(|name| components.contains(&name), host);
        let bare = jobs(&[], &[]);
        assert_eq!(bare.len(), ALWAYS.len());
        let more = jobs(&["loki", "alertmanager", "platform"], &["gpu"]);
        assert_eq!(more.len(), ALWAYS.len() + 3);
        assert!(more.contains("loki") && more.contains("gpu") && !more.contains("platform"), "{more:?}");
    }
}
