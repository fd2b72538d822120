//! What the API answers, in types; `/api/v1/openapi.json` is made of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use odin_cluster::components::ComponentHealth;
use odin_gpu::health;
use serde::{Deserialize, Serialize, Serializer};
use utoipa::ToSchema;

use crate::operations::status::Report;

/// What the appliance is like, what is wrong and what to do about it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Status {
    /// Whether everything is known and well.
    pub(super) well: bool,
    /// What is wrong, the gravest first.
    pub(super) troubles: Vec<Trouble>,
    /// What was seen.
    #[serde(flatten, serialize_with = "shared")]
    #[schema(value_type = Report)]
    pub(super) report: Arc<Report>,
}

fn shared<S: Serializer>(report: &Arc<Report>, serializer: S) -> Result<S::Ok, S::Error> {
    (**report).serialize(serializer)
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Trouble {
    /// What is wrong.
    pub(super) what: String,
    /// What to do next.
    pub(super) next_step: String,
    /// Path of the runbook on this machine; none when it has none.
    pub(super) runbook: Option<String>,
    /// Whether it cannot wait: what runs here is down, or its data in danger.
    pub(super) critical: bool,
}

/// A component of the bundle in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Component {
    /// Its name.
    pub(super) name: String,
    /// Its place in the order, 0 first.
    pub(super) wave: usize,
    /// Objects it has.
    pub(super) objects: usize,
    /// Whether all of them are there and healthy.
    pub(super) healthy: bool,
    /// Those that are not.
    pub(super) ill: Vec<IllObject>,
}

/// An object that is not well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) struct IllObject {
    /// `Kind namespace/name`.
    pub(super) object: String,
    /// What it waits for, or why it failed.
    pub(super) reason: String,
}

impl From<ComponentHealth> for Component {
    fn from(found: ComponentHealth) -> Self {
        Self {
            name: found.name,
            wave: found.wave,
            objects: found.objects,
            healthy: found.ill.is_empty(),
            ill: found
                .ill
                .into_iter()
                .map(|ill| IllObject { object: ill.object, reason: ill.reason })
                .collect(),
        }
    }
}

/// The GPUs of this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Gpus {
    /// Whether GPUs are declared on this machine.
    pub(super) declared: bool,
    /// Version of the driver; empty when nobody can tell.
    pub(super) driver: String,
    /// The GPUs.
    pub(super) gpus: Vec<Gpu>,
    /// What is about the machine and not about one GPU.
    pub(super) findings: Vec<Finding>,
}

/// One GPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Gpu {
    /// Index NVML gives it.
    pub(super) index: u32,
    /// Its UUID; empty when it never told.
    pub(super) uuid: String,
    /// Its model; empty when it never told.
    pub(super) name: String,
    /// `healthy`, `degraded`, `failed` or `unknown`.
    pub(super) verdict: String,
    /// Whether MIG mode is on.
    pub(super) mig: bool,
    /// What was found.
    pub(super) findings: Vec<Finding>,
}

/// Something that was found of a GPU or the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Finding {
    /// Stable name.
    pub(super) name: String,
    /// What it makes of the GPU.
    pub(super) verdict: String,
    /// What was seen.
    pub(super) evidence: String,
    /// What to do.
    pub(super) next_step: String,
}

impl From<&health::Finding> for Finding {
    fn from(found: &health::Finding) -> Self {
        Self {
            name: found.name.clone(),
            verdict: found.verdict.to_string(),
            evidence: found.evidence.clone(),
            next_step: found.next_step.clone(),
        }
    }
}

impl From<health::Health> for Gpus {
    fn from(fleet: health::Health) -> Self {
        let gpus = fleet.gpus.iter().map(|gpu| {
            let identity = gpu.identity.clone().unwrap_or_default();
            Gpu {
                index: gpu.index,
                uuid: identity.uuid,
                name: identity.name,
                verdict: gpu.verdict.to_string(),
                mig: gpu.mig,
                findings: gpu.findings.iter().map(Finding::from).collect(),
            }
        });
        Self {
            declared: true,
            gpus: gpus.collect(),
            findings: fleet.unavailable.iter().chain(&fleet.findings).map(Finding::from).collect(),
            driver: fleet.driver,
        }
    }
}

/// An alert of Alertmanager.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Alert {
    /// Its name.
    pub(super) name: String,
    /// `critical`, `warning`, `info` or what its rule says.
    pub(super) severity: String,
    /// `active`, `suppressed` or `unprocessed`.
    pub(super) state: String,
    /// What is the matter.
    pub(super) summary: String,
    /// The same with values.
    pub(super) description: String,
    /// Path of its runbook on this machine; none when it has none.
    pub(super) runbook: Option<String>,
    /// Since when it fires.
    pub(super) since: String,
    /// Its labels.
    pub(super) labels: BTreeMap<String, String>,
}

/// What Alertmanager answers (its OpenAPI, `gettableAlert`).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Gettable {
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    #[serde(default)]
    starts_at: String,
    #[serde(default)]
    status: GettableStatus,
}

#[derive(Debug, Default, Deserialize)]
struct GettableStatus {
    #[serde(default)]
    state: String,
}

impl From<Gettable> for Alert {
    fn from(alert: Gettable) -> Self {
        let label = |name: &str| alert.labels.get(name).cloned().unwrap_or_default();
        let annotation = |name: &str| alert.annotations.get(name).cloned().unwrap_or_default();
        let name = label("alertname");
        Self {
            severity: label("severity"),
            state: alert.status.state.clone(),
            summary: annotation("summary"),
            description: annotation("description"),
            runbook: super::page::runbooks::path_of(&name),
            since: alert.starts_at.clone(),
            labels: alert.labels,
            name,
        }
    }
}

/// A runbook on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Runbook {
    /// Name of the alert.
    pub(super) alert: String,
    /// Where it is read, as a page for people.
    pub(super) path: String,
}

/// A value and when it was read, in seconds since 1970.
pub(super) type Sample = (f64, f64);

/// The series of all GPUs over the last half hour.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Charts {
    /// When the half hour ends, in seconds since 1970.
    pub(super) end: f64,
    /// The GPUs, by UUID.
    pub(super) gpus: BTreeMap<String, Series>,
}

/// The series of one GPU, oldest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Series {
    /// Samples by metric.
    pub(super) samples: BTreeMap<String, Vec<Sample>>,
}

impl Series {
    /// The samples of a metric.
    pub(super) fn of(&self, metric: &str) -> &[Sample] {
        self.samples.get(metric).map_or(&[], Vec::as_slice)
    }
}

/// What Prometheus answers to a range query.
#[derive(Debug, Deserialize)]
pub(super) struct Matrix {
    pub(super) data: MatrixData,
}

#[derive(Debug, Deserialize)]
pub(super) struct MatrixData {
    pub(super) result: Vec<MatrixSeries>,
}

#[derive(Debug, Deserialize)]
pub(super) struct MatrixSeries {
    pub(super) metric: BTreeMap<String, String>,
    pub(super) values: Vec<(f64, String)>,
}

/// When something was, for people.
pub(super) fn moment(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}
