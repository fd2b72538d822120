//! `odin status`: everything at a glance, and nothing that takes long.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use odin_cluster::cluster::Patience;
use odin_cluster::{Bundle, Cluster};
use serde::Serialize;

use super::{Outcome, Status};
use crate::Result;
use crate::alerting::declared;
use crate::appliance::Appliance;
use crate::host::{Systemd, Units};
use crate::records::{BackupRecord, DrillRecord, Records, SelfTestRecord};

/// How long a silent API server is waited for.
const PATIENCE: Patience = Patience { attempt: Duration::from_secs(3), total: Duration::from_secs(5) };

/// What the appliance is like now. A part that cannot be seen says why.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Report {
    host: String,
    unit: String,
    unit_active: bool,
    cluster: Seen<ClusterState>,
    bundle: Seen<BundleState>,
    suspended: bool,
    /// Digest of the bundle that was undone.
    undone: Option<String>,
    backup: Option<BackupRecord>,
    drill: Option<DrillRecord>,
    self_test: Option<SelfTestRecord>,
    upgrade: Option<UpgradeState>,
    under_way: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct UpgradeState {
    newest: String,
    well: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case", untagged)]
enum Seen<T> {
    Known(T),
    Unknown { unknown: String },
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct ClusterState {
    nodes: Vec<NodeState>,
    generation: u64,
    digest: String,
    objects: usize,
    incomplete: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct NodeState {
    name: String,
    ready: bool,
    reason: String,
    version: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct BundleState {
    digest: String,
    overlay: String,
    components: usize,
    objects: usize,
}

/// Looks at every part. A part that fails is part of the answer, so only a
/// report with everything known and well has the status `Done`.
pub(super) async fn status(appliance: &Appliance) -> Result<Outcome> {
    let host = &appliance.config.host;
    let records = Records::of(appliance);
    let report = Report {
        host: appliance.name(),
        unit: host.k3s_unit.clone(),
        unit_active: Systemd.is_active(&host.k3s_unit)?,
        cluster: cluster(appliance).await.into(),
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
    };
    let status = if report.is_well() { Status::Done } else { Status::Failed };
    Ok(Outcome::new(status, &report, &report))
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
    fn is_well(&self) -> bool {
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

fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

fn age(time: Timestamp) -> String {
    let minutes = Timestamp::now().duration_since(time).as_mins();
    match minutes {
        ..1 => "just now".to_owned(),
        1..120 => format!("{minutes} min ago"),
        120..2880 => format!("{} h ago", minutes / 60),
        _ => format!("{} days ago", minutes / 1440),
    }
}
