#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::bundle::Component;
use crate::inventory::{Inventory, Pending};
use crate::object::Gvk;

/// A world in which bundle, inventory and cluster are set up by sentences.
#[derive(Clone)]
struct World {
    desired: Desired,
    observation: Observation,
    settings: Settings,
}

fn world() -> World {
    let component = |name: &str, wave: usize, after: &[&str]| Component {
        name: name.to_owned(),
        namespace: "n".to_owned(),
        after: after.iter().map(|name| (*name).to_owned()).collect(),
        timeout: Duration::from_secs(60),
        gate: true,
        wave,
    };
    let components = vec![component("base", 0, &[]), component("app", 1, &["base"])];
    let desired = Desired { digest: "d".repeat(64), components, objects: Vec::new() };
    let settings = Settings { prune_limit: 2, ..Settings::default() };
    World { desired, observation: Observation::default(), settings }
}

fn map(name: &str, value: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "n"}, "data": {"key": value}})
}

fn of_kind(api_version: &str, kind: &str, name: &str, namespace: Option<&str>) -> Value {
    let mut value =
        json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, "spec": {"a": 1}});
    if let Some(namespace) = namespace {
        value["metadata"]["namespace"] = namespace.into();
    }
    value
}

/// As the API server would have it after an apply.
fn stored(value: &Value) -> Value {
    let mut live = value.clone();
    live["metadata"]["uid"] = "1".into();
    live["metadata"]["resourceVersion"] = "1".into();
    let owned =
        if value.get("data").is_some() { json!({"f:data": {"f:key": {}}}) } else { json!({"f:spec": {}}) };
    live["metadata"]["managedFields"] = json!([{"manager": "odin", "operation": "Apply", "fieldsV1": owned}]);
    live
}

impl World {
    fn declares(mut self, component: &str, value: Value) -> Self {
        self.desired.objects.push(Declared::new(component, value).unwrap());
        self
    }

    /// The object was applied and is in cluster and inventory.
    fn applied(mut self, component: &str, value: &Value) -> Self {
        let object = Declared::new(component, value.clone()).unwrap();
        let live = Live::new(stored(value));
        let entry = Entry {
            version: object.gvk.version.clone(),
            component: component.to_owned(),
            declared: object.hash.clone(),
            owned: live.owned.clone().unwrap(),
            allow_prune: object.annotation(annotations::ALLOW_PRUNE) == Some("true"),
        };
        self.observation.inventory.objects.insert(object.key.clone(), entry);
        self.observation.live.insert(object.key, Arc::new(live));
        self.observation.inventory.generation = 1;
        self.observation.inventory.digest = self.desired.digest.clone();
        self
    }

    fn changed(mut self, name: &str, change: impl FnOnce(&mut Value)) -> Self {
        let (key, live) = self.observation.live.iter().find(|(key, _)| key.name == name).unwrap();
        let (key, mut value) = (key.clone(), live.value.clone());
        change(&mut value);
        self.observation.live.insert(key, Arc::new(Live::new(value)));
        self
    }

    fn gone(mut self, name: &str) -> Self {
        self.observation.live.retain(|key, _| key.name != name);
        self
    }

    fn plan(&self) -> Plan {
        plan(&self.desired, &self.observation, &self.settings)
    }

    /// Verb and detail of one object.
    fn verb(&self, name: &str) -> (Verb, String) {
        let plan = self.plan();
        let action = plan.actions().find(|action| action.object.name == name).unwrap();
        (action.verb, action.detail.clone())
    }
}

#[test]
fn verbs_follow_from_what_is_declared_owned_and_live() {
    let one = map("a", "one");
    let world = || world().declares("app", one.clone());
    let foreign = |value: &mut Value| {
        value["metadata"].as_object_mut().unwrap().remove("managedFields").map(drop).unwrap()
    };
    let table: [(&str, World, Verb, &str); 8] = [
        ("new", world(), Verb::Created, ""),
        ("as applied", world().applied("app", &one), Verb::Unchanged, ""),
        (
            "changed by hand",
            world().applied("app", &one).changed("a", |value| value["data"]["key"] = "two".into()),
            Verb::Configured,
            "drifted",
        ),
        (
            "deleted by hand",
            world().applied("app", &one).gone("a"),
            Verb::Created,
            "it was deleted by someone else",
        ),
        ("declared anew", world().applied("app", &map("a", "zero")), Verb::Configured, ""),
        (
            "on its way out",
            world()
                .applied("app", &one)
                .changed("a", |value| value["metadata"]["deletionTimestamp"] = "now".into()),
            Verb::Created,
            "the present one is being deleted",
        ),
        (
            "suspended",
            world().applied("app", &one).changed("a", |value| {
                value["metadata"]["annotations"] = json!({"odin.local/suspend": "true"});
                value["data"]["key"] = "two".into();
            }),
            Verb::Skipped,
            "suspended by its annotation odin.local/suspend",
        ),
        (
            "made again by someone",
            world().applied("app", &one).changed("a", foreign),
            Verb::Configured,
            "drifted",
        ),
    ];
    for (name, world, verb, detail) in table {
        assert_eq!(world.verb("a"), (verb, detail.to_owned()), "{name}");
    }
}

#[test]
fn an_object_of_an_unknown_kind_needs_its_definition_in_the_bundle() {
    let widget = of_kind("test.odin/v1", "Widget", "w", Some("n"));
    let mut without = world().declares("app", widget.clone());
    without.observation.unserved.insert(Gvk::new("test.odin/v1", "Widget"));
    assert_eq!(
        without.verb("w"),
        (Verb::Failed, "the API server does not serve Widget.v1.test.odin".to_owned())
    );
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "widgets.test.odin"},
        "spec": {"group": "test.odin", "names": {"kind": "Widget"}, "scope": "Namespaced"},
    });
    let with = without.declares("app", definition);
    assert_eq!(with.verb("w").0, Verb::Created);
    assert_eq!(with.plan().steps[0].kind, StepKind::Foundation);
}

#[test]
fn steps_are_foundation_secrets_components_prune() {
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "n"}, "data": {"key": "eA=="}});
    let world = world()
        .applied("app", &map("old", "one"))
        .declares(SECRETS, secret)
        .declares("app", map("a", "one"))
        .declares("app", of_kind("v1", "Namespace", "n", None));
    let plan = world.plan();
    let names: Vec<&str> = plan.steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(names, ["namespaces and definitions", "declared secrets", "base", "app", "prune"]);
    assert!(!plan.to_string().contains("eA=="), "{plan}");
}

#[test]
fn removals_run_backwards_and_protected_kinds_stay() {
    let mut world = world()
        .applied("base", &map("base-map", "one"))
        .applied("app", &map("app-map", "one"))
        .applied("app", &of_kind("apps/v1", "Deployment", "app", Some("n")))
        .applied("base", &of_kind("v1", "Namespace", "n", None))
        .applied("app", &of_kind("v1", "PersistentVolumeClaim", "kept", Some("n")))
        .applied("app", &of_kind("v1", "PersistentVolumeClaim", "named", Some("n")));
    world.settings.allow_prune = vec!["PersistentVolumeClaim/n/named".to_owned()];
    world.settings.confirmed = true;
    let told = |world: &World| -> Vec<(String, Verb)> {
        world.plan().actions().map(|action| (action.object.name.clone(), action.verb)).collect()
    };
    let wanted = [
        ("app", Verb::Deleted),
        ("kept", Verb::Skipped),
        ("named", Verb::Deleted),
        ("app-map", Verb::Deleted),
        ("base-map", Verb::Deleted),
        ("n", Verb::Skipped),
    ];
    assert_eq!(told(&world), wanted.map(|(name, verb)| (name.to_owned(), verb)));

    // Each permission is enough: on the live object, or stored when declared.
    let annotated = world.clone().changed("kept", |value| {
        value["metadata"]["annotations"] = json!({"odin.local/allow-prune": "true"})
    });
    assert_eq!(annotated.verb("kept").0, Verb::Deleted);
    let mut declared = of_kind("v1", "PersistentVolumeClaim", "kept", Some("n"));
    declared["metadata"]["annotations"] = json!({"odin.local/allow-prune": "true"});
    let remembered = world.clone().applied("app", &declared).changed("kept", |value| {
        value["metadata"].as_object_mut().unwrap().remove("annotations");
    });
    assert_eq!(remembered.verb("kept").0, Verb::Deleted);
}

#[test]
fn what_may_not_be_odins_is_not_removed() {
    let world = || world().applied("app", &map("a", "one"));
    let foreign = world()
        .changed("a", |value| drop(value["metadata"].as_object_mut().unwrap().remove("managedFields")));
    assert_eq!(
        foreign.verb("a"),
        (Verb::Skipped, "it left the bundle but is kept: someone else made it anew".to_owned())
    );
    let gone = world().gone("a");
    assert_eq!(gone.verb("a"), (Verb::Skipped, "it left the bundle and is already gone".to_owned()));
    let mut unserved = world().gone("a");
    unserved.observation.unserved.insert(Gvk::new("v1", "ConfigMap"));
    assert!(unserved.verb("a").1.contains("does not serve"));
    assert!(!unserved.plan().actions().any(|action| action.forget));
}

#[test]
fn plans_that_must_wait_for_a_person_say_why() {
    let removals =
        world().applied("app", &map("a", "1")).applied("app", &map("b", "1")).applied("app", &map("c", "1"));
    assert_eq!(removals.plan().blocked(), ["it removes 3 objects, more than the prune limit of 2"]);
    let mut confirmed = removals.clone();
    confirmed.settings.confirmed = true;
    assert!(confirmed.plan().blocked().is_empty());

    let mut older = world();
    older.observation.inventory = Inventory { generation: 3, ..Inventory::default() };
    older.settings.generation = 2;
    assert_eq!(
        older.plan().blocked(),
        ["generation 2 is older than generation 3, which the cluster already has"]
    );
    older.settings.rollback = true;
    assert!(older.plan().blocked().is_empty());

    // An apply that was cut off counts, too.
    let mut cut = world();
    cut.settings.generation = 4;
    cut.observation.inventory.pending = Some(Pending { generation: 5, digest: String::new() });
    assert_eq!(cut.plan().blocked().len(), 1);
}

#[test]
fn converged_means_that_nothing_would_be_sent() {
    let world = || world().declares("app", map("a", "one")).applied("app", &map("a", "one"));
    assert!(world().plan().converged());
    let other = |change: &dyn Fn(&mut World)| {
        let mut world = world();
        change(&mut world);
        world.plan().converged()
    };
    assert!(!other(&|world| world.settings.generation = 2));
    assert!(!other(&|world| world.observation.inventory.digest = "other".to_owned()));
    assert!(!other(
        &|world| world.observation.inventory.pending = Some(Pending { generation: 1, digest: String::new() })
    ));
    assert!(!other(&|world| world.observation.live.clear()));
}

#[test]
fn a_plan_reads_well() {
    let plan = world()
        .declares("base", map("new", "one"))
        .declares("app", map("a", "two"))
        .declares("app", map("same", "one"))
        .applied("app", &map("a", "one"))
        .applied("app", &map("same", "one"))
        .applied("app", &map("old", "one"))
        .plan();
    insta::assert_snapshot!(plan.to_string(), @r"
    generation 1 bundle dddddddddddd -> generation 1 bundle dddddddddddd
    base: 1 to do, 0 unchanged
      + ConfigMap n/new
    app (after base): 1 to do, 1 unchanged
      ~ ConfigMap n/a
          data.key: one -> two
    prune: 1 to do, 0 unchanged
      - ConfigMap n/old
    1 to create, 1 to configure, 1 to delete, 1 unchanged, 0 skipped, 0 cannot be done
    ");
    let json = serde_json::to_value(&plan).unwrap();
    assert_eq!(json["steps"][1]["actions"][0]["verb"], "configured");
    assert_eq!(json["steps"][1]["actions"][0]["object"], "ConfigMap n/a");
}

#[test]
fn an_inventory_survives_being_written_and_read() {
    let mut inventory = world()
        .applied("app", &map("a", "one"))
        .applied("base", &of_kind("v1", "Namespace", "n", None))
        .observation
        .inventory;
    for generation in 0..30 {
        inventory.remember(crate::inventory::Past {
            generation,
            digest: "d".to_owned(),
            at: jiff::Timestamp::UNIX_EPOCH,
            created: 1,
            configured: 0,
            deleted: 0,
            failed: 0,
        });
    }
    assert_eq!(inventory.history.len(), crate::inventory::HISTORY_LENGTH);
    assert_eq!(inventory.history[0].generation, 10);
    let text = serde_json::to_string(&inventory).unwrap();
    assert_eq!(Inventory::parse(&text).unwrap(), inventory);
    for wrong in ["", "{}", "[1]", &text.replace("\"format\":1", "\"format\":2")] {
        assert!(Inventory::parse(wrong).is_err(), "{wrong}");
    }
    let per_object = serde_json::to_string(&inventory.objects.values().collect::<Vec<_>>()).unwrap().len();
    assert!(per_object < 1000, "a thousand objects fit a ConfigMap");
    assert_eq!(BTreeMap::from_iter(inventory.objects.clone()), inventory.objects);
}
