//! What a caller may decide about applying.

use std::time::Duration;

/// Decisions about one apply.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Namespace of the inventory and the lease.
    pub state_namespace: String,
    /// Name of this machine in the lease.
    ///
    /// A lease held under the same name is taken over at once: the caller
    /// holds the machine's own lock, so its former holder is dead.
    pub holder: String,
    /// Generation being applied.
    pub generation: u64,
    /// Permits a generation lower than the one in force.
    pub rollback: bool,
    /// Removals above this number need `confirmed`.
    pub prune_limit: usize,
    /// A person confirmed the plan.
    pub confirmed: bool,
    /// Protected objects that may be pruned: `Kind/namespace/name`, or `Kind/name`
    /// for what has no namespace.
    pub allow_prune: Vec<String>,
    /// Objects whose conflicts are won by force, in the same form.
    pub take_over: Vec<String>,
    /// Requests in flight at once.
    pub concurrency: usize,
    /// How long a lease lives without being renewed.
    pub lease: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            state_namespace: "odin-system".to_owned(),
            holder: "odin".to_owned(),
            generation: 1,
            rollback: false,
            prune_limit: 10,
            confirmed: false,
            allow_prune: Vec::new(),
            take_over: Vec::new(),
            concurrency: 16,
            lease: Duration::from_secs(15),
        }
    }
}

impl Settings {
    /// Whether a list names an object: `Kind/namespace/name`, or `Kind/name`
    /// for what has no namespace.
    #[must_use]
    pub fn names(list: &[String], key: &crate::object::ObjectKey) -> bool {
        let name = match &key.namespace {
            Some(namespace) => format!("{}/{namespace}/{}", key.kind, key.name),
            None => format!("{}/{}", key.kind, key.name),
        };
        list.contains(&name)
    }
}
