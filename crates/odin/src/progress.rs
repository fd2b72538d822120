//! Events on a terminal (lines and bars), in a pipe (lines) or as JSON.

use std::io::IsTerminal;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use odin_model::event::{Event, Observer, StepState, Unit, Verb};

use crate::words;

/// The observer that suits stderr.
pub(crate) fn observer(json: bool) -> Arc<dyn Observer> {
    if json {
        Arc::new(|event: Event| {
            if let Ok(value) = serde_json::to_value(&event) {
                words::tell_json(&value);
            }
        })
    } else if std::io::stderr().is_terminal() {
        Arc::new(Terminal::default())
    } else {
        Arc::new(|event: Event| {
            if let Some(line) = line(&event) {
                words::tell(&line);
            }
        })
    }
}

/// Lines above one progress bar.
#[derive(Default)]
struct Terminal {
    bar: Mutex<Option<(String, ProgressBar)>>,
}

impl Observer for Terminal {
    fn event(&self, event: Event) {
        // A poisoned bar is still a bar.
        let mut bar = self.bar.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Event::Progress { task, done, total, unit } = &event {
            let current = match bar.take() {
                Some((name, current)) if name == *task => current,
                other => {
                    if let Some((_, old)) = other {
                        old.finish_and_clear();
                    }
                    new_bar(task, *total, *unit)
                }
            };
            if let Some(total) = total {
                current.set_length(*total);
            }
            current.set_position(*done);
            if *total == Some(*done) {
                current.finish_and_clear();
            } else {
                *bar = Some((task.clone(), current));
            }
            return;
        }
        let Some(line) = line(&event) else { return };
        match bar.as_ref() {
            Some((_, bar)) => bar.suspend(|| words::tell(&line)),
            None => words::tell(&line),
        }
    }
}

fn new_bar(task: &str, total: Option<u64>, unit: Unit) -> ProgressBar {
    let template = match (unit, total.is_some()) {
        (Unit::Bytes, true) => "{msg}: {wide_bar} {bytes}/{total_bytes} {binary_bytes_per_sec}, {eta} left",
        (Unit::Bytes, false) => "{msg}: {spinner} {bytes} {binary_bytes_per_sec}",
        (_, true) => "{msg}: {wide_bar} {pos}/{len}, {eta} left",
        (_, false) => "{msg}: {spinner} {pos}",
    };
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr_with_hz(10));
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_message(task.to_owned());
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// One line for an event; none for what would only be noise in a log.
fn line(event: &Event) -> Option<String> {
    let with =
        |text: String, detail: &str| if detail.is_empty() { text } else { format!("{text}: {detail}") };
    match event {
        Event::Progress { .. } => None,
        Event::Object { verb: Verb::Unchanged, .. } => None,
        Event::Object { verb, object, detail } => {
            let verb = match verb {
                Verb::Created => "created",
                Verb::Configured => "configured",
                Verb::Unchanged => "unchanged",
                Verb::Deleted => "deleted",
                Verb::Skipped => "skipped",
                Verb::Failed => "failed",
            };
            Some(with(format!("  {verb:<10} {object}"), detail))
        }
        Event::Step { name, state, detail } => {
            let mark = match state {
                StepState::Started => return Some(format!("{} ...", with(name.clone(), detail))),
                StepState::Done => "done",
                StepState::Skipped => "skipped",
                StepState::Failed => "failed",
            };
            Some(with(format!("{name} {mark}"), detail))
        }
        Event::Warning { message } => Some(format!("warning: {message}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_say_what_happened_to_what() {
        let cases = [
            (
                Event::Object {
                    verb: Verb::Configured,
                    object: "Deployment monitoring/loki".into(),
                    detail: "spec.replicas".into(),
                },
                Some("  configured Deployment monitoring/loki: spec.replicas"),
            ),
            (Event::Object { verb: Verb::Unchanged, object: "Pod a/b".into(), detail: String::new() }, None),
            (
                Event::Step { name: "stop k3s".into(), state: StepState::Failed, detail: "timed out".into() },
                Some("stop k3s failed: timed out"),
            ),
            (Event::Warning { message: "one".into() }, Some("warning: one")),
        ];
        for (event, expected) in cases {
            assert_eq!(line(&event).as_deref(), expected, "{event:?}");
        }
    }
}
