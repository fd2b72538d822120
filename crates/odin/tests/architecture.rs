//! Holds the arrows between the crates and the doors to the outside
//! (docs/adr/0001-plan-then-execute.md).

#![allow(clippy::expect_used, reason = "a failing test panics")]

use std::collections::BTreeSet;
use std::path::Path;

fn crates() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn dependencies(krate: &str) -> BTreeSet<String> {
    let file = crates().join(krate).join("Cargo.toml");
    let manifest: toml::Table = std::fs::read_to_string(&file).expect("a manifest").parse().expect("TOML");
    manifest
        .get("dependencies")
        .and_then(toml::Value::as_table)
        .map(|table| table.keys().cloned().collect())
        .unwrap_or_default()
}

fn members() -> Vec<String> {
    std::fs::read_dir(crates())
        .expect("crates/")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
        .collect()
}

#[test]
fn each_door_to_the_outside_is_in_one_crate() {
    let doors = [
        ("clap", "odin"),
        ("axum", "odin-supervisor"),
        ("kube", "odin-cluster"),
        ("nvml-wrapper", "odin-gpu"),
        ("rustic_core", "odin-backup"),
    ];
    for krate in members() {
        let dependencies = dependencies(&krate);
        for (door, owner) in doors {
            assert!(krate == owner || !dependencies.contains(door), "{krate} must not depend on {door}");
        }
    }
}

#[test]
fn arrows_point_down() {
    let allowed: [(&str, &[&str]); 7] = [
        ("odin-model", &[]),
        ("nvml-sim", &[]),
        ("odin-cluster", &["odin-model"]),
        ("odin-backup", &["odin-model"]),
        ("odin-gpu", &["odin-model"]),
        ("odin-supervisor", &["odin-model", "odin-cluster", "odin-backup", "odin-gpu"]),
        ("odin", &["odin-model", "odin-supervisor"]),
    ];
    for krate in members() {
        let (_, below) = allowed.iter().find(|(name, _)| *name == krate).expect("a crate with an ADR");
        for dependency in dependencies(&krate).iter().filter(|name| name.starts_with("odin")) {
            assert!(below.contains(&dependency.as_str()), "{krate} must not depend on {dependency}");
        }
    }
}

#[test]
fn the_engine_is_synchronous_and_the_model_pure() {
    for krate in ["odin-model", "odin-backup"] {
        assert!(!dependencies(krate).contains("tokio"), "{krate} must not depend on tokio");
    }
}
