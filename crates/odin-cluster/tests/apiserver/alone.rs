//! A secret that is brought in by itself changes nothing beside.

use std::collections::BTreeMap;

use odin_cluster::DeclaredSecret;
use odin_cluster::apply::{bring, lacks};
use odin_cluster::inventory::{Entry, Inventory};
use odin_cluster::object::ObjectKey;
use odin_cluster::plan::plan;
use odin_model::event::Verb;
use serde_json::Value;

use super::fixture::Corner;

fn secret(corner: &Corner, value: &str) -> DeclaredSecret {
    DeclaredSecret {
        namespace: corner.namespace.clone(),
        name: "scrape".to_owned(),
        kind: String::new(),
        data: BTreeMap::from([("token".to_owned(), value.as_bytes().to_vec())]),
    }
}

async fn inventory(corner: &Corner) -> Inventory {
    corner.cluster.inventory(&corner.settings.state_namespace).await.expect("an inventory").0
}

fn without(inventory: &Inventory, key: &ObjectKey) -> Vec<(ObjectKey, Entry)> {
    inventory.objects.clone().into_iter().filter(|(found, _)| found != key).collect()
}

#[tokio::test]
async fn it_is_in_the_cluster_and_the_rest_is_as_it_was() {
    let mut corner = Corner::new("alone").await;
    let mut sources = corner.sources();
    sources.config_map("base", "map", "one");
    let (first, second) = (secret(&corner, "first"), secret(&corner, "second"));
    let lacking = |secret| lacks(&corner.cluster, secret, &corner.settings);
    assert!(!lacking(&first).await.expect("asked"), "nothing was applied: an apply takes it along");
    corner.apply(&sources).await;
    assert!(lacks(&corner.cluster, &first, &corner.settings).await.expect("asked"));
    // Somebody works on it by hand.
    corner.kubectl(&["patch", "configmap", "map", "--type=merge", "-p", r#"{"data":{"key":"by hand"}}"#]);
    let before = inventory(&corner).await;

    for value in [&first, &second] {
        bring(&corner.cluster, value, &corner.settings).await.expect("brought");
        assert!(!lacks(&corner.cluster, value, &corner.settings).await.expect("asked"));
    }
    assert_eq!(corner.get("secret", "scrape")["data"]["token"], "c2Vjb25k");
    assert_eq!(corner.get("configmap", "map")["data"]["key"], "by hand");
    let after = inventory(&corner).await;
    let key = after.objects.keys().find(|key| key.kind == "Secret").expect("an entry").clone();
    assert_eq!(without(&after, &key), without(&before, &key));
    assert_eq!(
        (after.generation, &after.digest, &after.pending, &after.history),
        (before.generation, &before.digest, &before.pending, &before.history)
    );
    // An apply finds it done, and one that does not declare it removes it.
    corner.secrets = vec![second.clone()];
    let desired = corner.desired(&sources);
    let observation =
        corner.cluster.observe(&desired, &corner.settings.state_namespace).await.expect("observed");
    let plan = plan(&desired, &observation, &corner.settings);
    let verb = plan.actions().find(|action| action.object == key).map(|action| action.verb);
    assert_eq!(verb, Some(Verb::Unchanged), "{plan}");
    corner.secrets.clear();
    corner.apply(&sources).await;
    assert!(!corner.exists("secret", "scrape"));
}

#[tokio::test]
async fn what_is_gone_or_half_done_is_brought_again() {
    let corner = Corner::new("alone").await;
    let sources = corner.sources();
    corner.apply(&sources).await;
    let value = secret(&corner, "first");
    bring(&corner.cluster, &value, &corner.settings).await.expect("brought");
    corner.kubectl(&["delete", "secret", "scrape"]);
    assert!(lacks(&corner.cluster, &value, &corner.settings).await.expect("asked"));
    bring(&corner.cluster, &value, &corner.settings).await.expect("brought");
    assert!(corner.exists("secret", "scrape"));
}

#[tokio::test]
async fn what_somebody_else_wrote_there_is_not_overruled() {
    let corner = Corner::new("alone").await;
    let sources = corner.sources();
    corner.apply(&sources).await;
    bring(&corner.cluster, &secret(&corner, "first"), &corner.settings).await.expect("brought");
    let patch = r#"{"data":{"token":"bWluZQ=="}}"#;
    corner.kubectl(&["patch", "secret", "scrape", "--type=merge", "-p", patch]);
    let second = secret(&corner, "second");
    let error = bring(&corner.cluster, &second, &corner.settings).await.expect_err("a conflict").to_string();
    assert!(error.contains("belongs to"), "{error}");
    assert!(!error.contains("bWluZQ"), "{error}");
    let data: Value = corner.get("secret", "scrape")["data"]["token"].clone();
    assert_eq!(data, "bWluZQ==");
    assert!(lacks(&corner.cluster, &second, &corner.settings).await.expect("asked"), "it is still to do");
}
