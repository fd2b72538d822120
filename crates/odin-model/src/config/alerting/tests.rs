use std::path::Path;

use super::super::Config;
use super::*;

fn read(text: &str) -> Result<Config, String> {
    Config::parse(text, Path::new("/etc/odin/odin.toml")).map_err(|error| error.to_string())
}

const HOOK: &str = "[[alerting.receivers]]\nname = \"ops\"\nwebhook = { url = \"https://a.example/x\" }\n";

#[test]
fn every_impossible_declaration_names_key_and_value() {
    let receiver = |body: &str| format!("[[alerting.receivers]]\nname = \"ops\"\n{body}");
    let remediation = |body: &str| format!("[alerting.remediation]\n{body}");
    let cases = [
        (format!("{HOOK}{HOOK}"), "alerting.receivers.name = \"ops\": is the name of two"),
        (receiver(""), "alerting.receivers = \"ops\""),
        (receiver("webhook = {}"), "either `url` or `url-file`"),
        (receiver("webhook = { url = \"a.example\" }"), "ops.webhook.url = \"a.example\""),
        (receiver("webhook = { url = \"https://u:geheim@a.example/\" }"), "has a user or password in it"),
        (receiver("slack = { channel = \"#a\", url-file = \"slack\" }"), "ops.slack-url = \"slack\""),
        (receiver("pagerduty = { routing-key = \"k\" }"), "routing-key"),
        (
            receiver("email = { to = \"a@b\", from = \"c@d\", smarthost = \"mail\" }"),
            "ops.email.smarthost = \"mail\": must be HOST:PORT",
        ),
        (receiver("email = { to = \"a\", from = \"c@d\", smarthost = \"mail:25\" }"), "ops.email.to = \"a\""),
        (
            receiver("email = { to = \"a@b\", from = \"c@d\", smarthost = \"m:25\", username = \"u\" }"),
            "password-file",
        ),
        (HOOK.replace("ops", "Ops"), "alerting.receivers.name = \"Ops\""),
        (HOOK.replace("ops", "null"), "tells nobody"),
        ("[alerting]\nreceiver = \"ops\"".to_owned(), "alerting.receiver = \"ops\": is no receiver"),
        ("[alerting]\ndead-man = \"x\"".to_owned(), "alerting.dead-man = \"x\": is no receiver"),
        (format!("[alerting]\ndead-man-interval = \"1m\"\n{HOOK}"), "needs alerting.dead-man"),
        ("[alerting]\nrepeat-interval = \"0s\"".to_owned(), "alerting.repeat-interval"),
        (
            format!("{HOOK}[[alerting.routes]]\nreceiver = \"opps\"\nteam = \"a\""),
            "routes.receiver = \"opps\"",
        ),
        (format!("{HOOK}[[alerting.routes]]\nreceiver = \"ops\""), "needs severity, namespace or team"),
        (
            format!("{HOOK}[[alerting.routes]]\nreceiver = \"ops\"\nteam = \"a|b\""),
            "alerting.routes.team = \"a|b\"",
        ),
        (
            format!(
                "{HOOK}[[secrets]]\nnamespace = \"monitoring\"\nname = \"alertmanager-config\"\n\
                 key = \"alertmanager.yml\"\nfile = \"/a\""
            ),
            "alertmanager-config alertmanager.yml",
        ),
        (remediation("actions = [\"reboot\"]"), "reboot"),
        (remediation("actions = [\"cordon\", \"cordon\"]"), "actions = \"cordon\": is named twice"),
        (remediation("maximum-an-hour = 0"), "maximum-an-hour = \"0\""),
        (remediation("verify-within = \"5s\""), "verify-within = \"5s\""),
        (remediation("namespaces = [\"*\"]"), "namespaces = \"*\""),
        (remediation("units = [\"*.service\"]"), "units = \"*.service\""),
        (remediation("units = [\"ssh\"]"), "units = \"ssh\""),
        (remediation("actions = [\"restart-unit\"]"), "restart-unit needs the units"),
        (remediation("actions = [\"rotate-certificate\"]"), "alerting.remediation.window"),
        (remediation("window = \"2-4\""), "HH:MM-HH:MM"),
        (remediation("journal-size = \"half\""), "journal-size = \"half\""),
        ("[alerting.self-test]\nschedule = \"daily\"".to_owned(), "30 2 * * *"),
    ];
    for (text, named) in cases {
        let message = read(&text).expect_err(&text);
        assert!(message.contains(named), "{text}: {message}");
        assert!(!message.contains("geheim"), "{message}");
    }
}

#[test]
fn nothing_is_done_by_default() {
    let remediation = AlertRemediation::default();
    assert!(remediation.actions.is_empty() && remediation.dry_run);
    assert_eq!(read("[alerting]").map(|config| config.alerting), Ok(Some(Alerting::default())));
}

#[test]
fn a_window_may_go_over_midnight() {
    let window = |text: &str| Window::try_from(text.to_owned()).expect("a window");
    let at = |hour| Time::constant(hour, 0, 0, 0);
    use jiff::civil::Time;
    let night = window("22:00-04:00");
    assert!(
        night.has(at(23)) && night.has(at(0)) && night.has(at(22)) && !night.has(at(4)) && !night.has(at(12))
    );
    let day = window("02:00-04:00");
    assert!(day.has(at(2)) && !day.has(at(4)) && !day.has(at(23)));
    assert_eq!(day.to_string(), "02:00-04:00");
}
