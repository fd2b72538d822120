//! What Prometheus needs to scrape the supervisor: the Secret
//! `monitoring/odin-scrape`, made like the declared ones.
//!
//! It holds where the supervisor listens (a list of targets, as `file_sd_configs`
//! reads it), a token of scope `metrics`, and the certificate of the machine's
//! authority. A box without `[api]` has no such Secret, so Prometheus knows of no
//! target there and misses none.
//!
//! Only the daemon makes and rotates the values, because only the daemon
//! listens; whoever applies puts them into the cluster as they are, and the
//! daemon brings this one Secret there by itself when it changed.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use odin_cluster::cluster::Patience;
use odin_cluster::{Cluster, DeclaredSecret, Settings};
use odin_model::config::{Api, Role};
use odin_model::event::Silent;
use serde_json::json;

use crate::appliance::{Appliance, replace_file};
use crate::lock::Lock;
use crate::operations::STATE_NAMESPACE;
use crate::tls::{Authority, address_towards};
use crate::tokens::Tokens;
use crate::{Error, Result};

/// Namespace and name of the Secret; the prometheus chart mounts it.
const SECRET: (&str, &str) = ("monitoring", "odin-scrape");
/// Keys of the Secret, which are also the names of the files of its values.
const TARGETS: &str = "targets.json";
const TOKEN: &str = "token";
const CERTIFICATE: &str = "ca.crt";

/// How long a token is good for, and when the next one is made. A machine that
/// was off for longer makes one at its start.
const GOOD_FOR: SignedDuration = SignedDuration::from_hours(24 * 60);
const ROTATED_AFTER: SignedDuration = SignedDuration::from_hours(24 * 30);
/// How long the token before stays good: a long backup, a restore or an API
/// server that is away may stand before the cluster, and the kubelet takes up to
/// two minutes to bring a changed Secret into a pod.
const OVERLAP: SignedDuration = SignedDuration::from_hours(24);
/// How long a silent API server is waited for; the caller tries again.
const PATIENCE: Patience = Patience { attempt: Duration::from_secs(10), total: Duration::from_secs(10) };

/// The Secret as it is to be; none where nothing listens.
pub(crate) fn secret(appliance: &Appliance) -> Option<DeclaredSecret> {
    appliance.config.api.as_ref().filter(|api| api.scrape)?;
    let mut data = BTreeMap::new();
    for key in [TARGETS, TOKEN, CERTIFICATE] {
        data.insert(key.to_owned(), fs::read(file(appliance, key)).ok()?);
    }
    let (namespace, name) = SECRET;
    Some(DeclaredSecret { namespace: namespace.to_owned(), name: name.to_owned(), kind: String::new(), data })
}

/// Whether the declaration has Prometheus scrape this supervisor: it listens
/// where pods reach it, and is no agent, which has nothing to do with the
/// cluster's objects.
pub(crate) fn is_declared(appliance: &Appliance) -> bool {
    let reached = |api: &Api| api.scrape && api.address().is_some_and(|listen| !listen.ip().is_loopback());
    appliance.config.api.as_ref().is_some_and(reached) && appliance.config.host.role != Role::Agent
}

/// Brings the values up to date and the Secret into the cluster, where it
/// differs from them. Nothing else is applied: what a person changed, undid or
/// suspended stays as it is.
///
/// # Errors
/// When a value cannot be made, when the machine is at work, or when the cluster
/// does not take the Secret. Whatever it is, the next turn tries again.
pub(crate) async fn keep_in_cluster(
    appliance: &Appliance,
    authority: &Authority,
    now: Timestamp,
) -> Result<()> {
    let wanted = appliance.config.api.as_ref().is_some_and(|api| api.scrape);
    if !wanted || appliance.config.host.role == Role::Agent {
        return Ok(());
    }
    let cluster = Cluster::prepare(&appliance.config.host.kubeconfig, PATIENCE).await?;
    let mut address = None;
    if is_everywhere(appliance) && routed(appliance).is_none() {
        // Without a way out there is still the one the cluster uses.
        address = cluster.node_address(&node()).await?;
    }
    refresh(appliance, authority, now, address)?;
    let Some(secret) = secret(appliance) else {
        return Err(Error::Host {
            action: "tell Prometheus where this machine listens".to_owned(),
            reason: "it has no default route, and its node no InternalIP".to_owned(),
            hint: "declare an address in api.listen, or api.scrape = false",
        });
    };
    let settings = Settings {
        state_namespace: STATE_NAMESPACE.to_owned(),
        holder: appliance.name(),
        ..Settings::default()
    };
    if odin_cluster::apply::lacks(&cluster, &secret, &settings).await? {
        let action = "bring the token of Prometheus into the cluster";
        let _lock = Lock::take(&appliance.config.host, action, &Silent).await?;
        odin_cluster::apply::bring(&cluster, &secret, &settings).await?;
        tracing::info!("Prometheus gets the token of this machine");
    }
    Ok(())
}

/// Makes the values, or brings them up to date; whether one changed. `address`
/// is the node's, for where no route tells one.
///
/// # Errors
/// When a value cannot be made or kept.
pub(crate) fn refresh(
    appliance: &Appliance,
    authority: &Authority,
    now: Timestamp,
    address: Option<IpAddr>,
) -> Result<bool> {
    let wanted = appliance.config.api.as_ref().is_some_and(|api| api.scrape);
    // An agent does not apply.
    if !wanted || appliance.config.host.role == Role::Agent {
        return Ok(false);
    }
    let tokens = Tokens::of(appliance);
    let kept = fs::read_to_string(file(appliance, TOKEN)).ok();
    let good = kept.as_deref().and_then(|secret| tokens.is_scrape(secret)).is_some_and(|token| {
        let age = now.duration_since(token.created);
        age < ROTATED_AFTER && now < token.expires
    });
    let mut changed = false;
    if !good {
        let secret = tokens.rotate_scrape(now, now + GOOD_FOR, now + OVERLAP)?;
        changed |= keep(appliance, TOKEN, secret.as_bytes())?;
    }
    changed |= keep(appliance, CERTIFICATE, authority.certificate().as_bytes())?;
    // Without an address there may be one in an hour; what is known stays.
    if let Some(targets) = targets(appliance, address) {
        changed |= keep(appliance, TARGETS, targets.as_bytes())?;
    }
    Ok(changed)
}

fn keep(appliance: &Appliance, key: &str, value: &[u8]) -> Result<bool> {
    let path = file(appliance, key);
    if fs::read(&path).is_ok_and(|kept| kept == value) {
        return Ok(false);
    }
    replace_file(&path, value)?;
    Ok(true)
}

fn file(appliance: &Appliance, key: &str) -> PathBuf {
    let (namespace, name) = SECRET;
    appliance.credentials_dir().join(format!("{namespace}.{name}.{key}"))
}

/// Where pods reach the supervisor; none while the machine has no address, and
/// never where it listens for itself alone.
fn targets(appliance: &Appliance, address: Option<IpAddr>) -> Option<String> {
    let listen = appliance.config.api.as_ref()?.address()?;
    let address = match listen.ip() {
        everywhere if everywhere.is_unspecified() => {
            routed(appliance).or(address).filter(|address| is_heard(everywhere, *address))?
        }
        declared => declared,
    };
    let entry = json!({
        "targets": [std::net::SocketAddr::new(address, listen.port()).to_string()],
        "labels": {"instance": node()},
    });
    Some(if address.is_loopback() { json!([]) } else { json!([entry]) }.to_string())
}

/// The node's name, as K3s forms it.
fn node() -> String {
    rustix::system::uname().nodename().to_string_lossy().to_lowercase()
}

fn is_everywhere(appliance: &Appliance) -> bool {
    let listen = appliance.config.api.as_ref().and_then(Api::address);
    listen.is_some_and(|listen| listen.ip().is_unspecified())
}

/// Who listens on every address of version 4 has none of version 6.
fn is_heard(everywhere: IpAddr, address: IpAddr) -> bool {
    everywhere.is_ipv6() || address.is_ipv4()
}

/// The address this machine speaks from. That of the route into nothing that a
/// machine without a cable has (docs.k3s.io, installation/airgap) is none.
fn routed(appliance: &Appliance) -> Option<IpAddr> {
    let everywhere = appliance.config.api.as_ref()?.address()?.ip();
    let is_real = |address: &IpAddr| {
        !matches!(address, IpAddr::V4(v4) if v4.is_documentation() || v4.is_loopback())
            && is_heard(everywhere, *address)
    };
    ["192.0.2.1:9", "[2001:db8::1]:9"].into_iter().filter_map(address_towards).find(is_real)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use odin_model::config::{Api, Config};

    use super::*;

    fn appliance(directory: &tempfile::TempDir, listen: &str) -> Appliance {
        let mut config = Config::default();
        config.host.state_dir = directory.path().to_owned();
        config.api = Some(Api { listen: listen.into(), ..Api::default() });
        Appliance { config, site_keys: Vec::new(), file: "odin.toml".into() }
    }

    fn text(secret: &DeclaredSecret, key: &str) -> String {
        String::from_utf8(secret.data[key].clone()).expect("text")
    }

    #[test]
    fn the_secret_has_what_a_scrape_needs_and_rotates() {
        let directory = tempfile::tempdir().expect("a directory");
        let appliance = appliance(&directory, "10.0.0.7:9480");
        let authority = Authority::of(&appliance).expect("an authority");
        assert!(secret(&appliance).is_none(), "before the daemon listens");
        let now = Timestamp::now();
        assert!(refresh(&appliance, &authority, now, None).expect("made"));
        let first = secret(&appliance).expect("a Secret");
        assert!(text(&first, TARGETS).contains(r#""targets":["10.0.0.7:9480"]"#));
        assert!(text(&first, CERTIFICATE).starts_with("-----BEGIN CERTIFICATE-----"));
        assert!(!refresh(&appliance, &authority, now, None).expect("nothing to do"));

        let later = now + ROTATED_AFTER;
        assert!(refresh(&appliance, &authority, later, None).expect("rotated"));
        let second = secret(&appliance).expect("a Secret");
        assert_ne!(first.data[TOKEN], second.data[TOKEN]);
        let tokens = Tokens::of(&appliance);
        for secret in [&first, &second] {
            let token = text(secret, TOKEN);
            assert!(tokens.check(&token, crate::tokens::Scope::Metrics, later).is_ok());
        }
    }

    #[test]
    fn a_token_whose_hash_is_gone_is_made_anew() {
        let directory = tempfile::tempdir().expect("a directory");
        let appliance = appliance(&directory, "10.0.0.7:9480");
        let authority = Authority::of(&appliance).expect("an authority");
        refresh(&appliance, &authority, Timestamp::now(), None).expect("made");
        Tokens::of(&appliance).revoke(crate::tokens::SCRAPE).expect("revoked");
        assert!(refresh(&appliance, &authority, Timestamp::now(), None).expect("made anew"));
    }

    #[test]
    fn what_listens_for_itself_alone_is_no_target() {
        let directory = tempfile::tempdir().expect("a directory");
        assert_eq!(targets(&appliance(&directory, "127.0.0.1:9480"), None).as_deref(), Some("[]"));
        let mut without = appliance(&directory, "127.0.0.1:9480");
        without.config.api = None;
        assert!(secret(&without).is_none());
    }

    #[test]
    fn what_listens_everywhere_has_an_address_without_a_route() {
        // As K3s on a machine without a cable has it.
        let node: IpAddr = "203.0.113.254".parse().expect("an address");
        let v6: IpAddr = "2001:db8::7".parse().expect("an address");
        assert!(is_heard(Ipv4Addr::UNSPECIFIED.into(), node) && !is_heard(Ipv4Addr::UNSPECIFIED.into(), v6));
        let everywhere: IpAddr = "::".parse().expect("an address");
        assert!(is_heard(everywhere, node) && is_heard(everywhere, v6));
        let directory = tempfile::tempdir().expect("a directory");
        let appliance = appliance(&directory, "0.0.0.0:9480");
        let target = targets(&appliance, Some(node)).expect("a target");
        // Where the tests run there may be a route, and it comes first.
        let address = routed(&appliance).unwrap_or(node);
        assert!(target.contains(&format!("{address}:9480")), "{target}");
        assert_eq!(targets(&appliance, Some(v6)).is_some(), routed(&appliance).is_some());
    }

    #[test]
    fn a_target_is_expected_of_the_declaration_alone() {
        let directory = tempfile::tempdir().expect("a directory");
        let with = |listen: &str, change: fn(&mut Config)| {
            let mut appliance = appliance(&directory, listen);
            change(&mut appliance.config);
            is_declared(&appliance)
        };
        assert!(with("0.0.0.0:9480", |_| {}), "also before the daemon ran");
        assert!(with("10.0.0.7:9480", |_| {}));
        assert!(!with("127.0.0.1:9480", |_| {}) && !with("[::1]:9480", |_| {}));
        assert!(!with("0.0.0.0:9480", |config| config.host.role = Role::Agent));
        assert!(!with("0.0.0.0:9480", |config| config.api = None));
        assert!(!with("0.0.0.0:9480", |config| {
            config.api.iter_mut().for_each(|api| api.scrape = false);
        }));
    }
}
