//! Changes of parts of an object that is somebody else's: a node's labels,
//! condition and taints, and the eviction of a pod.

use kube::api::{Patch, PatchParams, PostParams};
use kube::core::Request;
use serde_json::{Value, json};

use super::{Cluster, Failure, Resource};
use crate::fields::FIELD_MANAGER;
use crate::object::ObjectKey;

impl Cluster {
    /// Changes fields of an object that exists; `null` removes one. With a
    /// `resourceVersion` in it, only that version is changed.
    pub(crate) async fn merge(
        &self,
        resource: &Resource,
        key: &ObjectKey,
        change: &Value,
        dry_run: bool,
    ) -> Result<Value, Failure> {
        let params =
            PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), dry_run, ..PatchParams::default() };
        let request = Request::new(resource.path(key.namespace.as_deref()))
            .patch(&key.name, &params, &Patch::Merge(change))
            .map_err(|error| error.to_string());
        self.call(request).await
    }

    /// Changes the status of an object; lists are merged by their keys, so
    /// that one condition leaves the others alone.
    pub(crate) async fn merge_status(
        &self,
        resource: &Resource,
        key: &ObjectKey,
        change: &Value,
    ) -> Result<Value, Failure> {
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let request = Request::new(resource.path(key.namespace.as_deref()))
            .patch_subresource("status", &key.name, &params, &Patch::Strategic(change))
            .map_err(|error| error.to_string());
        self.call(request).await
    }

    /// Asks for the eviction of exactly this pod. A disruption budget that
    /// forbids it is a failure with the code 429.
    pub(crate) async fn evict(
        &self,
        namespace: &str,
        name: &str,
        uid: &str,
        dry_run: bool,
    ) -> Result<(), Failure> {
        let pods = Resource::core("Pod", "pods", true);
        let mut eviction = json!({
            "apiVersion": "policy/v1", "kind": "Eviction",
            "metadata": {"name": name, "namespace": namespace},
            "deleteOptions": {"preconditions": {"uid": uid}},
        });
        if dry_run {
            eviction["deleteOptions"]["dryRun"] = json!(["All"]);
        }
        let params = PostParams { dry_run, field_manager: Some(FIELD_MANAGER.to_owned()) };
        let request = Request::new(pods.path(Some(namespace)))
            .create_subresource("eviction", name, &params, eviction.to_string().into_bytes())
            .map_err(|error| error.to_string());
        match self.call::<Value>(request).await {
            Ok(_) => Ok(()),
            // It went meanwhile, or another of its name took its place.
            Err(failure) if failure.code() == Some(404) => Ok(()),
            Err(failure) => Err(failure),
        }
    }
}
