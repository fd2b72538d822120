//! `odin`: arguments in, words and an exit status out.

mod args;
mod command;
mod failure;
mod progress;
mod words;

use std::process::ExitCode;

use clap::Parser;

use crate::args::Arguments;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return failure::of_arguments(&error),
    };
    match command::run(&arguments) {
        Ok(status) => status.into(),
        Err(error) => failure::report(&error, arguments.json).into(),
    }
}
