//! Pauses between attempts.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);

/// Doubling pauses with jitter, so that clients do not come back together.
pub(crate) struct Backoff {
    next: Duration,
    random: RandomState,
    count: u32,
}

impl Backoff {
    pub(crate) fn new() -> Self {
        Self { next: FIRST, random: RandomState::new(), count: 0 }
    }

    /// The next pause; at least what the server asked for.
    pub(crate) fn pause(&mut self, asked: Option<Duration>) -> Duration {
        let base = self.next;
        self.next = (base * 2).min(LONGEST);
        self.count += 1;
        let mut hasher = self.random.build_hasher();
        hasher.write_u32(self.count);
        // Between half and the whole of the base.
        let share = u32::from(hasher.finish().to_le_bytes()[0]);
        let pause = base / 2 + base / 2 * share / 255;
        asked.map_or(pause, |asked| asked.max(pause))
    }
}

impl Iterator for Backoff {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        Some(self.pause(None))
    }
}

/// Watches that break begin again at the same pace as requests.
impl kube::runtime::utils::Backoff for Backoff {
    fn reset(&mut self) {
        *self = Self::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_limit_and_heed_the_server() {
        let mut backoff = Backoff::new();
        let first = backoff.pause(None);
        assert!(first >= FIRST / 2 && first <= FIRST, "{first:?}");
        let later: Vec<Duration> = (0..10).map(|_| backoff.pause(None)).collect();
        assert!(later.iter().all(|pause| *pause <= LONGEST), "{later:?}");
        assert!(later.last().is_some_and(|pause| *pause >= LONGEST / 2), "{later:?}");
        assert_eq!(backoff.pause(Some(Duration::from_secs(30))), Duration::from_secs(30));
    }
}
