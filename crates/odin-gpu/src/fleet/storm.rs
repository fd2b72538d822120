//! Errors of NVLink, by the second.
//!
//! Links repeat what arrives broken, so a count says little and a rate much.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// CRC errors a second that are too many: DCGM's limit
/// (`DCGM_LIMIT_MAX_NVLINK_CRC_ERROR` of dcgm's `DcgmHealthWatch`), below
/// which they do not matter.
pub(crate) const LIMIT: f64 = 100.0;
/// Time the rate is taken over.
const WINDOW: Duration = Duration::from_secs(10);
/// A rate over less than this is a burst.
const SHORTEST: Duration = Duration::from_secs(3);

/// The totals of the last seconds.
#[derive(Debug, Default)]
pub(crate) struct Storm(VecDeque<(Instant, f64)>);

impl Storm {
    /// Takes in a total; gives the errors a second, once they can be told.
    pub(crate) fn observe(&mut self, at: Instant, total: Option<f64>) -> Option<f64> {
        let total = total?;
        if self.0.back().is_some_and(|(_, last)| total < *last) {
            // The counters began anew.
            self.0.clear();
        }
        self.0.push_back((at, total));
        while self.0.front().is_some_and(|(old, _)| at.saturating_duration_since(*old) > WINDOW) {
            self.0.pop_front();
        }
        let (first, before) = self.0.front()?;
        let span = at.saturating_duration_since(*first);
        (span >= SHORTEST).then(|| (total - before) / span.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The last rate after totals that came a second apart.
    fn rate(totals: &[f64]) -> Option<f64> {
        let (begin, mut storm) = (Instant::now(), Storm::default());
        let mut last = None;
        for (second, total) in (0..).zip(totals) {
            last = storm.observe(begin + Duration::from_secs(second), Some(*total));
        }
        last
    }

    #[test]
    fn a_rate_is_told_over_seconds_and_forgotten_when_it_ends() {
        assert_eq!(rate(&[]), None);
        assert_eq!(rate(&[0.0, 5000.0, 5000.0]), None, "a burst is no rate yet");
        assert_eq!(rate(&[0.0, 200.0, 400.0, 600.0]), Some(200.0));
        let mut calm = vec![0.0, 5000.0];
        calm.extend([5000.0; 11]);
        assert_eq!(rate(&calm), Some(0.0));
        assert_eq!(rate(&[900.0, 900.0, 900.0, 0.0, 0.0, 0.0, 30.0]), Some(10.0), "the counters began anew");
        assert_eq!(Storm::default().observe(Instant::now(), None), None);
    }
}
