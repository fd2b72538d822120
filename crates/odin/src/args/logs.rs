//! `odin logs`.

use std::path::PathBuf;

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum Logs {
    /// Follow the journal into /var/log/odin/journal; odin-journal.service calls this
    ///
    /// Lines are objects as those of `journalctl -o json`. What was cut of one is said in its field
    /// `__ODIN_CUT`. `current.jsonl` grows and is rotated by rename to `current.jsonl.1` and on, within
    /// `logs.journal-file-size` and `logs.journal-files`.
    Journal,
    /// Convert a Promtail configuration to one of the OpenTelemetry Collector, on stdout
    ///
    /// What has no counterpart is named on stderr with its place in the file, and the exit status is 2;
    /// 64 when the file is no configuration of Promtail. docs/guides/promtail.md shows what becomes what.
    Convert {
        /// The Promtail configuration
        file: PathBuf,
    },
}
