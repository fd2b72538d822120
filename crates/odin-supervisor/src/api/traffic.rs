//! What is counted of the API's requests.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// Counters of requests and refusals.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    requests: Family<Requests, Counter>,
    refused: Family<Refused, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Requests {
    code: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Refused {
    reason: &'static str,
}

impl Traffic {
    pub(super) fn answered(&self, code: u16) {
        self.requests.get_or_create(&Requests { code }).inc();
    }

    pub(super) fn refused(&self, reason: &'static str) {
        self.refused.get_or_create(&Refused { reason }).inc();
    }

    /// Registers the counters.
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register("api_requests", "Requests of the API over TCP, by status", self.requests.clone());
        registry.register(
            "api_refused_tokens",
            "Tokens the API refused: unknown, expired, or of another scope",
            self.refused.clone(),
        );
    }
}
