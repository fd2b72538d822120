//! The engine's progress, told to an observer.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use odin_model::event::{Event, Observer, Unit};

/// Least time between two events of one task.
const INTERVAL: Duration = Duration::from_millis(200);

/// Counts done units of a task and tells an observer now and then.
pub(crate) struct Meter<'a> {
    observer: &'a dyn Observer,
    task: String,
    total: Option<u64>,
    unit: Unit,
    done: AtomicU64,
    told: Mutex<Option<Instant>>,
}

impl<'a> Meter<'a> {
    pub(crate) fn new(observer: &'a dyn Observer, task: &str, total: Option<u64>, unit: Unit) -> Self {
        Self { observer, task: task.to_owned(), total, unit, done: AtomicU64::new(0), told: Mutex::new(None) }
    }

    pub(crate) fn add(&self, amount: u64) {
        self.done.fetch_add(amount, Ordering::Relaxed);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_none_or(|when| when.elapsed() >= INTERVAL) {
            *told = Some(Instant::now());
            drop(told);
            self.tell();
        }
    }

    /// Tells the last state.
    pub(crate) fn finish(&self) {
        self.tell();
    }

    fn tell(&self) {
        let done = self.done.load(Ordering::Relaxed);
        // A total may be an estimate, and is never less than what is done.
        let total = self.total.map(|total| total.max(done));
        self.observer.event(Event::Progress { task: self.task.clone(), done, total, unit: self.unit });
    }
}
