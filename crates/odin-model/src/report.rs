//! Acceptance rows: what `odin verify` shows and what a gate decides on.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Verdict of one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It was tried on this machine and holds.
    Passed,
    /// It was tried on this machine and does not hold.
    Failed,
    /// The declaration does not ask for it.
    Absent,
    /// It is declared, but this machine cannot show it.
    NotProven,
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Absent => "absent",
            Self::NotProven => "not proven here",
        })
    }
}

/// One acceptance row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Phase of the plan the row belongs to, 1 to 5.
    pub phase: u8,
    /// Stable name, for example `storage-class-binds`.
    pub name: String,
    /// What was found out.
    pub verdict: Verdict,
    /// The evidence, or the reason of the verdict.
    pub reason: String,
}

/// All rows of one run, in the order they were taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The rows.
    pub rows: Vec<Row>,
}

impl Report {
    /// Counts the rows of one verdict.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> usize {
        self.rows.iter().filter(|row| row.verdict == verdict).count()
    }

    /// Tells whether no row failed. Absent and unproven rows do not fail a
    /// report; they are counted and named beside it.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.count(Verdict::Failed) == 0
    }
}
