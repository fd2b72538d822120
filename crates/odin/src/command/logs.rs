//! `odin logs`.

use odin_supervisor::appliance::Appliance;
use odin_supervisor::journal;

use crate::args::{Arguments, Logs};
use crate::failure::{ExitStatus, Failure};

pub(crate) fn run(verb: &Logs, arguments: &Arguments) -> Result<ExitStatus, Failure> {
    match verb {
        Logs::Journal => {
            let appliance = Appliance::load(&arguments.config)?;
            let runtime = super::gpu::runtime()?;
            super::supervise::start_log();
            runtime.block_on(journal::follow(&appliance))?;
            Ok(ExitStatus::Done)
        }
    }
}
