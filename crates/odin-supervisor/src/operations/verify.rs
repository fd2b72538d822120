//! `odin verify`: the acceptance of a machine, phase by phase.
//!
//! Every row tries something on this machine. What is not declared is absent,
//! what this machine cannot show is not proven; neither is ever green.

mod alerts;
mod dashboards;
mod gpu;
mod grafana;
mod logs;
mod metrics;
mod stack;

use std::fmt;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::join;
use jiff::{SignedDuration, Timestamp};
use odin_cluster::{Bundle, Cluster, Settings};
use odin_model::report::{Report, Row, Verdict};

use super::{Apply, Outcome, Status};
use crate::Result;
use crate::alerting::declared;
use crate::appliance::Appliance;
use crate::records::Records;
use crate::scrape;
use stack::Stack;

pub(super) async fn verify(appliance: &Appliance, phase: Option<u8>) -> Result<Outcome> {
    let mut report = Report::default();
    if phase.is_none_or(|phase| phase == 1) {
        phase_one(appliance, &mut report).await;
    }
    if phase.is_none_or(|phase| phase == 2) {
        let rows: BoxFuture<'_, Vec<Row>> = Box::pin(phase_two(appliance));
        report.rows.extend(rows.await);
        report.rows.extend(gpu::phase_two(appliance).await);
    }
    if phase.is_none_or(|phase| phase == 3) {
        let rows: BoxFuture<'_, Vec<Row>> = Box::pin(phase_three(appliance));
        report.rows.extend(rows.await);
    }
    if let Some(phase) = phase
        && report.rows.is_empty()
    {
        report.rows.push(row(phase, "phase", Verdict::Absent, "no row of this phase exists in this version"));
    }
    let status = if report.holds() { Status::Done } else { Status::Failed };
    Ok(Outcome::new(status, Table(&report), &report))
}

fn row(phase: u8, name: &str, verdict: Verdict, reason: impl Into<String>) -> Row {
    Row { phase, name: name.to_owned(), verdict, reason: reason.into() }
}

async fn phase_one(appliance: &Appliance, report: &mut Report) {
    match cluster_rows(appliance).await {
        Ok(rows) => report.rows.extend(rows),
        Err(error) => report.rows.push(row(1, "cluster-and-bundle", Verdict::Failed, error.to_string())),
    }
    report.rows.push(backup_fresh(appliance, Timestamp::now()));
    report.rows.push(drill_passed(appliance, Timestamp::now()));
    report.rows.extend(gpu::phase_one(appliance).await);
}

/// Metrics and dashboards.
async fn phase_two(appliance: &Appliance) -> Vec<Row> {
    let stack = match Stack::connect(appliance).await {
        Ok(stack) => stack,
        Err(error) => return vec![row(2, "metrics", Verdict::Failed, error.to_string())],
    };
    let config = &appliance.config;
    // Declared is expected: a daemon that never ran told nobody where it listens.
    let scraped = scrape::is_declared(appliance);
    let gpu = config.gpu.is_some().then_some("gpu");
    let host: Vec<&'static str> = gpu.into_iter().chain(scraped.then_some("odin")).collect();
    let (mut rows, dashboards, grafana, object_state) = join!(
        metrics::rows(&stack, &host),
        dashboards::answer(&stack),
        grafana::rows(appliance, &stack),
        metrics::object_state(&stack),
    );
    rows.push(dashboards);
    rows.extend(grafana);
    rows.push(object_state);
    rows
}

/// Logs and alerts.
async fn phase_three(appliance: &Appliance) -> Vec<Row> {
    let stack = match Stack::connect(appliance).await {
        Ok(stack) => stack,
        Err(error) => return vec![row(3, "logs-and-alerts", Verdict::Failed, error.to_string())],
    };
    let namespace = appliance.config.verify.probe_namespace.as_deref();
    let (mut rows, alerts) = join!(logs::rows(&stack, namespace), alerts::rows(&stack));
    rows.extend(alerts);
    rows
}

async fn cluster_rows(appliance: &Appliance) -> Result<Vec<Row>> {
    let bundle = Bundle::open(&appliance.config.apply.bundle)?;
    let desired = declared::desired(appliance, &bundle)?;
    let cluster = Cluster::connect(&appliance.config.host.kubeconfig).await?;
    let (inventory, _) = cluster.inventory(super::STATE_NAMESPACE).await?;
    let settings =
        Settings { generation: inventory.generation, ..super::apply::settings(appliance, &Apply::default()) };
    Ok(odin_cluster::probe::all(&cluster, &desired, &settings, &appliance.config.verify).await)
}

fn backup_fresh(appliance: &Appliance, now: Timestamp) -> Row {
    let name = "backup-fresh";
    let Some(backup) = &appliance.config.backup else {
        return row(1, name, Verdict::Absent, "[backup] is not declared");
    };
    match Records::of(appliance).backup() {
        None => row(1, name, Verdict::Failed, "there is no backup yet: `odin backup now`"),
        Some(record) => {
            let (verdict, age) = judge_age(record.time, now, backup.maximum_age);
            row(
                1,
                name,
                verdict,
                format!("snapshot {} is {age}", record.snapshot.get(..8).unwrap_or(&record.snapshot)),
            )
        }
    }
}

fn drill_passed(appliance: &Appliance, now: Timestamp) -> Row {
    let name = "drill-passed";
    let Some(backup) = &appliance.config.backup else {
        return row(1, name, Verdict::Absent, "[backup] is not declared");
    };
    match Records::of(appliance).drill() {
        None => row(1, name, Verdict::Failed, "no restore was proven yet: `odin backup drill`"),
        Some(record) if !record.passed => {
            row(1, name, Verdict::Failed, format!("the last drill failed: {}", record.findings.join("; ")))
        }
        Some(record) => {
            let (verdict, age) = judge_age(record.time, now, backup.drill.maximum_age);
            row(
                1,
                name,
                verdict,
                format!(
                    "{} files restored and compared in {:.1} s; the drill is {age}",
                    record.files, record.seconds
                ),
            )
        }
    }
}

/// Judges how old something may be; says it in words.
fn judge_age(time: Timestamp, now: Timestamp, maximum: Duration) -> (Verdict, String) {
    let age = now.duration_since(time);
    let limit = SignedDuration::try_from(maximum).unwrap_or(SignedDuration::MAX);
    let words = format!("{} min old, at most {} min are declared", age.as_mins(), limit.as_mins());
    (if age <= limit { Verdict::Passed } else { Verdict::Failed }, words)
}

struct Table<'a>(&'a Report);

impl fmt::Display for Table<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in &self.0.rows {
            writeln!(formatter, "{}  {:<24} {:<15} {}", row.phase, row.name, row.verdict, row.reason)?;
        }
        let count = |verdict| self.0.count(verdict);
        write!(
            formatter,
            "{} passed, {} failed, {} absent, {} not proven here",
            count(Verdict::Passed),
            count(Verdict::Failed),
            count(Verdict::Absent),
            count(Verdict::NotProven)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn age_is_judged_against_the_declared_limit() {
        let now: Timestamp = "2026-11-23T12:00:00Z".parse().expect("a time");
        let hour = Duration::from_secs(3600);
        let cases = [
            ("2026-11-23T11:30:00Z", Verdict::Passed),
            ("2026-11-23T11:00:00Z", Verdict::Passed),
            ("2026-11-23T10:59:59Z", Verdict::Failed),
            // A clock that was set back makes nothing stale.
            ("2026-11-23T13:00:00Z", Verdict::Passed),
        ];
        for (time, verdict) in cases {
            assert_eq!(judge_age(time.parse().expect("a time"), now, hour).0, verdict, "{time}");
        }
    }
}
