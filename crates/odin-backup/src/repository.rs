//! Operations on a repository: back up, list, show, check, copy, forget, prune.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use odin_model::event::{Event, Observer};
use odin_model::unused::MaxUnused;
use serde::{Deserialize, Serialize};

use crate::engine::rustic::{Found, RusticEngine, inspect};
use crate::engine::{
    BackupEngine, CheckDepth, CheckReport, Label, SnapshotId, SnapshotInfo, WRITTEN_BY_ODIN,
};
use crate::lock::Lock;
use crate::manifest::{FORMAT, MANIFEST_PATH, Manifest, RECORDS_PATH};
use crate::password::Password;
use crate::prune::Pruned;
use crate::record::Digest;
use crate::retention::ForgetPlan;
use crate::source::{self, BackupPlan, Hooks};
use crate::staging::Staging;
use crate::steps::{Steps, Unhindered};
use crate::{Error, Result, verify};

mod compose;

/// Largest manifest that is read.
const LARGEST_MANIFEST: u64 = 64 * 1024 * 1024;

/// Where a repository is and what opens it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Directory of the repository.
    pub path: PathBuf,
    /// Its password.
    pub password: Password,
    /// Directory for files of the moment; needs room for a copy of each
    /// database.
    pub scratch: PathBuf,
}

/// What is told of the machine in a manifest.
#[derive(Clone, Debug)]
pub struct Circumstances {
    /// Name of the machine.
    pub host: String,
    /// When the backup begins.
    pub time: Timestamp,
    /// Generation in force.
    pub generation: Option<u64>,
    /// Digest of the bundle in force.
    pub bundle: Option<String>,
    /// Programs and their versions.
    pub versions: BTreeMap<String, String>,
    /// Further tags of the snapshot, such as [`crate::engine::HOLD`].
    pub tags: Vec<String>,
}

/// A backup that was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The snapshot.
    pub snapshot: SnapshotInfo,
    /// Its manifest.
    pub manifest: Manifest,
}

/// A repository with the operations on it.
pub struct Repository<E = RusticEngine> {
    engine: E,
    scratch: PathBuf,
    steps: Arc<dyn Steps>,
}

impl Repository {
    /// Opens a repository.
    ///
    /// # Errors
    ///
    /// Where there is none, or it does not open with the password.
    pub fn open(settings: &Settings) -> Result<Self> {
        Self::open_with(settings, Arc::new(Unhindered))
    }

    /// As [`Repository::open`], with steps announced.
    ///
    /// # Errors
    ///
    /// As [`Repository::open`].
    pub fn open_with(settings: &Settings, steps: Arc<dyn Steps>) -> Result<Self> {
        let engine = RusticEngine::open_with(&settings.path, settings.password.reveal(), steps.clone())?;
        Ok(Self { engine, scratch: settings.scratch.clone(), steps })
    }

    /// Opens a repository, and creates it where the directory is absent or
    /// empty, or where its creation was cut off.
    ///
    /// # Errors
    ///
    /// Where it is something else, or cannot be created.
    pub fn open_or_init(settings: &Settings) -> Result<Self> {
        Self::open_or_init_with(settings, None, Arc::new(Unhindered))
    }

    /// As [`Repository::open_or_init`]; a new repository takes the chunker of
    /// `like`, so that copies between the two share their chunks.
    ///
    /// # Errors
    ///
    /// As [`Repository::open_or_init`].
    pub fn open_or_init_with(
        settings: &Settings,
        like: Option<&Self>,
        steps: Arc<dyn Steps>,
    ) -> Result<Self> {
        match inspect(&settings.path)? {
            Found::Repository | Found::Foreign(_) => Self::open_with(settings, steps),
            Found::Nothing | Found::Unfinished => {
                let like = like.map(|other| &other.engine);
                let engine =
                    RusticEngine::init_with(&settings.path, settings.password.reveal(), like, steps.clone())?;
                Ok(Self { engine, scratch: settings.scratch.clone(), steps })
            }
        }
    }

    /// Copies snapshots to a second repository, reads back every pack that was
    /// written there, and returns the ids the snapshots have there. What is
    /// there already is left out.
    ///
    /// # Errors
    ///
    /// Where a snapshot could not be copied or does not hold afterwards.
    pub fn copy_to(
        &self,
        ids: &[SnapshotId],
        target: &Self,
        observer: &dyn Observer,
    ) -> Result<Vec<SnapshotId>> {
        let _lock = Lock::take(target.engine.location())?;
        target.engine.clean()?;
        self.engine.copy(ids, &target.engine, observer)
    }

    /// Frees what no snapshot needs; with `only_plan` only says what that is.
    /// Packs that are needed in part are written anew while more is of no use
    /// than `limit` allows.
    ///
    /// # Errors
    ///
    /// Where the repository is in use or damaged; nothing is removed then. What
    /// was cut off is taken up by the next call.
    pub fn prune(&self, limit: &MaxUnused, only_plan: bool, observer: &dyn Observer) -> Result<Pruned> {
        let _lock = Lock::take(self.engine.location())?;
        if !only_plan {
            self.engine.clean()?;
        }
        self.engine.prune(limit, only_plan, observer)
    }

    /// Backs up what a plan says as one snapshot.
    ///
    /// # Errors
    ///
    /// Anything that keeps a file from being stored; no snapshot is written
    /// then, and what was stored is used by the next.
    pub fn now(
        &self,
        plan: &BackupPlan,
        circumstances: &Circumstances,
        hooks: &dyn Hooks,
        observer: &dyn Observer,
    ) -> Result<Outcome> {
        let _lock = Lock::take(self.engine.location())?;
        self.engine.clean()?;
        self.take_snapshot(plan, circumstances, hooks, observer)
    }
}

impl<E: BackupEngine> Repository<E> {
    /// Wraps an engine that is open already.
    pub fn with_engine(engine: E, scratch: &Path) -> Self {
        Self { engine, scratch: scratch.to_path_buf(), steps: Arc::new(Unhindered) }
    }

    /// The engine.
    pub fn engine(&self) -> &E {
        &self.engine
    }

    pub(crate) fn scratch(&self) -> &Path {
        &self.scratch
    }

    /// As [`Repository::now`], for an engine that needs no lock.
    ///
    /// # Errors
    ///
    /// As [`Repository::now`].
    pub fn take_snapshot(
        &self,
        plan: &BackupPlan,
        circumstances: &Circumstances,
        hooks: &dyn Hooks,
        observer: &dyn Observer,
    ) -> Result<Outcome> {
        let staging = Staging::take(&self.scratch)?;
        let began = Instant::now();
        self.steps.reached("prepare")?;
        let prepared = source::prepare(plan, staging.path(), hooks, &*self.steps, observer)?;
        let parent = self.parent_for(&circumstances.host)?;
        let mut tags = vec![WRITTEN_BY_ODIN.to_owned()];
        tags.extend(circumstances.generation.map(|generation| format!("generation={generation}")));
        tags.extend(circumstances.tags.iter().cloned());
        let label = Label {
            host: circumstances.host.clone(),
            time: circumstances.time,
            tags,
            parent_bytes: parent.as_ref().and_then(|parent| parent.bytes),
            parent: parent.map(|parent| parent.id),
        };
        let mut written: Option<Manifest> = None;
        let odin = staging.path().join("odin");
        self.steps.reached("store")?;
        let snapshot = self.engine.backup(
            &label,
            prepared.roots.clone(),
            staging.path(),
            &mut |stored| {
                self.steps.reached("seal")?;
                let manifest = compose::compose(plan, circumstances, stored, began.elapsed(), &odin)?;
                written = Some(manifest);
                Ok(crate::walk::Root::local("odin", &odin))
            },
            observer,
        )?;
        self.steps.reached("stored")?;
        prepared.finish()?;
        let manifest = written.ok_or_else(|| Error::Manifest {
            snapshot: snapshot.id.short().to_owned(),
            reason: "none was written".into(),
        })?;
        for message in &manifest.warnings {
            observer.event(Event::Warning { message: message.clone() });
        }
        Ok(Outcome { snapshot, manifest })
    }

    /// The newest snapshot ODIN took of the same machine.
    fn parent_for(&self, host: &str) -> Result<Option<SnapshotInfo>> {
        let snapshots = self.engine.snapshots()?;
        let ours = |snapshot: &&SnapshotInfo| {
            snapshot.host == host && snapshot.tags.iter().any(|tag| tag == WRITTEN_BY_ODIN)
        };
        Ok(snapshots.iter().rev().find(ours).cloned())
    }

    /// Lists the snapshots, oldest first.
    ///
    /// # Errors
    ///
    /// Where one cannot be read.
    pub fn list(&self) -> Result<Vec<SnapshotInfo>> {
        self.engine.snapshots()
    }

    /// Finds a snapshot by `latest` or the first digits of its id.
    ///
    /// # Errors
    ///
    /// Where none or several match.
    pub fn resolve(&self, id: &str) -> Result<SnapshotInfo> {
        let missing = || Error::NoSnapshot { id: id.to_owned(), path: self.engine.location().to_path_buf() };
        let mut snapshots = self.engine.snapshots()?;
        if id == "latest" {
            return snapshots.pop().ok_or_else(missing);
        }
        if id.is_empty() {
            return Err(missing());
        }
        snapshots.retain(|snapshot| snapshot.id.0.starts_with(id));
        match snapshots.len() {
            0 => Err(missing()),
            1 => snapshots.pop().ok_or_else(missing),
            count => Err(Error::AmbiguousSnapshot { id: id.to_owned(), count }),
        }
    }

    /// Reads the manifest of a snapshot.
    ///
    /// # Errors
    ///
    /// Where there is none, it is damaged, or of a later format.
    pub fn show(&self, id: &SnapshotId) -> Result<Manifest> {
        let mut bytes = Limited { bytes: Vec::new(), left: LARGEST_MANIFEST };
        self.engine.read_file(id, Path::new(MANIFEST_PATH), &mut bytes)?;
        let refuse = |reason: String| Error::Manifest { snapshot: id.short().to_owned(), reason };
        let value: serde_json::Value =
            serde_json::from_slice(&bytes.bytes).map_err(|error| refuse(error.to_string()))?;
        match value.get("format").and_then(serde_json::Value::as_u64) {
            Some(format) if format == u64::from(FORMAT) => {}
            Some(format) => return Err(refuse(format!("it has format {format}, known is {FORMAT}"))),
            None => return Err(refuse("it has no format".into())),
        }
        serde_json::from_value(value).map_err(|error| refuse(error.to_string()))
    }

    /// Writes the records of a snapshot to a file, compared with the manifest.
    pub(crate) fn fetch_records(&self, id: &SnapshotId, manifest: &Manifest, into: &Path) -> Result<()> {
        let mut file = File::create(into).map_err(|error| Error::io("create", into, error))?;
        self.engine.read_file(id, Path::new(RECORDS_PATH), &mut file)?;
        let meter = verify::meter(&odin_model::event::Silent, "records", 0);
        if verify::hash_file(into, &meter)? != manifest.records {
            let reason = "its records are not the ones it was written with".to_owned();
            return Err(Error::Manifest { snapshot: id.short().to_owned(), reason });
        }
        Ok(())
    }

    /// Checks the repository; findings are in the report.
    ///
    /// # Errors
    ///
    /// Where the check itself could not be done.
    pub fn check(&self, depth: CheckDepth, observer: &dyn Observer) -> Result<CheckReport> {
        self.engine.check(depth, observer)
    }

    /// Removes the snapshots a plan forgets. Data stays until a prune.
    ///
    /// # Errors
    ///
    /// Where the repository is in use, or a snapshot cannot be removed.
    pub fn forget(&self, plan: &ForgetPlan) -> Result<()> {
        let _lock = Lock::take(self.engine.location())?;
        let ids: Vec<SnapshotId> = plan.forget.iter().map(|snapshot| snapshot.id.clone()).collect();
        self.engine.forget(&ids)
    }
}

/// A buffer that refuses to grow beyond a limit.
struct Limited {
    bytes: Vec<u8>,
    left: u64,
}

impl std::io::Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.left = self
            .left
            .checked_sub(length)
            .ok_or_else(|| std::io::Error::other("larger than a manifest can be"))?;
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Digest of the records of one source, built up record by record.
pub(crate) struct SourceDigest(sha2::Sha256);

impl SourceDigest {
    pub(crate) fn new() -> Self {
        Self(<sha2::Sha256 as sha2::Digest>::new())
    }

    pub(crate) fn add(&mut self, record: &crate::record::Record, below: &Path) {
        record.feed(below, &mut self.0);
    }

    pub(crate) fn finish(self) -> Digest {
        Digest(<sha2::Sha256 as sha2::Digest>::finalize(self.0).into())
    }
}
