//! What is removed and what is written anew: a pure choice over the catalogue.

use std::collections::{BTreeMap, BTreeSet};

use odin_model::unused::MaxUnused;
use rustic_core::Id;
use rustic_core::repofile::BlobType;

use super::catalogue::{BlobCopy, Catalogue};
use super::shelf::Blob;
use crate::prune::Pruned;

/// A blob in a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) pack: Id,
    pub(super) blob: Blob,
}

/// A pack whose needed blobs go to a new one.
#[derive(Debug)]
pub(super) struct Repack {
    pub(super) pack: Id,
    pub(super) bytes: u64,
    /// What is needed of it.
    pub(super) blobs: Vec<Blob>,
}

/// What a prune does.
#[derive(Debug)]
pub(super) struct Plan {
    /// Snapshots the plan was made of.
    pub(super) snapshots: Vec<Id>,
    /// All they need, sorted.
    pub(super) needed: Vec<(BlobType, Id)>,
    /// Packs that nothing names.
    pub(super) orphaned: BTreeMap<Id, u64>,
    /// Packs that an index names and nothing needs.
    pub(super) unused: BTreeMap<Id, u64>,
    pub(super) repack: Vec<Repack>,
    /// Copies that are kept while another goes: they must be good.
    pub(super) witnesses: Vec<Place>,
    pub(super) figures: Pruned,
}

/// Bytes of a pack that are kept, and that are not.
#[derive(Clone, Copy, Default)]
struct Share {
    kept: u64,
    rest: u64,
}

/// Chooses. Of a blob with several copies one is kept: in the pack that is
/// kept anyway for most, and else in the one with the least of no use.
pub(super) fn plan(
    catalogue: &Catalogue,
    stored: &BTreeMap<Id, u64>,
    snapshots: Vec<Id>,
    limit: &MaxUnused,
) -> Plan {
    let mut shares = vec![Share::default(); catalogue.packs.len()];
    let groups =
        || catalogue.copies.chunk_by(|left, right| key(left) == key(right)).filter(|group| group[0].needed);
    for copy in catalogue.copies.iter().filter(|copy| !copy.needed) {
        shares[copy.pack].rest += u64::from(copy.blob.length);
    }
    for group in groups() {
        if let [alone] = group {
            shares[alone.pack].kept += u64::from(alone.blob.length);
        }
    }
    let by_now = shares.clone();
    let mut kept: Vec<&BlobCopy> = Vec::new();
    let mut several: Vec<(&BlobCopy, &[BlobCopy])> = Vec::new();
    for group in groups() {
        let rank = |copy: &&BlobCopy| {
            let share = by_now[copy.pack];
            (share.kept, std::cmp::Reverse(share.rest), std::cmp::Reverse(copy.pack))
        };
        let Some(best) = group.iter().max_by_key(rank) else { continue };
        kept.push(best);
        if group.len() > 1 {
            several.push((best, group));
            for copy in group {
                let share = &mut shares[copy.pack];
                let part = if std::ptr::eq(copy, best) { &mut share.kept } else { &mut share.rest };
                *part += u64::from(copy.blob.length);
            }
        }
    }
    let needed: Vec<_> = kept.iter().map(|copy| key(copy)).collect();

    let mut figures = Pruned { snapshots: count(snapshots.len()), ..Pruned::default() };
    stored.values().for_each(|bytes| figures.before.add(*bytes));
    let mut unused: BTreeMap<Id, u64> =
        catalogue.marked.iter().map(|id| (*id, stored.get(id).copied().unwrap_or(0))).collect();
    let named: BTreeSet<Id> = catalogue.packs.iter().map(|pack| pack.id).collect();
    for (pack, _) in catalogue.packs.iter().zip(&shares).filter(|(_, share)| share.kept == 0) {
        unused.insert(pack.id, pack.bytes);
    }
    let orphaned: BTreeMap<Id, u64> = stored
        .iter()
        .filter(|(id, _)| !named.contains(id) && !unused.contains_key(id))
        .map(|(id, bytes)| (*id, *bytes))
        .collect();
    orphaned.values().for_each(|bytes| figures.orphaned.add(*bytes));
    unused.values().for_each(|bytes| figures.unused.add(*bytes));

    let chosen = choose(&shares, limit);
    figures.unused_left = (0..shares.len())
        .filter(|pack| shares[*pack].kept > 0 && !chosen.contains(pack))
        .map(|pack| shares[pack].rest)
        .sum();
    let mut parts: BTreeMap<usize, Vec<Blob>> = chosen.iter().map(|pack| (*pack, Vec::new())).collect();
    for copy in &kept {
        if let Some(part) = parts.get_mut(&copy.pack) {
            part.push(copy.blob);
        }
    }
    let mut repack = Vec::new();
    for (pack, mut blobs) in parts {
        blobs.sort_unstable_by_key(|blob| blob.offset);
        figures.repacked.add(catalogue.packs[pack].bytes);
        figures.written += shares[pack].kept;
        repack.push(Repack { pack: catalogue.packs[pack].id, bytes: catalogue.packs[pack].bytes, blobs });
    }
    let goes = |pack: usize| shares[pack].kept == 0 || chosen.contains(&pack);
    let mut witnesses: Vec<Place> = several
        .iter()
        .filter(|(best, group)| group.iter().any(|copy| !std::ptr::eq(copy, *best) && goes(copy.pack)))
        .map(|(best, _)| Place { pack: catalogue.packs[best.pack].id, blob: best.blob })
        .collect();
    witnesses.sort_unstable_by_key(|place| (place.pack, place.blob.offset));
    Plan { snapshots, needed, orphaned, unused, repack, witnesses, figures }
}

fn key(copy: &BlobCopy) -> (BlobType, Id) {
    (copy.blob.kind, copy.blob.id)
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// Packs to write anew: those with the greatest part of no use first, until
/// what is left of that is within the limit.
fn choose(shares: &[Share], limit: &MaxUnused) -> BTreeSet<usize> {
    let partly = |pack: &usize| shares[*pack].kept > 0 && shares[*pack].rest > 0;
    let used = shares.iter().map(|share| share.kept).sum();
    let allowed = limit.allowed(used);
    let mut left: u64 = shares.iter().filter(|share| share.kept > 0).map(|share| share.rest).sum();
    let mut candidates: Vec<usize> = (0..shares.len()).filter(partly).collect();
    candidates.sort_by(|left, right| {
        let (left, right) = (shares[*left], shares[*right]);
        // rest / kept, without the division.
        let (one, other) =
            (u128::from(left.rest) * u128::from(right.kept), u128::from(right.rest) * u128::from(left.kept));
        other.cmp(&one)
    });
    let mut chosen = BTreeSet::new();
    for pack in candidates {
        if left <= allowed {
            break;
        }
        left -= shares[pack].rest;
        chosen.insert(pack);
    }
    chosen
}

#[cfg(test)]
mod tests;
