//! `odin token`.

use odin_supervisor::appliance::Appliance;
use odin_supervisor::operations::token;

use crate::args::{Arguments, Token};
use crate::failure::{ExitStatus, Failure};

/// In this process, also while the daemon runs: it reads the same files.
pub(crate) fn run(verb: &Token, arguments: &Arguments) -> Result<ExitStatus, Failure> {
    let appliance = Appliance::load(&arguments.config)?;
    let outcome = match verb {
        Token::Create { name, scope, expires } => token::create(&appliance, name, *scope, *expires)?,
        Token::List => token::list(&appliance)?,
        Token::Revoke { name } => token::revoke(&appliance, name)?,
    };
    Ok(super::render(&outcome, arguments.json))
}
