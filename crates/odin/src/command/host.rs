//! `odin host`.

use odin_supervisor::operations::host;

use crate::args::{Arguments, Host};
use crate::failure::{ExitStatus, Failure};

/// In this process: it is called before there is a daemon.
pub(crate) fn run(verb: &Host, arguments: &Arguments) -> Result<ExitStatus, Failure> {
    let outcome = match verb {
        Host::Plan => host::plan(&arguments.config)?,
        Host::Apply => host::apply(&arguments.config)?,
    };
    Ok(super::render(&outcome, arguments.json))
}
