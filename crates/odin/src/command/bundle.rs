//! `odin bundle`.

use odin_supervisor::operations::bundle;

use crate::args::Bundle;
use crate::failure::{ExitStatus, Failure};

pub(crate) fn run(verb: &Bundle, json: bool) -> Result<ExitStatus, Failure> {
    let outcome = match verb {
        Bundle::Build { overlay, output, helm, kubectl } => bundle::build(overlay, output, helm, kubectl)?,
        Bundle::Lint { dir } => bundle::lint(dir),
        Bundle::Show { dir } => bundle::show(dir)?,
    };
    Ok(super::render(&outcome, json))
}
