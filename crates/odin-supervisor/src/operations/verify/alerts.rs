//! Rows about Alertmanager: whether it is ready, whether alerts arrive there,
//! and what becomes of one that ODIN raises itself ([`canary`]).

mod canary;
mod judge;

use std::time::Duration;

use futures::join;
use odin_cluster::cluster::Service;
use odin_model::report::Row;

use super::stack::{Finding, Stack, absent, bounded, judged, settled};
use judge::{Alert, Receiver, State};

const PHASE: u8 = 3;
const COMPONENT: &str = "alertmanager";
const ROWS: [&str; 3] = ["alertmanager-ready", "watchdog-fires", "notifications-sent"];
/// Prometheus repeats an alert after a minute: one that fired before it had
/// found Alertmanager is there after that.
const REPEAT: Duration = Duration::from_secs(75);
const LIMIT: Duration = Duration::from_secs(80);

/// Every row about alerts.
pub(super) async fn rows(stack: &Stack) -> Vec<Row> {
    let Some(service) = stack.service(COMPONENT, "9093") else {
        let names: Vec<&str> = ROWS.into_iter().chain(canary::ROWS).collect();
        return absent(PHASE, &names, COMPONENT);
    };
    let (ready, watchdog, sent, canary) = join!(
        bounded(LIMIT, ready(stack, service)),
        bounded(LIMIT, watchdog(stack, service)),
        bounded(LIMIT, sent(stack, service)),
        canary::rows(stack, service),
    );
    let [is_ready, fires, is_sent] = ROWS;
    let pods = "`kubectl -n monitoring get pods`, then the log of alertmanager-0";
    let mut rows = vec![
        judged(PHASE, is_ready, ready, pods),
        judged(PHASE, fires, watchdog, "docs/runbooks/Watchdog.md"),
        judged(PHASE, is_sent, sent, "docs/runbooks/AlertmanagerNotificationsFailing.md"),
    ];
    rows.extend(canary);
    rows
}

async fn ready(stack: &Stack, service: Service<'_>) -> Finding {
    stack.page(service, "/-/ready").await?;
    let state: State = stack.ask(service, "/api/v2/status", &[]).await?;
    let receivers: Vec<Receiver> = stack.ask(service, "/api/v2/receivers", &[]).await?;
    judge::ready(&state, &receivers, &stack.page(service, "/metrics").await?)
}

async fn watchdog(stack: &Stack, service: Service<'_>) -> Finding {
    let query = [("filter", "alertname=\"Watchdog\"")];
    let ask = || stack.ask(service, "/api/v2/alerts", &query);
    let alerts: Vec<Alert> = settled(REPEAT, ask, |alerts: &Vec<Alert>| !alerts.is_empty()).await?;
    judge::watchdog(&alerts, jiff::Timestamp::now())
}

async fn sent(stack: &Stack, service: Service<'_>) -> Finding {
    judge::sent(&stack.page(service, "/metrics").await?)
}
