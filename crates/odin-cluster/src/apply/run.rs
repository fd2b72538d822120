//! One walk through a plan.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use futures::future::join_all;
use futures::stream::FuturesUnordered;
use odin_model::event::{Event, Observer, StepState, Unit, Verb};
use serde_json::Value;
use tokio::sync::Semaphore;

use super::changeset::{ChangeSet, ComponentResult, ComponentState, Entry};
use super::gate::Gate;
use super::object::Outcome;
use crate::Error;
use crate::cluster::Cluster;
use crate::desired::Desired;
use crate::lease::Lease;
use crate::object::{Declared, ObjectKey, rank};
use crate::plan::{Action, Plan, Step, StepKind};
use crate::settings::Settings;

/// How long namespaces and definitions may take to be usable.
const FOUNDATION_TIMEOUT: Duration = Duration::from_secs(60);

/// State of one walk.
pub(super) struct Run<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) desired: &'a Desired,
    pub(super) plan: &'a Plan,
    pub(super) settings: &'a Settings,
    pub(super) observer: &'a dyn Observer,
    pub(super) lease: Option<Lease>,
    /// Full copies of objects to make again.
    pub(super) copies: BTreeMap<ObjectKey, Value>,
    /// Objects as they were declared before.
    pub(super) previous: BTreeMap<ObjectKey, Value>,
    pub(super) permits: Semaphore,
    declared: HashMap<&'a ObjectKey, &'a Declared>,
    sent: HashSet<&'a ObjectKey>,
    total: u64,
    outcomes: Mutex<BTreeMap<ObjectKey, Outcome>>,
    components: Mutex<BTreeMap<String, ComponentResult>>,
    /// Why components cannot even begin.
    obstacle: Option<String>,
    done: AtomicU64,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        cluster: &'a Cluster,
        desired: &'a Desired,
        plan: &'a Plan,
        settings: &'a Settings,
        observer: &'a dyn Observer,
    ) -> Self {
        Self {
            cluster,
            desired,
            plan,
            settings,
            observer,
            lease: None,
            copies: BTreeMap::new(),
            previous: BTreeMap::new(),
            permits: Semaphore::new(settings.concurrency.max(1)),
            sent: plan.actions().filter(|action| action.send).map(|action| &action.object).collect(),
            total: plan.actions().count() as u64,
            declared: desired.objects.iter().map(|object| (&object.key, object)).collect(),
            outcomes: Mutex::default(),
            components: Mutex::default(),
            obstacle: None,
            done: AtomicU64::new(0),
        }
    }

    /// Returns while the lease is held.
    pub(super) async fn hold(&self) -> Result<(), Error> {
        match &self.lease {
            Some(lease) => lease.ensure().await,
            // A walk without a lease writes nothing.
            None => Err(Error::LeaseLost {
                lease: crate::lease::NAME.to_owned(),
                reason: "it was never taken".to_owned(),
            }),
        }
    }

    /// Whether the plan sends an object at all.
    pub(super) fn sends(&self, key: &ObjectKey) -> bool {
        self.sent.contains(key)
    }

    /// Namespaces and definitions, then secrets.
    pub(super) async fn foundation(&mut self) -> Result<(), Error> {
        for step in &self.plan.steps {
            let needs_health = match step.kind {
                StepKind::Foundation => true,
                StepKind::Secrets => false,
                _ => continue,
            };
            self.say(&step.name, StepState::Started, String::new());
            self.objects(step).await;
            let mut failed = self.first_failure(step);
            if needs_health && step.actions.iter().any(|action| action.send) {
                self.cluster.forget_served().await;
                let late = Gate::new(self).wait(step, FOUNDATION_TIMEOUT).await;
                failed =
                    failed.or_else(|| late.first().map(|late| format!("{}: {}", late.object, late.reason)));
            }
            self.hold().await?;
            match &failed {
                // What needs a namespace that failed fails by itself and says
                // so; a missing secret would leave pods in the dark.
                Some(reason) if !needs_health => {
                    self.obstacle = Some(format!("{} failed: {reason}", step.name));
                    self.say(&step.name, StepState::Failed, reason.clone());
                }
                Some(reason) => self.say(&step.name, StepState::Failed, reason.clone()),
                None => self.say(&step.name, StepState::Done, String::new()),
            }
        }
        Ok(())
    }

    /// Components, each as soon as those it comes after are done.
    pub(super) async fn components(&self) {
        let mut waiting: Vec<&Step> =
            self.plan.steps.iter().filter(|step| matches!(step.kind, StepKind::Component { .. })).collect();
        let mut running = FuturesUnordered::new();
        loop {
            let (ready, later): (Vec<&Step>, Vec<&Step>) =
                waiting.into_iter().partition(|step| self.may_begin(step));
            let moved = !ready.is_empty();
            waiting = later;
            for step in ready {
                match self.reason_to_skip(step) {
                    Some(reason) => self.skip(step, &reason),
                    None => running.push(self.component(step)),
                }
            }
            // A skipped one may let others begin, to be skipped in turn.
            if running.next().await.is_none() && !moved {
                return;
            }
        }
    }

    fn may_begin(&self, step: &Step) -> bool {
        let StepKind::Component { after, .. } = &step.kind else { return false };
        let components = self.components.lock().unwrap_or_else(PoisonError::into_inner);
        after.iter().all(|name| components.contains_key(name))
    }

    fn reason_to_skip(&self, step: &Step) -> Option<String> {
        let StepKind::Component { after, .. } = &step.kind else { return None };
        let components = self.components.lock().unwrap_or_else(PoisonError::into_inner);
        let broken = after.iter().find(|name| {
            let state = components.get(*name).map(|result| result.state);
            matches!(state, Some(ComponentState::Failed | ComponentState::Skipped))
        });
        broken
            .map(|name| format!("component {name}, which it comes after, is not ready"))
            .or_else(|| self.obstacle.clone())
    }

    fn skip(&self, step: &Step, reason: &str) {
        for action in &step.actions {
            self.record(action, Outcome::skipped(reason, action));
        }
        self.finish(step, ComponentState::Skipped, reason.to_owned(), Vec::new(), Duration::ZERO);
    }

    async fn component(&self, step: &Step) {
        let StepKind::Component { gate, timeout, .. } = &step.kind else { return };
        let began = Instant::now();
        self.say(&step.name, StepState::Started, String::new());
        self.objects(step).await;
        if let Some(reason) = self.first_failure(step) {
            self.finish(step, ComponentState::Failed, reason, Vec::new(), began.elapsed());
            return;
        }
        if !gate {
            self.finish(step, ComponentState::Applied, String::new(), Vec::new(), began.elapsed());
            return;
        }
        let unhealthy = Gate::new(self).wait(step, *timeout).await;
        match unhealthy.first() {
            None => self.finish(step, ComponentState::Ready, String::new(), unhealthy, began.elapsed()),
            Some(first) => {
                let reason = format!(
                    "not healthy after {} s: {}: {}",
                    began.elapsed().as_secs(),
                    first.object,
                    first.reason
                );
                self.finish(step, ComponentState::Failed, reason, unhealthy, began.elapsed());
            }
        }
    }

    fn finish(
        &self,
        step: &Step,
        state: ComponentState,
        detail: String,
        unhealthy: Vec<super::Unhealthy>,
        took: Duration,
    ) {
        let told = match state {
            ComponentState::Ready | ComponentState::Applied => StepState::Done,
            ComponentState::Failed => StepState::Failed,
            ComponentState::Skipped => StepState::Skipped,
        };
        self.say(&step.name, told, detail.clone());
        let result = ComponentResult { name: step.name.clone(), state, detail, unhealthy, took };
        self.components.lock().unwrap_or_else(PoisonError::into_inner).insert(step.name.clone(), result);
    }

    /// Sends the objects of a step, rank after rank.
    async fn objects(&self, step: &Step) {
        let ranks: BTreeSet<u8> = step.actions.iter().map(|action| rank(&action.object)).collect();
        for place in ranks {
            let same = step.actions.iter().filter(|action| rank(&action.object) == place);
            join_all(same.map(|action| async move {
                if let Some(object) = self.declared.get(&action.object) {
                    let outcome = self.apply_object(action, object).await;
                    self.record(action, outcome);
                }
            }))
            .await;
        }
    }

    /// Removes what left the bundle; only when everything else went well.
    pub(super) async fn prune(&self) -> Result<(), Error> {
        let Some(step) = self.plan.steps.iter().find(|step| step.kind == StepKind::Prune) else {
            return Ok(());
        };
        self.hold().await?;
        let broken = {
            let components = self.components.lock().unwrap_or_else(PoisonError::into_inner);
            let bad = |result: &&ComponentResult| {
                matches!(result.state, ComponentState::Failed | ComponentState::Skipped)
            };
            components.values().find(bad).map(|result| result.name.clone())
        };
        let obstacle = broken.map(|name| format!("component {name}")).or_else(|| self.any_failure());
        if let Some(obstacle) = obstacle {
            let reason = format!("nothing is removed while {obstacle} is not well");
            for action in &step.actions {
                self.record(action, Outcome::skipped(&reason, action));
            }
            self.say(&step.name, StepState::Skipped, reason);
            return Ok(());
        }
        self.say(&step.name, StepState::Started, String::new());
        for action in &step.actions {
            let outcome = self.remove(action).await?;
            self.record(action, outcome);
        }
        self.say(&step.name, StepState::Done, String::new());
        Ok(())
    }

    fn first_failure(&self, step: &Step) -> Option<String> {
        let outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        step.actions.iter().find_map(|action| {
            let outcome = outcomes.get(&action.object).filter(|outcome| outcome.verb == Verb::Failed)?;
            Some(format!("{}: {}", action.object, outcome.detail))
        })
    }

    fn any_failure(&self) -> Option<String> {
        let outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        outcomes.iter().find(|(_, outcome)| outcome.verb == Verb::Failed).map(|(key, _)| key.to_string())
    }

    fn record(&self, action: &Action, outcome: Outcome) {
        let object = action.object.to_string();
        self.observer.event(Event::Object { verb: outcome.verb, object, detail: outcome.detail.clone() });
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        let total = Some(self.total);
        self.observer.event(Event::Progress { task: "apply".to_owned(), done, total, unit: Unit::Objects });
        self.outcomes.lock().unwrap_or_else(PoisonError::into_inner).insert(action.object.clone(), outcome);
    }

    fn say(&self, name: &str, state: StepState, detail: String) {
        self.observer.event(Event::Step { name: name.to_owned(), state, detail });
    }

    /// What became of every object so far.
    pub(super) fn outcomes(&self) -> BTreeMap<ObjectKey, Outcome> {
        self.outcomes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The object as the last request showed it.
    pub(super) fn shown(&self, key: &ObjectKey) -> Option<Value> {
        let outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        outcomes.get(key).and_then(|outcome| outcome.live.clone())
    }

    /// Objects the inventory no longer needs to know.
    pub(super) fn forgotten(&self) -> Vec<ObjectKey> {
        let Some(step) = self.plan.steps.iter().find(|step| step.kind == StepKind::Prune) else {
            return Vec::new();
        };
        let outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        let gone = step.actions.iter().filter(|action| {
            let deleted = outcomes.get(&action.object).is_some_and(|outcome| outcome.verb == Verb::Deleted);
            deleted || action.forget
        });
        gone.map(|action| action.object.clone()).collect()
    }

    /// Whether the cluster now is what the plan wanted, as far as objects go.
    pub(super) fn in_force(&self) -> bool {
        let outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        let components = self.components.lock().unwrap_or_else(PoisonError::into_inner);
        !outcomes.values().any(|outcome| outcome.verb == Verb::Failed)
            && !components
                .values()
                .any(|result| matches!(result.state, ComponentState::Failed | ComponentState::Skipped))
    }

    /// Everything that happened, in the order of the plan.
    pub(super) fn into_changes(self) -> ChangeSet {
        let mut outcomes = self.outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut components = self.components.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut changes = ChangeSet {
            generation: self.plan.generation,
            digest: self.plan.digest.clone(),
            ..ChangeSet::default()
        };
        for step in &self.plan.steps {
            for action in &step.actions {
                let outcome = outcomes.remove(&action.object).unwrap_or_else(|| Outcome::untouched(action));
                changes.entries.push(Entry {
                    verb: outcome.verb,
                    object: action.object.to_string(),
                    step: step.name.clone(),
                    detail: outcome.detail,
                    fields: outcome.fields,
                    conflicts: outcome.conflicts,
                });
            }
            changes.components.extend(components.remove(&step.name));
        }
        changes
    }
}
