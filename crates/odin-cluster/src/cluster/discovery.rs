//! Which kinds the API server serves, and under which paths.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use kube::api::ApiResource;
use serde_json::Value;

use super::Cluster;
use crate::Error;
use crate::object::Gvk;

/// Media type of the list of everything that is served.
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// A kind as the API server serves it.
#[derive(Clone, Debug)]
pub struct Resource {
    api: ApiResource,
    gvk: Gvk,
    namespaced: bool,
}

impl Resource {
    /// The core group's resource of this name, always served.
    pub(crate) fn core(kind: &str, plural: &str, namespaced: bool) -> Self {
        Self::new(Gvk::new("v1", kind), plural, namespaced)
    }

    /// A built-in resource, known without asking.
    pub(crate) fn new(gvk: Gvk, plural: &str, namespaced: bool) -> Self {
        let api = ApiResource {
            group: gvk.group.clone(),
            version: gvk.version.clone(),
            api_version: gvk.api_version(),
            kind: gvk.kind.clone(),
            plural: plural.to_owned(),
        };
        Self { api, gvk, namespaced }
    }

    /// Group, version and kind.
    #[must_use]
    pub fn gvk(&self) -> &Gvk {
        &self.gvk
    }

    /// Name in paths, for example `deployments`.
    #[must_use]
    pub fn plural(&self) -> &str {
        &self.api.plural
    }

    /// Whether its objects live in namespaces.
    #[must_use]
    pub fn namespaced(&self) -> bool {
        self.namespaced
    }

    pub(crate) fn api(&self) -> &ApiResource {
        &self.api
    }

    pub(crate) fn path(&self, namespace: Option<&str>) -> String {
        let root = if self.api.group.is_empty() { "/api" } else { "/apis" };
        let (version, plural) = (&self.api.api_version, &self.api.plural);
        match namespace.filter(|_| self.namespaced) {
            Some(namespace) => format!("{root}/{version}/namespaces/{namespace}/{plural}"),
            None => format!("{root}/{version}/{plural}"),
        }
    }
}

/// Everything that is served.
#[derive(Debug)]
pub(super) struct Served {
    kinds: HashMap<Gvk, Resource>,
    asked: Instant,
}

impl Served {
    /// Asks the server: two requests, each repeated by itself.
    pub(super) async fn ask(cluster: &Cluster) -> Result<Self, Error> {
        let (mut kinds, asked) = (HashMap::new(), Instant::now());
        for path in ["/api", "/apis"] {
            let request = http::Request::get(path).header(http::header::ACCEPT, AGGREGATED).body(Vec::new());
            let answer: Value = cluster
                .call(request.map_err(|error| error.to_string()))
                .await
                .map_err(|failure| failure.into_error("ask which kinds the API server serves", cluster))?;
            read(&answer, &mut kinds);
        }
        Ok(Self { kinds, asked })
    }

    pub(super) fn get(&self, gvk: &Gvk) -> Option<Resource> {
        self.kinds.get(gvk).cloned()
    }

    /// How long ago the server was asked.
    pub(super) fn age(&self) -> Duration {
        self.asked.elapsed()
    }
}

/// Reads an `APIGroupDiscoveryList`.
fn read(answer: &Value, kinds: &mut HashMap<Gvk, Resource>) {
    let list =
        |value: &Value, name: &str| value.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let text = |value: &Value, path: &str| {
        value.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    for group in list(answer, "items") {
        for version in list(&group, "versions") {
            for resource in list(&version, "resources") {
                let gvk = Gvk {
                    group: text(&group, "/metadata/name"),
                    version: text(&version, "/version"),
                    kind: text(&resource, "/responseKind/kind"),
                };
                let namespaced = resource["scope"] == "Namespaced";
                kinds.insert(gvk.clone(), Resource::new(gvk, &text(&resource, "/resource"), namespaced));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_follow_group_and_scope() {
        let answer = json!({"items": [
            {"metadata": {}, "versions": [{"version": "v1", "resources": [
                {"resource": "nodes", "responseKind": {"group": "", "version": "v1", "kind": "Node"}, "scope": "Cluster"},
                {"resource": "pods", "responseKind": {"group": "", "version": "v1", "kind": "Pod"}, "scope": "Namespaced"},
            ]}]},
            {"metadata": {"name": "apps"}, "versions": [{"version": "v1", "resources": [
                {"resource": "deployments", "responseKind": {"kind": "Deployment"}, "scope": "Namespaced"},
            ]}]},
        ]});
        let mut kinds = HashMap::new();
        read(&answer, &mut kinds);
        let table = [
            ("v1", "Node", Some("ignored"), "/api/v1/nodes"),
            ("v1", "Pod", None, "/api/v1/pods"),
            ("v1", "Pod", Some("a"), "/api/v1/namespaces/a/pods"),
            ("apps/v1", "Deployment", Some("a"), "/apis/apps/v1/namespaces/a/deployments"),
        ];
        for (api_version, kind, namespace, path) in table {
            let found = kinds.get(&Gvk::new(api_version, kind)).map(|resource| resource.path(namespace));
            assert_eq!(found.as_deref(), Some(path));
        }
        assert_eq!(kinds.len(), 3);
    }
}
