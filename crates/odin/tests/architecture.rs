//! Holds the arrows between the crates and the doors to the outside
//! (docs/adr/0001-plan-then-execute.md).

#![allow(clippy::expect_used, reason = "a failing test panics")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

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

/// Every Rust file below `directory`.
fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Sources of all crates, their tests among them, with their text.
fn all_sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for krate in members() {
        for part in ["src", "tests"].map(|part| crates().join(&krate).join(part)) {
            if part.exists() {
                sources(&part, &mut found);
            }
        }
    }
    let name = |path: &Path| path.strip_prefix(crates()).expect("below").display().to_string();
    found.iter().map(|path| (name(path), std::fs::read_to_string(path).expect("a source"))).collect()
}

/// The lint denies it everywhere; this holds where it is allowed again.
#[test]
fn unsafe_is_in_one_file_of_the_product_and_in_the_simulations_interface() {
    // Put together, so that this file is not one of them.
    let keyword = ["un", "safe"].concat();
    let marks = [" {", " fn", " extern", " impl", "_code"].map(|after| format!("{keyword}{after}"));
    for (name, text) in all_sources() {
        let allowed = name == "odin-gpu/src/nvml/raw.rs" || name.starts_with("nvml-sim/src/abi");
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let found = code.filter(|line| marks.iter().any(|mark| line.contains(mark))).count();
        assert!(allowed || found == 0, "{name} has {keyword} code in {found} lines");
    }
}

#[test]
fn no_source_is_empty_or_too_long_to_read() {
    for (name, text) in all_sources() {
        let lines = text.lines().count();
        assert!((3..=500).contains(&lines), "{name} has {lines} lines; at most 500, and none for nothing");
    }
}

#[test]
fn the_engine_is_synchronous_and_the_model_pure() {
    for krate in ["odin-model", "odin-backup"] {
        assert!(!dependencies(krate).contains("tokio"), "{krate} must not depend on tokio");
    }
}
