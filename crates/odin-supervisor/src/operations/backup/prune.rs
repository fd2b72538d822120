//! Pruning the repository.

use std::fmt;
use std::time::Instant;

use jiff::Timestamp;
use odin_backup::prune::{Pruned, Tally};
use odin_model::event::Observer;
use odin_model::unused::MaxUnused;
use serde_json::json;

use super::{Outcome, Status, open};
use crate::Result;
use crate::appliance::Appliance;
use crate::lock::Lock;
use crate::records::{PruneRecord, Records};

/// Frees what no snapshot needs, or says what that is.
pub(in crate::operations) async fn prune(
    appliance: &Appliance,
    dry_run: bool,
    max_unused: Option<MaxUnused>,
    observer: &dyn Observer,
) -> Result<Outcome> {
    let backup = appliance.backup("prune backups")?;
    let _lock = Lock::take(&appliance.config.host, "prune backups", observer).await?;
    let limit = max_unused.unwrap_or_else(|| backup.prune.max_unused.clone());
    let (time, began) = (Timestamp::now(), Instant::now());
    let pruned = tokio::task::block_in_place(|| -> Result<Pruned> {
        Ok(open(appliance, backup)?.prune(&limit, dry_run, observer)?)
    })?;
    if !dry_run {
        let (freed, bytes) = (pruned.freed(), pruned.before.bytes);
        let seconds = began.elapsed().as_secs_f64();
        Records::of(appliance).keep_prune(&PruneRecord { time, seconds, freed, bytes })?;
    }
    let status = if dry_run && !pruned.is_empty() { Status::Pending } else { Status::Done };
    let data = json!({ "pruned": !dry_run, "freed": pruned.freed(), "packs": pruned });
    Ok(Outcome::new(status, Shown { pruned: &pruned, dry_run }, &data))
}

struct Shown<'a> {
    pruned: &'a Pruned,
    dry_run: bool,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pruned = self.pruned;
        let mut line = |what: &str, tally: &Tally, why: &str| match tally.packs {
            0 => Ok(()),
            packs => writeln!(formatter, "{what:<8} {packs:>8} packs {:>14} bytes  {why}", tally.bytes),
        };
        line("remove", &pruned.orphaned, "in no index: something was cut off")?;
        line("remove", &pruned.unused, "no snapshot needs anything of them")?;
        line("rewrite", &pruned.repacked, &format!("{} bytes of them needed", pruned.written))?;
        let verb = if self.dry_run { "would be freed" } else { "freed" };
        write!(
            formatter,
            "{} bytes of {} {verb}; {} snapshots, {} bytes of no use stay within the limit",
            pruned.freed(),
            pruned.before.bytes,
            pruned.snapshots,
            pruned.unused_left,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_is_told_and_what_does_not_is_not() {
        let tally = |packs, bytes| Tally { packs, bytes };
        let pruned = Pruned {
            snapshots: 3,
            before: tally(9, 900),
            unused: tally(2, 200),
            repacked: tally(1, 100),
            written: 40,
            unused_left: 5,
            ..Pruned::default()
        };
        let text = Shown { pruned: &pruned, dry_run: true }.to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert!(lines[0].contains("2 packs") && lines[0].contains("200 bytes"), "{text}");
        assert!(lines[1].starts_with("rewrite") && lines[1].contains("40 bytes of them needed"), "{text}");
        assert!(lines[2].starts_with("260 bytes of 900 would be freed; 3 snapshots, 5 bytes"), "{text}");
        let nothing = Shown { pruned: &Pruned::default(), dry_run: false }.to_string();
        assert!(nothing.starts_with("0 bytes of 0 freed"), "{nothing}");
    }
}
