//! What is stored, and what of it the snapshots need.
//!
//! The index is read by code of ODIN's own into one sorted list, and every
//! tree of every snapshot is walked through it. Anything that does not fit
//! ends the prune before it begins: a missing pack, a pack of another size, a
//! file that is not what was written, a blob that is in no index.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use rustic_core::repofile::BlobType;
use rustic_core::{FileType, Id};
use serde::Deserialize;

use super::shelf::{Blob, IndexFile, Pack, Shelf};
use crate::{Error, Result};

/// A pack with the figures the plan is made from.
pub(super) struct Stored {
    pub(super) id: Id,
    pub(super) bytes: u64,
}

/// One copy of a blob.
pub(super) struct BlobCopy {
    pub(super) blob: Blob,
    /// Number of the pack.
    pub(super) pack: usize,
    /// Whether a snapshot needs the blob.
    pub(super) needed: bool,
}

/// Everything the index names.
pub(super) struct Catalogue {
    pub(super) packs: Vec<Stored>,
    /// Sorted by kind and id, so that the copies of a blob are neighbours.
    pub(super) copies: Vec<BlobCopy>,
    /// Packs no snapshot can be read from, which another program marked to be
    /// removed: an index names them only so.
    pub(super) marked: BTreeSet<Id>,
}

/// What is read of a snapshot.
#[derive(Deserialize)]
struct Snapshot {
    tree: Id,
}

/// What is read of a tree.
#[derive(Deserialize)]
struct Tree {
    nodes: Vec<Node>,
}

/// What is read of a node: whatever names blobs, of whatever type it is.
#[derive(Deserialize)]
struct Node {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    content: Option<Vec<Id>>,
    #[serde(default)]
    subtree: Option<Id>,
}

impl Catalogue {
    /// Reads the whole index; every pack it names must be stored as it says.
    pub(super) fn read(shelf: &Shelf<'_>, stored: &BTreeMap<Id, u64>) -> Result<Self> {
        let mut catalogue = Self { packs: Vec::new(), copies: Vec::new(), marked: BTreeSet::new() };
        // Where the copies of a pack begin: an index that was written anew when
        // its removal was cut off names packs a second time.
        let mut known: HashMap<Id, Range<usize>> = HashMap::new();
        for (id, _) in shelf.list(FileType::Index)? {
            let index: IndexFile = shelf.document(FileType::Index, &id)?;
            for pack in index.packs {
                if let Some(range) = known.get(&pack.id) {
                    let before = catalogue.copies[range.clone()].iter().map(|copy| &copy.blob);
                    if !before.eq(&pack.blobs) {
                        let name = pack.id.to_hex();
                        let what = format!("two index files tell different things of pack {}", name.as_str());
                        return Err(shelf.damaged(what));
                    }
                    continue;
                }
                require_whole(shelf, &pack, stored)?;
                let (first, number) = (catalogue.copies.len(), catalogue.packs.len());
                catalogue.packs.push(Stored { id: pack.id, bytes: pack.bytes() });
                let copies =
                    pack.blobs.into_iter().map(|blob| BlobCopy { blob, pack: number, needed: false });
                catalogue.copies.extend(copies);
                known.insert(pack.id, first..catalogue.copies.len());
            }
            catalogue.marked.extend(index.packs_to_delete.into_iter().map(|pack| pack.id));
        }
        catalogue.marked.retain(|id| !known.contains_key(id));
        drop(known);
        catalogue
            .copies
            .sort_unstable_by_key(|copy| (copy.blob.kind, copy.blob.id, copy.pack, copy.blob.offset));
        Ok(catalogue)
    }

    /// Marks what the snapshots need, tree by tree.
    pub(super) fn walk(&mut self, shelf: &Shelf<'_>, snapshots: &[Id]) -> Result<()> {
        for id in snapshots {
            let snapshot: Snapshot = shelf.document(FileType::Snapshot, id)?;
            let name = id.to_hex();
            let name = name.get(..8).unwrap_or_default();
            let mut pending = vec![snapshot.tree];
            while let Some(tree) = pending.pop() {
                let (copies, new) = self.need(shelf, name, BlobType::Tree, &tree)?;
                if new {
                    shelf.store.reached("prune: walk")?;
                    self.enter(shelf, name, self.tree(shelf, copies)?, &mut pending)?;
                }
            }
        }
        Ok(())
    }

    /// Marks what the nodes of a tree need, and collects its subtrees.
    fn enter(&mut self, shelf: &Shelf<'_>, snapshot: &str, tree: Tree, pending: &mut Vec<Id>) -> Result<()> {
        for node in tree.nodes {
            if node.kind == "dir" && node.subtree.is_none() {
                let what = format!("snapshot {snapshot}: a directory has no tree");
                return Err(shelf.damaged(what));
            }
            pending.extend(node.subtree);
            for id in node.content.iter().flatten() {
                self.need(shelf, snapshot, BlobType::Data, id)?;
            }
        }
        Ok(())
    }

    /// Marks all copies of a blob; tells where they are and whether it is the
    /// first time.
    fn need(
        &mut self,
        shelf: &Shelf<'_>,
        snapshot: &str,
        kind: BlobType,
        id: &Id,
    ) -> Result<(Range<usize>, bool)> {
        let key = |copy: &BlobCopy| (copy.blob.kind, copy.blob.id);
        let first = self.copies.partition_point(|copy| key(copy) < (kind, *id));
        let count = self.copies[first..].iter().take_while(|copy| key(copy) == (kind, *id)).count();
        let range = first..first + count;
        let Some(copy) = self.copies[range.clone()].first() else {
            let what = format!("snapshot {snapshot}: blob {} is in no index", id.to_hex().as_str());
            return Err(shelf.damaged(what));
        };
        let new = !copy.needed;
        if new {
            self.copies[range.clone()].iter_mut().for_each(|copy| copy.needed = true);
        }
        Ok((range, new))
    }

    /// Reads a tree from the first of its copies that is what was written.
    fn tree(&self, shelf: &Shelf<'_>, copies: Range<usize>) -> Result<Tree> {
        let mut first: Option<Error> = None;
        for copy in &self.copies[copies] {
            let read = shelf.blob(&self.packs[copy.pack].id, &copy.blob).and_then(|(_, plain)| {
                serde_json::from_slice(&plain).map_err(|error| {
                    shelf.damaged(format!("tree {}: {error}", copy.blob.id.to_hex().as_str()))
                })
            });
            match read {
                Ok(tree) => return Ok(tree),
                Err(error) => first = first.or(Some(error)),
            }
        }
        Err(first.unwrap_or_else(|| shelf.damaged("a tree is in no index".to_owned())))
    }
}

/// Refuses a pack that is not stored as the index says.
pub(super) fn require_whole(shelf: &Shelf<'_>, pack: &Pack, stored: &BTreeMap<Id, u64>) -> Result<()> {
    let name = pack.id.to_hex();
    let name = name.as_str();
    match stored.get(&pack.id) {
        None => Err(shelf.damaged(format!("pack {name} is missing"))),
        Some(bytes) if *bytes != pack.bytes() => {
            Err(shelf.damaged(format!("pack {name} has {bytes} bytes, the index says {}", pack.bytes())))
        }
        Some(_) if !pack.holds_its_blobs() => {
            Err(shelf.damaged(format!("the index puts a blob outside of pack {name}")))
        }
        Some(_) => Ok(()),
    }
}
