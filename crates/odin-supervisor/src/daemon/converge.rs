//! Brings the declared bundle into force: at start, and again until it is.
//!
//! An upgrade puts another bundle under `/etc/odin` and restarts the daemon,
//! so the start is when the declared bundle can differ from the one in force.
//! One that was undone is left alone until a person applies it.

use std::sync::Arc;
use std::time::Duration;

use odin_cluster::Bundle;
use odin_model::config::Role;
use odin_model::event::{Event, Observer, Verb};

use super::{Shared, control};
use crate::lock;
use crate::operations::{Apply, Request, Status};
use crate::records::Records;
use crate::wire::Line;

/// First pause after a failure; it doubles up to [`LONGEST`].
const FIRST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(300);

/// How often a machine that is at work is looked at.
const GLANCE: Duration = Duration::from_millis(250);

/// Applies until it succeeded once.
pub(super) async fn run(shared: Arc<Shared>) {
    let config = &shared.appliance.config;
    if config.host.role == Role::Agent || !config.apply.bundle.exists() {
        return;
    }
    let mut pause = FIRST;
    loop {
        // What is under way may be an undo; its end decides whether to begin.
        while lock::holder(&config.host.run_dir).is_some() {
            tokio::time::sleep(GLANCE).await;
        }
        if let Some(undone) = Records::of(&shared.appliance).undone()
            && Bundle::open(&config.apply.bundle).is_ok_and(|bundle| bundle.digest() == undone)
        {
            tracing::warn!(digest = undone, "the declared bundle was undone; `odin apply` brings it back");
            return;
        }
        let observer: Arc<dyn Observer> = Arc::new(log);
        let line = control::carry_out(&shared, Request::Apply(Apply::default()), observer).await;
        if matches!(&line, Line::Outcome(outcome) if outcome.status == Status::Done) {
            return;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST);
    }
}

fn log(event: Event) {
    match event {
        Event::Object { verb: Verb::Failed, object, detail } => {
            tracing::error!(object, detail, "not applied")
        }
        Event::Object { verb: Verb::Unchanged, .. } => {}
        Event::Object { verb, object, .. } => tracing::info!(object, ?verb, "applied"),
        Event::Warning { message } => tracing::warn!(message),
        Event::Step { .. } | Event::Progress { .. } => {}
    }
}
