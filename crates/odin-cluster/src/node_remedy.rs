//! What servers do about a node whose GPUs are not all well, and how it is
//! taken back.
//!
//! A plan is made from what is in the cluster alone, so any server can make
//! the next one: what ODIN did to a node is written on the node, and only that
//! is taken back. A drain evicts pods that have a GPU through the eviction
//! API, so disruption budgets hold; a pod that may not go yet is tried again
//! by the next plan.

mod carry_out;
mod plan;

use std::collections::BTreeSet;
use std::fmt;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

pub use carry_out::{Attempt, Result, attempt};
pub use plan::plan;

/// Key of the taint; pods that tolerate it may come all the same.
pub const TAINT: &str = "odin.local/gpu-unhealthy";
/// Annotation with what ODIN did to the node, by comma.
const MARKS: &str = "odin.local/gpu-remedies";

/// What is done, and when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Taint the node.
    pub taint: bool,
    /// Mark it unschedulable.
    pub cordon: bool,
    /// Evict pods that have a GPU.
    pub drain: bool,
    /// How long a node must be unwell before.
    pub after: SignedDuration,
    /// Nodes that may be acted on at the same time.
    pub maximum_nodes: usize,
}

impl Policy {
    /// Whether nothing is to be done, but to take back what was.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        !(self.taint || self.cordon || self.drain)
    }
}

/// What was done to a node and is to be taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mark {
    /// It has ODIN's taint.
    Taint,
    /// ODIN made it unschedulable.
    Cordon,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Changes the marks of a node to these.
    Mark {
        /// The node.
        node: String,
        /// What is to be on it.
        marks: BTreeSet<Mark>,
        /// What ODIN had done before.
        before: BTreeSet<Mark>,
        /// The version of the node this was planned from.
        version: String,
        /// All its taints afterwards.
        taints: Vec<serde_json::Value>,
        /// Why.
        reason: String,
    },
    /// Evicts a pod.
    Evict {
        /// The node it is on.
        node: String,
        /// Its namespace.
        namespace: String,
        /// Its name.
        pod: String,
        /// Exactly this one.
        uid: String,
    },
}

/// What is to be done now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Plan {
    /// In this order.
    pub steps: Vec<Step>,
    /// Nodes that are unwell and are left alone for now, with the reason.
    pub held: Vec<(String, String)>,
}

impl Mark {
    fn name(self) -> &'static str {
        match self {
            Self::Taint => "taint",
            Self::Cordon => "cordon",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mark { node, marks, before, reason, .. } => {
                let said = |verb: &'static str, of: &BTreeSet<Mark>, without: &BTreeSet<Mark>| {
                    of.difference(without)
                        .map(move |mark| format!("{verb}{}", mark.name()))
                        .collect::<Vec<_>>()
                };
                let words = [said("", marks, before), said("un", before, marks)].concat();
                write!(formatter, "{} node {node}: {reason}", words.join(" and "))
            }
            Self::Evict { node, namespace, pod, .. } => {
                write!(formatter, "evict pod {namespace}/{pod} from node {node}")
            }
        }
    }
}

#[cfg(test)]
mod tests;
