//! `odin alerts`.

use clap::Subcommand;
use odin_supervisor::operations::{Request, Silence};

/// Verbs of `odin alerts`.
#[derive(Debug, Subcommand)]
pub(crate) enum Alerts {
    /// List what fires: since when, what it is, where its runbook is
    List,
    /// Send an alert to every declared receiver and see that it arrives
    ///
    /// Exit status 1 unless every way of every receiver took it.
    Test {
        /// Only this receiver
        #[arg(long, value_name = "NAME")]
        receiver: Option<String>,
    },
    /// Tell nobody of alerts with these labels, until the silence ends
    Silence {
        /// NAME=VALUE, NAME!=VALUE, NAME=~REGEX or NAME!~REGEX; all must hold
        #[arg(required = true, value_name = "MATCHER")]
        matchers: Vec<String>,
        /// How long
        #[arg(long = "for", value_name = "DURATION", value_parser = super::seconds)]
        seconds: u64,
        /// Why
        #[arg(long, value_name = "TEXT")]
        comment: String,
        /// Who wants it
        #[arg(long, value_name = "NAME")]
        by: String,
    },
    /// End a silence
    Unsilence {
        /// Its id, as `odin alerts list` shows it
        id: String,
    },
    /// Show the configuration that Alertmanager gets; no secret is in it
    Config,
}

impl Alerts {
    pub(super) fn request(&self) -> Request {
        match self {
            Self::List => Request::AlertsList,
            Self::Test { receiver } => Request::AlertsTest { receiver: receiver.clone() },
            Self::Silence { matchers, seconds, comment, by } => Request::AlertsSilence(Silence {
                matchers: matchers.clone(),
                seconds: *seconds,
                comment: comment.clone(),
                by: by.clone(),
            }),
            Self::Unsilence { id } => Request::AlertsUnsilence { id: id.clone() },
            Self::Config => Request::AlertsConfig,
        }
    }
}
