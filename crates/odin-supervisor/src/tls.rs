//! TLS of the API: ODIN's own authority, and a server certificate of it.
//!
//! The authority is made once and kept in `state_dir/tls`; its certificate is
//! what a reader trusts. The server's key never leaves the memory: it is made
//! at every start, and anew long before its certificate ends.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{ServerConfig, version};

use crate::appliance::{Appliance, replace_file};
use crate::{Error, Result};

/// The name that is in every server certificate, whatever the machine is
/// called; Prometheus asks for it.
pub(crate) const SERVER_NAME: &str = "odin";
/// How long a server certificate is good for.
const GOOD_FOR: SignedDuration = SignedDuration::from_hours(24 * 90);
/// When it is made anew.
const RENEWED_AFTER: SignedDuration = SignedDuration::from_hours(24 * 30);
/// How far behind the clock of a reader may be.
const SLACK: SignedDuration = SignedDuration::from_hours(48);

/// The authority of this machine.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Authority")
    }
}

impl Authority {
    /// Reads the authority of an appliance, or makes it.
    ///
    /// # Errors
    /// When its files cannot be read or written, or hold something else.
    pub(crate) fn of(appliance: &Appliance) -> Result<Self> {
        Self::at(&appliance.config.host.state_dir.join("tls"))
    }

    fn at(directory: &Path) -> Result<Self> {
        let (key_file, certificate_file) = (directory.join("ca.key"), directory.join("ca.crt"));
        let key = if key_file.exists() {
            let text = fs::read_to_string(&key_file).map_err(Error::state("read", &key_file))?;
            KeyPair::from_pem(&text).map_err(wrong(&key_file))?
        } else {
            let key = KeyPair::generate().map_err(wrong(&key_file))?;
            // A certificate of another key would be trusted and never match.
            crate::records::remove(&certificate_file)?;
            replace_file(&key_file, key.serialize_pem().as_bytes())?;
            key
        };
        // The certificate follows from the key and fixed words but for its
        // signature; readers have this one, so it is kept.
        let params = authority();
        let pem = match fs::read_to_string(&certificate_file) {
            Ok(pem) => pem,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let pem = params.self_signed(&key).map_err(wrong(&certificate_file))?.pem();
                replace_file(&certificate_file, pem.as_bytes())?;
                pem
            }
            Err(error) => return Err(Error::state("read", &certificate_file)(error)),
        };
        Ok(Self { issuer: Issuer::new(params, key), pem })
    }

    /// Its certificate, which readers trust.
    pub(crate) fn certificate(&self) -> &str {
        &self.pem
    }

    fn sign(&self, names: &BTreeSet<String>, now: Timestamp) -> Result<CertifiedKey> {
        let attempt = wrong(Path::new("the server certificate"));
        let made = || -> std::result::Result<_, rcgen::Error> {
            let mut params = CertificateParams::new(names.iter().cloned().collect::<Vec<_>>())?;
            params.distinguished_name = DistinguishedName::new();
            params.distinguished_name.push(DnType::CommonName, SERVER_NAME);
            params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            params.use_authority_key_identifier_extension = true;
            let day = |time: Timestamp| {
                let date = time.to_zoned(TimeZone::UTC).date();
                date_time_ymd(date.year().into(), date.month().unsigned_abs(), date.day().unsigned_abs())
            };
            params.not_before = day(now - SLACK);
            params.not_after = day(now + GOOD_FOR);
            let key = KeyPair::generate()?;
            let certificate = params.signed_by(&key, &self.issuer)?;
            Ok((certificate.der().clone(), key.serialize_der()))
        };
        let (certificate, key) = made().map_err(attempt)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key));
        CertifiedKey::from_der(vec![certificate], key, &ring::default_provider()).map_err(|error| {
            Error::Host {
                action: "use the server certificate".to_owned(),
                reason: error.to_string(),
                hint: "restart odin.service",
            }
        })
    }
}

/// What is written into the certificate of every authority. Its dates are
/// fixed: a machine whose clock was wrong when it first started has a good one
/// all the same.
fn authority() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "ODIN");
    params.distinguished_name.push(DnType::OrganizationalUnitName, "authority of one machine");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2060, 1, 1);
    params
}

fn wrong(path: &Path) -> impl FnOnce(rcgen::Error) -> Error {
    let path: PathBuf = path.to_owned();
    move |error| Error::State {
        action: "make or use",
        path,
        source: std::io::Error::other(error.to_string()),
    }
}

/// A server certificate that follows the time and the machine's names.
#[derive(Debug)]
pub(crate) struct Certificate {
    authority: Authority,
    current: RwLock<Current>,
}

#[derive(Debug)]
struct Current {
    key: Arc<CertifiedKey>,
    names: BTreeSet<String>,
    made: Timestamp,
}

impl Certificate {
    /// Makes a certificate.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub(crate) fn new(authority: Authority, names: BTreeSet<String>, now: Timestamp) -> Result<Arc<Self>> {
        let key = Arc::new(authority.sign(&names, now)?);
        Ok(Arc::new(Self { authority, current: RwLock::new(Current { key, names, made: now }) }))
    }

    /// Makes it anew where the time, the clock or the names ask for it; whether
    /// it did.
    pub(crate) fn renew(&self, names: BTreeSet<String>, now: Timestamp) -> Result<bool> {
        {
            let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
            let age = now.duration_since(current.made);
            // A clock that went back leaves a certificate of the future.
            if current.names == names && age < RENEWED_AFTER && age > -SLACK {
                return Ok(false);
            }
        }
        let key = Arc::new(self.authority.sign(&names, now)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Current { key, names, made: now };
        Ok(true)
    }

    /// The authority it is of.
    pub(crate) fn authority(&self) -> &Authority {
        &self.authority
    }

    /// What a listener needs: TLS 1.3, this certificate, HTTP/1.1.
    ///
    /// # Errors
    /// When the cryptography provider has no TLS 1.3.
    pub(crate) fn server(self: &Arc<Self>) -> Result<ServerConfig> {
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&version::TLS13])
            .map_err(|error| Error::Host {
                action: "offer TLS 1.3".to_owned(),
                reason: error.to_string(),
                hint: "this is a defect of the program; report it",
            })?;
        let mut config = config.with_no_client_auth().with_cert_resolver(Arc::clone(self) as Arc<_>);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner).key))
    }
}

/// The names by which this machine is reached.
pub(crate) fn names(appliance: &Appliance) -> BTreeSet<String> {
    let declared = appliance.config.api.iter().flat_map(|api| api.names.iter().cloned());
    let own = rustix::system::uname().nodename().to_string_lossy().to_lowercase();
    let fixed = [SERVER_NAME, "localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let hosts = [own, appliance.name().to_lowercase()].into_iter().filter(|name| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte))
    });
    let routed = ["192.0.2.1:9", "[2001:db8::1]:9"].into_iter().filter_map(address_towards);
    let routed = routed.map(|address| address.to_string());
    declared.chain(fixed).chain(hosts).chain(routed).collect()
}

/// The address from which this machine would speak to another; nothing is sent.
pub(crate) fn address_towards(other: &str) -> Option<IpAddr> {
    let any = if other.starts_with('[') { "[::]:0" } else { "0.0.0.0:0" };
    let socket = UdpSocket::bind(any).ok()?;
    socket.connect(other).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

#[cfg(test)]
mod tests;
