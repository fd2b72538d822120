use std::os::unix::fs::PermissionsExt;

use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::ServerCertVerifier;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};

use super::*;

fn now() -> Timestamp {
    "2026-11-23T20:00:00Z".parse().expect("a time")
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Whether who trusts the authority takes the certificate for `name` at `time`.
fn trusts(certificate: &Certificate, name: &str, time: Timestamp) -> bool {
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(certificate.authority.certificate().as_bytes()).expect("PEM");
    roots.add(root).expect("a root");
    let provider = Arc::new(ring::default_provider());
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().expect("a verifier");
    let chain = certificate.current.read().expect("not poisoned").key.cert.clone();
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    let time = UnixTime::since_unix_epoch(time.as_duration().unsigned_abs());
    verifier.verify_server_cert(&chain[0], &[], &name, &[], time).is_ok()
}

#[test]
fn who_trusts_the_authority_trusts_the_server_under_its_names_only() {
    let directory = tempfile::tempdir().expect("a directory");
    let authority = Authority::at(directory.path()).expect("an authority");
    let certificate =
        Certificate::new(authority, names(&["odin", "gpu-01", "10.0.0.11", "::1"]), now()).expect("signed");
    for name in ["odin", "gpu-01", "10.0.0.11", "::1"] {
        assert!(trusts(&certificate, name, now()), "{name}");
    }
    for name in ["gpu-02", "10.0.0.12", "a.odin"] {
        assert!(!trusts(&certificate, name, now()), "{name}");
    }
}

#[test]
fn the_authority_stays_and_its_key_is_roots_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    let place = directory.path().join("tls");
    let first = Authority::at(&place).expect("an authority");
    let again = Authority::at(&place).expect("the same");
    assert_eq!(first.certificate(), again.certificate());
    // What the second one signs, readers of the first one trust.
    let certificate = Certificate::new(again, names(&["odin"]), now()).expect("signed");
    assert!(trusts(&certificate, "odin", now()));
    for file in ["ca.key", "ca.crt"] {
        let mode = fs::metadata(place.join(file)).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    fs::write(place.join("ca.key"), "no key").expect("written");
    assert!(Authority::at(&place).is_err(), "a damaged key is no reason for another authority");
}

#[test]
fn an_authority_whose_key_is_gone_is_another_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let first = Authority::at(directory.path()).expect("an authority").certificate().to_owned();
    fs::remove_file(directory.path().join("ca.key")).expect("removed");
    let second = Authority::at(directory.path()).expect("another");
    assert_ne!(second.certificate(), first);
    let certificate = Certificate::new(second, names(&["odin"]), now()).expect("signed");
    assert!(trusts(&certificate, "odin", now()));
}

#[test]
fn a_certificate_is_made_anew_before_it_ends_when_names_change_and_when_the_clock_goes_back() {
    let directory = tempfile::tempdir().expect("a directory");
    let authority = Authority::at(directory.path()).expect("an authority");
    let certificate = Certificate::new(authority, names(&["odin"]), now()).expect("signed");
    assert!(!certificate.renew(names(&["odin"]), now() + SignedDuration::from_hours(1)).expect("kept"));
    let later = now() + RENEWED_AFTER;
    assert!(trusts(&certificate, "odin", later));
    assert!(!trusts(&certificate, "odin", now() + GOOD_FOR + SLACK));
    assert!(certificate.renew(names(&["odin"]), later).expect("made anew"));
    assert!(trusts(&certificate, "odin", now() + GOOD_FOR + SLACK));
    assert!(certificate.renew(names(&["odin", "gpu-01"]), later).expect("made anew"));
    assert!(trusts(&certificate, "gpu-01", later));
    let back = now() - SignedDuration::from_hours(24 * 365);
    assert!(!trusts(&certificate, "odin", back));
    assert!(certificate.renew(names(&["odin", "gpu-01"]), back).expect("made anew"));
    assert!(trusts(&certificate, "odin", back));
}

#[test]
fn the_machine_is_known_by_name_and_address() {
    let mut config = odin_model::config::Config::default();
    config.host.name = Some("GPU-01".into());
    config.api = Some(odin_model::config::Api { names: vec!["10.0.0.11".into()], ..Default::default() });
    let appliance = Appliance { config, site_keys: Vec::new(), file: "odin.toml".into() };
    let names = super::names(&appliance);
    for name in ["odin", "localhost", "127.0.0.1", "::1", "gpu-01", "10.0.0.11"] {
        assert!(names.contains(name), "{name}");
    }
}
