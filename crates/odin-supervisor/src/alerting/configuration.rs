//! Alertmanager's configuration: the bundle's default with the declared
//! receivers and routes in it.
//!
//! Grouping, times and inhibition are written once, in the chart of
//! Alertmanager; of the default only what says who is told is replaced. Order
//! of the routes: deliveries that are tried, the watchdog, what is declared,
//! the default's own. Routes of the default without a receiver say only how
//! somebody is told, so they stand below every declared route, and at the end
//! below one that takes all the rest.

use std::collections::BTreeMap;
use std::time::Duration;

use odin_model::config::{Alerting, NOBODY, Receiver};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Alert that is sent to one receiver only, to see whether it arrives.
pub(crate) const SELF_TEST: &str = "OdinDeliverySelfTest";
/// Label of that alert with the receiver's name.
pub(crate) const SELF_TEST_LABEL: &str = "receiver";
/// Alert that always fires.
pub(crate) const WATCHDOG: &str = "Watchdog";
/// Where Alertmanager finds the files of its Secret.
const DIRECTORY: &str = "/etc/alertmanager";

/// An Alertmanager configuration, as far as ODIN has to know it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Configuration {
    route: Node,
    receivers: Vec<Target>,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

/// A route with those below it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Node {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    receiver: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    matchers: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group_wait: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group_interval: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    repeat_interval: Option<String>,
    #[serde(default, rename = "continue", skip_serializing_if = "std::ops::Not::not")]
    goes_on: bool,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    routes: Vec<Node>,
}

/// A receiver; those of the default stay as they are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Target {
    name: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    email_configs: Vec<Value>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    slack_configs: Vec<Value>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pagerduty_configs: Vec<Value>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    webhook_configs: Vec<Value>,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

#[derive(Serialize)]
struct EmailConfig<'a> {
    to: &'a str,
    from: &'a str,
    smarthost: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_username: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_password_file: Option<String>,
    require_tls: bool,
    send_resolved: bool,
}

#[derive(Serialize)]
struct SlackConfig<'a> {
    channel: &'a str,
    api_url_file: String,
    send_resolved: bool,
}

#[derive(Serialize)]
struct PagerDutyConfig {
    routing_key_file: String,
    send_resolved: bool,
}

#[derive(Serialize)]
struct WebhookConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url_file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    http_config: Option<HttpConfig>,
    send_resolved: bool,
}

#[derive(Serialize)]
struct HttpConfig {
    authorization: Authorization,
}

#[derive(Serialize)]
struct Authorization {
    credentials_file: String,
}

/// Key of the Secret in which a receiver's secret lies.
pub(crate) fn key(receiver: &Receiver, secret: &str) -> String {
    format!("{}-{secret}", receiver.name)
}

/// Puts the declaration over the default; the error says what of the default
/// cannot be used.
pub(crate) fn compose(default: &str, alerting: &Alerting) -> Result<String, String> {
    let mut configuration: Configuration =
        serde_saphyr::from_str(default).map_err(|error| error.to_string())?;
    configuration.route = root(configuration.route, alerting)?;
    let is_declared = |name: &str| alerting.receivers.iter().any(|receiver| receiver.name == name);
    configuration.receivers.retain(|target| !is_declared(&target.name));
    if configuration.receivers.iter().all(|target| target.name != NOBODY) {
        configuration.receivers.push(Target { name: NOBODY.to_owned(), ..Target::default() });
    }
    for receiver in &alerting.receivers {
        configuration.receivers.push(target(receiver)?);
    }
    serde_saphyr::to_string(&value(&configuration)?).map_err(|error| error.to_string())
}

fn root(default: Node, alerting: &Alerting) -> Result<Node, String> {
    let of_the_watchdog = matcher("alertname", WATCHDOG)?;
    let (watchdogs, others): (Vec<Node>, Vec<Node>) =
        default.routes.into_iter().partition(|node| node.matchers == [of_the_watchdog.as_str()]);
    let (manners, named): (Vec<Node>, Vec<Node>) =
        others.into_iter().partition(|node| !node.names_a_receiver());
    let mut routes = Vec::new();
    for receiver in &alerting.receivers {
        routes.push(self_test(receiver)?);
    }
    routes.push(watchdog(watchdogs.into_iter().next(), of_the_watchdog, alerting));
    for route in &alerting.routes {
        let matchers = route.labels().into_iter().map(|(label, value)| matcher(label, value));
        routes.push(Node {
            receiver: Some(route.receiver.clone()),
            matchers: matchers.collect::<Result<_, _>>()?,
            goes_on: route.r#continue,
            routes: manners.clone(),
            ..Node::default()
        });
    }
    routes.extend(named);
    // Everything that comes so far, so that `continue` means the same for every
    // severity: as if the route had not been there.
    routes.push(Node { routes: manners, ..Node::default() });
    Ok(Node {
        receiver: alerting.receiver.clone().or(default.receiver),
        group_wait: alerting.group_wait.map(duration).or(default.group_wait),
        group_interval: alerting.group_interval.map(duration).or(default.group_interval),
        repeat_interval: alerting.repeat_interval.map(duration).or(default.repeat_interval),
        routes,
        matchers: default.matchers,
        goes_on: default.goes_on,
        rest: default.rest,
    })
}

/// Tried deliveries reach their receiver whatever the routes say, at once.
fn self_test(receiver: &Receiver) -> Result<Node, String> {
    Ok(Node {
        receiver: Some(receiver.name.clone()),
        matchers: vec![matcher("alertname", SELF_TEST)?, matcher(SELF_TEST_LABEL, &receiver.name)?],
        group_wait: Some("0s".to_owned()),
        group_interval: Some("5s".to_owned()),
        rest: by(&["alertname", SELF_TEST_LABEL, "id"]),
        ..Node::default()
    })
}

/// The watchdog's route: how it is told is the default's, or what is declared.
fn watchdog(default: Option<Node>, matcher: String, alerting: &Alerting) -> Node {
    let mut node = default.unwrap_or_else(|| Node { rest: by(&["alertname"]), ..Node::default() });
    node.matchers = vec![matcher];
    node.receiver = Some(alerting.dead_man.as_deref().unwrap_or(NOBODY).to_owned());
    if let Some(every) = alerting.dead_man_interval {
        node.group_wait = Some("0s".to_owned());
        node.group_interval = Some(duration(every));
        // Looked at once in each interval: were it not shorter than one, every
        // second look would come a moment too early.
        node.repeat_interval = Some(duration(every * 9 / 10));
    }
    node
}

fn by(labels: &[&str]) -> BTreeMap<String, Value> {
    BTreeMap::from([("group_by".to_owned(), labels.into())])
}

impl Node {
    fn names_a_receiver(&self) -> bool {
        self.receiver.is_some() || self.routes.iter().any(Self::names_a_receiver)
    }
}

fn target(receiver: &Receiver) -> Result<Target, String> {
    let file = |secret: &str| format!("{DIRECTORY}/{}", key(receiver, secret));
    let mut target = Target { name: receiver.name.clone(), ..Target::default() };
    if let Some(email) = &receiver.email {
        target.email_configs.push(value(&EmailConfig {
            to: &email.to,
            from: &email.from,
            smarthost: &email.smarthost,
            auth_username: email.username.as_deref(),
            auth_password_file: email.password_file.as_ref().map(|_| file("email-password")),
            require_tls: email.require_tls,
            send_resolved: true,
        })?);
    }
    if let Some(slack) = &receiver.slack {
        target.slack_configs.push(value(&SlackConfig {
            channel: &slack.channel,
            api_url_file: file("slack-url"),
            send_resolved: true,
        })?);
    }
    if receiver.pagerduty.is_some() {
        target.pagerduty_configs.push(value(&PagerDutyConfig {
            routing_key_file: file("pagerduty-routing-key"),
            send_resolved: true,
        })?);
    }
    if let Some(webhook) = &receiver.webhook {
        let token = webhook.bearer_token_file.as_ref().map(|_| HttpConfig {
            authorization: Authorization { credentials_file: file("webhook-bearer-token") },
        });
        target.webhook_configs.push(value(&WebhookConfig {
            url: webhook.url.as_deref(),
            url_file: webhook.url_file.as_ref().map(|_| file("webhook-url")),
            http_config: token,
            send_resolved: true,
        })?);
    }
    Ok(target)
}

fn value(part: &impl Serialize) -> Result<Value, String> {
    serde_json::to_value(part).map_err(|error| error.to_string())
}

/// A matcher; quoted as JSON, which Alertmanager's parser reads too.
fn matcher(label: &str, wanted: &str) -> Result<String, String> {
    let quoted = serde_json::to_string(wanted).map_err(|error| error.to_string())?;
    Ok(format!("{label}={quoted}"))
}

/// A duration as Alertmanager reads it.
fn duration(span: Duration) -> String {
    if span.subsec_millis() == 0 { format!("{}s", span.as_secs()) } else { format!("{}ms", span.as_millis()) }
}

#[cfg(test)]
mod tests;
