//! The restorer.
//!
//! Three passes: the tree is walked and every entry created, empty; the packs
//! are read one after the other and each blob, compared with its id, written
//! wherever it belongs; owners, modes, times and attributes are set, files
//! first and directories from the leaves up. Memory holds one window of a pack
//! for each of two workers, and one entry for each blob reference, never
//! content. Any error ends it: what is there then is a directory the caller
//! throws away.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use odin_model::event::{Observer, Unit};
use rustic_core::DataId;
use rustic_core::repofile::{Node, SnapshotFile};

use super::Restored;
use super::node::{self, Item};
use super::reader::{Reader, Wanted, by_pack, snapshot_name};
use super::rustic::Meter;
use crate::beneath::{Beneath, check_name};
use crate::record::Kind;
use crate::{Error, Result};

/// Packs worked on at a time.
const WORKERS: usize = 2;

/// Where a blob goes.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// Index into the items.
    file: usize,
    offset: u64,
}

#[derive(Default)]
struct Layout {
    items: Vec<Item>,
    wanted: Vec<Wanted<Place>>,
    /// First name of files that have several.
    linked: HashMap<(u64, u64), PathBuf>,
    /// Items that are a further name of another.
    links: Vec<(PathBuf, PathBuf)>,
    restored: Restored,
}

pub(super) fn restore(
    reader: &Reader,
    snapshot: &SnapshotFile,
    path: &Path,
    into: &Path,
    observer: &dyn Observer,
) -> Result<Restored> {
    let node = reader.find(snapshot, path)?;
    let mut layout = Layout::default();
    let single = node.as_ref().is_some_and(|node| !node.is_dir());
    let root = match (&node, single) {
        (Some(node), true) => {
            let name = into.file_name().ok_or_else(|| Error::Target {
                path: into.to_path_buf(),
                reason: "it has no file name".into(),
            })?;
            layout.add(reader, node, PathBuf::from(name))?;
            into.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
        }
        _ => into,
    };
    let beneath = Beneath::open(root)?;
    if !single {
        if !beneath.is_empty()? {
            return Err(Error::Target {
                path: into.to_path_buf(),
                reason: "the directory is not empty".into(),
            });
        }
        let tree = match &node {
            None => snapshot.tree,
            Some(node) => node.subtree.ok_or_else(|| Error::NotInSnapshot {
                snapshot: snapshot_name(snapshot),
                path: path.display().to_string(),
            })?,
        };
        if let Some(node) = &node {
            layout.items.push(node::to_item(node, PathBuf::new()));
        }
        plan(reader, tree, &mut layout)?;
    }
    apply(reader, layout, &beneath, observer)
}

/// Walks the tree of a snapshot.
fn plan(reader: &Reader, tree: rustic_core::TreeId, layout: &mut Layout) -> Result<()> {
    let mut pending = vec![(PathBuf::new(), tree)];
    while let Some((parent, tree)) = pending.pop() {
        let mut before: Option<OsString> = None;
        let mut nodes = reader.tree(tree)?.nodes;
        nodes.sort_by(|left, right| left.name().cmp(&right.name()));
        for node in nodes {
            let name = node.name().into_owned();
            check_name(&name, &parent)?;
            if before.as_deref() == Some(&name) {
                return Err(Error::UnsafeName { name: format!("{} twice", name.to_string_lossy()), parent });
            }
            let path = parent.join(&name);
            layout.add(reader, &node, path.clone())?;
            if let (true, Some(subtree)) = (node.is_dir(), node.subtree) {
                pending.push((path, subtree));
            }
            before = Some(name);
        }
    }
    Ok(())
}

impl Layout {
    fn add(&mut self, reader: &Reader, node: &Node, path: PathBuf) -> Result<()> {
        check_name(path.file_name().unwrap_or(OsStr::new("")), &path)?;
        let item = node::to_item(node, path);
        if item.record.kind != Kind::File {
            self.restored.others += 1;
            self.items.push(item);
            return Ok(());
        }
        self.restored.files += 1;
        if let Some(link) = item.link {
            if let Some(first) = self.linked.get(&link) {
                self.links.push((first.clone(), item.record.path));
                return Ok(());
            }
            self.linked.insert(link, item.record.path.clone());
        }
        let file = self.items.len();
        let mut offset = 0;
        for id in node.content.iter().flatten() {
            let wanted = reader.locate::<DataId, Place>(*id, Place { file, offset })?;
            offset += wanted.plain_length.map_or_else(
                || u64::from(wanted.length).saturating_sub(32),
                |length| u64::from(length.get()),
            );
            self.wanted.push(wanted);
        }
        if offset != item.record.size {
            return Err(Error::Manifest {
                snapshot: String::new(),
                reason: format!(
                    "{} has {offset} bytes stored, {} recorded",
                    item.record.path.display(),
                    item.record.size
                ),
            });
        }
        self.restored.bytes += offset;
        self.items.push(item);
        Ok(())
    }
}

fn apply(reader: &Reader, layout: Layout, beneath: &Beneath, observer: &dyn Observer) -> Result<Restored> {
    let Layout { items, wanted, links, restored, .. } = layout;
    for item in items.iter().filter(|item| !item.record.path.as_os_str().is_empty()) {
        beneath.create(&item.record)?;
    }
    let meter = Meter::new(observer, "restore", Some(restored.bytes), Unit::Bytes);
    let packs = by_pack(wanted);
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let failed: Mutex<Option<Error>> = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..WORKERS.min(packs.len()) {
            scope.spawn(|| {
                while let Some(pack) = packs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    if let Err(error) = fill(reader, pack, &items, beneath, &meter) {
                        stop.store(true, Ordering::Relaxed);
                        failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                    }
                }
            });
        }
    });
    if let Some(error) = failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    for (from, to) in &links {
        beneath.link(from, to)?;
    }
    let (directories, others): (Vec<&Item>, Vec<&Item>) =
        items.iter().partition(|item| item.record.kind == Kind::Directory);
    let mut directories = directories;
    // Leaves first: setting what is in a directory moves the directory's time.
    directories.sort_by(|left, right| right.record.path.cmp(&left.record.path));
    for item in others.into_iter().chain(directories) {
        beneath.dress(&item.record, &item.xattrs)?;
    }
    beneath.sync()?;
    meter.finish();
    Ok(restored)
}

/// Writes the blobs of one pack to the files they belong to.
fn fill(
    reader: &Reader,
    pack: &[Wanted<Place>],
    items: &[Item],
    beneath: &Beneath,
    meter: &Meter<'_>,
) -> Result<()> {
    let mut open: Option<(usize, File)> = None;
    reader.sweep(pack, |wanted, plain| {
        let Place { file, offset } = wanted.purpose;
        let path = &items[file].record.path;
        if open.as_ref().is_none_or(|(which, _)| *which != file) {
            open = Some((file, beneath.open_file(path)?));
        }
        if let Some((_, handle)) = &open {
            beneath.write(handle, path, plain, offset)?;
        }
        meter.add(u64::try_from(plain.len()).unwrap_or(0));
        Ok(())
    })
}
