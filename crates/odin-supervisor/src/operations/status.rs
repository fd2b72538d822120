//! `odin status`: everything at a glance, and nothing that takes long.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use odin_cluster::cluster::Patience;
use odin_cluster::{Bundle, Cluster};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Outcome, Status};
use crate::alerting::declared;
use crate::appliance::Appliance;
use crate::host::Systemd;
use crate::records::{BackupRecord, DrillRecord, Records, SelfTestRecord};
use crate::{Error, Result};

/// How long the disk is waited for.
const DISK: Duration = Duration::from_secs(10);
/// How long a silent API server is waited for.
const PATIENCE: Patience = Patience { attempt: Duration::from_secs(3), total: Duration::from_secs(5) };

/// What the appliance is like now. A part that cannot be seen says why.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Report {
    pub(crate) host: String,
    pub(crate) unit: String,
    pub(crate) unit_active: bool,
    pub(crate) cluster: Seen<ClusterState>,
    pub(crate) bundle: Seen<BundleState>,
    pub(crate) suspended: bool,
    /// Digest of the bundle that was undone.
    pub(crate) undone: Option<String>,
    pub(crate) backup: Option<BackupRecord>,
    pub(crate) drill: Option<DrillRecord>,
    pub(crate) self_test: Option<SelfTestRecord>,
    pub(crate) upgrade: Option<UpgradeState>,
    pub(crate) under_way: Option<String>,
}

/// The newest upgrade.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct UpgradeState {
    pub(crate) newest: String,
    pub(crate) well: bool,
}

/// What was seen, or why it was not.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case", untagged)]
pub(crate) enum Seen<T> {
    Known(T),
    Unknown { unknown: String },
}

/// What is in force in the cluster.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct ClusterState {
    pub(crate) nodes: Vec<NodeState>,
    pub(crate) generation: u64,
    pub(crate) digest: String,
    pub(crate) objects: usize,
    pub(crate) incomplete: bool,
}

/// A node.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct NodeState {
    pub(crate) name: String,
    pub(crate) ready: bool,
    pub(crate) reason: String,
    pub(crate) version: String,
}

/// What is declared.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct BundleState {
    pub(crate) digest: String,
    pub(crate) overlay: String,
    pub(crate) components: usize,
    pub(crate) objects: usize,
}

/// Looks at every part. A part that fails is part of the answer, so only a
/// report with everything known and well has the status `Done`.
pub(super) async fn status(appliance: &Appliance) -> Result<Outcome> {
    let report = look(appliance).await?;
    let status = if report.is_well() { Status::Done } else { Status::Failed };
    Ok(Outcome::new(status, &report, &report))
}

/// Looks at every part. Whoever asks `/readyz` comes here, so nothing in it
/// keeps the caller's thread, nor takes for ever.
pub(crate) async fn look(appliance: &Appliance) -> Result<Report> {
    let unit = &appliance.config.host.k3s_unit;
    let (unit_active, cluster, own) =
        tokio::join!(Systemd.tell_active(unit), cluster(appliance), own(appliance.clone()));
    let own = own?;
    Ok(Report { unit_active: unit_active?, cluster: cluster.into(), ..own })
}

/// What the machine's own files tell.
async fn own(appliance: Appliance) -> Result<Report> {
    let failed = |reason: String| Error::Host {
        action: "look at what is declared and recorded".to_owned(),
        reason,
        hint: "look at the disk: `dmesg` names its errors",
    };
    let read = tokio::task::spawn_blocking(move || read_own(&appliance));
    tokio::time::timeout(DISK, read)
        .await
        .map_err(|_| failed(format!("the disk does not answer within {} s", DISK.as_secs())))?
        .map_err(|error| failed(error.to_string()))
}

fn read_own(appliance: &Appliance) -> Report {
    let host = &appliance.config.host;
    let records = Records::of(appliance);
    Report {
        host: appliance.name(),
        unit: host.k3s_unit.clone(),
        unit_active: false,
        cluster: Seen::Unknown { unknown: String::new() },
        bundle: Bundle::open(&appliance.config.apply.bundle)
            .map(|bundle| BundleState {
                digest: bundle.digest().to_owned(),
                overlay: bundle.overlay().to_owned(),
                components: bundle.components().len(),
                objects: bundle.objects().len(),
            })
            .into(),
        suspended: records.is_suspended(),
        undone: records.undone(),
        backup: records.backup(),
        drill: records.drill(),
        self_test: records.self_test().filter(|_| declared::has_receivers(appliance)),
        upgrade: super::upgrade::status_line(appliance).map(|(newest, well)| UpgradeState { newest, well }),
        under_way: crate::lock::holder(&host.run_dir),
    }
}

async fn cluster(appliance: &Appliance) -> std::result::Result<ClusterState, odin_cluster::Error> {
    let cluster = Cluster::connect_with(&appliance.config.host.kubeconfig, PATIENCE).await?;
    let nodes = cluster.nodes().await?;
    let (inventory, _) = cluster.inventory(super::STATE_NAMESPACE).await?;
    Ok(ClusterState {
        nodes: nodes
            .into_iter()
            .map(|node| NodeState {
                name: node.name,
                ready: node.ready,
                reason: node.reason,
                version: node.version,
            })
            .collect(),
        generation: inventory.generation,
        objects: inventory.objects.len(),
        incomplete: inventory.pending.is_some(),
        digest: inventory.digest,
    })
}

impl<T> From<std::result::Result<T, odin_cluster::Error>> for Seen<T> {
    fn from(result: std::result::Result<T, odin_cluster::Error>) -> Self {
        match result {
            Ok(known) => Self::Known(known),
            Err(error) => Self::Unknown { unknown: error.to_string() },
        }
    }
}

impl Report {
    /// Whether everything is known and well.
    pub(crate) fn is_well(&self) -> bool {
        let applied = match (&self.cluster, &self.bundle) {
            (Seen::Known(cluster), Seen::Known(bundle)) => {
                cluster.digest == bundle.digest
                    && !cluster.incomplete
                    && cluster.nodes.iter().all(|node| node.ready)
            }
            _ => false,
        };
        self.unit_active
            && applied
            && self.drill.as_ref().is_none_or(|drill| drill.passed)
            && self.self_test.as_ref().is_none_or(|test| test.passed)
            && self.upgrade.as_ref().is_none_or(|upgrade| upgrade.well)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let active = if self.unit_active { "active" } else { "not active" };
        writeln!(formatter, "machine   {}: {} is {active}", self.host, self.unit)?;
        match &self.bundle {
            Seen::Known(bundle) => writeln!(
                formatter,
                "declared  bundle {} ({}): {} components, {} objects",
                short(&bundle.digest),
                bundle.overlay,
                bundle.components,
                bundle.objects
            )?,
            Seen::Unknown { unknown } => writeln!(formatter, "declared  unknown: {unknown}")?,
        }
        match &self.cluster {
            Seen::Known(cluster) => {
                let applied = if cluster.digest.is_empty() {
                    "nothing yet".to_owned()
                } else {
                    format!(
                        "bundle {} as generation {}: {} objects",
                        short(&cluster.digest),
                        cluster.generation,
                        cluster.objects
                    )
                };
                let incomplete = if cluster.incomplete { ", an apply did not end well" } else { "" };
                writeln!(formatter, "applied   {applied}{incomplete}")?;
                for node in &cluster.nodes {
                    let ready = if node.ready { "Ready" } else { node.reason.as_str() };
                    writeln!(formatter, "node      {}: {ready}, {}", node.name, node.version)?;
                }
            }
            Seen::Unknown { unknown } => writeln!(formatter, "applied   unknown: {unknown}")?,
        }
        if let Some(undone) = &self.undone {
            writeln!(formatter, "undone    bundle {}: `odin apply` brings it back", short(undone))?;
        }
        if self.suspended {
            writeln!(formatter, "drift     repair is suspended: `odin resume`")?;
        }
        match &self.backup {
            Some(backup) => writeln!(
                formatter,
                "backup    {} {}: {} files, {} bytes",
                short(&backup.snapshot),
                age(backup.time),
                backup.files,
                backup.bytes
            )?,
            None => writeln!(formatter, "backup    none yet")?,
        }
        match &self.drill {
            Some(drill) => writeln!(
                formatter,
                "drill     {} {}: {}",
                short(&drill.snapshot),
                age(drill.time),
                if drill.passed {
                    "passed".to_owned()
                } else {
                    format!("FAILED: {}", drill.findings.join("; "))
                }
            )?,
            None => writeln!(formatter, "drill     none yet")?,
        }
        if let Some(test) = &self.self_test {
            let said = if test.passed {
                "passed".to_owned()
            } else {
                format!("FAILED: {}", test.findings.join("; "))
            };
            writeln!(formatter, "alerts    delivery tried {}: {said}", age(test.time))?;
        }
        if let Some(upgrade) = &self.upgrade {
            writeln!(formatter, "upgrade   {}", upgrade.newest)?;
        }
        match &self.under_way {
            Some(holder) => writeln!(formatter, "now       {holder}"),
            None => Ok(()),
        }
    }
}

pub(crate) fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

pub(crate) fn age(time: Timestamp) -> String {
    let minutes = Timestamp::now().duration_since(time).as_mins();
    match minutes {
        ..1 => "just now".to_owned(),
        1..120 => format!("{minutes} min ago"),
        120..2880 => format!("{} h ago", minutes / 60),
        _ => format!("{} days ago", minutes / 1440),
    }
}
