//! Secrets are applied first and shown never.

use std::collections::BTreeMap;

use odin_cluster::DeclaredSecret;
use odin_model::event::{Event, Verb};
use serde_json::json;

use super::fixture::Corner;

const VALUE: &str = "correct-horse-battery";

#[tokio::test]
async fn values_of_secrets_appear_nowhere() {
    let mut corner = Corner::new("secret").await;
    let mut sources = corner.sources();
    sources.config_map("base", "map", "one");
    let secret = |value: &str| DeclaredSecret {
        namespace: corner.namespace.clone(),
        name: "password".to_owned(),
        kind: String::new(),
        data: BTreeMap::from([("value".to_owned(), value.as_bytes().to_vec())]),
    };
    let (first, second) = (secret("another-value-altogether"), secret(VALUE));
    corner.secrets = vec![first];
    corner.apply(&sources).await;
    let stored = corner.get("secret", "password");
    assert_eq!(stored["type"], "Opaque");

    corner.secrets = vec![second];
    let desired = corner.desired(&sources);
    let plan = corner.plan(&desired).await;
    let told = std::sync::Mutex::new(String::new());
    let observer = |event: Event| told.lock().unwrap().push_str(&serde_json::to_string(&event).unwrap());
    let changes = odin_cluster::apply::apply(
        &corner.cluster,
        &desired,
        &plan,
        &corner.settings,
        &corner.store,
        &observer,
    )
    .await
    .expect("applied");
    let everything = format!(
        "{plan} {plan:?} {} {changes} {} {} {:?}",
        serde_json::to_string(&plan).unwrap(),
        serde_json::to_string(&changes).unwrap(),
        told.lock().unwrap(),
        corner.secrets,
    );
    // Also not as Kubernetes encodes it.
    for form in [VALUE, "Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5", "another-value"] {
        assert!(!everything.contains(form), "{form} in {everything}");
    }
    let entry = changes.entries.iter().find(|entry| entry.object.starts_with("Secret")).expect("there");
    assert_eq!(entry.verb, Verb::Configured);
    // Nor as a digest: of a short value that is as good as the value.
    assert_eq!(entry.fields[0].to.as_deref(), Some("[hidden]"), "{entry:?}");

    // It goes when it is no longer declared.
    corner.secrets.clear();
    assert_eq!(corner.apply(&sources).await.count(Verb::Deleted), 1);
    assert_eq!(corner.get("configmap", "map")["data"], json!({"key": "one"}));
}
