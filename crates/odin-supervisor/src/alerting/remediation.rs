//! Remedies that alerts ask for, by their annotation `remediation`.
//!
//! [`decide`] says what is done now and why the rest is not, from the alerts,
//! the attempts so far, the declaration and the time alone. [`watch`] says when
//! an alert is gone, [`confirm`] which ones a rule fires, [`record`] what was done and what came of it. Carrying out
//! is the daemon's (docs/adr/0010-remediation.md).

pub(crate) mod confirm;
pub(crate) mod decide;
pub(crate) mod record;
pub(crate) mod watch;

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use odin_model::config::Remedy;

use super::alertmanager::Alert;

/// Annotation with the remedy's name.
pub(crate) const ANNOTATION: &str = "remediation";

/// What a remedy is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// A pod.
    Pod { namespace: String, name: String },
    /// What makes pods.
    Workload { namespace: String, kind: String, name: String },
    /// A unit of this machine.
    Unit(String),
    /// This machine.
    Machine(String),
    /// A node of the cluster.
    Node(String),
    /// The backups.
    Backups,
    /// The bundle.
    Bundle,
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pod { namespace, name } => write!(formatter, "pod {namespace}/{name}"),
            Self::Workload { namespace, kind, name } => write!(formatter, "{kind} {namespace}/{name}"),
            Self::Unit(unit) => write!(formatter, "unit {unit}"),
            Self::Machine(name) => write!(formatter, "machine {name}"),
            Self::Node(name) => write!(formatter, "node {name}"),
            Self::Backups => formatter.write_str("backups"),
            Self::Bundle => formatter.write_str("bundle"),
        }
    }
}

impl Target {
    /// The target that an alert's labels name, or the label that is missing or
    /// is no name: these become parts of paths and commands.
    pub(crate) fn of(remedy: Remedy, alert: &Alert, k3s_unit: &str) -> Result<Self, String> {
        let label = |name: &str| match alert.label(name) {
            "" => Err(format!("the alert has no label {name}")),
            value => Ok(value.to_owned()),
        };
        let named = |name: &str| label(name).and_then(|value| object_name(name, &value));
        Ok(match remedy {
            Remedy::RestartPod => Self::Pod { namespace: named("namespace")?, name: named("pod")? },
            Remedy::RestartWorkload => {
                let workload = label("workload")?;
                let (kind, name) = workload
                    .split_once('/')
                    .ok_or_else(|| format!("the label workload is {workload:?} and not KIND/NAME"))?;
                Self::Workload {
                    namespace: named("namespace")?,
                    kind: kind.to_owned(),
                    name: object_name("workload", name)?,
                }
            }
            Remedy::RestartUnit => Self::Unit(label("unit").and_then(|unit| unit_name(&unit))?),
            Remedy::RotateCertificate => Self::Unit(k3s_unit.to_owned()),
            Remedy::CleanImages | Remedy::CleanJournal => Self::Machine(named("instance")?),
            Remedy::Cordon => Self::Node(named("instance")?),
            Remedy::BackupNow => Self::Backups,
            Remedy::Apply => Self::Bundle,
        })
    }
}

/// A name as Kubernetes gives it to objects: a DNS subdomain (RFC 1123).
fn object_name(label: &str, value: &str) -> Result<String, String> {
    let is_part = |part: &str| {
        let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        !part.is_empty() && !part.starts_with('-') && !part.ends_with('-') && part.bytes().all(is_inner)
    };
    if value.len() <= 253 && value.split('.').all(is_part) {
        return Ok(value.to_owned());
    }
    Err(format!("the label {label} is {value:?} and no name of an object"))
}

/// A name as systemd gives it to units (systemd.unit(5)).
fn unit_name(value: &str) -> Result<String, String> {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || br":-_.\@".contains(&byte);
    let is_unit = value.len() <= 255
        && !value.starts_with(['-', '.'])
        && value.rsplit_once('.').is_some_and(|(_, kind)| kind.bytes().all(|byte| byte.is_ascii_lowercase()))
        && value.bytes().all(is_inner);
    if is_unit {
        Ok(value.to_owned())
    } else {
        Err(format!("the label unit is {value:?} and no unit's name"))
    }
}

/// Whose part an alert is: that of the machine it is about where its remedy
/// needs that machine, else that of the server which leads.
///
/// Some name no machine: the API server's figures are summed up. What is wrong
/// with them is wrong here, with whoever reads the alert.
pub(crate) fn is_mine(alert: &Alert, node: &str, leads: bool) -> bool {
    let remedy = alert.annotations.get(ANNOTATION).and_then(|name| name.parse::<Remedy>().ok());
    match remedy {
        Some(Remedy::RestartUnit) if alert.label("instance").is_empty() => true,
        Some(remedy) if remedy.is_of_the_node() => alert.label("instance") == node,
        _ => leads,
    }
}

/// Names the machine as other alerts do, by `node`, where alerts name it by an
/// address that `is_here` says is its own: no object of the cluster says which
/// node an API server runs on.
pub(crate) fn name_the_machine(alerts: &mut [Alert], node: &str, is_here: impl Fn(IpAddr) -> bool) {
    for instance in alerts.iter_mut().filter_map(|alert| alert.labels.get_mut("instance")) {
        if instance.parse().is_ok_and(|address: SocketAddr| is_here(address.ip())) {
            node.clone_into(instance);
        }
    }
}
