//! `odin alerts test`: an alert to every receiver, and what became of it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use odin_model::config::Receiver;
use odin_model::event::{Event, Observer, StepState};
use serde::Serialize;

use super::{alertmanager, with_receivers};
use crate::alerting::alertmanager::{Alertmanager, Raised};
use crate::alerting::configuration::{SELF_TEST, SELF_TEST_LABEL};
use crate::alerting::delivery::{Count, Delivery};
use crate::appliance::Appliance;
use crate::operations::{Outcome, Status};
use crate::records::{Records, SelfTestRecord};
use crate::{Error, Result};

/// How long a receiver may take. Alertmanager repeats a request that failed
/// after seconds, so this is time for some.
const WITHIN: Duration = Duration::from_secs(45);
/// How often Alertmanager's metrics are read meanwhile.
const LOOK: Duration = Duration::from_millis(500);
/// How long the alert lives when nobody ends it.
const LIFE: SignedDuration = SignedDuration::from_mins(5);

/// One way of one receiver.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Row {
    receiver: String,
    integration: &'static str,
    sent: bool,
    seconds: f64,
    /// Why it was not sent; empty when it was.
    reason: String,
    #[serde(skip)]
    before: Count,
    #[serde(skip)]
    done: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Report {
    passed: bool,
    id: String,
    rows: Vec<Row>,
}

pub(crate) async fn test(
    appliance: &Appliance,
    only: Option<&str>,
    observer: &dyn Observer,
) -> Result<Outcome> {
    let declared = with_receivers(appliance, "try the delivery of alerts")?;
    let chosen: Vec<&Receiver> =
        declared.receivers.iter().filter(|receiver| only.is_none_or(|name| name == receiver.name)).collect();
    if let (true, Some(name)) = (chosen.is_empty(), only) {
        return Err(Error::NotUnderstood {
            action: "try the delivery of alerts",
            value: name.to_owned(),
            reason: "none of [[alerting.receivers]] has this name".to_owned(),
        });
    }
    let (began, time) = (Instant::now(), Timestamp::now());
    let alertmanager = alertmanager(appliance).await?;
    known(&alertmanager, &chosen).await?;
    let id = format!("{:x}", time.as_nanosecond());
    let rows = deliver(&alertmanager, &chosen, &id, observer).await?;
    let report = Report { passed: rows.iter().all(|row| row.sent), id, rows };
    let record = SelfTestRecord {
        time,
        seconds: began.elapsed().as_secs_f64(),
        passed: report.passed,
        findings: report.rows.iter().filter(|row| !row.sent).map(ToString::to_string).collect(),
    };
    // One receiver alone says nothing of the others.
    if only.is_none() {
        Records::of(appliance).keep_self_test(&record)?;
    }
    let status = if report.passed { Status::Done } else { Status::Failed };
    Ok(Outcome::new(status, &report, &report))
}

/// Alertmanager must run with what is declared, or it tells somebody else.
async fn known(alertmanager: &Alertmanager, chosen: &[&Receiver]) -> Result<()> {
    let running = alertmanager.receivers().await?;
    match chosen.iter().find(|receiver| !running.contains(&receiver.name)) {
        None => Ok(()),
        Some(receiver) => Err(Error::Alerting {
            action: format!("try the receiver {}", receiver.name),
            reason: "Alertmanager runs with a configuration that does not have it".to_owned(),
            hint: "bring the declaration into force: `odin apply`",
        }),
    }
}

async fn deliver(
    alertmanager: &Alertmanager,
    chosen: &[&Receiver],
    id: &str,
    observer: &dyn Observer,
) -> Result<Vec<Row>> {
    let page = alertmanager.metrics().await?;
    let row = |receiver: &Receiver, integration: &'static str| Row {
        receiver: receiver.name.clone(),
        integration,
        sent: false,
        seconds: 0.0,
        reason: String::new(),
        before: Count::read(&page, &receiver.name, integration),
        done: false,
    };
    let mut rows: Vec<Row> = chosen
        .iter()
        .flat_map(|receiver| receiver.integrations().into_iter().map(|way| row(receiver, way)))
        .collect();
    let now = Timestamp::now();
    let mut alerts: Vec<Raised> =
        chosen.iter().map(|receiver| alert(&receiver.name, id, now, now + LIFE)).collect();
    alertmanager.raise(&alerts).await?;
    observer.event(Event::Step {
        name: "raise alerts".to_owned(),
        state: StepState::Done,
        detail: format!("{} receivers", alerts.len()),
    });
    let began = Instant::now();
    let mut last = vec![Delivery::Waiting; rows.len()];
    while began.elapsed() < WITHIN && rows.iter().any(|row| !row.done) {
        tokio::time::sleep(LOOK).await;
        // A look that fails is tried again; the deadline says when to give up.
        let Ok(page) = alertmanager.metrics().await else { continue };
        for (row, last) in rows.iter_mut().zip(&mut last).filter(|(row, _)| !row.done) {
            let delivery = Count::read(&page, &row.receiver, row.integration).since(row.before);
            // Twice the same: a failure is counted a moment after its request.
            row.done = delivery == *last && matches!(delivery, Delivery::Sent | Delivery::Failed);
            row.sent = row.done && delivery == Delivery::Sent;
            row.seconds = began.elapsed().as_secs_f64();
            *last = delivery;
        }
    }
    for (row, last) in rows.iter_mut().zip(last).filter(|(row, _)| !row.sent) {
        row.reason = reason(last);
    }
    // Whoever was told is told that it is over.
    let now = Timestamp::now();
    alerts.iter_mut().for_each(|alert| alert.ends_at = now);
    alertmanager.raise(&alerts).await?;
    Ok(rows)
}

fn reason(last: Delivery) -> String {
    match last {
        Delivery::Waiting | Delivery::Sent => {
            format!("Alertmanager sent nothing within {} s", WITHIN.as_secs())
        }
        Delivery::Failing => format!("its requests failed for {} s", WITHIN.as_secs()),
        Delivery::Failed => "the receiver refused it".to_owned(),
    }
}

fn alert(receiver: &str, id: &str, from: Timestamp, until: Timestamp) -> Raised {
    Raised {
        labels: BTreeMap::from([
            ("alertname", SELF_TEST.to_owned()),
            ("severity", "info".to_owned()),
            (SELF_TEST_LABEL, receiver.to_owned()),
            ("id", id.to_owned()),
        ]),
        annotations: BTreeMap::from([
            ("summary", format!("Test {id}: alerts reach the receiver {receiver}.")),
            ("description", "Nothing is wrong and nothing is to be done. It resolves by itself.".to_owned()),
        ]),
        starts_at: from,
        ends_at: until,
    }
}

impl fmt::Display for Row {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { receiver, integration, seconds, reason, .. } = self;
        match self.sent {
            true => write!(formatter, "{receiver} by {integration}: sent after {seconds:.1} s"),
            false => write!(formatter, "{receiver} by {integration}: FAILED: {reason}"),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in &self.rows {
            writeln!(formatter, "{row}")?;
        }
        if !self.passed {
            writeln!(
                formatter,
                "why is in Alertmanager's log: kubectl -n monitoring logs statefulset/alertmanager"
            )?;
        }
        Ok(())
    }
}
