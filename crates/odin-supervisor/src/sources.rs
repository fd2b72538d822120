//! Which sources a machine has: what every K3s server has, and what is
//! declared besides.
//!
//! Paths of K3s: docs.k3s.io, `cli/server`, `cli/etcd-snapshot` and
//! `datastore/backup-restore` (the token is needed to decrypt the datastore's
//! bootstrap data).

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use odin_backup::source::{Kind, Source};
use odin_model::config::{Backup, Config, Role, SourceKind};

use crate::appliance::Appliance;
use crate::{Error, Result};

/// Prefix of the names of volumes.
const VOLUME: &str = "volume-";

/// Every source of this machine, with the volumes there are at this moment.
///
/// # Errors
/// When the directory of volumes cannot be read.
pub(crate) fn of(appliance: &Appliance, backup: &Backup) -> Result<Vec<Source>> {
    let volumes = volume_directories(&appliance.config.host.k3s_data_dir.join("storage"))?;
    let mut sources = k3s(&appliance.config, backup);
    sources.extend(own(appliance));
    sources.extend(unique(volumes.iter().filter_map(|directory| volume(directory, backup)).collect()));
    sources.extend(backup.sources.iter().map(|declared| Source {
        name: format!("declared-{}", declared.name),
        required: declared.required,
        kind: match declared.kind {
            SourceKind::Directory => directory(&declared.path),
            SourceKind::File => Kind::File { path: declared.path.clone() },
            SourceKind::Sqlite => Kind::Sqlite { path: declared.path.clone() },
        },
    }));
    Ok(sources)
}

/// The datastore and what makes it readable. An agent has none of it.
fn k3s(config: &Config, backup: &Backup) -> Vec<Source> {
    let node_password = optional("node-password", Kind::File { path: "/etc/rancher/node/password".into() });
    if config.host.role == Role::Agent {
        return vec![node_password];
    }
    let server = config.host.k3s_data_dir.join("server");
    let datastore = match &backup.etcd {
        Some(etcd) => Kind::EtcdSnapshot {
            path: server.join("db/snapshots/odin-restored"),
            command: etcd.snapshot_command.clone(),
        },
        None => Kind::Sqlite { path: server.join("db/state.db") },
    };
    vec![
        required("datastore", datastore),
        required("server-token", Kind::File { path: server.join("token") }),
        optional("agent-token", Kind::File { path: server.join("agent-token") }),
        required("server-tls", directory(&server.join("tls"))),
        // Encryption at rest keeps its keys here.
        optional("server-cred", directory(&server.join("cred"))),
        optional("kubeconfig", Kind::File { path: config.host.kubeconfig.clone() }),
        node_password,
    ]
}

/// ODIN's own. Not the whole state directory: it may hold the repository, and
/// holds the journal of a restore under way.
fn own(appliance: &Appliance) -> Vec<Source> {
    let state = &appliance.config.host.state_dir;
    let mut sources = vec![optional("odin-config", directory(Path::new("/etc/odin")))];
    for name in ["generation", "history", "undo", "credentials"] {
        sources.push(optional(&format!("odin-{name}"), directory(&state.join(name))));
    }
    sources.push(optional("odin-site", Kind::File { path: state.join("site.toml") }));
    sources
}

/// A volume of the local-path provisioner, whose directories are named
/// `pvc-UID_NAMESPACE_CLAIM`; none when the declaration leaves it out. A
/// directory of another name is backed up as what it is. None is required:
/// a claim may be deleted, and its directory with it, while a backup runs.
fn volume(path: &Path, backup: &Backup) -> Option<Source> {
    let name = path.file_name()?.to_str()?;
    let mut parts = name.splitn(3, '_');
    let (Some(_), Some(namespace), Some(claim)) = (parts.next(), parts.next(), parts.next()) else {
        return Some(optional(&source_name(name), directory(path)));
    };
    let declared = backup.volumes.iter().find(|hook| hook.namespace == namespace && hook.claim == claim);
    if declared.is_some_and(|hook| hook.exclude) {
        return None;
    }
    let command = |list: &Vec<String>| (!list.is_empty()).then(|| list.clone());
    Some(optional(
        &source_name(&format!("{namespace}_{claim}")),
        Kind::Volume {
            path: path.to_owned(),
            namespace: namespace.to_owned(),
            claim: claim.to_owned(),
            before: declared.and_then(|hook| command(&hook.before)),
            after: declared.and_then(|hook| command(&hook.after)),
        },
    ))
}

/// Gives volumes of one claim (an old one that was kept, and its successor)
/// the names of their directories.
fn unique(mut volumes: Vec<Source>) -> Vec<Source> {
    let names: Vec<String> = volumes.iter().map(|volume| volume.name.clone()).collect();
    for volume in &mut volumes {
        if names.iter().filter(|name| **name == volume.name).count() > 1
            && let Some(directory) = volume.kind.path().file_name().and_then(|name| name.to_str())
        {
            volume.name = source_name(directory);
        }
    }
    volumes
}

fn source_name(name: &str) -> String {
    let allowed =
        |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c.to_ascii_lowercase() } else { '-' };
    format!("{VOLUME}{}", name.chars().map(allowed).collect::<String>())
}

fn volume_directories(storage: &Path) -> Result<BTreeSet<PathBuf>> {
    match fs::read_dir(storage) {
        Ok(entries) => entries
            .map(|entry| entry.map(|entry| entry.path()))
            .filter(|path| path.as_ref().map_or(true, |path| path.is_dir()))
            .collect::<std::io::Result<_>>()
            .map_err(Error::state("read", storage)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeSet::new()),
        Err(error) => Err(Error::state("read", storage)(error)),
    }
}

fn directory(path: &Path) -> Kind {
    Kind::Directory { path: path.to_owned(), excludes: Vec::new() }
}

fn required(name: &str, kind: Kind) -> Source {
    Source { name: name.to_owned(), required: true, kind }
}

fn optional(name: &str, kind: Kind) -> Source {
    Source { name: name.to_owned(), required: false, kind }
}

#[cfg(test)]
mod tests {
    use odin_model::config::VolumeHook;

    use super::*;

    const STORAGE: &str = "/var/lib/rancher/k3s/storage";

    fn backup() -> Backup {
        let mut backup = Backup::at("/r".into(), "/p".into());
        backup.volumes = vec![
            VolumeHook {
                namespace: "workloads".into(),
                claim: "data-db-0".into(),
                exclude: false,
                before: vec!["checkpoint".into()],
                after: Vec::new(),
            },
            VolumeHook {
                namespace: "workloads".into(),
                claim: "scratch".into(),
                exclude: true,
                before: Vec::new(),
                after: Vec::new(),
            },
        ];
        backup
    }

    fn taken(directory: &str) -> Option<Source> {
        volume(&Path::new(STORAGE).join(directory), &backup())
    }

    #[test]
    fn volumes_are_known_by_the_name_of_their_directory() {
        let source = taken("pvc-1234_workloads_data-db-0").expect("a source");
        assert_eq!(source.name, "volume-workloads_data-db-0");
        let Kind::Volume { namespace, claim, before, after, .. } = source.kind else { panic!("{source:?}") };
        assert_eq!((namespace.as_str(), claim.as_str()), ("workloads", "data-db-0"));
        assert_eq!((before, after), (Some(vec!["checkpoint".to_owned()]), None));
    }

    #[test]
    fn an_excluded_volume_is_left_out_and_a_strange_one_is_not() {
        assert_eq!(taken("pvc-1_workloads_scratch"), None);
        let strange = taken("by hand").expect("a source");
        assert_eq!(strange.name, "volume-by-hand");
        assert!(matches!(strange.kind, Kind::Directory { .. }));
    }

    #[test]
    fn two_volumes_of_one_claim_are_told_apart() {
        let volumes = ["pvc-1_workloads_data", "pvc-2_workloads_data", "pvc-3_workloads_other"];
        let named = unique(volumes.iter().filter_map(|directory| taken(directory)).collect());
        let names: Vec<&str> = named.iter().map(|source| source.name.as_str()).collect();
        assert_eq!(
            names,
            ["volume-pvc-1_workloads_data", "volume-pvc-2_workloads_data", "volume-workloads_other"]
        );
    }

    #[test]
    fn an_agent_has_no_datastore() {
        let mut config = Config::default();
        let names = |config: &Config| -> Vec<String> {
            k3s(config, &backup()).into_iter().map(|source| source.name).collect()
        };
        assert!(names(&config).contains(&"datastore".to_owned()));
        config.host.role = Role::Agent;
        assert_eq!(names(&config), ["node-password"]);
    }
}
