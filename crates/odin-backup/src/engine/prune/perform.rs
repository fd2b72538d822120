//! Carries a plan out, in an order in which a kill at any moment costs nothing:
//! new packs, new index files, then the old index files, then packs.
//!
//! Nothing is removed because the plan says so. Before each removal the index
//! files that stay are read from the disk again, and every blob a snapshot
//! needs must be in a pack they name, that is listed with its size, and that
//! does not go.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use odin_model::event::{Observer, Unit};
use rustic_core::repofile::BlobType;
use rustic_core::{FileType, Id};

use super::catalogue::require_whole;
use super::plan::{Plan, Repack};
use super::shelf::{Blob, IndexFile, Pack, Shelf, header};
use crate::engine::rustic::Meter;
use crate::prune::Pruned;
use crate::staging::{free_space, require_space};
use crate::{Result, lock};

/// Most blobs of one index file, as restic's.
const INDEX_BLOBS: usize = 50_000;
/// Bytes of packs that are written anew before they are removed, as few as
/// that: the most a prune needs of a small disk besides a second index.
const SMALL_BATCH: u64 = 128 * 1024 * 1024;
/// As many as that where a quarter of the free space allows it: every batch
/// reads the whole index.
const LARGE_BATCH: u64 = 4 * 1024 * 1024 * 1024;
/// Bytes at which a new data pack is written, as in a backup.
const DATA_PACK: usize = 8 * 1024 * 1024;
/// The same for trees.
const TREE_PACK: usize = 4 * 1024 * 1024;

pub(super) fn perform(shelf: &Shelf<'_>, plan: &Plan, observer: &dyn Observer) -> Result<Pruned> {
    let mut done = Pruned { written: 0, ..plan.figures };
    let meter = Meter::new(observer, "prune", Some(plan.figures.written), Unit::Bytes);
    for place in &plan.witnesses {
        shelf.store.reached("prune: compare")?;
        shelf.blob(&place.pack, &place.blob)?;
    }
    // They need no new index, and so no room: on a full disk they go first.
    let orphaned: BTreeSet<Id> = plan.orphaned.keys().copied().collect();
    if !orphaned.is_empty() {
        require_safe(shelf, plan, &orphaned, &BTreeSet::new())?;
        remove_packs(shelf, &orphaned)?;
    }
    let unused: BTreeSet<Id> = plan.unused.keys().copied().collect();
    if !unused.is_empty() {
        require_room(shelf, 0)?;
        commit(shelf, plan, &unused, Vec::new())?;
    }
    let mut rest = plan.repack.as_slice();
    while !rest.is_empty() {
        let limit = (free_space(shelf.store.root())? / 4).clamp(SMALL_BATCH, LARGE_BATCH);
        let (batch, later) = rest.split_at(batch_of(rest, limit));
        require_room(shelf, batch.iter().map(|repack| repack.bytes).sum())?;
        let new = write_anew(shelf, batch, &meter)?;
        done.written += new.iter().map(Pack::bytes).sum::<u64>();
        commit(shelf, plan, &batch.iter().map(|repack| repack.pack).collect(), new)?;
        rest = later;
    }
    meter.finish();
    Ok(done)
}

/// How many packs make a batch; at least one.
fn batch_of(packs: &[Repack], limit: u64) -> usize {
    let mut bytes = 0;
    let fits = |repack: &&Repack| {
        bytes += repack.bytes;
        bytes <= limit
    };
    packs.iter().take_while(fits).count().max(1)
}

/// Refuses where the new packs and a second copy of the index do not fit.
fn require_room(shelf: &Shelf<'_>, packs: u64) -> Result<()> {
    let index: u64 = shelf.list(FileType::Index)?.iter().map(|(_, bytes)| bytes).sum();
    require_space(shelf.store.root(), packs + index)
}

/// Writes what is needed of some packs to new ones and reads it back.
fn write_anew(shelf: &Shelf<'_>, batch: &[Repack], meter: &Meter<'_>) -> Result<Vec<Pack>> {
    let mut written = Vec::new();
    let mut open = BTreeMap::from([
        (BlobType::Tree, (Vec::new(), Vec::new(), TREE_PACK)),
        (BlobType::Data, (Vec::new(), Vec::new(), DATA_PACK)),
    ]);
    for repack in batch {
        shelf.store.reached("prune: repack")?;
        for blob in &repack.blobs {
            // As it was sealed: nothing is gained by sealing it anew.
            let (sealed, _) = shelf.blob(&repack.pack, blob)?;
            let Some((bytes, blobs, full)) = open.get_mut(&blob.kind) else { continue };
            let offset = u32::try_from(bytes.len())
                .map_err(|error| shelf.failed("write a pack", error.to_string()))?;
            bytes.extend_from_slice(&sealed);
            blobs.push(Blob { offset, ..*blob });
            meter.add(u64::from(blob.length));
            if bytes.len() >= *full {
                written.push(write_pack(shelf, std::mem::take(bytes), std::mem::take(blobs))?);
            }
        }
    }
    for (_, (bytes, blobs, _)) in open {
        if !blobs.is_empty() {
            written.push(write_pack(shelf, bytes, blobs)?);
        }
    }
    Ok(written)
}

fn write_pack(shelf: &Shelf<'_>, mut bytes: Vec<u8>, blobs: Vec<Blob>) -> Result<Pack> {
    let failed = |message: String| shelf.failed("write a pack", message);
    let sealed = shelf.opener.seal(&header(&blobs)).map_err(failed)?;
    let length = u32::try_from(sealed.len()).map_err(|error| failed(error.to_string()))?;
    bytes.extend_from_slice(&sealed);
    bytes.extend_from_slice(&length.to_le_bytes());
    let total = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let id = shelf.write(FileType::Pack, bytes)?;
    let pack = Pack { id, blobs, time: Some(Timestamp::now().to_string()), size: None };
    if pack.bytes() != total {
        return Err(failed(format!("it has {total} bytes, {} were to be written", pack.bytes())));
    }
    // Whole by its name, and every blob by its own.
    shelf.read(FileType::Pack, &id)?;
    for blob in &pack.blobs {
        shelf.blob(&id, blob)?;
    }
    Ok(pack)
}

/// Puts new packs in the place of others.
fn commit(shelf: &Shelf<'_>, plan: &Plan, go: &BTreeSet<Id>, new: Vec<Pack>) -> Result<()> {
    let old = rewrite_index(shelf, go, new)?;
    require_safe(shelf, plan, go, &old)?;
    for id in &old {
        shelf.remove(FileType::Index, id)?;
    }
    // A restic that read the index before it went had its lock before that. It
    // may count on the packs, so they stay, and it is told by the next prune.
    lock::refuse_restic(shelf.store.root())?;
    remove_packs(shelf, go)
}

fn remove_packs(shelf: &Shelf<'_>, packs: &BTreeSet<Id>) -> Result<()> {
    packs.iter().try_for_each(|id| shelf.remove(FileType::Pack, id))
}

/// Writes the index files anew that name a pack that goes, and returns which
/// they are. One at a time is in memory, and the one being made.
fn rewrite_index(shelf: &Shelf<'_>, go: &BTreeSet<Id>, new: Vec<Pack>) -> Result<BTreeSet<Id>> {
    let mut old = BTreeSet::new();
    let mut next = IndexFile { packs: new, packs_to_delete: Vec::new() };
    let mut taken = BTreeSet::new();
    for (id, _) in shelf.list(FileType::Index)? {
        let index: IndexFile = shelf.document(FileType::Index, &id)?;
        let named = |pack: &Pack| go.contains(&pack.id);
        if !index.packs.iter().any(named) && !index.packs_to_delete.iter().any(named) {
            continue;
        }
        old.insert(id);
        for pack in index.packs {
            if !go.contains(&pack.id) && taken.insert(pack.id) {
                next.packs.push(pack);
                flush_index(shelf, &mut next, INDEX_BLOBS)?;
            }
        }
        // What was marked and is not yet of those that go stays marked.
        next.packs_to_delete.extend(index.packs_to_delete.into_iter().filter(|pack| !go.contains(&pack.id)));
    }
    flush_index(shelf, &mut next, 0)?;
    Ok(old)
}

fn flush_index(shelf: &Shelf<'_>, index: &mut IndexFile, above: usize) -> Result<()> {
    let blobs: usize = index.packs.iter().map(|pack| pack.blobs.len()).sum();
    let empty = index.packs.is_empty() && index.packs_to_delete.is_empty();
    if empty || blobs < above {
        return Ok(());
    }
    shelf.write_index(&std::mem::take(index)).map(drop)
}

/// Refuses to go on unless all that is needed is found without what goes.
fn require_safe(shelf: &Shelf<'_>, plan: &Plan, packs: &BTreeSet<Id>, indexes: &BTreeSet<Id>) -> Result<()> {
    lock::refuse_restic(shelf.store.root())?;
    let refuse = |message: String| shelf.failed("prune", message);
    if super::snapshots(shelf)? != plan.snapshots {
        return Err(refuse("the snapshots are others than at the beginning; nothing was removed".to_owned()));
    }
    let stored: BTreeMap<Id, u64> = shelf.list(FileType::Pack)?.into_iter().collect();
    let mut found = vec![false; plan.needed.len()];
    for (id, _) in shelf.list(FileType::Index)? {
        if indexes.contains(&id) {
            continue;
        }
        let index: IndexFile = shelf.document(FileType::Index, &id)?;
        for pack in &index.packs {
            if packs.contains(&pack.id) {
                let (index, pack) = (id.to_hex(), pack.id.to_hex());
                return Err(refuse(format!("index {} still names pack {}", index.as_str(), pack.as_str())));
            }
            require_whole(shelf, pack, &stored)?;
            for blob in &pack.blobs {
                if let Ok(at) = plan.needed.binary_search(&(blob.kind, blob.id)) {
                    found[at] = true;
                }
            }
        }
    }
    match found.iter().position(|found| !found) {
        None => Ok(()),
        Some(at) => {
            let (_, id) = plan.needed[at];
            Err(refuse(format!("blob {} would be lost; nothing was removed", id.to_hex().as_str())))
        }
    }
}
