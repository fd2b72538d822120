//! Rows about logs: whether Loki keeps them for as long as declared, whether a
//! line of a pod and one of the host's journal arrive, and whether the collector
//! has room.

mod judge;

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use futures::join;
use jiff::Timestamp;
use odin_cluster::cluster::Service;
use odin_cluster::probe::Writer;
use odin_model::report::{Row, Verdict};
use serde_json::Value;

use super::metrics::Prometheus;
use super::row;
use super::stack::{Finding, Stack, absent, bounded, judged, settled};
use crate::host::Systemd;
use judge::{Found, Settings};

const PHASE: u8 = 3;
const LOKI: &str = "loki";
const COLLECTOR: &str = "otel-collector";
const READY: &str = "loki-ready";
const RETENTION: &str = "log-retention-set";
const POD: &str = "pod-line-arrives";
const JOURNAL: &str = "journal-line-arrives";
const QUEUE: &str = "collector-has-room";
/// The unit that makes files of the journal, which the collector reads.
const JOURNAL_UNIT: &str = "odin-journal.service";
/// How long the first scrape of a collector is waited for.
const SETTLE: Duration = Duration::from_secs(40);
const JOURNAL_SOCKET: &str = "/run/systemd/journal/socket";
/// How long a line is looked for: longer than it may take, so that the row tells
/// how late one is.
const SEARCH: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(200);
const LIMIT: Duration = Duration::from_secs(75);

/// Every row about logs.
pub(super) async fn rows(stack: &Stack, probe_namespace: Option<&str>) -> Vec<Row> {
    let Some(loki) = stack.service(LOKI, "3100") else {
        return absent(PHASE, &[READY, RETENTION, POD, JOURNAL, QUEUE], LOKI);
    };
    let (ready, retention, pod, journal, queue) = join!(
        bounded(LIMIT, async { judge::ready(&stack.page(loki, "/ready").await?) }),
        bounded(LIMIT, retention(stack, loki)),
        pod(stack, loki, probe_namespace),
        journal(stack, loki),
        queue(stack),
    );
    let pods = "`kubectl -n monitoring get pods`, then the log of loki-0";
    vec![
        judged(PHASE, READY, ready, pods),
        judged(PHASE, RETENTION, retention, "`retention` in the values of the chart loki, then `odin apply`"),
        pod,
        journal,
        queue,
    ]
}

async fn retention(stack: &Stack, loki: Service<'_>) -> Finding {
    let settings: Settings = stack.yaml(loki, "/config").await?;
    judge::retention(&settings)
}

/// A pod writes a line that nobody else writes, and Loki has it.
async fn pod(stack: &Stack, loki: Service<'_>, namespace: Option<&str>) -> Row {
    if !stack.has(COLLECTOR) {
        return absent(PHASE, &[POD], COLLECTOR).remove(0);
    }
    let Some(namespace) = namespace else {
        return row(PHASE, POD, Verdict::Absent, "verify.probe-namespace declares nothing");
    };
    let token = token();
    let writer = Writer::new(&stack.cluster, namespace, &token);
    let finding = bounded(LIMIT, async {
        writer.write(&format!("odin verify writes {token}")).await?;
        let selector = format!(
            "{{k8s_namespace_name=\"{namespace}\"}} | k8s_pod_name=\"{}\" |= \"{token}\"",
            writer.name()
        );
        search(stack, loki, &selector).await
    })
    .await;
    let removed = bounded(LIMIT, async { writer.remove().await.map(|()| String::new()) }).await;
    let finding = finding.and_then(|evidence| removed.map(|_| evidence));
    judged(PHASE, POD, finding, "docs/runbooks/LogsNotArriving.md")
}

/// The host's journal gets a line, and Loki has it.
async fn journal(stack: &Stack, loki: Service<'_>) -> Row {
    if !stack.has(COLLECTOR) {
        return absent(PHASE, &[JOURNAL], COLLECTOR).remove(0);
    }
    if !Systemd.is_enabled(JOURNAL_UNIT) {
        return row(PHASE, JOURNAL, Verdict::Absent, format!("{JOURNAL_UNIT} is not enabled"));
    }
    let finding = bounded(LIMIT, async {
        let token = token();
        log(&format!("odin verify writes {token}"))
            .map_err(|error| format!("cannot write to the journal at {JOURNAL_SOCKET}: {error}"))?;
        search(stack, loki, &format!("{{source=\"journal\"}} |= \"{token}\"")).await
    })
    .await;
    judged(PHASE, JOURNAL, finding, "`systemctl status odin-journal`, then docs/runbooks/LogsNotArriving.md")
}

/// Writes one line to the journal, in the protocol of its socket.
fn log(message: &str) -> std::io::Result<()> {
    let entry = format!("MESSAGE={message}\nPRIORITY=6\nSYSLOG_IDENTIFIER=odin-verify\n");
    UnixDatagram::unbound()?.send_to(entry.as_bytes(), JOURNAL_SOCKET).map(drop)
}

/// Looks for a line until it is there; judges how long after it was written.
async fn search(stack: &Stack, loki: Service<'_>, selector: &str) -> Finding {
    let began = Timestamp::now();
    let start = (began.as_second() - 60).to_string();
    loop {
        let query = [("query", selector), ("start", start.as_str()), ("limit", "2")];
        let answer: Value = stack.ask(loki, "/loki/api/v1/query_range", &query).await?;
        let now = Timestamp::now();
        match judge::found(&answer)? {
            Found::Line(written) => return judge::delay(written, now),
            Found::Nothing if now.duration_since(began).unsigned_abs() > SEARCH => {
                return Err(format!("the line is not in Loki after {} s", SEARCH.as_secs()));
            }
            Found::Nothing => tokio::time::sleep(LOOK).await,
        }
    }
}

/// Whether the collector could keep more, were Loki away.
async fn queue(stack: &Stack) -> Row {
    let prometheus = match Prometheus::of(stack) {
        Some(prometheus) if stack.has(COLLECTOR) => prometheus,
        Some(_) => return absent(PHASE, &[QUEUE], COLLECTOR).remove(0),
        None => return absent(PHASE, &[QUEUE], "prometheus").remove(0),
    };
    let finding = bounded(LIMIT, async {
        let part =
            |what: &str| format!("sum by (instance) (otelcol_exporter_queue_{what}{{job=\"{COLLECTOR}\"}})");
        let query = format!("{} / {}", part("size"), part("capacity"));
        // A collector that has just started was not scraped yet.
        let full = settled(SETTLE, || prometheus.now(&query), |samples| !samples.is_empty()).await?;
        judge::queue(&full.iter().map(|sample| sample.value).collect::<Vec<_>>())
    })
    .await;
    judged(PHASE, QUEUE, finding, "docs/runbooks/LogQueueFilling.md")
}

/// A word that no other line has.
fn token() -> String {
    format!("{:x}-{}", Timestamp::now().as_nanosecond(), std::process::id())
}
