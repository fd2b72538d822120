//! One function a command: requests go to the supervisor's operations, the
//! rest is done here.

mod bundle;
mod config;
mod install;
mod supervise;

use std::sync::Arc;

use odin_model::event::Observer;
use odin_supervisor::appliance::Appliance;
use odin_supervisor::operations::{self, Outcome, Request, Status};
use odin_supervisor::{client, interrupt};

use crate::args::{Arguments, Verb};
use crate::failure::{ExitStatus, Failure};
use crate::{progress, words};

/// Runs what was typed and gives the status to end with.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitStatus, Failure> {
    match &arguments.verb {
        Verb::Config(verb) => config::run(verb, arguments),
        Verb::Bundle(verb) => bundle::run(verb, arguments.json),
        Verb::Install(verb) => install::run(verb, arguments.json),
        verb => {
            let runtime =
                tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(
                    |error| Failure::Own { action: "start".to_owned(), reason: error.to_string() },
                )?;
            if let Verb::Job { base } = verb {
                runtime.block_on(supervise::job(base))?;
                return Ok(ExitStatus::Done);
            }
            let other = verb.other_repository();
            let appliance = match &other {
                Some((repository, password_file)) => {
                    Appliance::load_with_repository(&arguments.config, repository, password_file)?
                }
                None => Appliance::load(&arguments.config)?,
            };
            match verb.request() {
                // The daemon knows the declared repository only.
                Some(request) => runtime.block_on(carry_out(
                    arguments.local || other.is_some(),
                    arguments.json,
                    appliance,
                    request,
                )),
                None => runtime.block_on(supervise::run(appliance)),
            }
        }
    }
}

async fn carry_out(
    local: bool,
    json: bool,
    appliance: Appliance,
    request: Request,
) -> Result<ExitStatus, Failure> {
    let observer: Arc<dyn Observer> = progress::observer(json);
    let waits = request.ends_by_itself();
    let operation = async {
        if !local
            && !request.is_local()
            && let Some(daemon) = client::connect(&appliance).await
        {
            return daemon.run(&request, &*observer).await.map_err(Failure::Remote);
        }
        operations::run(&appliance, request.clone(), Arc::clone(&observer)).await.map_err(Failure::from)
    };
    tokio::pin!(operation);
    let outcome = tokio::select! {
        outcome = &mut operation => outcome?,
        () = interruption() => {
            if waits {
                interrupt::request();
                words::tell("interrupted: ending cleanly, this can take a moment");
                operation.await?
            } else {
                return Err(Failure::Interrupted("what was done so far is kept, the next call goes on from there"));
            }
        }
    };
    Ok(render(&outcome, json))
}

/// Ctrl-C or SIGTERM.
pub(super) async fn interruption() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

fn render(outcome: &Outcome, json: bool) -> ExitStatus {
    if json {
        words::show_json(&outcome.data);
    } else {
        words::show(&outcome.text);
    }
    match outcome.status {
        Status::Done => ExitStatus::Done,
        Status::Failed => ExitStatus::Failed,
        Status::Pending => ExitStatus::Pending,
    }
}
