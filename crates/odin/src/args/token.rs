//! Arguments of `odin token`.

use clap::Subcommand;
use jiff::{SignedDuration, Span, SpanRelativeTo};
use odin_supervisor::tokens::Scope;

#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// Make a token and show it, the only time
    ///
    /// It is sent as `Authorization: Bearer TOKEN`, or given to the page's login.
    Create {
        /// Its name: 1 to 63 of a-z, 0-9 and -
        name: String,
        /// What it opens: `read` the API and the page, `metrics` the supervisor's metrics
        #[arg(long, value_name = "read|metrics")]
        scope: Scope,
        /// How long it is good for, for example 90d or 12h; 366 days at most
        #[arg(long, value_name = "DURATION", value_parser = duration)]
        expires: SignedDuration,
    },
    /// List the tokens, their scopes, their ends and their last uses
    List,
    /// Make a token void, at once and without a restart
    Revoke {
        /// Its name
        name: String,
    },
}

/// Reads `90d` or `12h`; a day has 24 hours.
fn duration(text: &str) -> Result<SignedDuration, String> {
    let words = |error: jiff::Error| format!("{error}; write it like 90d or 12h");
    let span: Span = text.parse().map_err(words)?;
    span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_hours_are_durations() {
        assert_eq!(duration("90d"), Ok(SignedDuration::from_hours(90 * 24)));
        assert_eq!(duration("12h"), Ok(SignedDuration::from_hours(12)));
        assert!(duration("soon").is_err() && duration("1mo").is_err());
    }
}
