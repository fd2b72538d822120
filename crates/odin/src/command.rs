//! One function a command: requests go to the supervisor's operations, the
//! rest is done here.

mod bundle;
mod config;
mod gpu;
mod host;
mod install;
mod logs;
mod supervise;
mod token;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use odin_model::event::{Event, Observer};
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
        Verb::Host(verb) => host::run(verb, arguments),
        Verb::Install(verb) => install::run(verb, arguments.json),
        Verb::Gpu(verb) => gpu::run(verb, arguments),
        Verb::Logs(verb) => logs::run(verb, arguments),
        Verb::Token(verb) => token::run(verb, arguments),
        _ => supervised(arguments),
    }
}

/// Runs what the supervisor does, in the daemon where it runs.
fn supervised(arguments: &Arguments) -> Result<ExitStatus, Failure> {
    let runtime = runtime()?;
    let verb = &arguments.verb;
    if let Verb::Job { base } = verb {
        let ended = runtime.block_on(supervise::job(base));
        // Neither is a driver call that hangs.
        runtime.shutdown_background();
        return ended.map(|()| ExitStatus::Done);
    }
    let other = verb.other_repository();
    let appliance = match &other {
        Some((repository, password_file)) => {
            Appliance::load_with_repository(&arguments.config, repository, password_file)?
        }
        None => Appliance::load(&arguments.config)?,
    };
    let ended = match verb.request() {
        // The daemon knows the declared repository only.
        Some(request) => runtime.block_on(carry_out(
            arguments.local || other.is_some(),
            arguments.json,
            appliance,
            request,
        )),
        None => runtime.block_on(supervise::run(appliance)),
    };
    // What was left at its work after Ctrl-C is not waited for.
    runtime.shutdown_background();
    ended
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::Own { action: "start".to_owned(), reason: error.to_string() })
}

async fn carry_out(
    local: bool,
    json: bool,
    appliance: Appliance,
    request: Request,
) -> Result<ExitStatus, Failure> {
    let observer: Arc<dyn Observer> = progress::observer(json);
    let daemon = if local || request.is_local() { None } else { client::connect(&appliance).await };
    let outcome = if let Some(daemon) = daemon {
        tokio::select! {
            biased;
            () = interruption() => {
                return Err(Failure::Interrupted {
                    state: "the daemon goes on with it",
                    hint: "`odin status` shows how it ends",
                });
            }
            outcome = daemon.run(&request, &*observer) => outcome.map_err(Failure::Remote)?,
        }
    } else if request.ends_by_itself() {
        // On a task of its own: work on bytes blocks the thread that waits here.
        let interruption = interruption();
        let listener = tokio::spawn(async move {
            interruption.await;
            end_cleanly(json);
        });
        let outcome = operations::run(&appliance, request, observer).await;
        listener.abort();
        outcome.map_err(stopped)?
    } else if request.may_be_left() {
        let interruption = interruption();
        let left = Arc::new(AtomicBool::new(false));
        let told: Arc<dyn Observer> = Arc::new({
            let left = Arc::clone(&left);
            move |event: Event| {
                if !left.load(Ordering::SeqCst) {
                    observer.event(event);
                }
            }
        });
        let work = tokio::spawn(async move { operations::run(&appliance, request, told).await });
        tokio::select! {
            biased;
            () = interruption => {
                left.store(true, Ordering::SeqCst);
                return Err(Failure::Interrupted {
                    state: "nothing live was touched",
                    hint: "call it again; it removes what this one left",
                });
            }
            outcome = work => outcome.map_err(|error| Failure::Own {
                action: "finish".to_owned(),
                reason: error.to_string(),
            })??,
        }
    } else {
        tokio::select! {
            biased;
            () = interruption() => {
                return Err(Failure::Interrupted {
                    state: "what was done so far is kept",
                    hint: "call it again; it goes on from there",
                });
            }
            outcome = operations::run(&appliance, request, observer) => outcome?,
        }
    };
    let status = render(&outcome, json);
    if outcome.reboot {
        odin_supervisor::operations::reboot()?;
    }
    Ok(status)
}

/// Asks the operation of this process to end at its next step.
fn end_cleanly(json: bool) {
    interrupt::request();
    let message = "interrupted: ending cleanly, this can take a moment";
    if json {
        progress::observer(json).event(Event::Warning { message: message.to_owned() });
    } else {
        words::tell(message);
    }
}

/// An operation that ended because it was told to did not fail.
fn stopped(error: odin_supervisor::Error) -> Failure {
    if error.is_stopped() { Failure::Stopped(error) } else { Failure::from(error) }
}

/// Ctrl-C or SIGTERM, listened for from the moment of the call.
pub(super) fn interruption() -> impl Future<Output = ()> + Send {
    use tokio::signal::unix::{SignalKind, signal};
    let signals = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    async move {
        let (Ok(mut interrupt), Ok(mut terminate)) = signals else {
            return std::future::pending().await;
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
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
