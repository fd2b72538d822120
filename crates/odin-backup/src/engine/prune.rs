//! Pruning: frees what no snapshot needs.
//!
//! The engine has a prune of its own. Its plan cannot be looked into, so that
//! nothing could be compared with it before it removes; it removes packs that
//! no index names before anything else, unwraps a poisoned lock in the middle,
//! and by default only marks, in a field that restic does not know. So this
//! is ODIN's: the index is read ([`shelf`], [`catalogue`]), every tree of every
//! snapshot is walked, a [`mod@plan`] is made, and [`mod@perform`] carries it out.

use std::collections::BTreeMap;

use odin_model::event::Observer;
use odin_model::unused::MaxUnused;
use rustic_core::{FileType, Id};

use super::rustic::RusticEngine;
use crate::prune::Pruned;
use crate::{Result, lock};

mod catalogue;
mod perform;
mod plan;
mod shelf;

use catalogue::Catalogue;
use shelf::Shelf;

pub(super) fn prune(
    engine: &RusticEngine,
    limit: &MaxUnused,
    only_plan: bool,
    observer: &dyn Observer,
) -> Result<Pruned> {
    let compresses = engine.session()?.config().version > 1;
    let shelf = Shelf { store: engine.store(), opener: engine.opener()?, compresses };
    lock::refuse_restic(engine.store().root())?;
    let stored: BTreeMap<Id, u64> = shelf.list(FileType::Pack)?.into_iter().collect();
    let snapshots = snapshots(&shelf)?;
    let mut catalogue = Catalogue::read(&shelf, &stored)?;
    catalogue.walk(&shelf, &snapshots)?;
    let plan = plan::plan(&catalogue, &stored, snapshots, limit);
    // The plan has what it needs of it, and it is the largest thing here.
    drop((catalogue, stored));
    if only_plan || plan.figures.is_empty() {
        return Ok(plan.figures);
    }
    perform::perform(&shelf, &plan, observer)
}

/// The snapshots there are, sorted.
fn snapshots(shelf: &Shelf<'_>) -> Result<Vec<Id>> {
    let mut ids: Vec<Id> = shelf.list(FileType::Snapshot)?.into_iter().map(|(id, _)| id).collect();
    ids.sort_unstable();
    Ok(ids)
}
