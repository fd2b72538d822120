//! Where API and page have what they tell, and for how long they keep it.
//!
//! What costs a look at the cluster is looked at once for all who ask within a
//! few seconds, whoever and however many they are.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex as Lock, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use odin_cluster::cluster::{Patience, Service};
use odin_cluster::{Bundle, Cluster, components};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;

use super::problem::Problem;
use super::traffic::Traffic;
use super::view::{Alert, Charts, Component, Gettable, Gpus, Matrix, Sample, Series};
use crate::alerting::declared;
use crate::daemon::Shared;
use crate::operations::STATE_NAMESPACE;
use crate::operations::status::{self, Report};
use crate::records::Records;
use crate::tokens::{Refusal, Tokens};
use crate::{gpu, operations};

/// How long a silent part of the cluster is waited for.
const PATIENCE: Patience = Patience { attempt: Duration::from_secs(3), total: Duration::from_secs(5) };
/// How long what was seen counts.
const STATUS: Duration = Duration::from_secs(5);
const COMPONENTS: Duration = Duration::from_secs(10);
const ALERTS: Duration = Duration::from_secs(5);
const GPUS: Duration = Duration::from_secs(2);
const CHARTS: Duration = Duration::from_secs(10);
/// What is done with a token is written down no more often than this.
const TELL_EVERY: Duration = Duration::from_secs(60);
/// Uses and refusals that are remembered for it.
const REMEMBERED: usize = 1024;

const PROMETHEUS: Service<'static> = Service { namespace: "monitoring", name: "prometheus", port: "http" };
const ALERTMANAGER: Service<'static> =
    Service { namespace: "monitoring", name: "alertmanager", port: "http" };

/// Metrics that are charted, with their unit and what they are called.
pub(super) const CHARTED: [(&str, &str, &str); 4] = [
    ("DCGM_FI_DEV_GPU_UTIL", "%", "Utilisation"),
    ("DCGM_FI_DEV_FB_USED", "MiB", "Memory used"),
    ("DCGM_FI_DEV_GPU_TEMP", "°C", "Temperature"),
    ("DCGM_FI_DEV_POWER_USAGE", "W", "Power"),
];
/// What a GPU's memory is besides what is used: together they are all of it.
pub(super) const MEMORY_BESIDES: [&str; 2] = ["DCGM_FI_DEV_FB_FREE", "DCGM_FI_DEV_FB_RESERVED"];
/// How far back charts go, and their step, in seconds.
pub(super) const CHART_SECONDS: u32 = 1800;
pub(super) const CHART_STEP: u32 = 15;

/// Something that was looked at, with the time it was.
type Kept<T> = Mutex<Option<(Instant, Found<T>)>>;
/// What was found, or why nothing was.
pub(super) type Found<T> = Result<Arc<T>, Problem>;

/// What can be told.
#[derive(Debug)]
pub(super) struct Facts {
    shared: Arc<Shared>,
    tokens: Tokens,
    status: Kept<Report>,
    components: Kept<Vec<Component>>,
    alerts: Kept<Vec<Alert>>,
    gpus: Kept<Gpus>,
    charts: Kept<Charts>,
    told: Lock<HashMap<String, Instant>>,
}

impl Facts {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let tokens = Tokens::of(&shared.appliance);
        Self {
            shared,
            tokens,
            status: Kept::default(),
            components: Kept::default(),
            alerts: Kept::default(),
            gpus: Kept::default(),
            charts: Kept::default(),
            told: Lock::default(),
        }
    }

    pub(super) fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    pub(super) fn traffic(&self) -> &Traffic {
        &self.shared.traffic
    }

    /// The supervisor's own metrics.
    pub(super) fn exposition(&self) -> String {
        self.shared.exposition()
    }

    /// Name of the machine.
    pub(super) fn host(&self) -> String {
        self.shared.appliance.name()
    }

    /// Whether backups are declared.
    pub(super) fn backs_up(&self) -> bool {
        self.shared.appliance.config.backup.is_some()
    }

    /// What `odin status` sees.
    pub(super) async fn status(&self) -> Found<Report> {
        kept(&self.status, STATUS, async {
            status::look(&self.shared.appliance).await.map_err(|error| Problem::from(&error))
        })
        .await
    }

    /// The components of the bundle in force.
    pub(super) async fn components(&self) -> Found<Vec<Component>> {
        kept(&self.components, COMPONENTS, async {
            let appliance = &self.shared.appliance;
            let look = async || -> crate::Result<Vec<Component>> {
                let bundle = Bundle::open(&appliance.bundle_in_force())?;
                let desired = declared::desired(appliance, &bundle)?;
                let cluster = self.cluster().await?;
                let found = components::look(&cluster, &desired, STATE_NAMESPACE).await?;
                Ok(found.into_iter().map(Component::from).collect())
            };
            look().await.map_err(|error| Problem::from(&error))
        })
        .await
    }

    /// What Alertmanager holds, the gravest first.
    pub(super) async fn alerts(&self) -> Found<Vec<Alert>> {
        kept(&self.alerts, ALERTS, async {
            let found: Vec<Gettable> = self.ask(ALERTMANAGER, "/api/v2/alerts").await?;
            let mut alerts: Vec<Alert> = found.into_iter().map(Alert::from).collect();
            alerts.sort_by_cached_key(|alert| (rank(alert), alert.name.clone(), alert.labels.clone()));
            Ok(alerts)
        })
        .await
    }

    /// The GPUs as `odin gpu serve` sees them.
    pub(super) async fn gpus(&self) -> Found<Gpus> {
        kept(&self.gpus, GPUS, async {
            if self.shared.appliance.config.gpu.is_none() {
                return Ok(Gpus::default());
            }
            let health = gpu::health_of_service(&self.shared.appliance).await;
            health.map(Gpus::from).map_err(|reason| {
                Problem::unavailable(
                    format!("odin-gpu.service does not answer: {reason}"),
                    "systemctl status odin-gpu.service",
                )
            })
        })
        .await
    }

    /// The last half hour of each GPU.
    pub(super) async fn charts(&self) -> Found<Charts> {
        kept(&self.charts, CHARTS, async {
            let charted = CHARTED.iter().map(|(name, ..)| *name);
            let names: Vec<&str> = charted.chain(MEMORY_BESIDES).collect();
            let names = names.join("|");
            // Of one grid whenever it is asked: a line must not change its form
            // because the next look fell between other samples.
            let step = i64::from(CHART_STEP);
            let end = Timestamp::now().as_second() / step * step;
            let path = format!(
                "/api/v1/query_range?query={}&start={}&end={end}&step={CHART_STEP}",
                encoded(&format!("{{__name__=~\"{names}\",job=\"gpu\"}}")),
                end - i64::from(CHART_SECONDS),
            );
            let matrix: Matrix = self.ask(PROMETHEUS, &path).await?;
            // A time in seconds is far below 2^52.
            #[allow(clippy::cast_precision_loss, reason = "it is exact")]
            let end = end as f64;
            Ok(Charts { end, gpus: by_gpu(matrix) })
        })
        .await
    }

    /// The newest lines of a file of records, the newest first.
    pub(super) async fn records<T: DeserializeOwned + Send + 'static>(
        &self,
        file: &'static str,
        limit: usize,
    ) -> Result<Vec<T>, Problem> {
        let records = Records::of(&self.shared.appliance);
        let read = tokio::task::spawn_blocking(move || records.newest(file, limit)).await;
        read.map_err(|error| Problem::unavailable(error.to_string(), "ask again"))?
            .map_err(|error| Problem::from(&error))
    }

    /// Keeps that a browser logged in with a token; once a minute for each.
    pub(super) fn audit_login(&self, name: &str, peer: IpAddr) {
        if self.is_news(format!("login {name}")) {
            self.audit("login", name, peer);
        }
    }

    fn audit(&self, event: &'static str, name: &str, peer: IpAddr) {
        #[derive(Serialize)]
        struct Line<'a> {
            time: Timestamp,
            event: &'static str,
            name: &'a str,
            peer: IpAddr,
        }
        tracing::info!(event, name, %peer, "token");
        let line = Line { time: Timestamp::now(), event, name, peer };
        if let Err(error) = Records::of(&self.shared.appliance).append(operations::token::FILE, &line) {
            tracing::error!(%error, "cannot keep that a token was used");
        }
    }

    /// Tells of a refused token: to the file when it is one of this machine's,
    /// else to the journal alone, because anybody can make that happen.
    pub(super) fn audit_refusal(&self, refusal: &Refusal, peer: IpAddr) {
        let (event, name) = match refusal {
            Refusal::Unknown => ("refused-unknown", ""),
            Refusal::Expired { name } => ("refused-expired", name.as_str()),
            Refusal::Scope { name, .. } => ("refused-scope", name.as_str()),
        };
        let key = if name.is_empty() { peer.to_string() } else { format!("{event} {name}") };
        if !self.is_news(key) {
            return;
        }
        if name.is_empty() {
            tracing::warn!(%peer, "a token was refused that this machine does not know");
        } else {
            self.audit(event, name, peer);
        }
    }

    /// Whether something was not told of within the last minute; it is now.
    fn is_news(&self, key: String) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        told.retain(|_, at| now.saturating_duration_since(*at) < TELL_EVERY);
        if told.contains_key(&key) || told.len() >= REMEMBERED {
            return false;
        }
        told.insert(key, now);
        true
    }

    async fn cluster(&self) -> Result<Cluster, odin_cluster::Error> {
        Cluster::connect_with(&self.shared.appliance.config.host.kubeconfig, PATIENCE).await
    }

    async fn ask<T: DeserializeOwned>(&self, service: Service<'_>, path: &str) -> Result<T, Problem> {
        let asked = async || self.cluster().await?.service_json(service, path).await;
        asked().await.map_err(|error| Problem::from(&crate::Error::from(error)))
    }
}

/// What was looked at within `time`, or is looked at now: by one for all.
async fn kept<T>(
    place: &Kept<T>,
    time: Duration,
    look: impl Future<Output = Result<T, Problem>>,
) -> Found<T> {
    let mut place = place.lock().await;
    if let Some((at, found)) = &*place
        && at.elapsed() < time
    {
        return found.clone();
    }
    let found = look.await.map(Arc::new);
    *place = Some((Instant::now(), found.clone()));
    found
}

fn rank(alert: &Alert) -> u8 {
    match (alert.is_trouble(), alert.severity.as_str()) {
        (true, "critical") => 0,
        (true, "warning") => 1,
        (true, _) => 2,
        (false, _) => 3,
    }
}

/// Sorts the series of an answer by GPU. One value a metric: series of MIG
/// devices are left to Grafana.
fn by_gpu(matrix: Matrix) -> BTreeMap<String, Series> {
    let mut found: BTreeMap<String, Series> = BTreeMap::new();
    for series in matrix.data.result {
        let (Some(uuid), Some(name)) = (series.metric.get("UUID"), series.metric.get("__name__")) else {
            continue;
        };
        if series.metric.contains_key("GPU_I_ID") {
            continue;
        }
        let samples = series.values.iter().filter_map(|(time, value)| Some((*time, value.parse().ok()?)));
        let samples: Vec<Sample> = samples.filter(|(_, value): &Sample| value.is_finite()).collect();
        // Which pod has it are labels: of one GPU there is a series for each it had.
        let known = found.entry(uuid.clone()).or_default().samples.entry(name.clone()).or_default();
        known.extend(samples);
        known.sort_by(|one, other| one.0.total_cmp(&other.0));
        known.dedup_by(|one, other| one.0 == other.0);
    }
    found
}

/// Percent-encodes a query (RFC 3986: what is not unreserved).
fn encoded(text: &str) -> String {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().fold(String::new(), |mut out, byte| {
        if unreserved(byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_survives_its_way_in_an_address() {
        assert_eq!(encoded("{a=~\"b|c\"}"), "%7Ba%3D~%22b%7Cc%22%7D");
    }

    #[test]
    fn series_are_sorted_by_gpu_and_what_is_no_number_is_a_gap() {
        let text = r#"{"status":"success","data":{"resultType":"matrix","result":[
            {"metric":{"__name__":"DCGM_FI_DEV_GPU_UTIL","UUID":"GPU-1"},"values":[[1,"10"],[2,"NaN"],[3,"30"]]},
            {"metric":{"__name__":"DCGM_FI_DEV_GPU_UTIL","UUID":"GPU-1","GPU_I_ID":"7"},"values":[[1,"99"]]},
            {"metric":{"__name__":"DCGM_FI_DEV_GPU_TEMP"},"values":[[1,"40"]]}]}}"#;
        let found = by_gpu(serde_json::from_str(text).expect("a matrix"));
        assert_eq!(found.len(), 1);
        assert_eq!(found["GPU-1"].of("DCGM_FI_DEV_GPU_UTIL"), [(1.0, 10.0), (3.0, 30.0)]);
        assert!(found["GPU-1"].of("DCGM_FI_DEV_GPU_TEMP").is_empty());
    }

    #[test]
    fn the_line_of_a_gpu_goes_on_when_another_pod_gets_it() {
        let text = r#"{"status":"success","data":{"resultType":"matrix","result":[
            {"metric":{"__name__":"DCGM_FI_DEV_GPU_UTIL","UUID":"GPU-1","pod":"b"},"values":[[3,"30"],[4,"40"]]},
            {"metric":{"__name__":"DCGM_FI_DEV_GPU_UTIL","UUID":"GPU-1"},"values":[[1,"10"],[2,"20"],[3,"30"]]}]}}"#;
        let found = by_gpu(serde_json::from_str(text).expect("a matrix"));
        let line = [(1.0, 10.0), (2.0, 20.0), (3.0, 30.0), (4.0, 40.0)];
        assert_eq!(found["GPU-1"].of("DCGM_FI_DEV_GPU_UTIL"), line);
    }

    #[tokio::test]
    async fn many_who_ask_cause_one_look() {
        let place: Kept<u32> = Kept::default();
        let looks = std::sync::atomic::AtomicU32::new(0);
        let look = || async { Ok(looks.fetch_add(1, std::sync::atomic::Ordering::SeqCst)) };
        let ask = || kept(&place, Duration::from_secs(60), look());
        let (one, two, three) = tokio::join!(ask(), ask(), ask());
        assert!([one, two, three].into_iter().all(|found| *found.expect("found") == 0));
        assert_eq!(looks.load(std::sync::atomic::Ordering::SeqCst), 1);
    }
}
