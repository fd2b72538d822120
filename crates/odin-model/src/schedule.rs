//! Cron schedules: when something is next due, as a pure function of the time.

use std::fmt;
use std::str::FromStr;

use jiff::Zoned;
use serde::{Deserialize, Serialize};

/// A five-field cron expression, for example `30 2 * * *`.
///
/// Read in the time zone of the times it is asked about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Schedule {
    text: String,
    cron: croner::Cron,
}

/// A text that is not a cron expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a cron schedule: {text:?} ({reason}); write minute hour day month weekday, for example \"30 2 * * *\""
)]
pub struct InvalidSchedule {
    text: String,
    reason: String,
}

impl Schedule {
    /// First time the schedule names strictly after `after`; none when it
    /// names no further time (such as 30 February).
    #[must_use]
    pub fn next_after(&self, after: &Zoned) -> Option<Zoned> {
        self.cron.find_next_occurrence(after, false).ok()
    }

    /// Tells whether a run is due at `now` when the last one began at `last`.
    ///
    /// A run that was missed, because the machine was off, is due at once;
    /// several missed runs are one. Without a last run it is due.
    #[must_use]
    pub fn is_due(&self, last: Option<&Zoned>, now: &Zoned) -> bool {
        match last {
            None => true,
            Some(last) => self.next_after(last).is_some_and(|next| next <= *now),
        }
    }
}

impl FromStr for Schedule {
    type Err = InvalidSchedule;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = |reason: String| InvalidSchedule { text: text.to_owned(), reason };
        if text.split_whitespace().count() != 5 {
            return Err(invalid("it must have five fields".to_owned()));
        }
        let cron = croner::Cron::from_str(text).map_err(|error| invalid(error.to_string()))?;
        Ok(Self { text: text.to_owned(), cron })
    }
}

impl TryFrom<String> for Schedule {
    type Error = InvalidSchedule;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Schedule> for String {
    fn from(schedule: Schedule) -> Self {
        schedule.text
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Zoned {
        text.parse().expect("a zoned time")
    }

    fn nightly() -> Schedule {
        "30 2 * * *".parse().expect("a schedule")
    }

    #[test]
    fn the_next_run_is_strictly_later() {
        let now = at("2026-11-23T02:30:00[UTC]");
        assert_eq!(nightly().next_after(&now), Some(at("2026-11-24T02:30:00[UTC]")));
    }

    #[test]
    fn runs_are_due_by_the_time_since_the_last() {
        let now = at("2026-11-23T12:00:00[UTC]");
        let cases = [
            (None, true),
            (Some("2026-11-23T02:30:00[UTC]"), false),
            (Some("2026-11-22T02:30:00[UTC]"), true),
            (Some("2026-11-01T02:30:00[UTC]"), true),
            // A clock that was set back leaves a last run in the future.
            (Some("2026-12-01T02:30:00[UTC]"), false),
        ];
        for (last, due) in cases {
            assert_eq!(nightly().is_due(last.map(at).as_ref(), &now), due, "{last:?}");
        }
    }

    #[test]
    fn a_day_without_half_past_two_runs_after_the_gap() {
        let before = at("2026-03-29T00:00:00[Europe/Berlin]");
        let next = nightly().next_after(&before).expect("a next run");
        assert!(next <= at("2026-03-30T02:30:00[Europe/Berlin]"), "{next}");
    }

    #[test]
    fn what_is_no_schedule_is_refused_with_an_example() {
        for text in ["", "daily", "61 * * * *", "* * * *", "* * * * * *"] {
            let error = text.parse::<Schedule>().expect_err(text).to_string();
            assert!(error.contains("30 2 * * *"), "{error}");
        }
    }
}
