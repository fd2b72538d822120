//! Receivers: names, addresses, and files with what is secret of them.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::{Impossible, is_label, require_absolute};

/// `[[alerting.receivers]]`: somebody who can be told, in one or more ways.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Receiver {
    /// Its name in routes and reports.
    pub name: String,
    /// By e-mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<Email>,
    /// In a channel of Slack, or of what speaks as it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slack: Option<Slack>,
    /// Through `PagerDuty`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pagerduty: Option<PagerDuty>,
    /// By a POST of Alertmanager's JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Webhook>,
}

/// `[alerting.receivers.email]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Email {
    /// Addresses it goes to, by comma.
    pub to: String,
    /// Address it comes from.
    pub from: String,
    /// `HOST:PORT` of the mail server.
    pub smarthost: String,
    /// Who ODIN is to the mail server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// File with the password of that user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// Whether a mail server without TLS is refused.
    #[serde(default = "yes")]
    pub require_tls: bool,
}

/// `[alerting.receivers.slack]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Slack {
    /// Channel or user.
    pub channel: String,
    /// File with the incoming webhook's URL, which is a secret.
    pub url_file: PathBuf,
}

/// `[alerting.receivers.pagerduty]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PagerDuty {
    /// File with the routing key of an integration of the Events API v2.
    pub routing_key_file: PathBuf,
}

/// `[alerting.receivers.webhook]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Webhook {
    /// Address, where it is no secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// File with the address, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url_file: Option<PathBuf>,
    /// File with a bearer token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bearer_token_file: Option<PathBuf>,
}

fn yes() -> bool {
    true
}

impl Receiver {
    /// The ways it is told, by Alertmanager's names of integrations.
    #[must_use]
    pub fn integrations(&self) -> Vec<&'static str> {
        let ways = [
            ("email", self.email.is_some()),
            ("slack", self.slack.is_some()),
            ("pagerduty", self.pagerduty.is_some()),
            ("webhook", self.webhook.is_some()),
        ];
        ways.into_iter().filter(|(_, declared)| *declared).map(|(name, _)| name).collect()
    }

    /// Its secrets: what each is called, and the file it is in.
    #[must_use]
    pub fn files(&self) -> Vec<(&'static str, &PathBuf)> {
        let webhook = self.webhook.as_ref();
        [
            ("email-password", self.email.as_ref().and_then(|email| email.password_file.as_ref())),
            ("slack-url", self.slack.as_ref().map(|slack| &slack.url_file)),
            ("pagerduty-routing-key", self.pagerduty.as_ref().map(|duty| &duty.routing_key_file)),
            ("webhook-url", webhook.and_then(|webhook| webhook.url_file.as_ref())),
            ("webhook-bearer-token", webhook.and_then(|webhook| webhook.bearer_token_file.as_ref())),
        ]
        .into_iter()
        .filter_map(|(name, file)| file.map(|file| (name, file)))
        .collect()
    }

    pub(super) fn validate(&self) -> Result<(), Impossible> {
        if !is_label(&self.name) || self.name == super::NOBODY {
            return Err(Impossible::new(
                "alerting.receivers.name",
                &self.name,
                "must be small letters, digits and dashes, and not \"null\", which tells nobody",
            ));
        }
        if self.integrations().is_empty() {
            return Err(Impossible::new(
                "alerting.receivers",
                &self.name,
                "must have `email`, `slack`, `pagerduty` or `webhook`",
            ));
        }
        for (secret, file) in self.files() {
            require_absolute(format!("alerting.receivers.{}.{secret}", self.name), file)?;
        }
        self.email.as_ref().map_or(Ok(()), |email| email.validate(&self.name))?;
        self.webhook.as_ref().map_or(Ok(()), |webhook| webhook.validate(&self.name))
    }
}

impl Email {
    fn validate(&self, name: &str) -> Result<(), Impossible> {
        let key = |part: &str| format!("alerting.receivers.{name}.email.{part}");
        for (part, value) in [("to", &self.to), ("from", &self.from)] {
            if !value.split(',').all(|address| address.trim().split_once('@').is_some()) {
                return Err(Impossible::new(key(part), value, "must be an address, for example a@b.example"));
            }
        }
        let port = self.smarthost.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
        if !matches!(port, Some(Ok(1..))) {
            return Err(Impossible::new(key("smarthost"), &self.smarthost, "must be HOST:PORT"));
        }
        if self.username.is_some() != self.password_file.is_some() {
            return Err(Impossible::new(
                key("username"),
                self.username.as_deref().unwrap_or_default(),
                "a user needs `password-file`, and a password `username`",
            ));
        }
        Ok(())
    }
}

impl Webhook {
    fn validate(&self, name: &str) -> Result<(), Impossible> {
        let key = format!("alerting.receivers.{name}.webhook.url");
        let url = match (&self.url, &self.url_file) {
            (Some(url), None) => url,
            (None, Some(_)) => return Ok(()),
            _ => return Err(Impossible::new(key, "", "must have either `url` or `url-file`")),
        };
        let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        let authority = rest.map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
        match authority {
            // Without the value: it has a password in it.
            Some(authority) if authority.contains('@') => {
                let reason = "has a user or password in it; write it to a file and declare `url-file`";
                Err(Impossible::new(key, "(not shown)", reason))
            }
            Some(authority) if !authority.is_empty() && !url.contains(char::is_whitespace) => Ok(()),
            _ => Err(Impossible::new(key, url, "must be an address that begins with http:// or https://")),
        }
    }
}
