//! The cluster's side of an upgrade: the verdict, the return of data, cordons.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use odin_cluster::cluster::Patience;
use odin_cluster::{Bundle, Desired, probe};
use odin_model::config::Role;
use odin_model::event::{Event, Observer, StepState};
use odin_model::report::{Row, Verdict};

use super::super::{Apply, Restore, backup, restore};
use crate::alerting::declared;
use crate::appliance::Appliance;
use crate::host::{Systemd, Units};
use crate::upgrade::execute::Ward;
use crate::upgrade::gpus::{self, Gpus};
use crate::upgrade::obstacles::row;
use crate::upgrade::record::{DataReturn, Record};
use crate::{Error, Result};

/// Pause between looks at a generation on trial.
const LOOK: Duration = Duration::from_secs(2);
/// How long a silent API server is waited for at one look.
const PATIENCE: Patience = Patience { attempt: Duration::from_secs(3), total: Duration::from_secs(5) };
/// How long another operation may hold the lock while data is due.
const BUSY: Duration = Duration::from_secs(300);

/// The cluster of this machine.
pub(super) struct Cluster<'a> {
    pub(super) appliance: &'a Appliance,
    pub(super) observer: &'a dyn Observer,
    pub(super) gpus: &'a dyn Gpus,
    pub(super) deadline: Duration,
    /// Whether nothing but time can make it better: at boot it is waited for,
    /// a person is told what is.
    pub(super) at_boot: bool,
}

impl Ward for Cluster<'_> {
    fn judge(&self, record: &Record) -> std::result::Result<(), String> {
        let began = Instant::now();
        let steady = if self.at_boot { self.appliance.config.upgrade.steady } else { Duration::ZERO };
        let mut well_since: Option<Instant> = None;
        let mut told = String::new();
        loop {
            let mut ill = worst(&self.quick_rows(record));
            if ill.is_none() {
                let since = *well_since.get_or_insert_with(Instant::now);
                if since.elapsed() >= steady {
                    // What takes long, and does not come with time, comes last.
                    ill = worst(&self.slow_rows(record));
                    if ill.is_none() {
                        return Ok(());
                    }
                } else {
                    ill = Some("it is not well for long enough yet".to_owned());
                }
            } else {
                well_since = None;
            }
            let reason = ill.unwrap_or_default();
            if began.elapsed() >= self.deadline || !self.at_boot {
                return Err(reason);
            }
            if reason != told {
                self.observer.event(Event::Step {
                    name: format!("judge {}", record.to.name()),
                    state: StepState::Started,
                    detail: reason.clone(),
                });
                told = reason;
            }
            std::thread::sleep(LOOK);
        }
    }

    fn return_data(&self, data: &DataReturn) -> std::result::Result<(), String> {
        let only = if data.datastore_only { vec!["datastore".to_owned()] } else { Vec::new() };
        let options = Restore { id: data.snapshot.clone(), only, to: None };
        let began = Instant::now();
        loop {
            match wait_for(restore::apply(self.appliance, &options, self.observer)) {
                // The daemon applies the bundle after a boot, too.
                Err(Error::Busy { .. }) if began.elapsed() < BUSY => std::thread::sleep(LOOK),
                Err(error) => return Err(crate::wire::Failure::from(&error).message),
                Ok(_) => return Ok(()),
            }
        }
    }

    fn cordon(&self, cordoned: bool) -> Result<()> {
        if self.appliance.config.host.role == Role::Agent {
            return Ok(());
        }
        wait_for(async {
            let cluster = odin_cluster::Cluster::connect(&self.appliance.config.host.kubeconfig).await?;
            let nodes = cluster.nodes().await?;
            let name = own(&nodes).map(|node| node.name.clone()).unwrap_or_else(hostname);
            Ok(cluster.cordon(&name, cordoned).await?)
        })
    }
}

impl Cluster<'_> {
    fn quick_rows(&self, record: &Record) -> Vec<Row> {
        let mut rows = vec![units(self.appliance, &record.failed_before)];
        rows.extend(wait_for(cluster_rows(self.appliance)));
        rows
    }

    fn slow_rows(&self, record: &Record) -> Vec<Row> {
        vec![backups(self.appliance), gpus::judge("gpus", self.gpus, &record.gpus)]
    }
}

/// The failed rows in words; none when none failed.
fn worst(rows: &[Row]) -> Option<String> {
    let failed: Vec<String> = rows
        .iter()
        .filter(|row| row.verdict == Verdict::Failed)
        .map(|row| format!("{}: {}", row.name, row.reason))
        .collect();
    (!failed.is_empty()).then(|| failed.join("; "))
}

/// Units that have failed, as systemd lists them.
pub(super) fn failed_units() -> Result<Vec<String>> {
    let refused = |reason: String| Error::Host {
        action: "list the failed units".to_owned(),
        reason,
        hint: "ODIN needs systemd",
    };
    let done = Command::new("systemctl")
        .args(["list-units", "--state=failed", "--plain", "--no-legend", "--full", "--no-pager"])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| refused(format!("systemctl cannot be run: {error}")))?;
    if !done.status.success() {
        return Err(refused(String::from_utf8_lossy(&done.stderr).trim().to_owned()));
    }
    let text = String::from_utf8_lossy(&done.stdout);
    Ok(text.lines().filter_map(|line| line.split_whitespace().next().map(str::to_owned)).collect())
}

/// No unit failed that had not before, and those that must be are active.
fn units(appliance: &Appliance, failed_before: &[String]) -> Row {
    const NAME: &str = "units";
    let mut ill = match failed_units() {
        Ok(failed) => failed,
        Err(error) => return row(NAME, Verdict::Failed, error.to_string()),
    };
    ill.retain(|unit| !failed_before.contains(unit));
    let own = [appliance.config.host.k3s_unit.as_str(), "odin.service"];
    let declared = appliance.config.upgrade.units.iter().map(String::as_str);
    for unit in own.into_iter().chain(declared) {
        if !Systemd.is_active(unit).unwrap_or(false) && !ill.iter().any(|failed| failed == unit) {
            ill.push(format!("{unit} (not active)"));
        }
    }
    match ill.is_empty() {
        true => row(NAME, Verdict::Passed, "none has failed"),
        false => row(NAME, Verdict::Failed, ill.join(", ")),
    }
}

/// This node is ready in this boot, and the declared bundle is in force and
/// healthy. An agent cannot ask.
pub(super) async fn cluster_rows(appliance: &Appliance) -> Vec<Row> {
    if appliance.config.host.role == Role::Agent {
        return vec![row("node-ready", Verdict::Absent, "an agent cannot ask the API server")];
    }
    let kubeconfig = &appliance.config.host.kubeconfig;
    let cluster = match odin_cluster::Cluster::connect_with(kubeconfig, PATIENCE).await {
        Ok(cluster) => cluster,
        Err(error) => return vec![row("node-ready", Verdict::Failed, error.to_string())],
    };
    let mut rows = vec![node(&cluster).await];
    match desired(appliance) {
        Ok(Some(desired)) => {
            let settings = super::super::apply::settings(appliance, &Apply::default());
            rows.push(probe::bundle_in_force(&cluster, &desired, &settings).await);
            rows.push(probe::components_healthy(&cluster, &desired, &settings).await);
        }
        Ok(None) => rows.push(row("bundle-in-force", Verdict::Absent, "no bundle is declared")),
        Err(error) => rows.push(row("bundle-in-force", Verdict::Failed, error.to_string())),
    }
    rows
}

fn desired(appliance: &Appliance) -> Result<Option<Desired>> {
    let directory = &appliance.config.apply.bundle;
    if !directory.exists() {
        return Ok(None);
    }
    Ok(Some(declared::desired(appliance, &Bundle::open(directory)?)?))
}

async fn node(cluster: &odin_cluster::Cluster) -> Row {
    const NAME: &str = "node-ready";
    let nodes = match cluster.nodes().await {
        Ok(nodes) => nodes,
        Err(error) => return row(NAME, Verdict::Failed, error.to_string()),
    };
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    match own(&nodes) {
        None => row(NAME, Verdict::Failed, format!("node {} has not registered", hostname())),
        Some(node) if node.boot != boot.trim() => {
            row(NAME, Verdict::Failed, format!("node {} has not reported since the boot", node.name))
        }
        Some(node) if !node.ready => {
            row(NAME, Verdict::Failed, format!("node {}: {}", node.name, node.reason))
        }
        Some(node) => row(NAME, Verdict::Passed, format!("{} {}", node.name, node.version)),
    }
}

/// This machine among the nodes: by name, or because it is the only one.
fn own(nodes: &[odin_cluster::cluster::NodeState]) -> Option<&odin_cluster::cluster::NodeState> {
    let name = hostname();
    nodes.iter().find(|node| node.name == name).or(match nodes {
        [only] => Some(only),
        _ => None,
    })
}

/// The node's name as K3s forms it: the host name in lower case.
fn hostname() -> String {
    rustix::system::uname().nodename().to_string_lossy().to_lowercase()
}

/// The repository opens with its password and lists its snapshots.
fn backups(appliance: &Appliance) -> Row {
    const NAME: &str = "backups";
    let Some(declared) = &appliance.config.backup else {
        return row(NAME, Verdict::Absent, "[backup] is not declared");
    };
    let listed = backup::open(appliance, declared).and_then(|repository| Ok(repository.list()?));
    match listed {
        Ok(snapshots) => row(NAME, Verdict::Passed, format!("{} snapshots", snapshots.len())),
        Err(error) => row(NAME, Verdict::Failed, crate::wire::Failure::from(&error).message),
    }
}

fn wait_for<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Handle::current().block_on(future)
}
