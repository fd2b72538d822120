//! The listener as its enemies see it.

mod attacks;
mod client;
mod login;
mod tokens;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use odin_model::config::{Api, Config};

use super::limits::Limits;
use super::{facts, listener, routes};
use crate::appliance::Appliance;
use crate::daemon::Shared;
use crate::tls::{Authority, Certificate};
use crate::tokens::{Scope, Tokens};
use client::Client;

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// A listener of a machine whose cluster does not answer, and whoever trusts it.
struct Server {
    client: Client,
    tokens: Tokens,
    appliance: Appliance,
    task: tokio::task::JoinHandle<()>,
    _state: tempfile::TempDir,
}

impl Server {
    async fn start(limits: Limits) -> Self {
        let state = tempfile::tempdir().expect("a directory");
        let mut config = Config::default();
        config.host.state_dir = state.path().to_owned();
        config.host.kubeconfig = state.path().join("no-kubeconfig");
        config.api = Some(Api { listen: "127.0.0.1:0".into(), ..Api::default() });
        let appliance = Appliance { config, site_keys: Vec::new(), file: "odin.toml".into() };
        let bound = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = bound.local_addr().expect("an address");
        let authority = Authority::of(&appliance).expect("an authority");
        let client = Client::new(address, authority.certificate());
        let names = crate::tls::names(&appliance);
        let certificate = Certificate::new(authority, names, Timestamp::now()).expect("a certificate");
        let shared = Arc::new(Shared::new(appliance.clone()));
        let router = routes::router(Arc::new(facts::Facts::new(shared)));
        let serving = listener::serve(bound, certificate.server().expect("TLS"), router, limits);
        let tokens = Tokens::of(&appliance);
        Self { client, tokens, appliance, task: tokio::spawn(serving), _state: state }
    }

    fn token(&self, name: &str, scope: Scope) -> String {
        self.tokens.create(name, scope, DAY, Timestamp::now()).expect("a token").1
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}
