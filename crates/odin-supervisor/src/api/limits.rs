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
    /// Of these, those that only this machine's own addresses get.
    pub(super) reserved: usize,
    /// Connections of one address at a time.
    pub(super) connections_of_one: usize,
    /// New connections of one address, a second and at once, as a multiple of
    /// its requests: who asks too often by new connections is still told so.
    pub(super) openings: f64,
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
            reserved: 8,
            connections_of_one: 16,
            openings: 2.0,
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

/// Who is counted as one: an address, or of version 6 the network of 64 bits
/// that one machine has for itself (RFC 6177).
fn one(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & !u128::from(u64::MAX)).into()),
        v4 => v4,
    }
}

/// Counts connections; each holds a [`Slot`] while it lasts.
#[derive(Debug)]
pub(super) struct Gate {
    limits: Limits,
    open: Mutex<HashMap<IpAddr, usize>>,
    openings: Rate,
}

/// One open connection.
#[derive(Debug)]
pub(super) struct Slot {
    gate: Arc<Gate>,
    peer: IpAddr,
}

impl Gate {
    pub(super) fn new(limits: Limits) -> Arc<Self> {
        let Limits { rate, burst, openings, .. } = limits;
        let openings = Rate::new(Limits { rate: rate * openings, burst: burst * openings, ..limits });
        Arc::new(Self { limits, open: Mutex::default(), openings })
    }

    /// Lets a connection from `peer` to the address `own` of this machine in;
    /// none when there are too many, or too many one after the other. Asked
    /// before the handshake, which costs more than any answer.
    pub(super) fn enter(self: &Arc<Self>, peer: IpAddr, own: IpAddr, now: Instant) -> Option<Slot> {
        // Who speaks to an address of the machine from the machine has that too.
        let is_own = peer.is_loopback() || peer == own;
        let (peer, reserved) = (one(peer), if is_own { 0 } else { self.limits.reserved });
        if !self.openings.admits(peer, now) {
            return None;
        }
        let most = self.limits.connections.saturating_sub(reserved);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let of_one = open.get(&peer).copied().unwrap_or_default();
        if open.values().sum::<usize>() >= most || of_one >= self.limits.connections_of_one {
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
        let peer = one(peer);
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
        let limits = Limits { connections: 5, reserved: 2, connections_of_one: 2, ..Limits::default() };
        let gate = Gate::new(limits);
        let now = Instant::now();
        let enter = |number: u32| gate.enter(peer(number), peer(100), now);
        let first = enter(1).expect("the first");
        let _second = enter(1).expect("the second");
        assert!(enter(1).is_none(), "a third of one");
        let _other = enter(2).expect("another one's");
        assert!(enter(3).is_none(), "a fourth of others");
        // The machine itself, to an address of its own and to the loopback.
        let own = enter(100).expect("the machine's");
        let loopback = gate.enter(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), peer(100), now);
        assert!(loopback.is_some());
        assert!(enter(100).is_none(), "a sixth of all");
        drop((loopback, own));
        assert!(enter(3).is_none(), "as many others as before");
        drop(first);
        assert!(enter(3).is_some());
    }

    #[test]
    fn who_opens_too_often_is_not_let_in() {
        let gate = Gate::new(Limits { rate: 1.0, burst: 2.0, openings: 2.0, ..Limits::default() });
        let now = Instant::now();
        let enter = |peer: IpAddr, at| gate.enter(peer, "10.0.0.1".parse().expect("own"), now + at).is_some();
        let many: Vec<bool> = (0..6).map(|_| enter(peer(1), Duration::ZERO)).collect();
        assert_eq!(many, [true, true, true, true, false, false]);
        assert!(enter(peer(2), Duration::ZERO), "another address");
        assert!(enter(peer(1), Duration::from_millis(500)));
        // One machine has every address of its network.
        let v6 = |last: u16| IpAddr::V6([0x2001, 0xdb8, 0, 1, last, last, last, last].into());
        let many: Vec<bool> = (0..6).map(|last| enter(v6(last), Duration::ZERO)).collect();
        assert_eq!(many, [true, true, true, true, false, false]);
        assert!(enter("2001:db8:0:2::1".parse().expect("another network"), Duration::ZERO));
        // Version 4 in the dress of version 6 is an address like any other.
        assert!(enter("::ffff:10.9.9.9".parse().expect("mapped"), Duration::ZERO));
        assert_eq!(
            one("::ffff:10.9.9.9".parse().expect("mapped")),
            "10.9.9.9".parse::<IpAddr>().expect("v4")
        );
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
