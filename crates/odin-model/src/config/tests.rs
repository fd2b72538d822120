use std::path::Path;
use std::time::Duration;

use super::*;

const CONTRACT: &str = include_str!("../../tests/fixtures/odin.toml");

fn read(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, Path::new("/etc/odin/odin.toml"))
}

fn refusal(text: &str) -> String {
    read(text).expect_err(text).to_string()
}

#[test]
fn the_contract_reads_and_writes_back_the_same() {
    let config = read(CONTRACT).expect("the contract");
    let written = toml::to_string(&config).expect("TOML");
    assert_eq!(read(&written).expect(&written), config);
}

#[test]
fn the_contract_shows_every_key() {
    let shown: toml::Table = toml::from_str(CONTRACT).expect("TOML");
    let config = read(CONTRACT).expect("the contract");
    let written: toml::Table = toml::from_str(&toml::to_string(&config).expect("TOML")).expect("TOML");
    assert_eq!(keys(&shown), keys(&written), "a key is missing in tests/fixtures/odin.toml");
}

fn keys(table: &toml::Table) -> std::collections::BTreeSet<String> {
    fn walk(prefix: &str, value: &toml::Value, found: &mut std::collections::BTreeSet<String>) {
        match value {
            toml::Value::Table(table) => {
                for (key, value) in table {
                    walk(&format!("{prefix}.{key}"), value, found);
                }
            }
            // A list of tables is one shape; an empty `after` is left out.
            toml::Value::Array(list) if list.iter().all(toml::Value::is_table) => {
                list.iter().for_each(|value| walk(prefix, value, found));
            }
            _ => {
                found.insert(prefix.to_owned());
            }
        }
    }
    let mut found = std::collections::BTreeSet::new();
    walk("", &toml::Value::Table(table.clone()), &mut found);
    found
}

#[test]
fn an_empty_declaration_is_a_server_without_backups() {
    let config = read("").expect("an empty file");
    assert_eq!(config.host.role, Role::Server);
    assert_eq!(config.backup, None);
    assert_eq!(config.gpu, None);
}

#[test]
fn an_empty_section_declares_gpus() {
    let config = read("[gpu]").expect("GPUs");
    assert_eq!(config.gpu, Some(Gpu::default()));
}

#[test]
fn a_backup_needs_only_a_password_file() {
    let config = read("[backup]\npassword-file = \"/etc/odin/password\"").expect("a backup");
    let backup = config.backup.expect("a backup");
    assert_eq!(backup.repository, Path::new("/var/lib/odin/repository"));
    assert_eq!(backup.maximum_age, Duration::from_secs(26 * 3600));
    assert_eq!(backup.retention.daily, 7);
}

#[test]
fn every_bad_declaration_names_file_and_key() {
    let cases = [
        ("[host]\nrolle = \"server\"", "rolle"),
        ("[logs]\njournal-files = 1", "logs.journal-files"),
        ("[logs]\njournal-file-size = \"4KiB\"", "between 1MiB and 1GiB"),
        ("[logs]\njournal-file-size = \"much\"", "32MiB"),
        ("[hosts]", "hosts"),
        ("[host]\nrole = \"master\"", "master"),
        ("[host]\nrole = 3", "role"),
        ("[host", "TOML"),
        ("[host]\nstate-dir = \"odin\"", "host.state-dir = \"odin\": must be an absolute path"),
        ("[host]\nk3s-unit = \"k3s\"", "host.k3s-unit"),
        ("[apply]\nprune-limit = -1", "prune-limit"),
        ("[apply]\nallow-prune = [\"monitoring\"]", "apply.allow-prune"),
        ("[gpu]\nlisten = \"9400\"", "gpu.listen"),
        ("[gpu]\nlibrary = \"lib/nvml.so\"", "gpu.library"),
        ("[gpu]\ninterval = \"0s\"", "gpu.interval"),
        ("[gpu]\ndcgm-labels = [\"DCGM_FI_DEV_GPU_TEMP\"]", "gpu.dcgm-labels"),
        ("[gpu]\nmaximum-age = \"1ms\"", "gpu.maximum-age"),
        ("[gpu]\npod-resources-socket = \"kubelet.sock\"", "gpu.pod-resources-socket"),
        ("[gpu]\nprice-per-gpu-hour = -1.0", "gpu.price-per-gpu-hour"),
        ("[backup]", "password-file"),
        ("[backup]\npassword-file = \"p\"", "backup.password-file"),
        ("[backup]\npassword-file = \"/p\"\nschedule = \"daily\"", "30 2 * * *"),
        ("[backup]\npassword-file = \"/p\"\nmaximum-age = \"soon\"", "maximum-age"),
        ("[[secrets]]\nnamespace = \"a\"\nname = \"b\"\nkey = \"c\"", "`file` or `generate`"),
        ("[[secrets]]\nnamespace = \"a\"\nname = \"b\"\nkey = \"c\"\ngenerate = 4", "16 to 256"),
        ("[[secrets]]\nnamespace = \"A b\"\nname = \"b\"\nkey = \"c\"\ngenerate = 32", "secrets.namespace"),
        ("[upgrade]\ndeadline = \"10s\"", "upgrade.deadline = \"10s\": must be longer than upgrade.steady"),
        ("[upgrade]\nunits = [\"sshd\"]", "upgrade.units"),
        ("[gpu]\ndevice-plugin = \"amd\"", "amd"),
        ("[gpu]\nsharing-file = \"device-plugin.yaml\"", "gpu.sharing-file"),
        ("[gpu]\ncdi-dirs = [\"cdi\"]", "gpu.cdi-dirs"),
        ("[gpu]\nexporter = \"none\"", "none"),
        ("[gpu]\nunhealthy-on = [\"dust\"]", "dust"),
        ("[gpu]\nunhealthy-on = [\"pcie-width\", \"pcie-width\"]", "gpu.unhealthy-on"),
        ("[gpu.remediation]\nafter = \"soon\"", "after"),
        ("[gpu.remediation]\nactions = [\"reboot\"]", "reboot"),
        ("[gpu.remediation]\nactions = [\"taint\", \"taint\"]", "gpu.remediation.actions"),
        ("[gpu.remediation]\nmaximum-nodes = 0", "gpu.remediation.maximum-nodes"),
        ("[gpu.remediation]\nactions = [\"reset\"]\nreset-command = []", "gpu.remediation.reset-command"),
        (
            "[gpu.remediation]\nactions = [\"reset\"]\n[gpu.mig.\"NVIDIA H100\"]\n\"1g.10gb\" = 7",
            "gpu.remediation.actions",
        ),
        ("[gpu.mig.\"\"]", "gpu.mig"),
        ("[gpu.mig.H100]\n\"1c.2g.20gb\" = 1", "gpu.mig.\"H100\" = \"1c.2g.20gb\""),
        ("[gpu.mig.H100]\n\"1g.10gb\" = 0", "gpu.mig.\"H100\".\"1g.10gb\""),
        ("[gpu.mig.H100]\n\"1g.10gb\" = -1", "1g.10gb"),
        ("[gpu.mig.H100]\n\"1g.10gb\" = 2\n\"3g.40gb\" = 2", "\"8 slices\": is more than a GPU has"),
        ("[gpu]\nmig = [\"1g.10gb\"]", "mig"),
        ("\u{0}\u{1}", "TOML"),
    ];
    for (text, named) in cases {
        let message = refusal(text);
        assert!(message.starts_with("/etc/odin/odin.toml"), "{message}");
        assert!(named == "TOML" || message.contains(named), "{text}: {message}");
    }
}

#[test]
fn a_declaration_beyond_the_limit_is_refused_by_its_size() {
    let text = format!("# {}", "x".repeat(MAXIMUM_BYTES));
    assert!(refusal(&text).contains("1048576"));
}

#[test]
fn a_secret_declared_twice_is_refused() {
    let one = "[[secrets]]\nnamespace = \"a\"\nname = \"b\"\nkey = \"c\"\ngenerate = 32\n";
    assert!(refusal(&format!("{one}{one}")).contains("a/b c"));
}

#[test]
fn a_copy_into_the_repository_itself_is_refused() {
    let message = refusal(
        "[backup]\npassword-file = \"/p\"\n[[backup.copies]]\nname = \"usb\"\n\
         repository = \"/var/lib/odin/repository\"\npassword-file = \"/p\"",
    );
    assert!(message.contains("another disk"), "{message}");
}

#[test]
fn the_site_wins_over_the_image_key_by_key() {
    let config = read(CONTRACT).expect("the contract");
    let file = Path::new("/var/lib/odin/site.toml");
    let site = Site::parse(
        "[host]\nname = \"rack-7\"\n[backup]\nrepository = \"/data/odin\"\n[[secrets]]\n\
         namespace = \"monitoring\"\nname = \"alertmanager-webhook\"\nkey = \"token\"\nfile = \"/root/token\"",
        file,
    )
    .expect("a site");
    let merged = config.with_site(&site, file).expect("merged");
    assert_eq!(merged.host.name.as_deref(), Some("rack-7"));
    assert_eq!(merged.secrets.len(), 2);
    assert_eq!(merged.secrets[1].file.as_deref(), Some(Path::new("/root/token")));
    let backup = merged.backup.expect("a backup");
    assert_eq!(backup.repository, Path::new("/data/odin"));
    assert_eq!(backup.password_file, Path::new("/var/lib/odin/repository-password"));
    assert_eq!(
        site.keys(),
        ["host.name", "secrets.monitoring/alertmanager-webhook.token", "backup.repository"]
    );
}

#[test]
fn the_site_says_who_may_log_in_and_the_image_cannot() {
    let file = Path::new("/boot/odin-site.toml");
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJLg9wULeIrs6MsrLy9zGDMt1npFt3A8J+EVti2lQ2ym you@desk";
    let keys = format!("[access]\nauthorized-keys = [\"{key}\"]");
    let site = Site::parse(&keys, file).expect("a site");
    assert_eq!(site.keys(), ["access.authorized-keys"]);
    let merged = read(CONTRACT).expect("the contract").with_site(&site, file).expect("merged");
    assert_eq!(merged.access.authorized_keys, [key]);
    assert!(merged.to_toml().expect("TOML").contains(key), "it is shown");
    assert!(refusal(&keys).contains("authorized-keys"));
    assert!(refusal("[access]\nkeys-file = \"admin\"").contains("access.keys-file"));
    // What is no key is named by its place and not repeated.
    let secret = "x".repeat(60);
    let wrong = format!("[access]\nauthorized-keys = [\"{key}\", \"-----BEGIN {secret}\"]");
    let message = Site::parse(&wrong, file).expect_err("no key").to_string();
    assert!(message.contains("odin-site.toml: access.authorized-keys[1] = \"-----BEGIN x"), "{message}");
    assert!(!message.contains(&secret), "{message}");
}

#[test]
fn a_host_has_a_name_that_hosts_can_have() {
    let site = |name: &str| Site::parse(&format!("[host]\nname = \"{name}\""), Path::new("site.toml"));
    for name in ["gpu-01", "a", "7", &"n".repeat(63)] {
        assert!(site(name).is_ok(), "{name}");
    }
    for name in ["", "GPU-01", "gpu_01", "-gpu", "gpu-", "gpu.example.com", "gpu 01", &"n".repeat(64)] {
        let message = site(name).expect_err(name).to_string();
        assert!(message.contains("host.name") && message.contains("RFC 1123"), "{message}");
    }
}

#[test]
fn the_site_says_who_is_told() {
    let file = Path::new("/var/lib/odin/site.toml");
    let site = Site::parse(
        "[alerting]\nreceiver = \"here\"\n[[alerting.receivers]]\nname = \"here\"\n\
         webhook = { url-file = \"/root/url\" }\n[[alerting.routes]]\nreceiver = \"here\"\nteam = \"a\"",
        file,
    )
    .expect("a site");
    assert_eq!(site.keys(), ["alerting.receiver", "alerting.receivers.here", "alerting.routes"]);
    // Also where the image declares nothing of it.
    for declared in [CONTRACT, ""] {
        let merged = read(declared).expect("a declaration").with_site(&site, file).expect("merged");
        let alerting = merged.alerting.expect("alerting");
        assert_eq!(alerting.receiver.as_deref(), Some("here"));
        assert_eq!(alerting.routes.len(), 1);
    }
    let lost = Site::parse("[alerting]\nreceiver = \"nobody\"", file).expect("a site");
    let error = Config::default().with_site(&lost, file).expect_err("no such receiver").to_string();
    assert!(error.contains("site.toml: alerting.receiver = \"nobody\""), "{error}");
}

#[test]
fn the_site_cannot_set_what_belongs_to_the_image() {
    let error = Site::parse("[apply]\nprune-limit = 1000", Path::new("/var/lib/odin/site.toml"));
    assert!(error.expect_err("a foreign key").to_string().contains("apply"));
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC*") {
        let _unread = read(&text);
    }

    #[test]
    fn no_prefix_of_the_contract_makes_the_parser_panic(length in 0..CONTRACT.len()) {
        if let Some(text) = CONTRACT.get(..length) {
            let _unread = read(text);
        }
    }
}
