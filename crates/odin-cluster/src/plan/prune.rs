//! What left the bundle, and whether it may go.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use odin_model::event::Verb;

use super::Action;
use crate::desired::Desired;
use crate::fields;
use crate::inventory::Entry;
use crate::object::{ObjectKey, annotations, is_protected, rank};
use crate::observation::{Live, Observation};
use crate::settings::Settings;

/// Removals in the reverse of the order in which objects are applied.
pub(super) fn actions(desired: &Desired, observation: &Observation, settings: &Settings) -> Vec<Action> {
    let wanted: BTreeSet<&ObjectKey> = desired.objects.iter().map(|object| &object.key).collect();
    let mut left: Vec<(&ObjectKey, &Entry)> =
        observation.inventory.objects.iter().filter(|(key, _)| !wanted.contains(key)).collect();
    let place = |component: &str| desired.components.iter().position(|known| known.name == component);
    // What belongs to a component that is gone as a whole goes first.
    left.sort_by_key(|(key, entry)| {
        let late = place(&entry.component).map_or(usize::MAX, |place| place);
        (Reverse(rank(key) > 1), Reverse(late), Reverse(rank(key)), (*key).clone())
    });
    left.into_iter().map(|(key, entry)| action(key, entry, observation, settings)).collect()
}

fn action(key: &ObjectKey, entry: &Entry, observation: &Observation, settings: &Settings) -> Action {
    let live = observation.live.get(key).cloned();
    let mut action = Action {
        object: key.clone(),
        verb: Verb::Deleted,
        detail: String::new(),
        fields: Vec::new(),
        send: true,
        drifted: false,
        forget: false,
        live,
        entry: Some(entry.clone()),
    };
    let mut keep = |detail: String| {
        action.verb = Verb::Skipped;
        action.send = false;
        action.detail = detail;
    };
    if observation.unserved.contains(&entry.gvk(key)) {
        // An aggregated API that is down is not an empty one.
        keep(format!("it left the bundle but is kept: the API server does not serve {}", entry.gvk(key)));
        return action;
    }
    let Some(live) = observation.live.get(key) else {
        keep("it left the bundle and is already gone".to_owned());
        action.forget = true;
        return action;
    };
    let allowed = entry.allow_prune
        || live.annotation(annotations::ALLOW_PRUNE) == Some("true")
        || Settings::names(&settings.allow_prune, key);
    if is_protected(key) && !allowed {
        keep(format!(
            "it left the bundle but is kept: a {} is removed only with {}",
            key.kind,
            annotations::ALLOW_PRUNE
        ));
    } else if live.annotation(annotations::SUSPEND) == Some("true") {
        keep(format!("it left the bundle but is kept: suspended by its annotation {}", annotations::SUSPEND));
    } else if let Some(reason) = not_ours(entry, live) {
        keep(format!("it left the bundle but is kept: {reason}"));
        // One that was surely made by someone else is not ODIN's to remember.
        action.forget = !entry.declared.is_empty();
    } else if live.terminating() {
        keep("it left the bundle and is being deleted".to_owned());
    }
    action
}

/// Why a live object of the right name may not be the one ODIN made.
fn not_ours(entry: &Entry, live: &Live) -> Option<&'static str> {
    if fields::managed(&live.value).is_some() {
        return None;
    }
    // An object declared by its name alone leaves no trace of ownership.
    let bare = !entry.declared.is_empty() && entry.owned.is_empty();
    (!bare).then_some(if entry.declared.is_empty() {
        "an apply was cut off before it was certain that odin made it"
    } else {
        "someone else made it anew"
    })
}
