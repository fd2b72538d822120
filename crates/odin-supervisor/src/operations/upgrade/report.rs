//! Upgrades in words.

use std::fmt;

use odin_model::report::{Row, Verdict};
use serde::Serialize;

use crate::appliance::Appliance;
use crate::upgrade::generation::{Change, Generation};
use crate::upgrade::record::{DataState, Kind, Record, State, Store};

/// What an upgrade would change, and what stands against it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Plan {
    pub(super) from: Generation,
    pub(super) to: Generation,
    pub(super) changes: Vec<Change>,
    pub(super) reboot: bool,
    pub(super) obstacles: Vec<Row>,
}

impl fmt::Display for Change {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |value: &Option<String>| {
            value
                .as_deref()
                .map_or("none", |value| if self.part == "bundle" { short(value) } else { value })
                .to_owned()
        };
        write!(formatter, "{} {} -> {}", self.part, shown(&self.from), shown(&self.to))
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "running  {}  {}", self.from.name(), self.from.system.display())?;
        if self.from.system == self.to.system {
            return write!(formatter, "there is no other generation to upgrade to");
        }
        writeln!(formatter, "new      {}  {}", self.to.name(), self.to.system.display())?;
        for change in &self.changes {
            writeln!(formatter, "change   {change}")?;
        }
        for change in &self.changes {
            if let Some(reason) = &change.reboot {
                writeln!(formatter, "reboot   {}: {reason}", change.part)?;
            }
        }
        if !self.reboot {
            writeln!(
                formatter,
                "reboot   nothing asks for one: `nixos-rebuild switch` takes it too, without a trial"
            )?;
        }
        for row in &self.obstacles {
            let mark = if row.verdict == Verdict::Failed { "STOPS   " } else { "checked " };
            writeln!(formatter, "{mark} {}: {}", row.name, row.reason)?;
        }
        Ok(())
    }
}

/// Upgrades, newest first.
pub(super) struct History<'a>(pub(super) &'a [Record]);

impl fmt::Display for History<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return writeln!(formatter, "there was no upgrade yet");
        }
        for record in self.0 {
            writeln!(formatter, "{}  {}", record.staged.strftime("%Y-%m-%d %H:%M:%SZ"), in_words(record))?;
            let parts = &record.to.parts;
            let named = [
                ("nixos", &parts.nixos),
                ("kernel", &parts.kernel),
                ("driver", &parts.driver),
                ("systemd", &parts.systemd),
                ("k3s", &parts.k3s),
            ];
            let mut shown: Vec<String> = named
                .iter()
                .filter_map(|(name, value)| Some(format!("{name} {}", value.as_ref()?)))
                .collect();
            shown.extend(record.to.bundle.as_deref().map(|digest| format!("bundle {}", short(digest))));
            shown.extend(record.snapshot.as_deref().map(|id| format!("snapshot {} before it", short(id))));
            writeln!(formatter, "    {}", shown.join(", "))?;
        }
        Ok(())
    }
}

/// One upgrade in one line.
pub(super) fn in_words(record: &Record) -> String {
    let verb = match record.kind {
        Kind::Upgrade => "upgrade",
        Kind::Rollback => "rollback",
    };
    let mut text = format!("{verb} {} -> {}: {}", record.from.name(), record.to.name(), record.state);
    if let Some(reason) = &record.reason {
        text.push_str(": ");
        text.push_str(reason);
    }
    if let Some(data) = &record.data {
        let what = if data.datastore_only { "the datastore" } else { "all data" };
        let how = match &data.state {
            DataState::Due => "goes back".to_owned(),
            DataState::Done => "went back".to_owned(),
            DataState::Failed(reason) => format!("did NOT go back ({reason})"),
        };
        text.push_str(&format!("; {what} {how} to snapshot {}", short(&data.snapshot)));
    }
    if record.cordoned {
        text.push_str("; the node is cordoned until `odin upgrade confirm`");
    }
    text
}

/// The newest upgrade for `odin status`; none when there was none. The second
/// tells whether all is well.
pub(in crate::operations) fn status_line(appliance: &Appliance) -> Option<(String, bool)> {
    match Store::below(&appliance.config.host.state_dir).load() {
        Ok(record) => record.map(|record| {
            let well = !matches!(record.state, State::Stranded | State::FallingBack) && !record.cordoned;
            (in_words(&record), well)
        }),
        Err(error) => Some((format!("unknown: {error}"), false)),
    }
}

fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}
