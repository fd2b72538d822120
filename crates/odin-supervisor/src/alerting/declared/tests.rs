use std::fs;
use std::path::{Path, PathBuf};

use odin_model::config::Config;

use super::*;

/// Alertmanager's part of a bundle, as far as receivers are concerned.
const DEFAULT: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: alertmanager-default, namespace: monitoring}\n\
    data:\n  alertmanager.yml: |\n    route: {receiver: \"null\"}\n    receivers: [{name: \"null\"}]\n";
const SET: &str = "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: alertmanager, namespace: monitoring}\n\
    spec: {template: {metadata: {labels: {a: b}}, spec: {containers: []}}}\n";

struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        fs::write(directory.path().join("url"), "https://hooks.example/geheim\n").expect("a file");
        Self { directory }
    }

    fn url(&self) -> PathBuf {
        self.directory.path().join("url")
    }

    fn bundle(&self, objects: &[&str]) -> Bundle {
        let root = self.directory.path().join("bundle");
        drop(fs::remove_dir_all(&root));
        fs::create_dir_all(root.join("alertmanager")).expect("a directory");
        let about = "format = 1\noverlay = \"lab\"\n[[component]]\nname = \"alertmanager\"\n\
            namespace = \"monitoring\"\nafter = []\ntimeout = \"1m\"\ngate = true\n";
        fs::write(root.join("bundle.toml"), about).expect("a file");
        for (number, object) in objects.iter().enumerate() {
            fs::write(root.join(format!("alertmanager/{number}.yaml")), object).expect("a file");
        }
        let mut names = vec!["bundle.toml".to_owned()];
        names.extend((0..objects.len()).map(|number| format!("alertmanager/{number}.yaml")));
        names.sort();
        let sum = |name: &String| {
            let bytes = fs::read(root.join(name)).expect("a file");
            let digest: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{digest}  {name}\n")
        };
        fs::write(root.join("SHA256SUMS"), names.iter().map(sum).collect::<String>()).expect("a file");
        Bundle::open(&root).expect("a bundle")
    }

    fn appliance(&self, severity: &str) -> Appliance {
        let text = format!(
            "[[alerting.receivers]]\nname = \"ops\"\nwebhook = {{ url-file = \"{}\" }}\n\
             [[alerting.routes]]\nreceiver = \"ops\"\nseverity = \"{severity}\"",
            self.url().display()
        );
        let mut config = Config::parse(&text, Path::new("odin.toml")).expect("a declaration");
        config.host.state_dir = self.directory.path().join("state");
        Appliance { config, site_keys: Vec::new(), file: PathBuf::from("odin.toml") }
    }
}

fn marked(desired: &Desired) -> String {
    let set = desired.objects.iter().find(|object| object.key.kind == "StatefulSet").expect("a set");
    let path = "/spec/template/metadata/annotations/odin.local~1receivers-sha256";
    set.value.pointer(path).and_then(Value::as_str).expect("a mark").to_owned()
}

#[test]
fn receivers_become_a_secret_and_a_mark_on_the_pods() {
    let place = Place::new();
    let bundle = place.bundle(&[DEFAULT, SET]);
    let desired = desired(&place.appliance("critical"), &bundle).expect("desired");
    let secret = &desired.objects[0];
    assert_eq!(secret.key.to_string(), "Secret monitoring/alertmanager-config");
    let keys: Vec<&String> = secret.value["data"].as_object().expect("data").keys().collect();
    assert_eq!(keys, ["alertmanager.yml", "ops-webhook-url"]);
    assert!(!format!("{desired:?}").contains("geheim"));
    let set = desired.objects.iter().find(|object| object.key.kind == "StatefulSet").expect("a set");
    assert_eq!(set.value["spec"]["template"]["metadata"]["labels"]["a"], "b");
    assert_ne!(set.hash, bundle.objects().iter().find(|one| one.key == set.key).expect("it").hash);
}

#[test]
fn another_configuration_is_another_mark_and_another_secret_is_not() {
    let place = Place::new();
    let bundle = place.bundle(&[DEFAULT, SET]);
    let mark = |severity| marked(&desired(&place.appliance(severity), &bundle).expect("desired"));
    let before = mark("critical");
    assert_ne!(mark("warning"), before);
    fs::write(place.url(), "https://hooks.example/another\n").expect("a file");
    assert_eq!(mark("critical"), before);
}

#[test]
fn without_receivers_nothing_is_added() {
    let place = Place::new();
    let bundle = place.bundle(&[SET]);
    let mut appliance = place.appliance("critical");
    appliance.config.alerting = Some(Alerting::default());
    assert_eq!(desired(&appliance, &bundle).expect("desired").objects, bundle.objects());
}

#[test]
fn a_missing_file_is_named_by_its_key() {
    let place = Place::new();
    let bundle = place.bundle(&[DEFAULT, SET]);
    let appliance = place.appliance("critical");
    fs::remove_file(place.url()).expect("removed");
    let error = desired(&appliance, &bundle).expect_err("no file").to_string();
    assert!(error.contains("alerting.receivers.ops.webhook-url"), "{error}");
    assert!(error.contains(&place.url().display().to_string()), "{error}");
}

#[test]
fn a_bundle_without_alertmanager_is_refused() {
    let place = Place::new();
    let appliance = place.appliance("critical");
    for (objects, missing) in [(vec![SET], "alertmanager-default"), (vec![DEFAULT], "StatefulSet")] {
        let error = desired(&appliance, &place.bundle(&objects)).expect_err(missing);
        assert!(error.to_string().contains(missing), "{error}");
        assert!(error.hint().is_some_and(|hint| hint.contains("component alertmanager")));
    }
}
