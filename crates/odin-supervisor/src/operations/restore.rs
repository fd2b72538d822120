//! Restore: plan, apply, and taking up what a killed one began.

use std::fmt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use odin_backup::manifest::SourceKind;
use odin_backup::restore::{self, Measured, Recovered, RestorePlan};
use odin_cluster::Cluster;
use odin_model::event::{Event, Observer, StepState};

use super::{Apply, Outcome, Restore, Status};
use crate::appliance::{Appliance, make_private_dir};
use crate::hooks::{Interruptible, InterruptibleOnce};
use crate::host::{K3sHost, Systemd};
use crate::lock::Lock;
use crate::records::{Records, RestoreRecord};
use crate::{Result, interrupt};

/// How long K3s and its node may take to become ready.
const READY: Duration = Duration::from_secs(300);

pub(super) fn plan(appliance: &Appliance, options: &Restore) -> Result<Outcome> {
    let backup = appliance.backup("plan a restore")?;
    let plan = tokio::task::block_in_place(|| -> Result<_> {
        let repository = super::backup::open(appliance, backup)?;
        let snapshot = repository.resolve(&options.id)?;
        Ok(restore::plan(&repository, &snapshot.id, &options.only, measured(appliance))?)
    })?;
    Ok(Outcome::new(Status::Pending, Shown(&plan), &plan))
}

pub(super) async fn apply(
    appliance: &Appliance,
    options: &Restore,
    observer: &dyn Observer,
) -> Result<Outcome> {
    if let Some(into) = &options.to {
        return extract(appliance, options, into, observer).await;
    }
    let backup = appliance.backup("restore")?;
    let _lock = Lock::take(&appliance.config.host, "restore", observer).await?;
    let state = appliance.jobs_dir();
    make_private_dir(&state)?;
    let host = Machine { appliance, observer };
    let (plan, done) = tokio::task::block_in_place(|| -> Result<_> {
        // An interrupted restore is ended before anything is planned anew: the
        // plan must see the machine as it will be.
        restore::recover(&state, &host, &Interruptible, observer)?;
        let repository = super::backup::open(appliance, backup)?;
        let snapshot = repository.resolve(&options.id)?;
        let plan = restore::plan(&repository, &snapshot.id, &options.only, measured(appliance))?;
        // Before anything is staged: a unit that is not there can be neither
        // stopped nor started again.
        Systemd.require(&appliance.config.host.k3s_unit)?;
        let steps = InterruptibleOnce::new(interrupt::is_requested);
        let done = restore::apply(&repository, &plan, &state, &host, &steps, observer)?;
        Ok((plan, done))
    })?;
    let record = RestoreRecord {
        snapshot: plan.snapshot.id.to_string(),
        time: jiff::Timestamp::now(),
        bytes: done.comparison.bytes,
        files: done.comparison.files,
        staging_milliseconds: done.staging_milliseconds,
        downtime_milliseconds: done.downtime_milliseconds,
    };
    Records::of(appliance).keep_restore(&record)?;
    let text = format!(
        "restored snapshot {}: {} files, {} bytes, all equal to the manifest; down for {:.1} s",
        plan.snapshot.id.short(),
        record.files,
        record.bytes,
        Duration::from_millis(record.downtime_milliseconds).as_secs_f64(),
    );
    Ok(Outcome::new(Status::Done, text, &record))
}

async fn extract(
    appliance: &Appliance,
    options: &Restore,
    into: &std::path::Path,
    observer: &dyn Observer,
) -> Result<Outcome> {
    let backup = appliance.backup("restore")?;
    let _lock = Lock::take(&appliance.config.host, "restore into a directory", observer).await?;
    let done = tokio::task::block_in_place(|| -> Result<_> {
        let repository = super::backup::open(appliance, backup)?;
        let snapshot = repository.resolve(&options.id)?;
        Ok(restore::extract(&repository, &snapshot.id, &options.only, into, observer)?)
    })?;
    let text = format!(
        "restored snapshot {} into {}: {} files, {} bytes, all equal to the manifest",
        done.snapshot.short(),
        into.display(),
        done.comparison.files,
        done.comparison.bytes
    );
    Ok(Outcome::new(Status::Done, text, &done))
}

/// Ends a restore that was killed, one way or the other. Every operation that
/// changes something calls it first: nothing may be built on half of one.
pub(super) async fn take_up(appliance: &Appliance, observer: &dyn Observer) -> Result<()> {
    let state = appliance.jobs_dir();
    if !state.exists() {
        return Ok(());
    }
    let host = Machine { appliance, observer };
    let recovered =
        tokio::task::block_in_place(|| restore::recover(&state, &host, &Interruptible, observer))?;
    let told = match recovered {
        Recovered::Nothing => return Ok(()),
        Recovered::Discarded => "it had touched nothing live",
        Recovered::RolledBack => "the old data is back",
        Recovered::Completed => "the restored data is in place",
    };
    observer.event(Event::Warning { message: format!("an interrupted restore was ended: {told}") });
    Ok(())
}

fn measured(appliance: &Appliance) -> Measured {
    let records = Records::of(appliance);
    let restore = records.restore();
    let rate =
        |bytes: u64, milliseconds: u64| (milliseconds > 0).then(|| bytes.saturating_mul(1000) / milliseconds);
    Measured {
        bytes_per_second: restore.as_ref().and_then(|record| rate(record.bytes, record.staging_milliseconds)),
        downtime_seconds: restore.map(|record| record.downtime_milliseconds.div_ceil(1000)),
    }
}

/// The machine as a restore meets it.
struct Machine<'a> {
    appliance: &'a Appliance,
    observer: &'a dyn Observer,
}

impl Machine<'_> {
    fn k3s(&self) -> K3sHost {
        let host = &self.appliance.config.host;
        K3sHost { unit: host.k3s_unit.clone(), cri_socket: host.cri_socket.clone(), units: Systemd }
    }

    fn told<T>(&self, name: &str, work: impl FnOnce() -> Result<T>) -> std::result::Result<T, String> {
        let tell =
            |state, detail: String| self.observer.event(Event::Step { name: name.to_owned(), state, detail });
        tell(StepState::Started, String::new());
        match work() {
            Ok(done) => {
                tell(StepState::Done, String::new());
                Ok(done)
            }
            Err(error) => {
                let error = in_words(&error);
                tell(StepState::Failed, error.clone());
                Err(error)
            }
        }
    }
}

fn in_words(error: &crate::Error) -> String {
    crate::wire::Failure::from(error).message
}

fn wait_for<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Handle::current().block_on(future)
}

impl restore::Host for Machine<'_> {
    fn stop(&self) -> std::result::Result<(), String> {
        self.told("stop K3s and its pods", || self.k3s().stop())
    }

    fn prove_quiet(&self, paths: &[PathBuf]) -> std::result::Result<(), String> {
        self.told("prove that nothing uses the data", || self.k3s().prove_quiet(paths))
    }

    fn after_swap(&self, plan: &RestorePlan) -> std::result::Result<(), String> {
        let Some(piece) = plan.pieces.iter().find(|piece| piece.kind == SourceKind::EtcdSnapshot) else {
            return Ok(());
        };
        // docs.k3s.io, cli/etcd-snapshot: the reset reads the snapshot, writes
        // a new member and exits; K3s is then started as usual.
        self.told("restore etcd from its snapshot", || {
            let refused = |reason: String| crate::Error::Host {
                action: "restore etcd".to_owned(),
                reason,
                hint: "see docs/guides/disaster-recovery.md",
            };
            let done = Command::new("k3s")
                .args(["server", "--cluster-reset", "--cluster-reset-restore-path"])
                .arg(&piece.target)
                .stdin(Stdio::null())
                .output()
                .map_err(|error| refused(format!("k3s cannot be run: {error}")))?;
            if done.status.success() {
                Ok(())
            } else {
                Err(refused(String::from_utf8_lossy(&done.stderr).trim().to_owned()))
            }
        })
    }

    fn start(&self) -> std::result::Result<(), String> {
        self.told("start K3s", || self.k3s().start())
    }

    fn wait_ready(&self) -> std::result::Result<(), String> {
        self.told("wait until the node is ready", || {
            wait_for(async {
                let cluster = Cluster::connect(&self.appliance.config.host.kubeconfig).await?;
                cluster.wait_ready(READY).await?;
                Ok(())
            })
        })
    }

    fn accept(&self, _plan: &RestorePlan) -> std::result::Result<(), String> {
        let bundle = self.appliance.bundle_in_force();
        if !bundle.exists() {
            // A box that never had a bundle applied has none to apply now.
            return Ok(());
        }
        self.told("apply the bundle in force", || {
            // The declaration itself may have come back with the snapshot.
            let appliance = Appliance::load(&self.appliance.file).unwrap_or_else(|_| self.appliance.clone());
            let options = Apply { bundle: Some(bundle.clone()), ..Apply::default() };
            let changes = wait_for(super::apply::apply_locked(&appliance, &options, self.observer))?;
            if changes.succeeded() {
                return Ok(());
            }
            Err(crate::Error::Host {
                action: "apply the bundle in force".to_owned(),
                reason: changes.to_string(),
                hint: "the snapshot's own stack does not become healthy here",
            })
        })
    }
}

struct Shown<'a>(&'a RestorePlan);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plan = self.0;
        writeln!(
            formatter,
            "snapshot {} of {}, taken {}",
            plan.snapshot.id.short(),
            plan.snapshot.host,
            plan.snapshot.time
        )?;
        for piece in &plan.pieces {
            let verb = if piece.replaces { "replace" } else { "create " };
            writeln!(
                formatter,
                "{verb}  {:<32} {:>7} files {:>12} bytes  {}",
                piece.source,
                piece.files,
                piece.bytes,
                piece.target.display()
            )?;
        }
        for kept in &plan.kept {
            writeln!(formatter, "keep     {kept}")?;
        }
        for space in &plan.space {
            writeln!(
                formatter,
                "space    {}: {} bytes needed, {} free",
                space.path.display(),
                space.needed,
                space.free
            )?;
        }
        let seconds = |value: Option<u64>| {
            value.map_or_else(|| "unknown until the first".to_owned(), |value| format!("about {value} s"))
        };
        writeln!(formatter, "reading and verifying, while the box runs: {}", seconds(plan.staging_seconds))?;
        write!(formatter, "the box is down for: {}", seconds(plan.downtime_seconds))
    }
}
