//! `odin bundle`.

use odin_supervisor::operations::{Outcome, bundle};

use crate::args::Bundle;
use crate::failure::{ExitStatus, Failure};

pub(crate) fn run(verb: &Bundle, json: bool) -> Result<ExitStatus, Failure> {
    let outcome = match verb {
        Bundle::Build { overlay, with, output, helm, kubectl } => {
            let (overlay, with, output) = (overlay.clone(), with.clone(), output.clone());
            let (helm, kubectl) = (helm.clone(), kubectl.clone());
            build(move || bundle::build(&overlay, &with, &output, &helm, &kubectl), json)?
        }
        Bundle::Lint { dir } => bundle::lint(dir),
        Bundle::Show { dir } => bundle::show(dir)?,
    };
    Ok(super::render(&outcome, json))
}

/// Renders on a thread of its own, so that Ctrl-C is heard meanwhile and the
/// build can end before its next component.
fn build(
    work: impl FnOnce() -> odin_supervisor::Result<Outcome> + Send + 'static,
    json: bool,
) -> Result<Outcome, Failure> {
    super::runtime()?.block_on(async {
        let interruption = super::interruption();
        let mut work = tokio::task::spawn_blocking(work);
        let done = tokio::select! {
            () = interruption => {
                super::end_cleanly(json);
                work.await
            }
            done = &mut work => done,
        };
        done.map_err(|error| Failure::Own { action: "build a bundle".to_owned(), reason: error.to_string() })?
            .map_err(super::stopped)
    })
}
