//! Reading over TCP: the API and the page, behind TLS and tokens.
//!
//! Nothing here changes the machine. The only thing that changes at all is the
//! cookie of a browser, by the page's own login.
//!
//! [`listener`] takes connections and bounds them, [`guard`] bounds requests,
//! answers with safe headers and asks for tokens, [`routes`] is what can be
//! read, [`page`] the same for people, [`facts`] where both have it from.

mod facts;
mod guard;
mod limits;
mod listener;
mod openapi;
mod page;
mod problem;
mod routes;
mod traffic;
mod troubles;
mod view;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::net::TcpListener;

use crate::daemon::Shared;
use crate::tls::{self, Authority, Certificate};
use crate::{Error, Result, scrape};
pub(crate) use traffic::Traffic;

/// How often names, certificate and the token of Prometheus are looked at.
const LOOK: Duration = Duration::from_secs(3600);
/// How often while the cluster has not got the token: an apply that is under way
/// takes it along, a backup has the machine's lock, the API server is away.
const SOON: Duration = Duration::from_secs(60);

/// Pause before a listener that could not be opened is tried again: its address
/// may come later than the supervisor.
const AGAIN: Duration = Duration::from_secs(30);

/// Makes what Prometheus needs, where it is declared, so that the first apply
/// takes it along.
pub(crate) fn prepare(shared: &Shared) {
    if shared.appliance.config.api.is_none() {
        return;
    }
    let made = Authority::of(&shared.appliance)
        .and_then(|authority| scrape::refresh(&shared.appliance, &authority, Timestamp::now(), None));
    if let Err(error) = made {
        tracing::error!(%error, "the credentials of the API cannot be made; trying again");
    }
}

/// Serves for ever, where it is declared. Whatever stands against it, the rest
/// of the supervisor goes on.
pub(crate) async fn run(shared: Arc<Shared>) {
    let Some(declared) = shared.appliance.config.api.clone() else { return };
    loop {
        if let Err(error) = serve(&shared, &declared.listen).await {
            tracing::error!(%error, "the API is not served; trying again");
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Serves until the task is aborted.
///
/// # Errors
/// When the address cannot be listened on, or the credentials cannot be made.
async fn serve(shared: &Arc<Shared>, listen: &str) -> Result<()> {
    let bound = TcpListener::bind(listen).await.map_err(|error| Error::Host {
        action: format!("listen on {listen}"),
        reason: error.to_string(),
        hint: "declare another api.listen, or end what has the port",
    })?;
    let appliance = &shared.appliance;
    let authority = Authority::of(appliance)?;
    let certificate = Certificate::new(authority, tls::names(appliance), Timestamp::now())?;
    let router = routes::router(Arc::new(facts::Facts::new(Arc::clone(shared))));
    let serving = listener::serve(bound, certificate.server()?, router, limits::Limits::default());
    tracing::info!(listen, "serving the API");
    tokio::join!(serving, keep_fresh(shared, &certificate));
    Ok(())
}

/// Looks after certificate and scrape token for ever; also after each operation
/// that may have changed them: a restore brings an older token.
async fn keep_fresh(shared: &Shared, certificate: &Certificate) {
    let mut changed = shared.changed.subscribe();
    let (mut pause, mut told) = (SOON, String::new());
    loop {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = changed.changed() => {}
        }
        if shared.restoring.load(std::sync::atomic::Ordering::SeqCst) {
            continue;
        }
        let now = Timestamp::now();
        match certificate.renew(tls::names(&shared.appliance), now) {
            Ok(true) => tracing::info!("the server certificate was made anew"),
            Ok(false) => {}
            Err(error) => tracing::error!(%error, "the server certificate cannot be made anew; trying again"),
        }
        // Each turn compares anew, so nothing has to be remembered.
        pause = match scrape::keep_in_cluster(&shared.appliance, certificate.authority(), now).await {
            Ok(()) => {
                told.clear();
                LOOK
            }
            Err(error) => {
                let reason = error.to_string();
                if reason != told {
                    tracing::warn!(%error, "Prometheus has not got the token of this machine; trying again");
                }
                told = reason;
                SOON
            }
        };
    }
}

#[cfg(test)]
mod tests;
