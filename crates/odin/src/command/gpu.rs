//! `odin gpu`.

use std::net::SocketAddr;

use odin_supervisor::appliance::Appliance;
use odin_supervisor::gpu;
use odin_supervisor::operations::Outcome;

use crate::args::{Arguments, Gpu};
use crate::failure::{ExitStatus, Failure};

pub(crate) fn run(verb: &Gpu, arguments: &Arguments) -> Result<ExitStatus, Failure> {
    match verb {
        Gpu::List { coverage: true } => Ok(super::render(&gpu::coverage(), arguments.json)),
        Gpu::List { coverage: false } => look(arguments, async |appliance| gpu::list(appliance).await),
        Gpu::Health { record: true } => look(arguments, async |appliance| gpu::record(appliance).await),
        Gpu::Health { record: false } => look(arguments, async |appliance| gpu::health(appliance).await),
        Gpu::Mig(_) => super::supervised(arguments),
        Gpu::Serve { listen } => serve(arguments, *listen),
    }
}

fn look(
    arguments: &Arguments,
    verb: impl AsyncFnOnce(&Appliance) -> odin_supervisor::Result<Outcome>,
) -> Result<ExitStatus, Failure> {
    let appliance = Appliance::load(&arguments.config)?;
    let runtime = runtime()?;
    let outcome = runtime.block_on(verb(&appliance))?;
    // A call of the driver that hangs holds its thread; the process ends all
    // the same.
    runtime.shutdown_background();
    Ok(super::render(&outcome, arguments.json))
}

fn serve(arguments: &Arguments, listen: Option<SocketAddr>) -> Result<ExitStatus, Failure> {
    let appliance = Appliance::load(&arguments.config)?;
    let runtime = runtime()?;
    super::supervise::start_log();
    let listen = listen.map(|address| address.to_string());
    runtime.block_on(gpu::serve(&appliance, listen.as_deref()))?;
    Ok(ExitStatus::Done)
}

/// One thread: the work is in the threads of the GPUs, and each more costs
/// memory.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Own { action: "start".to_owned(), reason: error.to_string() })
}
