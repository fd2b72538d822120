//! The first page: what is wrong, what to do next, and all else at a glance.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::{Frame, show, words};
use crate::api::facts::Facts;
use crate::api::troubles;
use crate::api::view::{Alert, Component, Gpus, Trouble};
use crate::operations::status::{Report, Seen, age, short};

#[derive(Template)]
#[template(path = "status.html")]
pub(super) struct StatusPage {
    pub(super) frame: Frame,
    /// Of the gravest trouble.
    pub(super) tone: &'static str,
    pub(super) troubles: Vec<Trouble>,
    pub(super) tiles: Vec<Tile>,
    pub(super) facts: Vec<(String, String)>,
    pub(super) unseen: Vec<String>,
}

/// One part of the machine in a few words, and the page that has more.
pub(super) struct Tile {
    pub(super) name: &'static str,
    pub(super) path: &'static str,
    /// `good`, `warn`, `bad`, or empty.
    pub(super) tone: &'static str,
    pub(super) value: String,
    pub(super) detail: String,
}

pub(super) async fn status(State(facts): State<Arc<Facts>>) -> Response {
    let (report, components, gpus, alerts) =
        tokio::join!(facts.status(), facts.components(), facts.gpus(), facts.alerts());
    let mut troubles =
        report.as_ref().map(|report| troubles::of_status(report, facts.backs_up())).unwrap_or_default();
    troubles.extend(troubles::of_parts(
        components.as_ref().ok().map(|list| list.as_slice()),
        gpus.as_ref().ok().map(|gpus| &**gpus),
        alerts.as_ref().ok().map(|list| list.as_slice()),
    ));
    // Stable: within its rank each stays where its part put it.
    troubles.sort_by_key(|trouble| !trouble.critical);
    let problems = [
        ("Status", report.as_ref().err()),
        ("Components", components.as_ref().err()),
        ("GPUs", gpus.as_ref().err()),
        ("Alerts", alerts.as_ref().err()),
    ];
    let unseen = problems
        .into_iter()
        .filter_map(|(part, problem)| problem.map(|problem| format!("{part}: {}", problem.detail)))
        .collect();
    let mut tiles = Vec::new();
    tiles.extend(components.ok().map(|list| of_components(&list)));
    tiles.extend(gpus.ok().filter(|gpus| gpus.declared).map(|gpus| of_gpus(&gpus)));
    tiles.extend(alerts.ok().map(|list| of_alerts(&list)));
    if let Ok(report) = &report {
        tiles.extend(of_report(report, facts.backs_up()));
    }
    let facts_of = report.map(|report| words::of_report(&report)).unwrap_or_default();
    let tone = if troubles.iter().any(|trouble| trouble.critical) { "bad" } else { "warn" };
    show(&StatusPage {
        frame: Frame::new(&facts, "Status", true),
        tone,
        troubles,
        tiles,
        facts: facts_of,
        unseen,
    })
}

/// So many of so many are well.
fn count(name: &'static str, path: &'static str, well: usize, all: usize, detail: String) -> Tile {
    let tone = if well == all { "good" } else { "bad" };
    Tile { name, path, tone, value: format!("{well} of {all}"), detail }
}

fn of_components(components: &[Component]) -> Tile {
    let well = components.iter().filter(|component| component.healthy).count();
    let objects: usize = components.iter().map(|component| component.objects).sum();
    count("Components", "/components", well, components.len(), format!("healthy, {objects} objects"))
}

fn of_gpus(gpus: &Gpus) -> Tile {
    let well = gpus.gpus.iter().filter(|gpu| gpu.verdict == "healthy").count();
    let tile = count("GPUs", "/gpus", well, gpus.gpus.len(), "healthy".to_owned());
    let machine_is_well = gpus.findings.iter().all(|finding| finding.verdict == "healthy");
    if machine_is_well { tile } else { Tile { tone: "bad", ..tile } }
}

fn of_alerts(alerts: &[Alert]) -> Tile {
    let firing = alerts.iter().filter(|alert| alert.is_trouble());
    let tone = match firing.clone().map(words::tone_of_alert).collect::<Vec<_>>() {
        tones if tones.contains(&"bad") => "bad",
        tones if !tones.is_empty() => "warn",
        // Not even the one that always fires.
        _ if alerts.is_empty() => "warn",
        _ => "good",
    };
    let silenced = alerts.iter().filter(|alert| alert.state == "suppressed").count();
    let detail = if alerts.is_empty() {
        "none at all: Prometheus does not reach Alertmanager".to_owned()
    } else {
        format!("firing, {silenced} silenced")
    };
    Tile { name: "Alerts", path: "/alerts", tone, value: firing.count().to_string(), detail }
}

fn of_report(report: &Report, backs_up: bool) -> Vec<Tile> {
    let mut tiles = Vec::new();
    if backs_up {
        tiles.push(report.backup.as_ref().map_or_else(
            || Tile {
                name: "Backup",
                path: "/backups",
                tone: "warn",
                value: "none yet".to_owned(),
                detail: String::new(),
            },
            |backup| Tile {
                name: "Backup",
                path: "/backups",
                tone: "good",
                value: age(backup.time),
                detail: format!("{} files, {}", backup.files, words::bytes(&backup.bytes)),
            },
        ));
        tiles.push(report.drill.as_ref().map_or_else(
            || Tile {
                name: "Drill",
                path: "/backups",
                tone: "",
                value: "none yet".to_owned(),
                detail: "no restore was proven".to_owned(),
            },
            |drill| Tile {
                name: "Drill",
                path: "/backups",
                tone: if drill.passed { "good" } else { "bad" },
                value: if drill.passed { "passed" } else { "failed" }.to_owned(),
                detail: age(drill.time),
            },
        ));
    }
    if let (Seen::Known(cluster), Seen::Known(bundle)) = (&report.cluster, &report.bundle) {
        let in_force = cluster.digest == bundle.digest && !cluster.incomplete;
        tiles.push(Tile {
            name: "Generation",
            path: "/history",
            tone: if in_force { "good" } else { "bad" },
            value: cluster.generation.to_string(),
            detail: if in_force {
                format!("bundle {} in force", short(&bundle.digest))
            } else {
                format!("bundle {} is not in force", short(&bundle.digest))
            },
        });
    }
    tiles
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(severity: &str, state: &str) -> Alert {
        Alert {
            name: "Something".into(),
            severity: severity.into(),
            state: state.into(),
            summary: String::new(),
            description: String::new(),
            runbook: None,
            since: String::new(),
            labels: std::collections::BTreeMap::new(),
        }
    }

    #[test]
    fn the_tile_of_alerts_counts_what_fires_and_no_silence_is_called_well() {
        let watchdog = alert("none", "active");
        let cases = [
            (vec![], "0", "warn"),
            (vec![watchdog.clone()], "0", "good"),
            (vec![watchdog.clone(), alert("critical", "suppressed")], "0", "good"),
            (vec![watchdog.clone(), alert("warning", "active")], "1", "warn"),
            (vec![watchdog, alert("warning", "active"), alert("critical", "active")], "2", "bad"),
        ];
        for (alerts, value, tone) in cases {
            let tile = of_alerts(&alerts);
            assert_eq!((tile.value.as_str(), tile.tone), (value, tone), "{alerts:?}");
        }
    }
}
