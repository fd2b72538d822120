//! `odin gpu`.

use odin_supervisor::appliance::Appliance;
use odin_supervisor::gpu;

use crate::args::{Arguments, Gpu};
use crate::failure::{ExitStatus, Failure};

pub(crate) fn run(verb: &Gpu, arguments: &Arguments) -> Result<ExitStatus, Failure> {
    if let Gpu::List { coverage: true } = verb {
        return Ok(super::render(&gpu::coverage(), arguments.json));
    }
    let appliance = Appliance::load(&arguments.config)?;
    // One thread: the work is in the threads of the GPUs, and each more costs
    // memory.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Own { action: "start".to_owned(), reason: error.to_string() })?;
    let outcome = match verb {
        Gpu::List { .. } => runtime.block_on(gpu::list(&appliance))?,
        Gpu::Health { record: true } => runtime.block_on(gpu::record(&appliance))?,
        Gpu::Health { record: false } => runtime.block_on(gpu::health(&appliance))?,
        Gpu::Serve { listen } => {
            super::supervise::start_log();
            let listen = listen.map(|address| address.to_string());
            runtime.block_on(gpu::serve(&appliance, listen.as_deref()))?;
            return Ok(ExitStatus::Done);
        }
    };
    // A call of the driver that hangs holds its thread; the process ends all
    // the same.
    runtime.shutdown_background();
    Ok(super::render(&outcome, arguments.json))
}
