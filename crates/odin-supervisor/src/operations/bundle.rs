//! Bundles: made and looked at where the sources are, so never by the daemon.

use std::path::{Path, PathBuf};

use odin_cluster::Bundle;
use odin_cluster::bundle::{BuildOptions, Severity};
use serde_json::json;

use super::{Outcome, Status};
use crate::{Result, interrupt};

/// Renders an overlay into a bundle, with the optional components named.
///
/// # Errors
/// When the sources are wrong, a program fails, or an end was asked for; an
/// earlier bundle stays.
pub fn build(overlay: &Path, with: &[String], output: &Path, helm: &Path, kubectl: &Path) -> Result<Outcome> {
    let options = BuildOptions {
        overlay: overlay.to_owned(),
        with: with.to_owned(),
        out: output.to_owned(),
        helm: helm.to_owned(),
        kubectl: kubectl.to_owned(),
    };
    let bundle = odin_cluster::bundle::build_unless(&options, &interrupt::is_requested)?;
    Ok(Outcome::new(Status::Done, bundle.show(), &contents(&bundle)))
}

/// Checks a bundle; warnings do not fail it.
#[must_use]
pub fn lint(dir: &Path) -> Outcome {
    let findings = odin_cluster::bundle::lint(dir);
    let failed = findings.iter().any(|finding| finding.severity == Severity::Error);
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    let text = if lines.is_empty() { "no findings".to_owned() } else { lines.join("\n") };
    Outcome::new(if failed { Status::Failed } else { Status::Done }, text, &json!({ "findings": lines }))
}

/// Shows a bundle.
///
/// # Errors
/// When it is not a whole bundle.
pub fn show(dir: &Path) -> Result<Outcome> {
    let bundle = Bundle::open(dir)?;
    Ok(Outcome::new(Status::Done, bundle.show(), &contents(&bundle)))
}

fn contents(bundle: &Bundle) -> serde_json::Value {
    let components: Vec<_> = bundle
        .components()
        .iter()
        .map(|component| {
            let objects: Vec<String> = bundle
                .objects()
                .iter()
                .filter(|object| object.component == component.name)
                .map(|object| object.key.to_string())
                .collect();
            json!({
                "name": component.name, "wave": component.wave, "after": component.after,
                "gate": component.gate, "timeout-seconds": component.timeout.as_secs(), "objects": objects,
            })
        })
        .collect();
    json!({
        "digest": bundle.digest(), "overlay": bundle.overlay(),
        "directory": PathBuf::from(bundle.dir()), "components": components,
    })
}
