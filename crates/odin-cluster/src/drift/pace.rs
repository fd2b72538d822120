//! How often one object is repaired.
//!
//! A hand-made change is repaired at once. A manager that makes it again and
//! again is answered later and later: two controllers must not turn a
//! disagreement into load.

use std::time::{Duration, Instant};

/// Repairs that are answered at once.
const AT_ONCE: u32 = 3;
const LONGEST: Duration = Duration::from_secs(60);
/// After this long without a repair the fight is over.
const CALM: Duration = Duration::from_secs(180);

/// Pace of the repairs of one object.
#[derive(Debug)]
pub(super) struct Pace {
    count: u32,
    last: Option<Instant>,
    due: Instant,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self { count: 0, last: None, due: now }
    }

    /// When the next repair may begin.
    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// Notes a repair, or an attempt at one.
    pub(super) fn repaired(&mut self, now: Instant) {
        if self.last.is_some_and(|last| now.duration_since(last) > CALM) {
            self.count = 0;
        }
        self.count += 1;
        self.last = Some(now);
        let late = self.count.saturating_sub(AT_ONCE);
        let pause = if late == 0 { Duration::ZERO } else { Duration::from_secs(1 << late.min(6)) };
        self.due = now + pause.min(LONGEST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fight_slows_down_and_calm_forgives_it() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        let mut now = start;
        let mut pauses = Vec::new();
        for _ in 0..12 {
            pace.repaired(now);
            pauses.push(pace.due().duration_since(now).as_secs());
            now = pace.due();
        }
        assert_eq!(pauses, [0, 0, 0, 2, 4, 8, 16, 32, 60, 60, 60, 60]);
        pace.repaired(now + CALM * 2);
        assert_eq!(pace.due(), now + CALM * 2);
    }
}
