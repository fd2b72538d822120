//! `odin logs`.

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum Logs {
    /// Follow the journal into /var/log/odin/journal; odin-journal.service calls this
    ///
    /// Lines are journald's JSON objects, unchanged. `current.jsonl` grows and is rotated by rename to
    /// `current.jsonl.1` and on, within `logs.journal-file-size` and `logs.journal-files`.
    Journal,
}
