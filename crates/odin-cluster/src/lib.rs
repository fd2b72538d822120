//! Manifests in, converged cluster out.
//!
//! A [`bundle`] is what should be there, an [`Observation`] what is there, a
//! [`plan`] the way from one to the other, and [`apply`] walks it. [`health`]
//! says when an object is ready, [`drift`] watches what was applied and puts
//! it back, [`undo`] returns to what was there before, [`probe`] proves that
//! the cluster does what the declaration says. Nothing else in ODIN speaks to
//! Kubernetes.

pub mod apply;
pub mod bundle;
pub mod cluster;
pub mod components;
mod desired;
pub mod drift;
mod error;
mod exec;
pub mod fields;
pub mod health;
pub mod inventory;
mod lease;
pub mod node_remedy;
pub mod node_report;
pub mod object;
mod observation;
mod observe;
pub mod plan;
pub mod probe;
mod settings;
pub mod undo;

pub use bundle::Bundle;
pub use cluster::Cluster;
pub use desired::{DeclaredSecret, Desired, SECRETS};
pub use error::Error;
pub use lease::Lease;
pub use observation::{Live, Observation};
pub use plan::Plan;
pub use settings::Settings;
