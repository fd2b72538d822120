//! Cutting GPUs as events of the operation.

use std::sync::Arc;

use odin_gpu::mig::{Failure, Step, Watch};
use odin_model::event::{Event, Observer, StepState};

use crate::interrupt;

/// Tells of what a person should know.
pub(super) fn warn<'a>(observer: &dyn Observer, notes: impl IntoIterator<Item = &'a String>) {
    for note in notes {
        observer.event(Event::Warning { message: note.clone() });
    }
}

/// Steps as events of the operation.
pub(super) struct Told(pub(super) Arc<dyn Observer>);

impl Told {
    fn step(&self, gpu: u32, step: &Step, state: StepState, detail: String) {
        self.0.event(Event::Step { name: format!("GPU {gpu}: {step}"), state, detail });
    }
}

impl Watch for Told {
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
        self.0.event(Event::Warning { message });
    }

    fn is_stopped(&self) -> bool {
        interrupt::is_requested()
    }
}
