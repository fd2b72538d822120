//! What is done about alerts without a person; nothing by default.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::civil::Time;
use jiff::fmt::serde::unsigned_duration::friendly::compact;
use serde::{Deserialize, Serialize};

use crate::config::{Impossible, is_label};

/// `[alerting.remediation]`: which remedies that alerts ask for, by their
/// annotation `remediation`, are carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct AlertRemediation {
    /// Remedies that may be carried out.
    pub actions: Vec<Remedy>,
    /// Only record what would be done.
    pub dry_run: bool,
    /// How long an alert must fire before.
    #[serde(with = "compact::required")]
    pub after: Duration,
    /// How long a target is left alone after a remedy.
    #[serde(with = "compact::required")]
    pub cool_down: Duration,
    /// Remedies of all kinds in an hour; what needs more needs a person.
    pub maximum_an_hour: u32,
    /// How long an alert may take to resolve after its remedy, before that is
    /// recorded as failed.
    #[serde(with = "compact::required")]
    pub verify_within: Duration,
    /// Namespaces whose pods and workloads may be restarted.
    pub namespaces: Vec<String>,
    /// systemd units that may be restarted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub units: Vec<String>,
    /// What `clean-journal` leaves, as `journalctl --vacuum-size` reads it.
    pub journal_size: String,
    /// Local time of day in which certificates may be rotated, which restarts
    /// K3s: `02:00-04:00`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
}

/// A remedy that an alert can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Remedy {
    /// Delete the pod of the labels `namespace` and `pod`; its owner makes
    /// another.
    RestartPod,
    /// Roll the workload of the labels `namespace` and `workload` (`Kind/name`)
    /// out anew.
    RestartWorkload,
    /// Restart the systemd unit of the label `unit` on the node `instance`.
    RestartUnit,
    /// Remove images that no container uses from the node `instance`.
    CleanImages,
    /// Shrink the journal of the node `instance`.
    CleanJournal,
    /// Restart K3s on the node `instance`, which renews what ends soon.
    RotateCertificate,
    /// Keep new pods away from the node `instance`.
    Cordon,
    /// Take a backup.
    BackupNow,
    /// Apply the declared bundle.
    Apply,
}

impl Remedy {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::RestartPod,
        Self::RestartWorkload,
        Self::RestartUnit,
        Self::CleanImages,
        Self::CleanJournal,
        Self::RotateCertificate,
        Self::Cordon,
        Self::BackupNow,
        Self::Apply,
    ];

    /// Its name in declarations, annotations and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::RestartPod => "restart-pod",
            Self::RestartWorkload => "restart-workload",
            Self::RestartUnit => "restart-unit",
            Self::CleanImages => "clean-images",
            Self::CleanJournal => "clean-journal",
            Self::RotateCertificate => "rotate-certificate",
            Self::Cordon => "cordon",
            Self::BackupNow => "backup-now",
            Self::Apply => "apply",
        }
    }

    /// Whether the machine it is about has to carry it out itself.
    #[must_use]
    pub fn is_of_the_node(self) -> bool {
        matches!(self, Self::RestartUnit | Self::CleanImages | Self::CleanJournal | Self::RotateCertificate)
    }
}

impl fmt::Display for Remedy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Remedy {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|remedy| remedy.name() == text).ok_or(())
    }
}

/// A part of each day; over midnight where it ends before it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Window {
    from: Time,
    until: Time,
}

/// A text that is no window.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a part of the day: {0:?}; write HH:MM-HH:MM, for example \"02:00-04:00\"")]
pub struct InvalidWindow(String);

impl Window {
    /// Whether a time of day is in it.
    #[must_use]
    pub fn has(&self, time: Time) -> bool {
        if self.from <= self.until {
            (self.from..self.until).contains(&time)
        } else {
            time >= self.from || time < self.until
        }
    }
}

impl TryFrom<String> for Window {
    type Error = InvalidWindow;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let time = |part: &str| Time::strptime("%H:%M", part).ok();
        let ends = text.split_once('-').and_then(|(from, until)| Some((time(from)?, time(until)?)));
        match ends {
            Some((from, until)) if from != until => Ok(Self { from, until }),
            _ => Err(InvalidWindow(text)),
        }
    }
}

impl From<Window> for String {
    fn from(window: Window) -> Self {
        window.to_string()
    }
}

impl fmt::Display for Window {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.from.strftime("%H:%M"), self.until.strftime("%H:%M"))
    }
}

impl Default for AlertRemediation {
    fn default() -> Self {
        Self {
            actions: Vec::new(),
            dry_run: true,
            after: Duration::from_secs(60),
            cool_down: Duration::from_secs(30 * 60),
            maximum_an_hour: 6,
            verify_within: Duration::from_secs(15 * 60),
            namespaces: vec!["monitoring".to_owned(), "monitoring-host".to_owned()],
            units: Vec::new(),
            journal_size: "500M".to_owned(),
            window: None,
        }
    }
}

impl AlertRemediation {
    pub(super) fn validate(&self) -> Result<(), Impossible> {
        let key = |name: &str| format!("alerting.remediation.{name}");
        for (at, action) in self.actions.iter().enumerate() {
            if self.actions.iter().take(at).any(|earlier| earlier == action) {
                return Err(Impossible::new(key("actions"), action, "is named twice"));
            }
        }
        if self.maximum_an_hour == 0 {
            return Err(Impossible::new(
                key("maximum-an-hour"),
                0,
                "must be 1 or more; no remedy at all is `actions = []`",
            ));
        }
        if self.verify_within < Duration::from_secs(60) {
            return Err(Impossible::new(
                key("verify-within"),
                format!("{}s", self.verify_within.as_secs()),
                "must be a minute or longer: Prometheus and Alertmanager need it to see a repair",
            ));
        }
        if let Some(name) = self.namespaces.iter().find(|name| !is_label(name)) {
            return Err(Impossible::new(key("namespaces"), name, "must be the name of a namespace"));
        }
        // A template or a pattern would be more than one unit.
        let is_unit = |unit: &&String| {
            !unit.contains(['/', '*', '?', '[', ' ', '%'])
                && !unit.starts_with(['-', '.'])
                && unit.rsplit_once('.').is_some_and(|(name, kind)| !name.is_empty() && !kind.is_empty())
        };
        if let Some(unit) = self.units.iter().find(|unit| !is_unit(unit)) {
            return Err(Impossible::new(
                key("units"),
                unit,
                "must be a systemd unit with its suffix, for example \"odin-gpu.service\"",
            ));
        }
        if self.actions.contains(&Remedy::RestartUnit) && self.units.is_empty() {
            return Err(Impossible::new(key("units"), "[]", "restart-unit needs the units it may restart"));
        }
        if self.actions.contains(&Remedy::RotateCertificate) && self.window.is_none() {
            return Err(Impossible::new(
                key("window"),
                "",
                "rotate-certificate restarts K3s and needs a part of the day, for example \"02:00-04:00\"",
            ));
        }
        let digits = self.journal_size.trim_end_matches(['K', 'M', 'G', 'T']);
        if digits.is_empty()
            || self.journal_size.len() > digits.len() + 1
            || !digits.bytes().all(|byte| byte.is_ascii_digit())
        {
            return Err(Impossible::new(
                key("journal-size"),
                &self.journal_size,
                "must be a number with K, M, G or T, for example \"500M\"",
            ));
        }
        Ok(())
    }
}
