//! What Prometheus needs to scrape the supervisor: the Secret
//! `monitoring/odin-scrape`, made like the declared ones.
//!
//! It holds where the supervisor listens (a list of targets, as `file_sd_configs`
//! reads it), a token of scope `metrics`, and the certificate of the machine's
//! authority. A box without `[api]` has no such Secret, so Prometheus knows of no
//! target there and misses none.
//!
//! Only the daemon makes and rotates the values, because only the daemon
//! listens; whoever applies puts them into the cluster as they are.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};
use odin_cluster::DeclaredSecret;
use odin_model::config::Role;
use serde_json::json;

use crate::Result;
use crate::appliance::{Appliance, replace_file};
use crate::tls::{Authority, address_towards};
use crate::tokens::Tokens;

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
/// How long the token before stays good: the kubelet takes up to two minutes to
/// bring a changed Secret into a pod.
const OVERLAP: SignedDuration = SignedDuration::from_hours(1);

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

/// Makes the values, or brings them up to date; whether one changed, so that
/// the Secret has to be applied.
///
/// # Errors
/// When a value cannot be made or kept.
pub(crate) fn refresh(appliance: &Appliance, authority: &Authority, now: Timestamp) -> Result<bool> {
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
    if let Some(targets) = targets(appliance) {
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
fn targets(appliance: &Appliance) -> Option<String> {
    let listen = appliance.config.api.as_ref()?.address()?;
    let address = if listen.ip().is_unspecified() { routed()? } else { listen.ip() };
    let node = rustix::system::uname().nodename().to_string_lossy().to_lowercase();
    let entry = json!({
        "targets": [std::net::SocketAddr::new(address, listen.port()).to_string()],
        "labels": {"instance": node},
    });
    Some(if address.is_loopback() { json!([]) } else { json!([entry]) }.to_string())
}

/// The address this machine speaks from. That of the route into nothing that a
/// machine without a cable has (docs.k3s.io, installation/airgap) is none.
fn routed() -> Option<IpAddr> {
    let is_real =
        |address: &IpAddr| !matches!(address, IpAddr::V4(v4) if v4.is_documentation() || v4.is_loopback());
    ["192.0.2.1:9", "[2001:db8::1]:9"].into_iter().filter_map(address_towards).find(is_real)
}

#[cfg(test)]
mod tests {
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
        assert!(refresh(&appliance, &authority, now).expect("made"));
        let first = secret(&appliance).expect("a Secret");
        assert!(text(&first, TARGETS).contains(r#""targets":["10.0.0.7:9480"]"#));
        assert!(text(&first, CERTIFICATE).starts_with("-----BEGIN CERTIFICATE-----"));
        assert!(!refresh(&appliance, &authority, now).expect("nothing to do"));

        let later = now + ROTATED_AFTER;
        assert!(refresh(&appliance, &authority, later).expect("rotated"));
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
        refresh(&appliance, &authority, Timestamp::now()).expect("made");
        Tokens::of(&appliance).revoke(crate::tokens::SCRAPE).expect("revoked");
        assert!(refresh(&appliance, &authority, Timestamp::now()).expect("made anew"));
    }

    #[test]
    fn what_listens_for_itself_alone_is_no_target() {
        let directory = tempfile::tempdir().expect("a directory");
        assert_eq!(targets(&appliance(&directory, "127.0.0.1:9480")).as_deref(), Some("[]"));
        let mut without = appliance(&directory, "127.0.0.1:9480");
        without.config.api = None;
        assert!(secret(&without).is_none());
    }
}
