//! Carries steps out, until nothing is left to do or the machine reboots.

use std::path::Path;

use super::decide::{Answers, Seen, Step};
use super::entries;
use super::machine::Machine;
use super::record::{DataReturn, Record, Store};
use crate::{Error, Result};

/// The cluster's side of an upgrade.
pub trait Ward {
    /// Judges the running generation: good, or why not. Takes its time.
    fn judge(&self, record: &Record) -> std::result::Result<(), String>;
    /// Brings data back, whole or not at all.
    fn return_data(&self, data: &DataReturn) -> std::result::Result<(), String>;
    /// Keeps new pods away from this node, or lets them in again.
    ///
    /// # Errors
    /// When the cluster does not take it.
    fn cordon(&self, cordoned: bool) -> Result<()>;
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// There is nothing left to do.
    AtRest,
    /// The machine reboots.
    Rebooting,
}

/// What carries steps out.
#[derive(Clone, Copy, Debug)]
pub struct Executor<'a, M> {
    /// Boot loader, profiles, power.
    pub machine: &'a M,
    /// The records.
    pub store: &'a Store,
}

impl<M: Machine> Executor<'_, M> {
    /// The machine as it came up; none where no NixOS was booted.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub fn look(&self) -> Result<Option<Seen>> {
        let Some(booted) = self.machine.booted()? else { return Ok(None) };
        let entries = self.machine.entries()?;
        let entry = entries::find(&entries, &booted);
        Ok(Some(Seen {
            boot: self.machine.boot_id()?,
            booted_is_default: entries::default(&entries).is_some_and(|entry| entry.boots(&booted)),
            another_is_default: entries::default(&entries).is_some_and(|entry| !entry.boots(&booted)),
            pinned: entry.is_some_and(|entry| self.store.default_entry().as_ref() == Some(&entry.id)),
            state_exists: self.store.exists(),
            now: jiff::Timestamp::now(),
            booted,
        }))
    }

    /// Asks `next` for steps and carries them out until there are none.
    ///
    /// # Errors
    /// When a step fails; it is the first of the next call.
    pub fn settle(
        &self,
        seen: &Seen,
        ward: &dyn Ward,
        next: impl Fn(Option<&Record>, &Seen, &Answers) -> Vec<Step>,
    ) -> Result<(Ended, Answers)> {
        let mut answers = Answers::default();
        let mut seen = seen.clone();
        loop {
            let record = self.store.load()?;
            let steps = next(record.as_ref(), &seen, &answers);
            if steps.is_empty() {
                return Ok((Ended::AtRest, answers));
            }
            for step in &steps {
                match (step, &record) {
                    (Step::Judge, Some(record)) => answers.verdict = Some(ward.judge(record)),
                    (Step::ReturnData, Some(Record { data: Some(data), .. })) => {
                        answers.data = Some(ward.return_data(data));
                    }
                    (Step::Cordon, _) => ward.cordon(true)?,
                    (Step::Uncordon, _) => ward.cordon(false)?,
                    (Step::Reboot, _) => {
                        self.machine.reboot()?;
                        return Ok((Ended::Rebooting, answers));
                    }
                    _ => self.perform(step)?,
                }
                if let Step::Default(system) = step {
                    // What was seen at boot is no longer so.
                    seen.booted_is_default = *system == seen.booted;
                    seen.another_is_default = *system != seen.booted;
                    seen.pinned = *system == seen.booted;
                }
            }
        }
    }

    /// Carries out one step that needs no cluster.
    ///
    /// # Errors
    /// When it fails.
    pub fn perform(&self, step: &Step) -> Result<()> {
        tracing::info!(?step, "upgrade");
        match step {
            Step::Save(record) => self.store.save(record),
            Step::Default(system) => {
                let id = self.entry(system)?;
                self.machine.set_default(&id)?;
                self.store.keep_default_entry(&id)
            }
            Step::Oneshot(system) => self.machine.set_oneshot(Some(&self.entry(system)?)),
            Step::NoOneshot => self.machine.set_oneshot(None),
            Step::Arm => self.store.arm(),
            Step::Disarm => self.store.disarm(),
            Step::Profile(system) => self.machine.point_profile(system),
            Step::Keep(role, system) => self.machine.keep(*role, system),
            Step::Reboot => self.machine.reboot(),
            Step::Judge | Step::ReturnData | Step::Cordon | Step::Uncordon => Ok(()),
        }
    }

    fn entry(&self, system: &Path) -> Result<String> {
        let entries = self.machine.entries()?;
        entries::find(&entries, system).map(|entry| entry.id.clone()).ok_or_else(|| Error::Host {
            action: format!("boot {}", system.display()),
            reason: "no entry of the boot menu boots it".to_owned(),
            hint: "write the menu again: `nixos-rebuild boot`, or bin/switch-to-configuration boot of that \
                   system",
        })
    }
}

#[cfg(test)]
pub(crate) mod tests;
