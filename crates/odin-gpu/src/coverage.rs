//! What NVML has, what of it ODIN answers, and why the rest is left out.
//!
//! The list is data: a getter of the header that is neither answered nor
//! excluded with a reason fails a test.

mod listed;
mod other;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::LazyLock;

use serde::Serialize;

use crate::fields;
use crate::getters;

/// One field or getter of NVML.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Listed {
    /// `fields` or `getters`.
    pub table: &'static str,
    /// NVML's name.
    pub name: String,
    /// The metrics it becomes.
    pub metrics: Vec<&'static str>,
    /// How it is answered without a metric of its own.
    pub answered: Option<&'static str>,
    /// Why it is left out.
    pub excluded: Option<&'static str>,
}

/// Sums of one table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    listed: usize,
    excluded: usize,
}

impl Counts {
    /// What the header has.
    pub(crate) fn listed(&self) -> usize {
        self.listed
    }

    /// What has a metric or a label.
    pub(crate) fn covered(&self) -> usize {
        self.listed - self.excluded
    }

    /// What is left out with a reason.
    pub(crate) fn excluded(&self) -> usize {
        self.excluded
    }
}

/// Everything NVML has, in the order of its tables.
#[must_use]
pub fn all() -> Vec<Listed> {
    let mut all: Vec<Listed> = Vec::new();
    for field in fields::all() {
        add(&mut all, "fields", field.nvml.to_owned(), field.family);
    }
    for lane in fields::LANES {
        for (link, _) in lane.links() {
            add(&mut all, "fields", format!("{}{link}", lane.nvml), lane.family);
        }
    }
    for name in listed::GETTERS {
        let metrics: BTreeSet<_> = getters::all()
            .filter(|getter| getter.symbol == *name)
            .flat_map(|getter| getter.numbers.iter().map(|number| number.family))
            .collect();
        let find = |list: &[(&str, &'static str)]| {
            list.iter().find(|(other, _)| other == name).map(|(_, words)| *words)
        };
        all.push(Listed {
            table: "getters",
            name: (*name).to_owned(),
            metrics: metrics.into_iter().collect(),
            answered: find(other::ELSEWHERE),
            excluded: find(other::EXCLUDED),
        });
    }
    all
}

/// A field that becomes several metrics is one entry.
fn add(all: &mut Vec<Listed>, table: &'static str, name: String, metric: &'static str) {
    match all.iter_mut().find(|listed| listed.name == name) {
        Some(known) if !known.metrics.contains(&metric) => known.metrics.push(metric),
        Some(_) => {}
        None => all.push(Listed { table, name, metrics: vec![metric], answered: None, excluded: None }),
    }
}

/// Sums of both tables.
pub(crate) fn counts() -> &'static [(&'static str, Counts); 2] {
    static COUNTS: LazyLock<[(&str, Counts); 2]> = LazyLock::new(|| {
        let all = all();
        ["fields", "getters"].map(|table| {
            let mut counts = Counts::default();
            for listed in all.iter().filter(|listed| listed.table == table) {
                counts.listed += 1;
                counts.excluded += usize::from(listed.excluded.is_some());
            }
            (table, counts)
        })
    });
    &COUNTS
}

/// The coverage in one line, the head of every page.
#[must_use]
pub fn headline() -> String {
    let parts = counts().map(|(table, counts)| {
        format!("{table} {} of {} ({} excluded)", counts.covered(), counts.listed, counts.excluded)
    });
    format!("ODIN: coverage of NVML 13: {}; reasons: odin gpu list --coverage", parts.join(", "))
}

impl fmt::Display for Listed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:<60} ", self.name)?;
        match (self.metrics.is_empty(), self.answered, self.excluded) {
            (false, ..) => write!(formatter, "{}", self.metrics.join(", ")),
            (_, Some(words), _) => write!(formatter, "{words}"),
            (_, _, Some(reason)) => write!(formatter, "left out: {reason}"),
            _ => write!(formatter, "not answered"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_getter_of_the_header_is_answered_or_excluded_once() {
        for listed in all() {
            let ways = [!listed.metrics.is_empty(), listed.answered.is_some(), listed.excluded.is_some()];
            assert_eq!(ways.iter().filter(|way| **way).count(), 1, "{listed:?}");
        }
    }

    #[test]
    fn no_row_and_no_reason_is_about_what_the_header_lacks() {
        let rows = getters::all().map(|getter| getter.symbol);
        let reasons = other::ELSEWHERE.iter().chain(other::EXCLUDED).map(|(name, _)| *name);
        for name in rows.chain(reasons) {
            assert!(listed::GETTERS.contains(&name), "{name} is not in the header");
        }
    }

    #[test]
    fn the_header_is_listed_whole() {
        let [(_, fields), (_, getters)] = counts();
        // nvml.h of go-nvml v0.13.3: 269 NVML_FI_DEV_* and 33 NVML_FI_PWR_*.
        assert_eq!((fields.listed(), fields.covered()), (302, 302));
        assert_eq!(getters.listed(), listed::GETTERS.len());
        assert!(headline().contains("fields 302 of 302"), "{}", headline());
    }
}
