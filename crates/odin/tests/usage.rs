//! Bad input on the command line: one clear message, the right exit status,
//! nothing on stdout.

#![allow(clippy::expect_used, reason = "a failing test panics")]

use std::path::Path;
use std::process::{Command, Output};

fn odin(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_odin"))
        .args(arguments)
        .env_remove("ODIN_CONFIG")
        .output()
        .expect("odin runs")
}

#[track_caller]
fn refused(arguments: &[&str], status: i32, words: &[&str]) {
    let output = odin(arguments);
    let talk = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {talk}");
    assert!(output.stdout.is_empty(), "{arguments:?} wrote data: {:?}", output.stdout);
    assert!(!talk.contains("panicked"), "{talk}");
    for word in words {
        assert!(talk.contains(word), "{arguments:?} does not say {word:?}:\n{talk}");
    }
}

fn declared(text: impl AsRef<[u8]>) -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("odin.toml");
    std::fs::write(&file, text).expect("a file");
    let name = file.to_str().expect("UTF-8").to_owned();
    (directory, name)
}

#[test]
fn bad_usage_is_64() {
    refused(&["fly"], 64, &["fly"]);
    refused(&["backup", "show"], 64, &["<ID>"]);
    refused(&["gpu", "mig"], 64, &["rollback"]);
    refused(&["host"], 64, &["plan", "apply"]);
    refused(&["--config", "/nonexistent/odin.toml", "host", "apply"], 64, &["/nonexistent/odin.toml"]);
    refused(&["gpu", "mig", "apply", "--force"], 64, &["--force"]);
    refused(&["verify", "--phase", "9"], 64, &["9"]);
    refused(&["apply", "--prune-limit", "many"], 64, &["many"]);
    refused(&["backup", "prune", "--max-unused", "lots"], 64, &["lots", "10%", "unlimited"]);
    refused(&[], 64, &["Usage"]);
}

#[test]
fn a_missing_declaration_names_the_file_and_the_way_out() {
    refused(
        &["--config", "/nonexistent/odin.toml", "plan"],
        64,
        &["/nonexistent/odin.toml", "hint:", "--config"],
    );
}

#[test]
fn every_bad_declaration_is_64_and_names_the_place() {
    let cases: [(&[u8], &str); 6] = [
        (b"[host]\nrolle = \"server\"", "rolle"),
        (b"[host]\nrole = 5", "role"),
        (b"[apply]\nprune-limit = \"ten\"", "prune-limit"),
        (b"[backup]\nschedule = \"daily\"", "30 2 * * *"),
        (b"\xff\xfe\x00binary", "UTF-8"),
        (b"[host", "odin.toml"),
    ];
    for (text, named) in cases {
        let (_directory, file) = declared(text);
        refused(&["config", "check", &file], 64, &[&file, named]);
    }
}

#[test]
fn a_right_declaration_is_checked_without_a_word() {
    let (_directory, file) = declared("");
    let output = odin(&["config", "check", &file]);
    assert!(output.status.success() && output.stdout.is_empty() && output.stderr.is_empty(), "{output:?}");
}

#[test]
fn what_is_not_declared_is_named() {
    let (_directory, file) = declared("");
    refused(&["--config", &file, "backup", "list"], 64, &["[backup]"]);
}

#[test]
fn a_bundle_that_is_none_is_refused_by_name() {
    let directory = tempfile::tempdir().expect("a directory");
    let name = directory.path().to_str().expect("UTF-8");
    refused(&["bundle", "show", name], 1, &[name, "SHA256SUMS"]);
}

#[test]
fn errors_are_json_for_programs() {
    let output = odin(&["--json", "--config", "/nonexistent/odin.toml", "plan"]);
    let error: serde_json::Value = serde_json::from_slice(&output.stderr).expect("JSON");
    assert!(error["error"].as_str().is_some_and(|text| text.contains("/nonexistent/odin.toml")), "{error}");
    assert!(error["hint"].is_string());
}

#[test]
fn a_reader_that_goes_away_is_no_panic() {
    let (_directory, file) = declared("");
    let output = Command::new("sh")
        .arg("-c")
        .arg(format!(
            "{} --config {file} config show | true",
            Path::new(env!("CARGO_BIN_EXE_odin")).display()
        ))
        .output()
        .expect("sh runs");
    assert!(!String::from_utf8_lossy(&output.stderr).contains("panicked"), "{output:?}");
}

#[test]
fn a_promtail_configuration_is_converted_and_the_rest_named() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("promtail.yaml");
    let name = file.to_str().expect("UTF-8");
    let whole = "clients: [{url: 'http://loki:3100/loki/api/v1/push'}]\nscrape_configs:\n\
                 - {job_name: a, static_configs: [{labels: {__path__: /a.log}}]}\n";
    std::fs::write(&file, whole).expect("a file");
    let output = odin(&["logs", "convert", name]);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("otlphttp/loki"), "{output:?}");
    std::fs::write(&file, format!("{whole}limits_config: {{}}\n")).expect("a file");
    let output = odin(&["logs", "convert", name]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("not converted: limits_config: "), "{output:?}");
    std::fs::write(&file, "receivers: {}").expect("a file");
    refused(&["logs", "convert", name], 64, &[name, "scrape_configs", "hint:"]);
    refused(&["logs", "convert", "/nonexistent.yaml"], 64, &["/nonexistent.yaml"]);
}
