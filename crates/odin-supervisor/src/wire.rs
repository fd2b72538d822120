//! What crosses the control socket and a job's files: one JSON value a line.

use odin_model::event::Event;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::operations::Outcome;

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Line {
    /// Something happened; more follows.
    Event(Event),
    /// The end: what came of it.
    Outcome(Outcome),
    /// The end: why it failed.
    Failure(Failure),
}

/// An error in words, as the other side shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Failure {
    /// The error and its causes.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Whether the request or declaration is at fault.
    pub usage: bool,
    /// Whether another operation was in the way and this one did not begin.
    #[serde(default)]
    pub busy: bool,
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        let mut message = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(source) = cause {
            let text = source.to_string();
            if !message.contains(&text) {
                message = format!("{message}: {text}");
            }
            cause = source.source();
        }
        Self {
            message,
            hint: error.hint(),
            usage: error.is_usage(),
            busy: matches!(error, Error::Busy { .. }),
        }
    }
}

impl Line {
    /// The line with its end.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        // Events and outcomes are texts, numbers and lists: they have a JSON form.
        let mut bytes = serde_json::to_vec(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }
}
