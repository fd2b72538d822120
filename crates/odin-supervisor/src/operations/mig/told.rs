//! Cutting GPUs as events of the operation.

use std::sync::Arc;

use odin_gpu::mig::{Busy, Failure, Seen, Step, Watch};
use odin_model::event::{Event, Observer, StepState};
use tokio::runtime::Handle;

use super::driver::Pulse;
use super::kubelet::Kubelet;
use crate::interrupt;

/// Tells of what a person should know.
pub(super) fn warn<'a>(observer: &dyn Observer, notes: impl IntoIterator<Item = &'a String>) {
    for note in notes {
        observer.event(Event::Warning { message: note.clone() });
    }
}

/// Steps as events of the operation, for the thread that calls the driver.
pub(super) struct Told {
    pub(super) observer: Arc<dyn Observer>,
    pub(super) kubelet: Kubelet,
    pub(super) runtime: Handle,
    pub(super) pulse: Pulse,
}

impl Told {
    fn step(&self, gpu: u32, step: &Step, state: StepState, detail: String) {
        self.pulse.beats();
        self.observer.event(Event::Step { name: format!("GPU {gpu}: {step}"), state, detail });
    }
}

impl Watch for Told {
    fn holders(&self, gpu: &Seen) -> Vec<Busy> {
        self.pulse.beats();
        let holders = self.runtime.block_on(self.kubelet.holders_of(gpu));
        self.pulse.beats();
        holders
    }

    fn begins(&self, gpu: u32, step: &Step) {
        self.step(gpu, step, StepState::Started, String::new());
    }

    fn ended(&self, gpu: u32, step: &Step, outcome: std::result::Result<Option<&str>, &Failure>) {
        match outcome {
            Ok(detail) => self.step(gpu, step, StepState::Done, detail.unwrap_or_default().to_owned()),
            Err(failure) => self.step(gpu, step, StepState::Failed, failure.reason.clone()),
        }
    }

    fn goes_back(&self, failure: &Failure) {
        let message = format!("{failure}; going back to the old layout of every GPU");
        self.observer.event(Event::Warning { message });
    }

    fn is_stopped(&self) -> bool {
        interrupt::is_requested()
    }
}
