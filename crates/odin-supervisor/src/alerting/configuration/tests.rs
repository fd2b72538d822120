use odin_model::config::{Config, Receiver};

use super::*;

/// As the chart writes it.
const DEFAULT: &str = "
route:
  receiver: \"null\"
  group_by: [alertname, namespace]
  group_wait: 30s
  repeat_interval: 12h
  routes:
    - matchers: ['alertname=\"Watchdog\"']
      group_by: [alertname]
      group_interval: 1m
      repeat_interval: 54s
    - matchers: ['severity=\"critical\"']
      repeat_interval: 1h
    - matchers: ['severity=\"info\"']
      receiver: \"null\"
inhibit_rules:
  - source_matchers: ['severity=\"critical\"']
    target_matchers: ['severity=\"warning\"']
    equal: [alertname, namespace, instance]
receivers:
  - name: \"null\"
";

fn alerting(text: &str) -> Alerting {
    Config::parse(text, std::path::Path::new("odin.toml")).expect("a declaration").alerting.expect("alerting")
}

fn full() -> Alerting {
    alerting(include_str!("../../../../odin-model/tests/fixtures/odin.toml"))
}

fn composed(alerting: &Alerting) -> Value {
    serde_saphyr::from_str(&compose(DEFAULT, alerting).expect("a configuration")).expect("YAML")
}

#[test]
fn a_whole_declaration_becomes_a_configuration() {
    insta::assert_snapshot!(compose(DEFAULT, &full()).expect("a configuration"));
}

#[test]
fn what_the_default_says_of_more_than_receivers_stays() {
    let composed = composed(&full());
    let default: Value = serde_saphyr::from_str(DEFAULT).expect("YAML");
    assert_eq!(composed["inhibit_rules"], default["inhibit_rules"]);
    assert_eq!(composed["route"]["group_by"], default["route"]["group_by"]);
    assert_eq!(composed["receivers"][0], default["receivers"][0]);
}

#[test]
fn routes_are_tried_in_their_order() {
    let hook = |name: &str| {
        format!("[[alerting.receivers]]\nname = \"{name}\"\nwebhook = {{ url = \"http://a.example/\" }}\n")
    };
    let text = format!(
        "{}{}[[alerting.routes]]\nreceiver = \"b\"\nteam = \"x\"\ncontinue = true\n\
         [[alerting.routes]]\nreceiver = \"a\"\nseverity = \"info\"",
        hook("a"),
        hook("b")
    );
    let composed = composed(&alerting(&text));
    let routes = composed["route"]["routes"].as_array().expect("routes");
    let said: Vec<String> = routes
        .iter()
        .map(|route| format!("{} -> {}", route["matchers"], route["receiver"].as_str().unwrap_or("-")))
        .collect();
    assert_eq!(
        said,
        [
            r#"["alertname=\"OdinDeliverySelfTest\"","receiver=\"a\""] -> a"#,
            r#"["alertname=\"OdinDeliverySelfTest\"","receiver=\"b\""] -> b"#,
            // Nobody is the dead-man's receiver, so nobody is told.
            r#"["alertname=\"Watchdog\""] -> null"#,
            r#"["team=\"x\""] -> b"#,
            r#"["severity=\"info\""] -> a"#,
            r#"["severity=\"info\""] -> null"#,
            // All the rest.
            "null -> -",
        ]
    );
    assert_eq!(routes[2]["repeat_interval"], "54s");
    assert_eq!(routes[3]["continue"], true);
    // How critical alerts are told holds below every route.
    assert_eq!(routes[3]["routes"][0]["repeat_interval"], "1h");
    assert_eq!(routes[6]["routes"][0]["repeat_interval"], "1h");
    // What no route takes goes where it went.
    assert_eq!(composed["route"]["receiver"], "null");
}

#[test]
fn secrets_are_named_by_their_files_only() {
    for receiver in full().receivers {
        for (secret, file) in receiver.files() {
            let text = compose(DEFAULT, &full()).expect("a configuration");
            assert!(text.contains(&format!("/etc/alertmanager/{}", key(&receiver, secret))), "{secret}");
            assert!(!text.contains(&file.display().to_string()), "{secret}");
        }
    }
}

#[test]
fn a_receiver_replaces_the_defaults_of_its_name() {
    let default = DEFAULT.replace("  - name: \"null\"\n", "  - name: ops\n    webhook_configs: []\n");
    let text = compose(&default, &full()).expect("a configuration");
    let composed: Value = serde_saphyr::from_str(&text).expect("YAML");
    let names: Vec<&str> = composed["receivers"]
        .as_array()
        .expect("receivers")
        .iter()
        .filter_map(|receiver| receiver["name"].as_str())
        .collect();
    assert_eq!(names, ["null", "ops", "dead-man"]);
}

#[test]
fn a_default_that_is_none_is_refused() {
    for default in ["", "route: 3", "receivers: []", "route: {}\nreceivers: {}"] {
        assert!(compose(default, &full()).is_err(), "{default:?}");
    }
}

#[test]
fn durations_have_alertmanagers_form() {
    assert_eq!(duration(Duration::from_secs(90)), "90s");
    assert_eq!(duration(Duration::from_millis(1500)), "1500ms");
    assert_eq!(matcher("team", "a\"b").as_deref(), Ok("team=\"a\\\"b\""));
}

#[test]
fn keys_of_two_receivers_differ() {
    let receiver = |name: &str| Receiver {
        name: name.to_owned(),
        email: None,
        slack: None,
        pagerduty: None,
        webhook: None,
    };
    assert_ne!(key(&receiver("a"), "slack-url"), key(&receiver("b"), "slack-url"));
}
