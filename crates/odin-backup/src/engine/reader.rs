//! Reading stored blobs: located by the index, compared with their ids.

use std::collections::BTreeMap;
use std::io::Write;
use std::ops::Deref;
use std::path::{Component, Path};
use std::sync::Arc;

use rustic_core::repofile::{MasterKey, Node, SnapshotFile, Tree};
use rustic_core::{DataId, FileType, Id, IndexedFullStatus, PackedId, Repository, TreeId};

use super::SnapshotId;
use super::blob::Opener;
use super::store::Store;
use crate::{Error, Result};

/// Most bytes of a pack that are read at once.
const WINDOW: u64 = 16 * 1024 * 1024;
/// Unneeded bytes between two blobs that are read along rather than skipped.
const HOLE: u64 = 128 * 1024;

/// A repository with its index in memory.
pub(super) struct Reader {
    store: Arc<Store>,
    opener: Opener,
    index: Repository<IndexedFullStatus>,
}

/// One blob somebody waits for.
#[derive(Clone, Debug)]
pub(super) struct Wanted<T> {
    pub(super) pack: Id,
    pub(super) offset: u32,
    pub(super) length: u32,
    pub(super) plain_length: Option<std::num::NonZeroU32>,
    pub(super) id: Id,
    pub(super) purpose: T,
}

impl Reader {
    pub(super) fn new(
        store: Arc<Store>,
        key: &MasterKey,
        index: Repository<IndexedFullStatus>,
    ) -> Result<Self> {
        let opener = Opener::new(key)
            .map_err(|what| Error::Damaged { path: store.root().into(), what: what.to_owned() })?;
        Ok(Self { store, opener, index })
    }

    pub(super) fn opener(&self) -> &Opener {
        &self.opener
    }

    fn damaged(&self, what: String) -> Error {
        Error::Damaged { path: self.store.root().into(), what }
    }

    /// Locates a blob.
    pub(super) fn locate<P: PackedId + Deref<Target = Id>, T>(&self, id: P, purpose: T) -> Result<Wanted<T>> {
        let hex: Id = *id;
        let entry = self
            .index
            .get_index_entry(&id)
            .map_err(|_| self.damaged(format!("blob {} is in no index", hex.to_hex().as_str())))?;
        Ok(Wanted {
            pack: entry.pack.into_inner(),
            offset: entry.location.offset,
            length: entry.location.length,
            plain_length: entry.location.uncompressed_length,
            id: hex,
            purpose,
        })
    }

    /// Reads one blob.
    pub(super) fn blob<T>(&self, wanted: &Wanted<T>) -> Result<Vec<u8>> {
        let length = usize::try_from(wanted.length).unwrap_or(usize::MAX);
        let mut sealed =
            self.store.read_range(FileType::Pack, &wanted.pack, u64::from(wanted.offset), length)?;
        self.open(wanted, &mut sealed)
    }

    fn open<T>(&self, wanted: &Wanted<T>, sealed: &mut [u8]) -> Result<Vec<u8>> {
        self.opener.open(sealed, wanted.plain_length, &wanted.id).map_err(|reason| {
            self.damaged(format!(
                "blob {} in pack {}: {reason}",
                wanted.id.to_hex().as_str(),
                wanted.pack.to_hex().as_str()
            ))
        })
    }

    /// Reads blobs of one pack, which must be sorted by offset, in few reads of
    /// bounded size, and gives each to `take`.
    pub(super) fn sweep<T>(
        &self,
        wanted: &[Wanted<T>],
        mut take: impl FnMut(&Wanted<T>, &[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut rest = wanted;
        while let Some(first) = rest.first() {
            let start = u64::from(first.offset);
            let mut end = start + u64::from(first.length);
            let mut count = 1;
            for next in &rest[1..] {
                let (from, to) = (u64::from(next.offset), u64::from(next.offset) + u64::from(next.length));
                if from > end + HOLE || to.max(end) - start > WINDOW {
                    break;
                }
                end = end.max(to);
                count += 1;
            }
            let length = usize::try_from(end - start).unwrap_or(usize::MAX);
            let mut window = self.store.read_range(FileType::Pack, &first.pack, start, length)?;
            let (group, later) = rest.split_at(count);
            self.open_group(group, start, &mut window, &mut take)?;
            rest = later;
        }
        Ok(())
    }

    fn open_group<T>(
        &self,
        group: &[Wanted<T>],
        start: u64,
        window: &mut [u8],
        take: &mut impl FnMut(&Wanted<T>, &[u8]) -> Result<()>,
    ) -> Result<()> {
        // Decryption is in place: a blob that is wanted twice is opened once.
        let mut opened: Option<(Id, Vec<u8>)> = None;
        for wanted in group {
            if opened.as_ref().is_none_or(|(id, _)| *id != wanted.id) {
                let from = usize::try_from(u64::from(wanted.offset) - start).unwrap_or(usize::MAX);
                let length = usize::try_from(wanted.length).unwrap_or(usize::MAX);
                let sealed = window.get_mut(from..from.saturating_add(length)).ok_or_else(|| {
                    self.damaged(format!("blob {} lies outside its pack", wanted.id.to_hex().as_str()))
                })?;
                opened = Some((wanted.id, self.open(wanted, sealed)?));
            }
            if let Some((_, plain)) = &opened {
                take(wanted, plain)?;
            }
        }
        Ok(())
    }

    /// Reads a directory of a snapshot.
    pub(super) fn tree(&self, id: TreeId) -> Result<Tree> {
        let plain = self.blob(&self.locate(id, ())?)?;
        serde_json::from_slice(&plain)
            .map_err(|error| self.damaged(format!("tree {}: {error}", id.to_hex().as_str())))
    }

    /// Finds the node at a path of a snapshot; none for the root itself.
    pub(super) fn find(&self, snapshot: &SnapshotFile, path: &Path) -> Result<Option<Node>> {
        let missing =
            || Error::NotInSnapshot { snapshot: snapshot_name(snapshot), path: path.display().to_string() };
        let mut found: Option<Node> = None;
        for component in path.components() {
            let Component::Normal(name) = component else {
                continue;
            };
            let tree = match &found {
                None => snapshot.tree,
                Some(node) => node.subtree.ok_or_else(missing)?,
            };
            let nodes = self.tree(tree)?.nodes;
            found = Some(nodes.into_iter().find(|node| node.name() == name).ok_or_else(missing)?);
        }
        Ok(found)
    }

    /// Writes the content of one file of a snapshot.
    pub(super) fn read_file(&self, snapshot: &SnapshotFile, path: &Path, into: &mut dyn Write) -> Result<()> {
        let node = self.find(snapshot, path)?;
        let content =
            node.filter(Node::is_file).map(|node| node.content.unwrap_or_default()).ok_or_else(|| {
                Error::NotInSnapshot { snapshot: snapshot_name(snapshot), path: path.display().to_string() }
            })?;
        for id in content {
            let plain = self.blob(&self.locate::<DataId, ()>(id, ())?)?;
            into.write_all(&plain).map_err(|error| Error::io("write the copy of", path, error))?;
        }
        Ok(())
    }
}

/// Sorts wanted blobs by place and splits them by pack.
pub(super) fn by_pack<T>(wanted: Vec<Wanted<T>>) -> Vec<Vec<Wanted<T>>> {
    let mut packs: BTreeMap<Id, Vec<Wanted<T>>> = BTreeMap::new();
    for one in wanted {
        packs.entry(one.pack).or_default().push(one);
    }
    let mut packs: Vec<_> = packs.into_values().collect();
    for pack in &mut packs {
        pack.sort_by_key(|wanted| wanted.offset);
    }
    packs
}

/// Id of a snapshot for messages.
pub(super) fn snapshot_name(snapshot: &SnapshotFile) -> String {
    SnapshotId(snapshot.id.to_hex().to_string()).short().to_owned()
}
