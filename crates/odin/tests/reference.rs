//! docs/reference is generated; these tests fail when it is stale.
//!
//! `UPDATE_REFERENCE=1 cargo test -p odin --test reference` writes it anew.

#![allow(clippy::expect_used, reason = "a failing test panics")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

fn help(path: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_odin"))
        .args(path)
        .arg("--help")
        .env("COLUMNS", "100")
        .env_remove("ODIN_CONFIG")
        .output()
        .expect("odin runs");
    assert!(output.status.success(), "{path:?}");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// Names below `Commands:` of a help text.
fn commands(help: &str) -> Vec<String> {
    help.lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        // A long description goes on below, further in.
        .filter_map(|line| line.strip_prefix("  ").filter(|rest| !rest.starts_with(' ')))
        .filter_map(|line| line.split_whitespace().next().map(str::to_owned))
        .filter(|name| name != "help")
        .collect()
}

fn write_commands(page: &mut String, path: &[&str]) {
    let help = help(path);
    let title = ["odin"].iter().chain(path).copied().collect::<Vec<_>>().join(" ");
    write!(page, "\n## {title}\n\n```\n{}\n```\n", help.trim_end()).expect("a String");
    for name in commands(&help) {
        let longer: Vec<&str> = path.iter().copied().chain([name.as_str()]).collect();
        write_commands(page, &longer);
    }
}

fn check(name: &str, fresh: &str) {
    let file: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference").join(name);
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::write(&file, fresh).expect("docs/reference is writable");
    }
    let found = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(found == fresh, "{} is stale: run with UPDATE_REFERENCE=1", file.display());
}

#[test]
fn the_command_line_is_described_as_it_is() {
    let mut page = String::from(
        "# Command line\n\nGenerated from `odin --help`; do not edit.\n\n\
         Data goes to stdout, talk to stderr. Exit status: 0 done or converged, 1 failed, \
         2 changes pending, 64 bad usage or configuration, 130 interrupted.\n",
    );
    write_commands(&mut page, &[]);
    check("cli.md", &page);
}

#[test]
fn the_declaration_is_described_as_it_is() {
    let contract = include_str!("../../odin-model/tests/fixtures/odin.toml");
    let page = format!(
        "# Declaration\n\nGenerated from `crates/odin-model/tests/fixtures/odin.toml`, which a test \
         holds complete; do not edit.\n\nUnknown keys are errors. Every key has a default but \
         `backup.password-file`, `secrets.*` and what names a table of a list; `odin config show` \
         prints them. `/var/lib/odin/site.toml` may set `host.name` (there a host name of one label), \
         `access.authorized-keys` (lines of `.pub` files), `secrets`, `backup.repository`, \
         `backup.password-file`, `backup.copies`, `alerting.receiver`, `alerting.dead-man`, \
         `alerting.receivers` and `alerting.routes` for one host; `odin host` puts keys and name \
         where sshd and the system look for them.\n\n\
         ```toml\n{contract}```\n"
    );
    check("config.md", &page);
}

#[test]
fn the_metrics_of_the_gpus_are_described_as_they_are() {
    check("metrics.md", &odin_gpu::reference::metrics());
}

/// A guide that quotes a message must quote what odin says.
#[test]
fn the_messages_of_the_guide_are_those_of_the_code() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let guide = std::fs::read_to_string(root.join("docs/guides/disaster-recovery.md")).expect("the guide");
    // ENOSPC, in the words of the system.
    let mut said = std::io::Error::from_raw_os_error(28).to_string();
    for part in ["odin-backup", "odin-supervisor"] {
        said += &sources(&root.join("crates").join(part).join("src"));
    }
    let mut quoted = 0;
    for row in guide.lines().skip_while(|line| *line != "| message | do |").skip(2) {
        let Some(message) = row.strip_prefix("| ").and_then(|row| row.split(" | ").next()) else { break };
        for fragment in message.split('`').skip(1).step_by(2) {
            assert!(said.contains(fragment), "nothing says {fragment:?}");
            quoted += 1;
        }
    }
    assert!(quoted >= 10, "{quoted} messages found in the guide");
}

fn sources(directory: &Path) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            text += &sources(&path);
        } else {
            text += &std::fs::read_to_string(&path).expect("a source");
        }
    }
    text
}
