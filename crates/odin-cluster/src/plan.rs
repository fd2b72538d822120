//! Planning: declared and observed in, steps out.
//!
//! All judgement sits here. A plan is a plain value: it prints, serialises and
//! is tested by table; the executor carries it out and decides nothing.

mod print;
mod prune;

use std::sync::Arc;
use std::time::Duration;

use odin_model::event::Verb;
use serde::{Serialize, Serializer};

use crate::desired::{Desired, SECRETS};
use crate::fields::{self, FieldChange};
use crate::inventory::Entry;
use crate::object::{Declared, ObjectKey, annotations, is_foundation};
use crate::observation::{Live, Observation};
use crate::settings::Settings;

/// What would be done, in which order, and why it must not be done, if so.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Plan {
    /// Generation that would be in force afterwards.
    pub generation: u64,
    /// Bundle that would be in force afterwards.
    pub digest: String,
    /// Generation in force now.
    pub from_generation: u64,
    /// Bundle in force now; empty before the first.
    pub from_digest: String,
    /// The steps.
    pub steps: Vec<Step>,
    /// Why the plan must not be carried out as it is.
    pub blocked: Vec<String>,
    /// An earlier apply did not end well.
    pub resumes: bool,
    #[serde(skip)]
    pub(crate) inventory_version: Option<String>,
}

/// A group of actions that belong together.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Step {
    /// Name, unique in the plan.
    pub name: String,
    /// What kind of step it is.
    pub kind: StepKind,
    /// The actions, in order.
    pub actions: Vec<Action>,
}

/// Kinds of steps.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum StepKind {
    /// Namespaces and definitions of custom resources.
    Foundation,
    /// Declared secrets.
    Secrets,
    /// The objects of a component.
    Component {
        /// Place in the order.
        wave: usize,
        /// Components that must be healthy first.
        after: Vec<String>,
        /// Whether later components wait for its health.
        gate: bool,
        /// How long its objects may take to become healthy.
        timeout: Duration,
    },
    /// Removal of what left the bundle.
    Prune,
}

/// What is done to one object.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Action {
    /// The object.
    #[serde(serialize_with = "shown")]
    pub object: ObjectKey,
    /// Predicted verb.
    pub verb: Verb,
    /// Reason; empty when the verb says all.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// Fields that change.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldChange>,
    /// Whether the API server is asked at all.
    #[serde(skip)]
    pub(crate) send: bool,
    /// Whether the object drifted from what ODIN applied itself, so that its
    /// fields are taken back by force.
    #[serde(skip)]
    pub(crate) drifted: bool,
    /// Whether the inventory no longer needs to know the object.
    #[serde(skip)]
    pub(crate) forget: bool,
    #[serde(skip)]
    pub(crate) live: Option<Arc<Live>>,
    #[serde(skip)]
    pub(crate) entry: Option<Entry>,
}

fn shown<S: Serializer>(key: &ObjectKey, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(key)
}

impl Plan {
    /// Why the plan must not be carried out; empty when it may.
    #[must_use]
    pub fn blocked(&self) -> &[String] {
        &self.blocked
    }

    /// Every action in order.
    pub fn actions(&self) -> impl Iterator<Item = &Action> {
        self.steps.iter().flat_map(|step| &step.actions)
    }

    /// Counts the actions of one verb.
    #[must_use]
    pub fn count(&self, verb: Verb) -> usize {
        self.actions().filter(|action| action.verb == verb).count()
    }

    /// How many objects would change.
    #[must_use]
    pub fn changes(&self) -> usize {
        [Verb::Created, Verb::Configured, Verb::Deleted].into_iter().map(|verb| self.count(verb)).sum()
    }

    /// Whether the cluster already is what is wanted: nothing would be sent,
    /// not even the inventory.
    #[must_use]
    pub fn converged(&self) -> bool {
        !self.resumes
            && self.blocked.is_empty()
            && self.generation == self.from_generation
            && self.digest == self.from_digest
            && !self.actions().any(|action| action.send || action.verb == Verb::Failed)
    }
}

/// Plans how to get from what was observed to what is wanted.
#[must_use]
pub fn plan(desired: &Desired, observation: &Observation, settings: &Settings) -> Plan {
    let inventory = &observation.inventory;
    let mut steps = Vec::new();
    let pick = |wanted: &dyn Fn(&Declared) -> bool| -> Vec<Action> {
        let chosen = desired.objects.iter().filter(|object| wanted(object));
        chosen.map(|object| action(object, desired, observation)).collect()
    };
    let mut foundation = pick(&|object| is_foundation(&object.key));
    foundation.sort_by_key(|action| crate::object::rank(&action.object));
    push(&mut steps, "namespaces and definitions", StepKind::Foundation, foundation);
    push(&mut steps, "declared secrets", StepKind::Secrets, pick(&|object| object.component == SECRETS));
    for component in &desired.components {
        let actions = pick(&|object| object.component == component.name && !is_foundation(&object.key));
        let (wave, after) = (component.wave, component.after.clone());
        let kind = StepKind::Component { wave, after, gate: component.gate, timeout: component.timeout };
        // A component without objects still orders those that come after it.
        steps.push(Step { name: component.name.clone(), kind, actions });
    }
    push(&mut steps, "prune", StepKind::Prune, prune::actions(desired, observation, settings));

    let mut plan = Plan {
        generation: settings.generation,
        digest: desired.digest.clone(),
        from_generation: inventory.generation,
        from_digest: inventory.digest.clone(),
        steps,
        blocked: Vec::new(),
        resumes: inventory.pending.is_some(),
        inventory_version: observation.inventory_version.clone(),
    };
    plan.blocked = blocks(&plan, observation, settings);
    plan
}

fn push(steps: &mut Vec<Step>, name: &str, kind: StepKind, actions: Vec<Action>) {
    if !actions.is_empty() {
        steps.push(Step { name: name.to_owned(), kind, actions });
    }
}

fn blocks(plan: &Plan, observation: &Observation, settings: &Settings) -> Vec<String> {
    let mut reasons = Vec::new();
    let highest = observation.inventory.highest();
    if settings.generation < highest && !settings.rollback {
        reasons.push(format!(
            "generation {} is older than generation {highest}, which the cluster already has",
            settings.generation
        ));
    }
    let removals = plan.count(Verb::Deleted);
    if removals > settings.prune_limit && !settings.confirmed {
        reasons.push(format!(
            "it removes {removals} objects, more than the prune limit of {}",
            settings.prune_limit
        ));
    }
    reasons
}

fn action(object: &Declared, desired: &Desired, observation: &Observation) -> Action {
    let entry = observation.inventory.objects.get(&object.key).cloned();
    let live = observation.live.get(&object.key).cloned();
    let mut action = Action {
        object: object.key.clone(),
        verb: Verb::Created,
        detail: String::new(),
        fields: Vec::new(),
        send: true,
        drifted: false,
        forget: false,
        live,
        entry,
    };
    if observation.unserved.contains(&object.gvk) {
        if !desired.defines(&object.gvk) {
            action.verb = Verb::Failed;
            action.send = false;
            action.detail = format!("the API server does not serve {}", object.gvk);
        }
        return action;
    }
    let Some(live) = action.live.clone() else {
        if action.entry.as_ref().is_some_and(|entry| !entry.declared.is_empty()) {
            action.detail = "it was deleted by someone else".to_owned();
        }
        return action;
    };
    if live.terminating() {
        action.detail = "the present one is being deleted".to_owned();
    } else if live.annotation(annotations::SUSPEND) == Some("true") {
        action.verb = Verb::Skipped;
        action.send = false;
        action.detail = format!("suspended by its annotation {}", annotations::SUSPEND);
    } else {
        compare(object, &live, &mut action);
    }
    action
}

/// Decides between configured and unchanged.
fn compare(object: &Declared, live: &Live, action: &mut Action) {
    let known = action.entry.as_ref().filter(|entry| !entry.declared.is_empty());
    let same_declared = known.is_some_and(|entry| entry.declared == object.hash);
    let same_owned = known.is_some_and(|entry| live.owned.as_deref().unwrap_or_default() == entry.owned);
    if same_declared && same_owned {
        action.verb = Verb::Unchanged;
        action.send = false;
        return;
    }
    action.fields = fields::changes(&object.value, &live.value);
    let removed = fields::removed(&live.value, &object.value);
    action.fields.extend(removed.into_iter().map(|path| FieldChange { path, from: None, to: None }));
    action.drifted = same_declared;
    if action.drifted {
        let paths: Vec<String> = action.fields.iter().map(|change| change.path.clone()).collect();
        action.detail = fields::owner(&live.value, &paths)
            .map_or_else(|| "drifted".to_owned(), |owner| format!("changed by {}", owner.manager));
    }
    // Without a difference in words the server decides: it alone knows
    // whether a rewritten value is the same.
    action.verb =
        if action.fields.is_empty() && !action.drifted { Verb::Unchanged } else { Verb::Configured };
}

#[cfg(test)]
mod tests;
