//! One object: applied, or removed.

use std::time::{Duration, Instant};

use odin_model::event::Verb;
use serde_json::Value;

use super::run::Run;
use crate::Error;
use crate::cluster::{Failure, FieldConflict, Mode, Resource};
use crate::fields::{self, FieldChange};
use crate::object::{Declared, ObjectKey, annotations};
use crate::plan::Action;
use crate::settings::Settings;
use crate::undo;

/// How long a namespace or a definition just made may be unknown to other
/// parts of the API server.
const UNKNOWN: Duration = Duration::from_secs(10);
/// How long an object may take to go away.
const GOING: Duration = Duration::from_secs(120);
const INTERVAL: Duration = Duration::from_millis(250);

/// What became of one object.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    pub(super) verb: Verb,
    pub(super) detail: String,
    pub(super) fields: Vec<FieldChange>,
    pub(super) conflicts: Vec<FieldConflict>,
    /// The object as the server has it now.
    pub(super) live: Option<Value>,
}

impl Outcome {
    fn new(verb: Verb, detail: impl Into<String>, live: Option<Value>) -> Self {
        let (fields, conflicts) = (Vec::new(), Vec::new());
        Self { verb, detail: detail.into(), fields, conflicts, live }
    }

    /// The action was not carried out.
    pub(super) fn skipped(reason: &str, action: &Action) -> Self {
        Self::new(Verb::Skipped, reason, action.live.as_ref().map(|live| live.value.clone()))
    }

    /// The plan had nothing to do, or was stopped before it came to this.
    pub(super) fn untouched(action: &Action) -> Self {
        let verb = if action.send { Verb::Skipped } else { action.verb };
        let detail = if action.send { "it was not come to" } else { &action.detail };
        Self::new(verb, detail, action.live.as_ref().map(|live| live.value.clone()))
    }

    fn failed(reason: impl Into<String>) -> Self {
        Self::new(Verb::Failed, reason, None)
    }
}

impl Run<'_> {
    pub(super) async fn apply_object(&self, action: &Action, object: &Declared) -> Outcome {
        if !action.send {
            return Outcome::untouched(action);
        }
        let Ok(_permit) = self.permits.acquire().await else { return Outcome::failed("stopped") };
        match self.try_apply(action, object).await {
            Ok(outcome) => outcome,
            Err(error) => Outcome::failed(error.to_string()),
        }
    }

    async fn try_apply(&self, action: &Action, object: &Declared) -> Result<Outcome, Error> {
        let Some(resource) = self.cluster.resource(&object.gvk).await? else {
            return Ok(Outcome::failed(format!("the API server does not serve {}", object.gvk)));
        };
        if resource.namespaced() && object.key.namespace.is_none() {
            return Ok(Outcome::failed("it names no namespace, and its kind lives in one"));
        }
        if action.live.as_ref().is_some_and(|live| live.terminating())
            && let Some(reason) = self.wait_gone(&resource, &object.key).await?
        {
            return Ok(Outcome::failed(reason));
        }
        self.hold().await?;
        if let Some(copy) = self.copies.get(&object.key) {
            undo::recreate(self.cluster, &resource, &object.key, copy).await?;
        }
        let by_force = action.drifted
            || object.annotation(annotations::TAKE_OVER) == Some("true")
            || Settings::names(&self.settings.take_over, &object.key);
        let mode = if by_force { Mode::Force } else { Mode::Careful };
        match self.send(&resource, object, mode).await {
            Ok(live) if self.copies.contains_key(&object.key) => {
                match undo::disown(self.cluster, &resource, &object.key, live).await {
                    Ok(live) => Ok(done(action, object, live)),
                    Err(failure) => {
                        Err(failure.into_error(&format!("finish making {} again", object.key), self.cluster))
                    }
                }
            }
            Ok(live) => Ok(done(action, object, live)),
            Err(failure) if !failure.conflicts().is_empty() => {
                self.conflict(action, object, &resource, &failure).await
            }
            Err(failure) if failure.is_immutable() && is_replaceable(&object.key) => {
                self.replace(action, object, &resource).await
            }
            Err(failure) => Ok(Outcome::failed(failure.reason())),
        }
    }

    /// Sends it, again while its namespace or definition is not known yet.
    async fn send(&self, resource: &Resource, object: &Declared, mode: Mode) -> Result<Value, Failure> {
        let began = Instant::now();
        loop {
            let sent = match mode {
                Mode::Careful => self.cluster.patch(resource, &object.key, &object.value, mode).await,
                Mode::Force => self.cluster.overrule(resource, &object.key, &object.value).await,
            };
            match sent {
                Err(failure) if failure.code() == Some(404) && began.elapsed() < UNKNOWN => {
                    tokio::time::sleep(INTERVAL).await;
                }
                other => return other,
            }
        }
    }

    /// Fields that were ODIN's before are taken back; others only on request.
    async fn conflict(
        &self,
        action: &Action,
        object: &Declared,
        resource: &Resource,
        failure: &Failure,
    ) -> Result<Outcome, Error> {
        let mut conflicts = failure.conflicts();
        let before = self.previous.get(&object.key);
        let was_ours = |conflict: &FieldConflict| {
            before.is_some_and(|before| fields::at(before, &conflict.field).is_some())
        };
        if conflicts.iter().all(was_ours) {
            return Ok(match self.send(resource, object, Mode::Force).await {
                Ok(live) => {
                    let mut outcome = done(action, object, live);
                    let managers: Vec<&str> =
                        conflicts.iter().map(|conflict| conflict.manager.as_str()).collect();
                    outcome.detail = format!("changed by {}", managers.join(", "));
                    outcome
                }
                Err(failure) => Outcome::failed(failure.reason()),
            });
        }
        let live = action.live.as_ref().map(|live| &live.value);
        for conflict in &mut conflicts {
            let value = live.and_then(|live| fields::at(live, &conflict.field));
            conflict.value = value.map(|value| fields::show(&object.value, &conflict.field, value));
        }
        let told: Vec<String> = conflicts
            .iter()
            .map(|conflict| {
                let value = conflict.value.as_deref().unwrap_or("unknown");
                format!("field {} belongs to {} (value {value})", conflict.field, conflict.manager)
            })
            .collect();
        let mut outcome = Outcome::failed(format!(
            "{}; declare {}: \"true\" to take over",
            told.join("; "),
            annotations::TAKE_OVER
        ));
        outcome.conflicts = conflicts;
        Ok(outcome)
    }

    /// Makes an object anew whose fields cannot change.
    async fn replace(
        &self,
        action: &Action,
        object: &Declared,
        resource: &Resource,
    ) -> Result<Outcome, Error> {
        let uid = action.live.as_ref().and_then(|live| live.meta("uid"));
        if let Err(failure) = self.cluster.delete(resource, &object.key, uid).await {
            return Ok(Outcome::failed(failure.reason()));
        }
        if let Some(reason) = self.wait_gone(resource, &object.key).await? {
            return Ok(Outcome::failed(reason));
        }
        self.hold().await?;
        Ok(match self.send(resource, object, Mode::Careful).await {
            Ok(live) => {
                let mut outcome = done(action, object, live);
                outcome.verb = Verb::Configured;
                outcome.detail = format!("made anew: a {} cannot be changed", object.key.kind);
                outcome
            }
            Err(failure) => Outcome::failed(failure.reason()),
        })
    }

    /// Waits until an object is gone; says what it waits for when it stays.
    async fn wait_gone(&self, resource: &Resource, key: &ObjectKey) -> Result<Option<String>, Error> {
        let began = Instant::now();
        loop {
            let found = self.cluster.get(resource, key).await;
            let Some(live) =
                found.map_err(|failure| failure.into_error(&format!("look at {key}"), self.cluster))?
            else {
                return Ok(None);
            };
            if began.elapsed() > GOING {
                let finalizers =
                    live.pointer("/metadata/finalizers").map(Value::to_string).unwrap_or_default();
                return Ok(Some(format!(
                    "the former one is not gone after {} s; finalizers {finalizers}",
                    GOING.as_secs()
                )));
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }

    /// Removes one object, exactly the one the plan saw.
    pub(super) async fn remove(&self, action: &Action) -> Result<Outcome, Error> {
        if !action.send {
            return Ok(Outcome::untouched(action));
        }
        self.hold().await?;
        let (Some(live), Some(entry)) = (&action.live, &action.entry) else {
            return Ok(Outcome::untouched(action));
        };
        let Some(resource) = self.cluster.resource(&entry.gvk(&action.object)).await? else {
            return Ok(Outcome::failed("the API server no longer serves its kind"));
        };
        match self.cluster.delete(&resource, &action.object, live.meta("uid")).await {
            Ok(()) => Ok(Outcome::new(Verb::Deleted, action.detail.clone(), None)),
            Err(failure) if failure.code() == Some(409) => {
                Ok(Outcome::skipped("it was made anew by someone else and is left alone", action))
            }
            Err(failure) => Ok(Outcome::failed(failure.reason())),
        }
    }
}

/// Jobs and pods are runs: making them anew loses nothing that lasts.
fn is_replaceable(key: &ObjectKey) -> bool {
    matches!((key.group.as_str(), key.kind.as_str()), ("batch", "Job") | ("", "Pod"))
}

fn done(action: &Action, object: &Declared, live: Value) -> Outcome {
    let version = |value: &Value| value.pointer("/metadata/resourceVersion").cloned();
    let uid = |value: &Value| value.pointer("/metadata/uid").cloned();
    let before = action.live.as_ref().map(|before| &before.value);
    let verb = match before {
        None => Verb::Created,
        Some(before) if uid(before) != uid(&live) => Verb::Created,
        Some(before) if version(before) == version(&live) => Verb::Unchanged,
        // Its controllers may have written its status meanwhile.
        Some(before) if !action.drifted && action.fields.is_empty() && same_owned(before, &live) => {
            Verb::Unchanged
        }
        Some(_) => Verb::Configured,
    };
    let mut outcome = Outcome::new(verb, action.detail.clone(), None);
    if verb == Verb::Configured {
        outcome.fields.clone_from(&action.fields);
        if outcome.detail.is_empty() {
            let paths: Vec<&str> = action.fields.iter().map(|change| change.path.as_str()).take(5).collect();
            outcome.detail = paths.join(", ");
        }
    }
    tracing::trace!(object = %object.key, ?verb, "applied");
    outcome.live = Some(live);
    outcome
}

fn same_owned(before: &Value, after: &Value) -> bool {
    fields::owned_digest(before).is_some_and(|digest| Some(digest) == fields::owned_digest(after))
}
