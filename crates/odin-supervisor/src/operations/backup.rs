//! Backup now, list, show, check, copy, forget, prune, drill.

mod prune;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use odin_backup::engine::{CheckDepth, CheckReport, SnapshotInfo};
use odin_backup::manifest::Manifest;
use odin_backup::password::Password;
use odin_backup::repository::{Circumstances, Repository, Settings};
use odin_backup::retention::{self, ForgetPlan, Policy};
use odin_cluster::Bundle;
use odin_model::config::Backup;
use odin_model::event::Observer;
use odin_model::report::Verdict;
use serde_json::json;

use super::{Outcome, Status};
use crate::appliance::{Appliance, make_private_dir};
use crate::hooks::{Interruptible, PodHooks};
use crate::lock::Lock;
use crate::records::{BackupRecord, DrillRecord, Records};
use crate::{Result, bundle_in_force, sources};

pub(super) use prune::prune;

/// The declared repository's settings.
pub(super) fn settings(appliance: &Appliance, repository: &Path, password_file: &Path) -> Result<Settings> {
    let scratch = appliance.config.host.state_dir.join("scratch");
    make_private_dir(&scratch)?;
    Ok(Settings { path: repository.to_owned(), password: Password::read(password_file)?, scratch })
}

/// Opens the declared repository.
pub(super) fn open(appliance: &Appliance, backup: &Backup) -> Result<Repository> {
    let settings = settings(appliance, &backup.repository, &backup.password_file)?;
    Ok(Repository::open_with(&settings, Arc::new(Interruptible))?)
}

pub(super) async fn now(appliance: &Appliance, observer: &dyn Observer) -> Result<Outcome> {
    take(appliance, observer, &[]).await
}

/// Takes a snapshot with tags of its own besides ODIN's.
pub(super) async fn take(appliance: &Appliance, observer: &dyn Observer, tags: &[&str]) -> Result<Outcome> {
    let backup = appliance.backup("back up")?;
    let _lock = Lock::take(&appliance.config.host, "back up", observer).await?;
    super::restore::take_up(appliance, observer).await?;
    let plan = odin_backup::source::plan(&sources::of(appliance, backup)?, odin_backup::source::probe)?;
    let hooks = PodHooks::new(&appliance.config.host.kubeconfig);
    let settings = settings(appliance, &backup.repository, &backup.password_file)?;
    let circumstances = circumstances(appliance, tags);
    let outcome = tokio::task::block_in_place(|| {
        let repository = Repository::open_or_init_with(&settings, None, Arc::new(Interruptible))?;
        repository.now(&plan, &circumstances, &hooks, observer)
    })?;
    let manifest = &outcome.manifest;
    let record = BackupRecord {
        snapshot: outcome.snapshot.id.to_string(),
        time: manifest.time,
        seconds: Duration::from_millis(manifest.milliseconds).as_secs_f64(),
        bytes: manifest.bytes(),
        files: manifest.files(),
    };
    Records::of(appliance).keep_backup(&record)?;
    let text = format!(
        "snapshot {}: {} files, {} bytes of {} sources in {:.1} s{}",
        outcome.snapshot.id.short(),
        record.files,
        record.bytes,
        manifest.sources.iter().filter(|source| source.present).count(),
        record.seconds,
        warnings(manifest),
    );
    Ok(Outcome::new(
        Status::Done,
        text,
        &json!({
            "snapshot": record.snapshot, "time": record.time, "seconds": record.seconds,
            "bytes": record.bytes, "files": record.files, "added": outcome.snapshot.added,
            "warnings": manifest.warnings,
        }),
    ))
}

fn warnings(manifest: &Manifest) -> String {
    manifest.warnings.iter().map(|warning| format!("\nwarning: {warning}")).collect()
}

fn circumstances(appliance: &Appliance, tags: &[&str]) -> Circumstances {
    let bundle = Bundle::open(&appliance.bundle_in_force()).ok();
    let mut versions = BTreeMap::new();
    versions.insert("odin".to_owned(), env!("CARGO_PKG_VERSION").to_owned());
    Circumstances {
        host: appliance.name(),
        time: Timestamp::now(),
        generation: bundle_in_force::generation(appliance),
        bundle: bundle.map(|bundle| bundle.digest().to_owned()),
        versions,
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
    }
}

pub(super) fn list(appliance: &Appliance) -> Result<Outcome> {
    let backup = appliance.backup("list backups")?;
    let snapshots =
        tokio::task::block_in_place(|| open(appliance, backup)?.list().map_err(crate::Error::from))?;
    Ok(Outcome::new(Status::Done, List(&snapshots), &snapshots))
}

pub(super) fn show(appliance: &Appliance, id: &str) -> Result<Outcome> {
    let backup = appliance.backup("show a backup")?;
    let (snapshot, manifest) = tokio::task::block_in_place(|| -> Result<_> {
        let repository = open(appliance, backup)?;
        let snapshot = repository.resolve(id)?;
        let manifest = repository.show(&snapshot.id)?;
        Ok((snapshot, manifest))
    })?;
    Ok(Outcome::new(
        Status::Done,
        Contents { snapshot: &snapshot, manifest: &manifest },
        &json!({ "snapshot": snapshot, "manifest": manifest }),
    ))
}

pub(super) async fn check(
    appliance: &Appliance,
    read_data: bool,
    observer: &dyn Observer,
) -> Result<Outcome> {
    let backup = appliance.backup("check backups")?;
    let _lock = Lock::take(&appliance.config.host, "check the repository", observer).await?;
    let depth = if read_data { CheckDepth::ReadData } else { CheckDepth::Structure };
    let report = tokio::task::block_in_place(|| {
        open(appliance, backup)?.check(depth, observer).map_err(crate::Error::from)
    })?;
    let status = if report.errors.is_empty() { Status::Done } else { Status::Failed };
    Ok(Outcome::new(status, Checked(&report), &report))
}

pub(super) async fn copy(appliance: &Appliance, target: &str, observer: &dyn Observer) -> Result<Outcome> {
    let backup = appliance.backup("copy backups")?;
    let Some(copy) = backup.copies.iter().find(|copy| copy.name == target) else {
        return Err(crate::Error::NotDeclared {
            action: "copy backups",
            key: format!("[[backup.copies]] with the name {target:?}"),
        });
    };
    let _lock = Lock::take(&appliance.config.host, "copy backups", observer).await?;
    let settings = settings(appliance, &copy.repository, &copy.password_file)?;
    let ids = tokio::task::block_in_place(|| -> Result<_> {
        let source = open(appliance, backup)?;
        let target = Repository::open_or_init_with(&settings, Some(&source), Arc::new(Interruptible))?;
        let ids: Vec<_> = source.list()?.into_iter().map(|snapshot| snapshot.id).collect();
        Ok(source.copy_to(&ids, &target, observer)?)
    })?;
    let text = format!("{} snapshots are in {}", ids.len(), copy.repository.display());
    Ok(Outcome::new(Status::Done, text, &json!({ "target": target, "snapshots": ids })))
}

pub(super) async fn forget(appliance: &Appliance, dry_run: bool, observer: &dyn Observer) -> Result<Outcome> {
    let backup = appliance.backup("forget backups")?;
    let _lock = Lock::take(&appliance.config.host, "forget backups", observer).await?;
    let retention = backup.retention;
    let policy = Policy {
        last: retention.last,
        hourly: retention.hourly,
        daily: retention.daily,
        weekly: retention.weekly,
        monthly: retention.monthly,
        yearly: retention.yearly,
    };
    let plan = tokio::task::block_in_place(|| -> Result<_> {
        let repository = open(appliance, backup)?;
        let plan = retention::plan(&policy, &repository.list()?, Timestamp::now(), &TimeZone::system())?;
        if !dry_run {
            repository.forget(&plan)?;
        }
        Ok(plan)
    })?;
    let status = if dry_run && !plan.forget.is_empty() { Status::Pending } else { Status::Done };
    Ok(Outcome::new(status, Forgotten(&plan), &plan))
}

pub(super) async fn drill(appliance: &Appliance, observer: &dyn Observer) -> Result<Outcome> {
    let backup = appliance.backup("drill")?;
    let _lock = Lock::take(&appliance.config.host, "drill", observer).await?;
    let found = tokio::task::block_in_place(|| -> Result<_> {
        let repository = open(appliance, backup)?;
        let newest = repository.resolve("latest")?;
        Ok(odin_backup::drill::drill(&repository, &newest.id, Timestamp::now(), observer)?)
    })?;
    let record = DrillRecord {
        snapshot: found.snapshot.to_string(),
        time: found.started,
        seconds: Duration::from_millis(found.milliseconds).as_secs_f64(),
        bytes: found.bytes,
        files: found.files,
        passed: found.verdict == Verdict::Passed,
        findings: found.findings,
    };
    Records::of(appliance).keep_drill(&record)?;
    let text = if record.passed {
        format!(
            "drill passed: {} files, {} bytes restored and compared in {:.1} s",
            record.files, record.bytes, record.seconds
        )
    } else {
        format!("drill FAILED:\n{}", record.findings.join("\n"))
    };
    let status = if record.passed { Status::Done } else { Status::Failed };
    Ok(Outcome::new(status, text, &record))
}

struct List<'a>(&'a [SnapshotInfo]);

impl fmt::Display for List<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return writeln!(formatter, "the repository has no snapshots");
        }
        writeln!(formatter, "id        time                  host            files        bytes")?;
        for snapshot in self.0 {
            let number = |value: Option<u64>| value.map_or_else(|| "?".to_owned(), |value| value.to_string());
            writeln!(
                formatter,
                "{}  {}  {:<12} {:>8} {:>12}{}",
                snapshot.id.short(),
                snapshot.time.strftime("%Y-%m-%d %H:%M:%SZ"),
                snapshot.host,
                number(snapshot.files),
                number(snapshot.bytes),
                if snapshot.held() { "  held" } else { "" }
            )?;
        }
        Ok(())
    }
}

struct Contents<'a> {
    snapshot: &'a SnapshotInfo,
    manifest: &'a Manifest,
}

impl fmt::Display for Contents<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let manifest = self.manifest;
        writeln!(formatter, "snapshot  {}", self.snapshot.id)?;
        writeln!(formatter, "host      {}", manifest.host)?;
        writeln!(
            formatter,
            "taken     {}, in {:.1} s",
            manifest.time,
            Duration::from_millis(manifest.milliseconds).as_secs_f64()
        )?;
        if let Some(bundle) = &manifest.bundle {
            writeln!(formatter, "bundle    {bundle}")?;
        }
        for source in &manifest.sources {
            if source.present {
                writeln!(
                    formatter,
                    "source    {:<32} {:>7} files {:>12} bytes  {}",
                    source.name,
                    source.files,
                    source.bytes,
                    source.path.display()
                )?;
            } else {
                writeln!(formatter, "source    {:<32} absent", source.name)?;
            }
        }
        for warning in &manifest.warnings {
            writeln!(formatter, "warning   {warning}")?;
        }
        Ok(())
    }
}

struct Checked<'a>(&'a CheckReport);

impl fmt::Display for Checked<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = self.0;
        for error in &report.errors {
            writeln!(formatter, "error: {error}")?;
        }
        for remark in &report.remarks {
            writeln!(formatter, "remark: {remark}")?;
        }
        write!(
            formatter,
            "{} snapshots, {} packs, {} bytes read: {}",
            report.snapshots,
            report.packs,
            report.bytes_read,
            if report.errors.is_empty() {
                "no errors".to_owned()
            } else {
                format!("{} errors", report.errors.len())
            }
        )
    }
}

struct Forgotten<'a>(&'a ForgetPlan);

impl fmt::Display for Forgotten<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for kept in &self.0.keep {
            writeln!(
                formatter,
                "keep    {}  {}  {}",
                kept.snapshot.id.short(),
                kept.snapshot.time,
                kept.reasons.join(", ")
            )?;
        }
        for snapshot in &self.0.forget {
            writeln!(formatter, "forget  {}  {}", snapshot.id.short(), snapshot.time)?;
        }
        Ok(())
    }
}
