//! How much anybody may ask for.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The bounds of a listener. The page needs three requests, Prometheus one each
/// half minute.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Connections at a time.
    pub(super) connections: usize,
    /// Connections of one address at a time.
    pub(super) connections_of_one: usize,
    /// Time for the TLS handshake.
    pub(super) handshake: Duration,
    /// Time to send the head of a request, also of the next one.
    pub(super) head: Duration,
    /// Time to answer one request, its body's arrival included.
    pub(super) answer: Duration,
    /// Time a connection may last, whatever it does.
    pub(super) life: Duration,
    /// Bytes of a request's head.
    pub(super) head_bytes: usize,
    /// Header fields of a request.
    pub(super) fields: usize,
    /// Bytes of a request's body.
    pub(super) body_bytes: usize,
    /// Requests of one address a second, over a while.
    pub(super) rate: f64,
    /// Requests of one address at once.
    pub(super) burst: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 128,
            connections_of_one: 16,
            handshake: Duration::from_secs(5),
            head: Duration::from_secs(10),
            answer: Duration::from_secs(20),
            life: Duration::from_secs(300),
            head_bytes: 16 << 10,
            fields: 64,
            body_bytes: 4 << 10,
            rate: 10.0,
            burst: 60.0,
        }
    }
}

/// Addresses that are remembered; above it those that ask least are forgotten.
const REMEMBERED: usize = 4096;

/// Counts connections; each holds a [`Slot`] while it lasts.
#[derive(Debug)]
pub(super) struct Gate {
    limits: Limits,
    open: Mutex<HashMap<IpAddr, usize>>,
}

/// One open connection.
#[derive(Debug)]
pub(super) struct Slot {
    gate: Arc<Gate>,
    peer: IpAddr,
}

impl Gate {
    pub(super) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self { limits, open: Mutex::default() })
    }

    /// Lets a connection in; none when there are too many.
    pub(super) fn enter(self: &Arc<Self>, peer: IpAddr) -> Option<Slot> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let of_one = open.get(&peer).copied().unwrap_or_default();
        if open.values().sum::<usize>() >= self.limits.connections || of_one >= self.limits.connections_of_one
        {
            return None;
        }
        open.insert(peer, of_one + 1);
        Some(Slot { gate: Arc::clone(self), peer })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut open = self.gate.open.lock().unwrap_or_else(PoisonError::into_inner);
        let left = open.get(&self.peer).copied().unwrap_or_default().saturating_sub(1);
        if left == 0 {
            open.remove(&self.peer);
        } else {
            open.insert(self.peer, left);
        }
    }
}

/// Requests a second of each address: a bucket that fills at `rate` up to
/// `burst`, from which every request takes one.
#[derive(Debug)]
pub(super) struct Rate {
    limits: Limits,
    buckets: Mutex<HashMap<IpAddr, (f64, Instant)>>,
}

impl Rate {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, buckets: Mutex::default() }
    }

    /// Whether an address may ask once more now.
    pub(super) fn admits(&self, peer: IpAddr, now: Instant) -> bool {
        let Limits { rate, burst, .. } = self.limits;
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let filled = |(level, at): (f64, Instant)| {
            (level + now.saturating_duration_since(at).as_secs_f64() * rate).min(burst)
        };
        if buckets.len() >= REMEMBERED {
            // A full bucket is as good as none.
            buckets.retain(|_, bucket| filled(*bucket) < burst);
        }
        if buckets.len() >= REMEMBERED && !buckets.contains_key(&peer) {
            return false;
        }
        let level = buckets.get(&peer).map_or(burst, |bucket| filled(*bucket));
        let admitted = level >= 1.0;
        buckets.insert(peer, (if admitted { level - 1.0 } else { level }, now));
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(number: u32) -> IpAddr {
        IpAddr::V4(number.into())
    }

    #[test]
    fn one_address_does_not_take_every_connection() {
        let gate = Gate::new(Limits { connections: 3, connections_of_one: 2, ..Limits::default() });
        let first = gate.enter(peer(1)).expect("the first");
        let _second = gate.enter(peer(1)).expect("the second");
        assert!(gate.enter(peer(1)).is_none(), "a third of one");
        let _other = gate.enter(peer(2)).expect("another one's");
        assert!(gate.enter(peer(3)).is_none(), "a fourth of all");
        drop(first);
        assert!(gate.enter(peer(3)).is_some());
    }

    #[test]
    fn a_bucket_fills_again() {
        let rate = Rate::new(Limits { rate: 2.0, burst: 3.0, ..Limits::default() });
        let now = Instant::now();
        let admitted = |at: Duration| rate.admits(peer(1), now + at);
        assert_eq!(
            (0..5).map(|_| admitted(Duration::ZERO)).collect::<Vec<_>>(),
            [true, true, true, false, false]
        );
        assert!(rate.admits(peer(2), now), "another address");
        assert!(admitted(Duration::from_millis(500)));
        assert!(!admitted(Duration::from_millis(500)));
    }

    #[test]
    fn many_addresses_take_a_bounded_memory() {
        let rate = Rate::new(Limits { rate: 1.0, burst: 2.0, ..Limits::default() });
        let now = Instant::now();
        for number in 0..10_000 {
            rate.admits(peer(number), now);
        }
        assert!(rate.buckets.lock().expect("not poisoned").len() <= REMEMBERED);
        assert!(rate.admits(peer(20_000), now + Duration::from_secs(5)), "full buckets are forgotten");
    }
}
