//! Bundles made in a few lines, and a corner of the cluster for each test.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use odin_cluster::apply::{ChangeSet, apply};
use odin_cluster::plan::{Plan, plan};
use odin_cluster::undo::MemoryStore;
use odin_cluster::{Bundle, Cluster, DeclaredSecret, Desired, Error, Settings};
use odin_model::event::Silent;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// A corner of the cluster that no other test touches.
pub(crate) struct Corner {
    pub(crate) cluster: Cluster,
    pub(crate) settings: Settings,
    pub(crate) store: MemoryStore,
    pub(crate) namespace: String,
    pub(crate) secrets: Vec<DeclaredSecret>,
}

pub(crate) fn kubeconfig() -> PathBuf {
    PathBuf::from(
        std::env::var_os("ODIN_TEST_KUBECONFIG").expect("ODIN_TEST_KUBECONFIG names the test cluster"),
    )
}

static CORNERS: AtomicU32 = AtomicU32::new(0);

impl Corner {
    pub(crate) async fn new(name: &str) -> Self {
        let number = CORNERS.fetch_add(1, Ordering::Relaxed);
        let namespace = format!("{name}-{}-{number}", std::process::id());
        let settings = Settings {
            state_namespace: format!("state-{namespace}"),
            holder: "this-machine".to_owned(),
            prune_limit: 5,
            ..Settings::default()
        };
        let cluster = Cluster::connect(&kubeconfig()).await.expect("the test cluster answers");
        Self { cluster, settings, store: MemoryStore::default(), namespace, secrets: Vec::new() }
    }

    pub(crate) fn sources(&self) -> Sources {
        let mut sources = Sources::default();
        sources.component("base", &[]);
        let namespace =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}});
        sources.object("base", namespace);
        sources.namespace.clone_from(&self.namespace);
        sources
    }

    pub(crate) fn desired(&self, sources: &Sources) -> Desired {
        Desired::new(&sources.bundle(), &self.secrets).expect("the declaration is good")
    }

    pub(crate) async fn plan(&self, desired: &Desired) -> Plan {
        let observation =
            self.cluster.observe(desired, &self.settings.state_namespace).await.expect("observed");
        plan(desired, &observation, &self.settings)
    }

    pub(crate) async fn try_apply(&self, sources: &Sources) -> Result<ChangeSet, Error> {
        let desired = self.desired(sources);
        let plan = self.plan(&desired).await;
        apply(&self.cluster, &desired, &plan, &self.settings, &self.store, &Silent).await
    }

    /// Applies and demands that all went well.
    pub(crate) async fn apply(&self, sources: &Sources) -> ChangeSet {
        let changes = self.try_apply(sources).await.expect("applied");
        assert!(changes.succeeded(), "{changes}");
        changes
    }

    /// Runs kubectl as another person would.
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> String {
        let done = std::process::Command::new(
            std::env::var_os("ODIN_TEST_KUBECTL").unwrap_or_else(|| "kubectl".into()),
        )
        .arg("--kubeconfig")
        .arg(kubeconfig())
        .arg("--namespace")
        .arg(&self.namespace)
        .args(arguments)
        .output()
        .expect("kubectl runs");
        assert!(done.status.success(), "kubectl {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).expect("kubectl speaks UTF-8")
    }

    /// Gets an object as JSON.
    pub(crate) fn get(&self, kind: &str, name: &str) -> Value {
        serde_json::from_str(&self.kubectl(&["get", kind, name, "-o", "json", "--show-managed-fields"]))
            .expect("JSON")
    }

    pub(crate) fn exists(&self, kind: &str, name: &str) -> bool {
        !self.kubectl(&["get", kind, name, "--ignore-not-found", "-o", "name"]).is_empty()
    }
}

/// Waits for a condition with a deadline.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(std::time::Instant::now() < deadline, "not within 30 s: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Sources of a bundle, as if rendered.
#[derive(Clone, Default)]
pub(crate) struct Sources {
    components: Vec<(String, Vec<String>, Duration)>,
    objects: Vec<(String, Value)>,
    namespace: String,
    /// No component waits for health.
    pub(crate) ungated: bool,
}

impl Sources {
    pub(crate) fn component(&mut self, name: &str, after: &[&str]) -> &mut Self {
        let after = after.iter().map(|name| (*name).to_owned()).collect();
        self.components.push((name.to_owned(), after, Duration::from_secs(20)));
        self
    }

    pub(crate) fn timeout(&mut self, name: &str, timeout: Duration) -> &mut Self {
        self.components.iter_mut().find(|component| component.0 == name).expect("known").2 = timeout;
        self
    }

    pub(crate) fn object(&mut self, component: &str, value: Value) -> &mut Self {
        self.objects.push((component.to_owned(), value));
        self
    }

    pub(crate) fn config_map(&mut self, component: &str, name: &str, value: &str) -> &mut Self {
        let metadata = json!({"name": name, "namespace": self.namespace});
        self.object(
            component,
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"key": value}}),
        )
    }

    pub(crate) fn without(&mut self, kind: &str, name: &str) -> &mut Self {
        let before = self.objects.len();
        self.objects.retain(|(_, value)| value["kind"] != kind || value["metadata"]["name"] != name);
        assert!(self.objects.len() < before, "{kind} {name} was in the sources");
        self
    }

    pub(crate) fn edit(&mut self, kind: &str, name: &str, change: impl FnOnce(&mut Value)) -> &mut Self {
        let found = self
            .objects
            .iter_mut()
            .find(|(_, value)| value["kind"] == kind && value["metadata"]["name"] == name);
        change(&mut found.expect("in the sources").1);
        self
    }

    pub(crate) fn bundle(&self) -> Bundle {
        let dir = tempfile::tempdir().expect("a directory");
        self.write(dir.path());
        Bundle::open(dir.path()).expect("a good bundle")
    }

    pub(crate) fn write(&self, dir: &std::path::Path) {
        let mut files = BTreeMap::new();
        let mut header = "format = 1\noverlay = \"test\"\n".to_owned();
        for (name, after, timeout) in &self.components {
            let (namespace, seconds) = (&self.namespace, timeout.as_secs());
            header += &format!(
                "[[component]]\nname = \"{name}\"\nnamespace = \"{namespace}\"\nafter = {after:?}\ntimeout = \"{seconds}s\"\ngate = {}\n",
                !self.ungated
            );
        }
        files.insert("bundle.toml".to_owned(), header);
        for (index, (component, value)) in self.objects.iter().enumerate() {
            // JSON is YAML.
            files.insert(format!("{component}/{index:04}.yaml"), value.to_string());
        }
        let mut sums = String::new();
        for (path, text) in &files {
            let full = dir.join(path);
            std::fs::create_dir_all(full.parent().expect("inside")).expect("made");
            std::fs::write(full, text).expect("written");
            let sum: String =
                Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
            sums += &format!("{sum}  {path}\n");
        }
        std::fs::write(dir.join("SHA256SUMS"), sums).expect("written");
    }
}

/// A deployment that a cluster without nodes finds healthy.
pub(crate) fn deployment(namespace: &str, name: &str, replicas: i64) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{
                    "name": "main", "image": "odin.local/busybox:1",
                    "ports": [{"containerPort": 80}],
                    "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
                    "resources": {"requests": {"cpu": "1000m", "memory": "1024Mi"}, "limits": {"memory": "2Gi"}},
                }]},
            },
        },
    })
}
