//! The schedule: one place for what runs when, and for what was missed.

use std::sync::Arc;
use std::time::Duration;

use jiff::{Timestamp, Zoned, tz::TimeZone};
use odin_model::config::{Config, Role};
use odin_model::event::Silent;
use odin_model::schedule::Schedule;

use super::{Shared, control};
use crate::operations::{Request, Status};
use crate::records::{LastRuns, Records};
use crate::wire::Line;

/// Longest sleep between looks at the clock, so that a clock that was set is
/// noticed.
const LOOK: Duration = Duration::from_secs(60);
/// Pause before a task that found the machine busy is tried again.
const BUSY: Duration = Duration::from_secs(30);

/// A task with its schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Task {
    name: String,
    schedule: Schedule,
    requests: Vec<Request>,
}

/// Runs what is due, one task after the other, for ever.
pub(super) async fn run(shared: Arc<Shared>) {
    let tasks = tasks(&shared.appliance.config);
    if tasks.is_empty() {
        return;
    }
    let records = Records::of(&shared.appliance);
    let started = Zoned::now();
    loop {
        let now = Zoned::now();
        let due = due(&tasks, &records.last_runs(), &started, &now);
        let Some(task) = due else {
            tokio::time::sleep(until_next(&tasks, &now)).await;
            continue;
        };
        let began = now.timestamp();
        if !carry_out(&shared, task).await {
            tokio::time::sleep(BUSY).await;
            continue;
        }
        if let Err(error) = records.keep_run(&task.name, began) {
            tracing::error!(task = task.name, %error, "cannot keep that a task ran");
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// The tasks a declaration asks for; a backup is followed by its forgetting,
/// so that retention never runs on a repository that gains nothing.
fn tasks(config: &Config) -> Vec<Task> {
    let mut tasks = Vec::new();
    let mut add = |name: String, schedule: &Option<Schedule>, requests: Vec<Request>| {
        if let Some(schedule) = schedule {
            tasks.push(Task { name, schedule: schedule.clone(), requests });
        }
    };
    if let Some(alerting) = config.alerting.as_ref().filter(|_| config.host.role == Role::Server) {
        let requests = vec![Request::AlertsTest { receiver: None }];
        add("alerts-test".to_owned(), &alerting.self_test.schedule, requests);
    }
    let Some(backup) = &config.backup else { return tasks };
    add(
        "backup".to_owned(),
        &backup.schedule,
        vec![Request::BackupNow, Request::BackupForget { dry_run: false }],
    );
    for copy in &backup.copies {
        add(
            format!("copy-{}", copy.name),
            &copy.schedule,
            vec![Request::BackupCopy { target: copy.name.clone() }],
        );
    }
    add("drill".to_owned(), &backup.drill.schedule, vec![Request::BackupDrill]);
    add(
        "check".to_owned(),
        &backup.check.schedule,
        vec![Request::BackupCheck { read_data: backup.check.read_data }],
    );
    // After drill and check, where they are due together: it is the only one
    // that takes something away.
    add(
        "prune".to_owned(),
        &backup.prune.schedule,
        vec![Request::BackupPrune { dry_run: false, max_unused: None }],
    );
    tasks
}

/// The first task that is due.
///
/// A task that never ran counts from the daemon's first start, not as missed:
/// an appliance must not back up in the second it is switched on.
fn due<'a>(tasks: &'a [Task], last: &LastRuns, started: &Zoned, now: &Zoned) -> Option<&'a Task> {
    tasks.iter().find(|task| {
        let since =
            last.get(&task.name).map_or_else(|| started.clone(), |time| zoned(*time, now.time_zone()));
        task.schedule.is_due(Some(&since), now)
    })
}

fn zoned(time: Timestamp, zone: &TimeZone) -> Zoned {
    time.to_zoned(zone.clone())
}

fn until_next(tasks: &[Task], now: &Zoned) -> Duration {
    tasks
        .iter()
        .filter_map(|task| task.schedule.next_after(now))
        .filter_map(|next| Duration::try_from(now.duration_until(&next)).ok())
        .min()
        .map_or(LOOK, |until| until.min(LOOK))
}

/// Runs a task; false when the machine was busy and it did not begin.
async fn carry_out(shared: &Shared, task: &Task) -> bool {
    for request in &task.requests {
        match control::carry_out(shared, request.clone(), Arc::new(Silent)).await {
            Line::Outcome(outcome) if outcome.status != Status::Failed => {}
            Line::Failure(failure) if failure.busy => return false,
            _ => return true,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(name: &str, schedule: &str) -> Task {
        Task { name: name.into(), schedule: schedule.parse().expect("a schedule"), requests: Vec::new() }
    }

    fn at(text: &str) -> Zoned {
        format!("{text}[UTC]").parse().expect("a time")
    }

    #[test]
    fn what_is_declared_is_a_task() {
        let contract = include_str!("../../../odin-model/tests/fixtures/odin.toml");
        let config = Config::parse(contract, std::path::Path::new("odin.toml")).expect("the contract");
        let names: Vec<String> = tasks(&config).into_iter().map(|task| task.name).collect();
        assert_eq!(names, ["alerts-test", "backup", "copy-usb", "drill", "check", "prune"]);
    }

    #[test]
    fn a_missed_run_is_caught_up_once() {
        let tasks = [task("backup", "30 2 * * *"), task("drill", "0 4 * * 0")];
        let started = at("2026-11-23T08:00:00");
        let now = at("2026-11-23T08:00:05");
        let missed = LastRuns::from([("backup".into(), at("2026-11-20T02:30:00").timestamp())]);
        assert_eq!(due(&tasks, &missed, &started, &now).map(|task| &*task.name), Some("backup"));
        let caught_up = LastRuns::from([("backup".into(), now.timestamp())]);
        assert_eq!(due(&tasks, &caught_up, &started, &now), None);
    }

    #[test]
    fn a_first_run_waits_for_its_time() {
        let tasks = [task("backup", "30 2 * * *")];
        let started = at("2026-11-23T08:00:00");
        let none = LastRuns::new();
        assert_eq!(due(&tasks, &none, &started, &at("2026-11-23T09:00:00")), None);
        assert!(due(&tasks, &none, &started, &at("2026-11-24T02:30:00")).is_some());
    }

    #[test]
    fn the_sleep_ends_at_the_next_run_and_never_lasts_long() {
        let tasks = [task("backup", "30 2 * * *")];
        assert_eq!(until_next(&tasks, &at("2026-11-23T02:29:50")), Duration::from_secs(10));
        assert_eq!(until_next(&tasks, &at("2026-11-23T02:00:00")), LOOK);
    }
}
