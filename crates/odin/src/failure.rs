//! Exit statuses, and the one form every error takes.
//!
//! Kind decides the status: 64 for bad usage or configuration, 1 for an
//! attempt that failed, 130 for an interruption.

use std::error::Error as _;
use std::process::ExitCode;

use odin_supervisor::{Error, client};

use crate::words;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExitStatus {
    /// Done, or converged.
    Done,
    /// Failed.
    Failed,
    /// Changes are pending.
    Pending,
    /// Bad usage or configuration (`EX_USAGE` of sysexits.h).
    Usage,
    /// Ended by Ctrl-C (128 + SIGINT, as shells report it).
    Interrupted,
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(match status {
            ExitStatus::Done => 0,
            ExitStatus::Failed => 1,
            ExitStatus::Pending => 2,
            ExitStatus::Usage => 64,
            ExitStatus::Interrupted => 130,
        })
    }
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// An operation failed.
    #[error(transparent)]
    Operation(#[from] Error),
    /// The daemon failed it; its words.
    #[error("{}", .0.message)]
    Remote(client::Failure),
    /// This program could not do its own part.
    #[error("cannot {action}: {reason}")]
    Own {
        /// What was attempted.
        action: String,
        /// Why it failed.
        reason: String,
    },
    /// A file that was given is not what it should be.
    #[error("cannot {action}: {reason}")]
    Input {
        /// What was attempted.
        action: String,
        /// Why it failed.
        reason: String,
        /// What to give in its place.
        hint: &'static str,
    },
    /// Ctrl-C or SIGTERM, and nothing was waited for.
    #[error("interrupted: {state}")]
    Interrupted {
        /// What is true now.
        state: &'static str,
        /// How it goes on.
        hint: &'static str,
    },
    /// Ctrl-C or SIGTERM, and the operation came to a clean end.
    #[error("interrupted: {0}")]
    Stopped(#[source] Error),
}

impl Failure {
    fn status(&self) -> ExitStatus {
        match self {
            Self::Operation(error) if error.is_usage() => ExitStatus::Usage,
            Self::Remote(failure) if failure.usage => ExitStatus::Usage,
            Self::Input { .. } => ExitStatus::Usage,
            Self::Interrupted { .. } | Self::Stopped(_) => ExitStatus::Interrupted,
            _ => ExitStatus::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Operation(error) | Self::Stopped(error) => error.hint(),
            Self::Remote(failure) => failure.hint.clone(),
            Self::Input { hint, .. } | Self::Interrupted { hint, .. } => Some((*hint).to_owned()),
            Self::Own { .. } => None,
        }
    }

    /// The error and its causes in one line; a cause that its error already
    /// told is not told twice.
    fn message(&self) -> String {
        let mut message = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !message.contains(&text) {
                message = format!("{message}: {text}");
            }
            cause = error.source();
        }
        message
    }
}

/// Writes an error to stderr and gives the status it ends with.
pub(crate) fn report(failure: &Failure, json: bool) -> ExitStatus {
    let message = failure.message();
    let hint = failure.hint();
    if json {
        words::tell_json(&serde_json::json!({ "error": message, "hint": hint }));
    } else {
        words::tell(&format!("error: {message}"));
        if let Some(hint) = hint {
            words::tell(&format!("hint: {hint}"));
        }
    }
    failure.status()
}

/// Writes what clap has to say. Help and version are asked for, so they are
/// data and no failure.
pub(crate) fn of_arguments(error: &clap::Error) -> ExitCode {
    let text = error.render();
    if error.use_stderr() {
        words::tell(text.to_string().trim_end());
        ExitStatus::Usage.into()
    } else {
        words::show(text.to_string().trim_end());
        ExitStatus::Done.into()
    }
}
