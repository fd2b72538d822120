//! Winning against a change that server-side apply cannot win against.
//!
//! Apply merges lists by key and removes no item that another manager added.
//! Someone who changes a port's number has made another item, and both may be
//! invalid together (one name twice): the API server then refuses every apply.
//! Declared lists are put back as a whole first, which a merge patch does
//! (RFC 7386), and applied afterwards.

use kube::api::{Patch, PatchParams};
use kube::core::Request;
use serde_json::{Map, Value};

use super::{Cluster, Failure, Mode, Resource};
use crate::object::ObjectKey;
use crate::undo;

impl Cluster {
    /// Applies by force; where that is invalid because of what others added to
    /// declared lists, puts those lists back as a whole.
    pub(crate) async fn overrule(
        &self,
        resource: &Resource,
        key: &ObjectKey,
        value: &Value,
    ) -> Result<Value, Failure> {
        let refused = match self.patch(resource, key, value, Mode::Force).await {
            Err(failure) if failure.code() == Some(422) && !failure.is_immutable() => failure,
            other => return other,
        };
        let Some(lists) = lists(value) else { return Err(refused) };
        let params = PatchParams { field_manager: Some(undo::MANAGER.to_owned()), ..PatchParams::default() };
        let request = Request::new(resource.path(key.namespace.as_deref()))
            .patch(&key.name, &params, &Patch::Merge(&lists))
            .map_err(|error| error.to_string());
        // The first refusal says more about the object than a second.
        if self.call::<Value>(request).await.is_err() {
            return Err(refused);
        }
        let live = self.patch(resource, key, value, Mode::Force).await?;
        undo::disown(self, resource, key, live).await
    }
}

/// The declared lists and the way to them; none when nothing is a list.
fn lists(declared: &Value) -> Option<Value> {
    fn below(value: &Value) -> Option<Value> {
        match value {
            Value::Array(_) => Some(value.clone()),
            Value::Object(map) => {
                let kept: Map<String, Value> =
                    map.iter().filter_map(|(name, value)| Some((name.clone(), below(value)?))).collect();
                (!kept.is_empty()).then_some(Value::Object(kept))
            }
            _ => None,
        }
    }
    let mut body = declared.clone();
    // Finalizers and owners belong to others, too.
    body.as_object_mut()?.remove("metadata");
    below(&body)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_lists_and_the_way_to_them_are_put_back() {
        let declared = json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "a", "finalizers": ["b"]},
            "spec": {"type": "ClusterIP", "selector": {"app": "a"}, "ports": [{"name": "http", "port": 80}]},
        });
        assert_eq!(lists(&declared), Some(json!({"spec": {"ports": [{"name": "http", "port": 80}]}})));
        assert_eq!(lists(&json!({"kind": "ConfigMap", "data": {"a": "b"}})), None);
    }
}
