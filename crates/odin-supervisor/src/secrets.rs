//! Values of declared secrets: read from their files or generated once.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use odin_cluster::DeclaredSecret;
use odin_model::config::{Secret, SecretOrigin};

use crate::appliance::{Appliance, replace_file};
use crate::{Error, Result, scrape};

/// Largest value that is read, in bytes; Kubernetes refuses Secrets above
/// 1 MiB in all.
const MAXIMUM_BYTES: u64 = 512 * 1024;

/// Every secret the cluster of an appliance is to have: the declared ones, and
/// what Prometheus needs to scrape the supervisor.
///
/// # Errors
/// As [`resolve`].
pub(crate) fn of(appliance: &Appliance) -> Result<Vec<DeclaredSecret>> {
    let mut secrets = resolve(&appliance.config.secrets, &appliance.credentials_dir())?;
    secrets.extend(scrape::secret(appliance));
    Ok(secrets)
}

/// Reads or generates the values of `declared`, one entry per Secret.
///
/// Generated values are kept under `credentials_dir`, so a cluster that lost
/// its datastore gets the same ones again.
///
/// # Errors
/// When a file is missing, empty or too large, or a generated value cannot be
/// kept. The error names the secret, never its value.
pub(crate) fn resolve(declared: &[Secret], credentials_dir: &Path) -> Result<Vec<DeclaredSecret>> {
    let mut secrets: BTreeMap<(&str, &str), BTreeMap<String, Vec<u8>>> = BTreeMap::new();
    for secret in declared {
        let value = value_of(secret, credentials_dir)?;
        secrets.entry((&secret.namespace, &secret.name)).or_default().insert(secret.key.clone(), value);
    }
    Ok(secrets
        .into_iter()
        .map(|((namespace, name), data)| DeclaredSecret {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            kind: String::new(),
            data,
        })
        .collect())
}

fn value_of(secret: &Secret, credentials_dir: &Path) -> Result<Vec<u8>> {
    let refused = |reason: String| Error::Secret {
        name: format!("{}/{} {}", secret.namespace, secret.name, secret.key),
        reason,
    };
    match secret.origin() {
        Some(SecretOrigin::File(file)) => read(file).map_err(refused),
        Some(SecretOrigin::Generate(bytes)) => {
            let file = credentials_dir.join(format!("{}.{}.{}", secret.namespace, secret.name, secret.key));
            if file.exists() {
                return read(&file).map_err(refused);
            }
            let value = random_hex(bytes).map_err(|error| refused(format!("no random bytes: {error}")))?;
            replace_file(&file, &value)?;
            Ok(value)
        }
        None => Err(refused("it has no origin".to_owned())),
    }
}

/// Reads the value of a secret; the error names the file, never the value.
pub(crate) fn read(file: &Path) -> std::result::Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("cannot read {}: {error}", file.display());
    let length = fs::metadata(file).map_err(failed)?.len();
    if length == 0 {
        return Err(format!("{} is empty", file.display()));
    }
    if length > MAXIMUM_BYTES {
        return Err(format!(
            "{} has {length} bytes, more than the {MAXIMUM_BYTES} of a secret",
            file.display()
        ));
    }
    fs::read(file).map_err(failed)
}

/// Random bytes in hexadecimal: a text survives every configuration format.
fn random_hex(bytes: u16) -> std::io::Result<Vec<u8>> {
    use std::io::Read;

    let mut random = vec![0; usize::from(bytes)];
    fs::File::open("/dev/urandom")?.read_exact(&mut random)?;
    let text: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(text.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(key: &str) -> Secret {
        Secret {
            namespace: "monitoring".into(),
            name: "receivers".into(),
            key: key.into(),
            file: None,
            generate: None,
        }
    }

    #[test]
    fn a_generated_value_is_kept() {
        let directory = tempfile::tempdir().expect("a directory");
        let declared = [Secret { generate: Some(32), ..secret("token") }];
        let first = resolve(&declared, directory.path()).expect("a value");
        let again = resolve(&declared, directory.path()).expect("a value");
        assert_eq!(first[0].data["token"].len(), 64);
        assert_eq!(first[0].data, again[0].data);
    }

    #[test]
    fn keys_of_one_secret_come_together() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("url");
        fs::write(&file, "https://example.invalid").expect("a file");
        let declared =
            [Secret { generate: Some(16), ..secret("token") }, Secret { file: Some(file), ..secret("url") }];
        let secrets = resolve(&declared, directory.path()).expect("values");
        assert_eq!(secrets.len(), 1);
        assert_eq!(secrets[0].data["url"], b"https://example.invalid");
    }

    #[test]
    fn a_secret_without_a_value_names_itself_and_the_file() {
        let directory = tempfile::tempdir().expect("a directory");
        let empty = directory.path().join("empty");
        fs::write(&empty, "").expect("a file");
        for (file, reason) in [(directory.path().join("missing"), "cannot read"), (empty, "is empty")] {
            let declared = [Secret { file: Some(file), ..secret("url") }];
            let error = resolve(&declared, directory.path()).expect_err("no value").to_string();
            assert!(error.contains("monitoring/receivers url") && error.contains(reason), "{error}");
        }
    }
}
