//! Waiting for a driver that may never answer.

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::{Error, Result, interrupt};

/// How long a driver that does not answer is waited for after an interruption.
const AFTER_INTERRUPT: Duration = Duration::from_secs(10);

/// How often it is looked whether to wait on.
const LOOK: Duration = Duration::from_millis(100);

/// Tells that the driver answered.
#[derive(Clone, Debug)]
pub(super) struct Pulse(watch::Sender<Instant>);

impl Pulse {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(Instant::now()))
    }

    /// The driver answered now.
    pub(super) fn beats(&self) {
        self.0.send_replace(Instant::now());
    }

    fn last(&self) -> Instant {
        *self.0.borrow()
    }
}

/// Why a thread that calls the driver is not waited for any longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Silence {
    /// The driver did not answer for so long.
    Lasts(Duration),
    /// Nor did it after an interruption.
    Interrupted,
}

/// What a thread that calls the driver gives, unless the driver is silent for
/// longer than `patience`; with `may_be_left` an interruption shortens that.
pub(super) async fn answer<T>(
    mut thread: JoinHandle<Result<T>>,
    pulse: Pulse,
    patience: Duration,
    may_be_left: bool,
) -> Result<std::result::Result<T, Silence>> {
    let mut interrupted = None;
    loop {
        tokio::select! {
            biased;
            answer = &mut thread => {
                return answer.map_err(|error| Error::Host {
                    action: "call the driver".to_owned(),
                    reason: error.to_string(),
                    hint: "run it again",
                })?.map(Ok);
            }
            () = tokio::time::sleep(LOOK) => {}
        }
        if may_be_left && interrupt::is_requested() {
            let since = (*interrupted.get_or_insert_with(Instant::now)).max(pulse.last());
            if since.elapsed() >= AFTER_INTERRUPT {
                return Ok(Err(Silence::Interrupted));
            }
        }
        if pulse.last().elapsed() >= patience {
            return Ok(Err(Silence::Lasts(patience)));
        }
    }
}

impl std::fmt::Display for Silence {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Lasts(patience) => {
                write!(formatter, "the driver did not answer within {} s", patience.as_secs_f64())
            }
            Self::Interrupted => {
                let seconds = AFTER_INTERRUPT.as_secs();
                write!(formatter, "the driver did not answer for {seconds} s after the interruption")
            }
        }
    }
}
