//! Checking a repository.
//!
//! The names of all files but `config` are the SHA-256 of their bytes, and the
//! content of `config` is authenticated when the repository is opened, so
//! reading every file once finds every changed bit, whether a snapshot needs
//! it or not. Besides, each pack must hold the blobs the index says, each blob
//! must have the SHA-256 it is named by, and each snapshot must find all its
//! trees and blobs in the index.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use odin_model::event::{Observer, Unit};
use rustic_core::repofile::{IndexFile, IndexPack, NodeType, SnapshotFile};
use rustic_core::{FileType, Id, TreeId};
use sha2::{Digest, Sha256};

use super::reader::{Reader, Wanted};
use super::rustic::{Meter, RusticEngine, contain};
use super::{CheckDepth, CheckReport};
use crate::Result;

pub(super) fn check(
    engine: &RusticEngine,
    depth: CheckDepth,
    observer: &dyn Observer,
) -> Result<CheckReport> {
    let mut report = CheckReport::default();
    if depth == CheckDepth::ReadData {
        hash_small_files(engine, &mut report)?;
        if !report.errors.is_empty() {
            // An index or a snapshot that is not what was written would only
            // raise wrong alarms further on.
            return Ok(report);
        }
    }
    let packs = check_packs(engine, depth, None, observer)?;
    report.packs = packs.packs;
    report.bytes_read += packs.bytes_read;
    report.errors.extend(packs.errors);
    report.remarks.extend(packs.remarks);
    let snapshots = match engine.snapshot_files() {
        Ok(snapshots) => snapshots,
        Err(error) => {
            report.errors.push(super::rustic::render(&error));
            return Ok(report);
        }
    };
    report.snapshots = u64::try_from(snapshots.len()).unwrap_or(0);
    let reader = engine.reader()?;
    let mut seen = HashSet::new();
    for snapshot in &snapshots {
        check_trees(&reader, snapshot, &mut seen, &mut report);
    }
    Ok(report)
}

fn hash_small_files(engine: &RusticEngine, report: &mut CheckReport) -> Result<()> {
    for kind in [FileType::Key, FileType::Index, FileType::Snapshot] {
        for (id, _) in engine.store().list(kind)? {
            let bytes = engine.store().read(kind, &id)?;
            report.bytes_read += u64::try_from(bytes.len()).unwrap_or(0);
            if Id::new(Sha256::digest(&bytes).into()) != id {
                report.errors.push(format!(
                    "{} file {} is not what was written",
                    kind.dirname(),
                    id.to_hex().as_str()
                ));
            }
        }
    }
    Ok(())
}

/// Checks packs against the index; with `except`, only packs not in it.
pub(super) fn check_packs(
    engine: &RusticEngine,
    depth: CheckDepth,
    except: Option<&BTreeSet<Id>>,
    observer: &dyn Observer,
) -> Result<CheckReport> {
    let mut report = CheckReport::default();
    let indexed = match index_files(engine) {
        Ok(indexed) => indexed,
        Err(error) => {
            report.errors.push(super::rustic::render(&error));
            return Ok(report);
        }
    };
    let mut stored: BTreeMap<Id, u64> = engine.store().list(FileType::Pack)?.into_iter().collect();
    report.packs = u64::try_from(indexed.len()).unwrap_or(0);
    let chosen: Vec<&IndexPack> = indexed
        .values()
        .filter(|pack| except.is_none_or(|except| !except.contains(&pack.id.into_inner())))
        .collect();
    let total = chosen.iter().map(|pack| u64::from(pack.pack_size())).sum();
    let meter = Meter::new(observer, "check", Some(total), Unit::Bytes);
    let reader = engine.reader()?;
    for pack in chosen {
        let id = pack.id.into_inner();
        let name = id.to_hex().to_string();
        match stored.remove(&id) {
            None => report.errors.push(format!("pack {name} is missing")),
            Some(size) if size != u64::from(pack.pack_size()) => {
                report
                    .errors
                    .push(format!("pack {name} has {size} bytes, the index says {}", pack.pack_size()));
            }
            Some(size) if depth == CheckDepth::ReadData => {
                if let Err(what) = read_pack(engine, &reader, pack) {
                    report.errors.push(format!("pack {name}: {what}"));
                }
                report.bytes_read += size;
                meter.add(size);
            }
            Some(_) => {}
        }
    }
    if except.is_none() {
        for (id, _) in stored {
            report.remarks.push(format!("pack {} is in no index", id.to_hex().as_str()));
        }
    }
    meter.finish();
    Ok(report)
}

/// Reads all index files; two entries of one pack are one.
fn index_files(engine: &RusticEngine) -> Result<BTreeMap<Id, IndexPack>> {
    let session = engine.session()?;
    let files = contain(engine.store(), "read the index", || session.stream_files::<IndexFile>())?;
    let mut packs = BTreeMap::new();
    for file in files {
        let (_, file) = contain(engine.store(), "read the index", || file)?;
        for pack in file.packs.into_iter().chain(file.packs_to_delete) {
            packs.insert(pack.id.into_inner(), pack);
        }
    }
    Ok(packs)
}

/// Reads one pack and compares it with its name, its blobs with their ids, and
/// its header with the index.
fn read_pack(engine: &RusticEngine, reader: &Reader, pack: &IndexPack) -> std::result::Result<(), String> {
    let id = pack.id.into_inner();
    let mut bytes =
        engine.store().read(FileType::Pack, &id).map_err(|error| super::rustic::render(&error))?;
    if Id::new(Sha256::digest(&bytes).into()) != id {
        return Err("it is not what was written".to_owned());
    }
    let mut end = 0;
    let mut blobs = pack.blobs.clone();
    blobs.sort();
    for blob in &blobs {
        let name = blob.id.to_hex().to_string();
        let from = usize::try_from(blob.location.offset).unwrap_or(usize::MAX);
        let to = from.saturating_add(usize::try_from(blob.location.length).unwrap_or(usize::MAX));
        let sealed = bytes.get_mut(from..to).ok_or_else(|| format!("blob {name} lies outside"))?;
        reader
            .opener()
            .open(sealed, blob.location.uncompressed_length, &blob.id)
            .map_err(|reason| format!("blob {name}: {reason}"))?;
        if from != end {
            return Err(format!("blob {name} does not follow the one before"));
        }
        end = to;
    }
    check_header(reader, &mut bytes, end, blobs.len())
}

/// The header is what other programs rebuild a lost index from.
fn check_header(
    reader: &Reader,
    bytes: &mut [u8],
    from: usize,
    blobs: usize,
) -> std::result::Result<(), String> {
    let to = bytes.len().checked_sub(4).filter(|to| *to >= from).ok_or("it has no header")?;
    let length = bytes[to..].iter().rev().fold(0_usize, |length, byte| length << 8 | usize::from(*byte));
    if length != to - from {
        return Err(format!("its header has {} bytes and claims {length}", to - from));
    }
    let header =
        reader.opener().decrypt(&mut bytes[from..to]).map_err(|reason| format!("its header: {reason}"))?;
    let mut entries = 0;
    let mut at = 0;
    while let Some(kind) = header.get(at) {
        // Plain entries have 37 bytes, compressed ones their plain length too.
        at += if *kind < 2 { 37 } else { 41 };
        entries += 1;
    }
    if entries != blobs || at != header.len() {
        return Err(format!("its header names {entries} blobs, the index {blobs}"));
    }
    Ok(())
}

/// Walks a snapshot: every tree must be readable, every blob in the index.
fn check_trees(
    reader: &Reader,
    snapshot: &SnapshotFile,
    seen: &mut HashSet<TreeId>,
    report: &mut CheckReport,
) {
    let name = super::reader::snapshot_name(snapshot);
    let mut pending = vec![snapshot.tree];
    while let Some(id) = pending.pop() {
        if !seen.insert(id) {
            continue;
        }
        let tree = match reader.tree(id) {
            Ok(tree) => tree,
            Err(error) => {
                report.errors.push(format!("snapshot {name}: {}", super::rustic::render(&error)));
                continue;
            }
        };
        for node in tree.nodes {
            if node.node_type == NodeType::Dir {
                match node.subtree {
                    Some(subtree) => pending.push(subtree),
                    None => {
                        report.errors.push(format!("snapshot {name}: directory {} has no tree", node.name))
                    }
                }
            }
            for blob in node.content.iter().flatten() {
                let located: Result<Wanted<()>> = reader.locate(*blob, ());
                if located.is_err() {
                    report.errors.push(format!("snapshot {name}: a blob of {} is in no index", node.name));
                }
            }
        }
    }
}
