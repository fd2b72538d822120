//! Failed requests, sorted by what can be done about them.

use std::time::Duration;

use kube::core::Status;
use serde::{Deserialize, Serialize};

use super::Cluster;
use crate::Error;

/// A request that failed for good.
#[derive(Clone, Debug)]
pub struct Failure {
    status: Option<Box<Status>>,
    reason: String,
    passing: bool,
    waited: Duration,
}

/// A field that another manager owns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldConflict {
    /// The other manager.
    pub manager: String,
    /// The field.
    pub field: String,
    /// Its present value, hashed for secrets; `None` when it cannot be told.
    pub value: Option<String>,
}

impl Failure {
    /// Something failed before a request was sent.
    pub(crate) fn local(reason: String) -> Self {
        Self { status: None, reason, passing: false, waited: Duration::ZERO }
    }

    /// The server took the request and said nothing.
    pub(crate) fn silent(limit: Duration, waited: Duration) -> Self {
        let reason = format!("no answer within {} s", limit.as_secs());
        Self { status: None, reason, passing: true, waited }
    }

    /// Takes an error of kube.
    pub(crate) fn from_kube(error: kube::Error, waited: Duration) -> Self {
        match error {
            kube::Error::Api(status) => {
                let reason = if status.message.trim().is_empty() {
                    status.reason.clone()
                } else {
                    status.message.trim().to_owned()
                };
                let passing = is_passing(&status);
                Self { status: Some(status), reason, passing, waited }
            }
            error @ (kube::Error::Service(_) | kube::Error::HyperError(_) | kube::Error::ReadEvents(_)) => {
                Self { status: None, reason: chain(&error), passing: true, waited }
            }
            // An answer cut short by a dying server.
            kube::Error::SerdeError(error) if error.is_eof() => {
                Self { status: None, reason: "the answer was cut short".to_owned(), passing: true, waited }
            }
            error => Self { status: None, reason: chain(&error), passing: false, waited },
        }
    }

    /// HTTP status, where there was an answer.
    #[must_use]
    pub fn code(&self) -> Option<u16> {
        self.status.as_ref().map(|status| status.code)
    }

    /// What the server, or the network, said.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Whether the same request may succeed later.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        self.passing
    }

    /// How long the server asked to wait.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        let status = self.status.as_ref()?;
        let seconds = status.details.as_ref().map_or(0, |details| details.retry_after_seconds);
        match (seconds, status.code) {
            (0, 429) => Some(Duration::from_secs(1)),
            (0, _) => None,
            // A server that asks for minutes is asked again before that.
            (seconds, _) => Some(Duration::from_secs(u64::from(seconds.min(10)))),
        }
    }

    /// Fields that other managers own, when that is why it failed.
    #[must_use]
    pub fn conflicts(&self) -> Vec<FieldConflict> {
        let details = self
            .status
            .as_ref()
            .filter(|status| status.code == 409)
            .and_then(|status| status.details.as_ref());
        details
            .iter()
            .flat_map(|details| &details.causes)
            .filter(|cause| cause.reason == "FieldManagerConflict")
            .map(|cause| FieldConflict {
                // conflict with "kubectl-edit" using apps/v1 at 2026-...
                manager: cause.message.split('"').nth(1).unwrap_or("unknown").to_owned(),
                field: cause.field.trim_start_matches('.').to_owned(),
                value: None,
            })
            .collect()
    }

    /// Whether the object would have to be made anew.
    pub(crate) fn is_immutable(&self) -> bool {
        self.code() == Some(422)
            && (self.reason.contains("immutable") || self.reason.contains("Forbidden: updates to"))
    }

    /// Turns it into an error that says what was attempted.
    #[must_use]
    pub fn into_error(self, action: &str, cluster: &Cluster) -> Error {
        let action = action.to_owned();
        match self.code() {
            None if self.passing => Error::Unreachable {
                action,
                server: cluster.server().to_owned(),
                waited: self.waited,
                reason: self.reason,
            },
            code => Error::Api { action, code, reason: self.reason },
        }
    }
}

/// Busy, restarting, or beaten by another write.
fn is_passing(status: &Status) -> bool {
    match status.code {
        429 | 500 | 502 | 503 | 504 => true,
        // A namespace on its way out, or credentials not loaded yet.
        403 => status.message.contains("is being terminated") || status.message.contains("not yet been"),
        // Another write came first; a conflict of field managers stays one.
        409 => {
            let causes = status.details.as_ref().map_or(&[][..], |details| &details.causes);
            status.message.contains("please apply your changes to the latest version")
                && !causes.iter().any(|cause| cause.reason == "FieldManagerConflict")
        }
        // A list that took longer than its snapshot lived.
        410 => true,
        _ => false,
    }
}

/// An error and its causes on one line, without repetition.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let said = inner.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = inner.source();
    }
    text
}
