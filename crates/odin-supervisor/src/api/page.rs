//! The page: what the API tells, for people. Made on the machine, from nothing
//! but what is in the program: it works without a network.

mod chart;
mod login;
pub(super) mod runbooks;
mod words;

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};

use super::facts::{CHARTED, Facts};
use super::problem::Problem;
use super::view::{Alert, Component, Gpu, Gpus, Runbook, Trouble, moment};
use super::{guard, troubles};
use crate::applies::{self, ApplyRecord};
use crate::operations::status::{Report, Seen, age, short};
use crate::records::{BackupRecord, DrillRecord, RestoreRecord};
use chart::Sparkline;
pub(super) use login::to_login;

const STYLE: &str = include_str!("../../assets/page.css");
const SCRIPT: &str = include_str!("../../assets/page.js");
/// Records a page shows; the API answers more.
const SHOWN: usize = 30;

/// The routes of the page. Style, script, login and runbooks are for everybody:
/// none of them says anything of this machine.
pub(super) fn router(facts: &Arc<Facts>) -> Router<Arc<Facts>> {
    let people = Router::new()
        .route("/", get(status))
        .route("/components", get(components))
        .route("/gpus", get(gpus))
        .route("/backups", get(backups))
        .route("/alerts", get(alerts))
        .route("/history", get(history))
        .route_layer(from_fn_with_state(Arc::clone(facts), guard::person));
    Router::new()
        .route("/login", get(login::form).post(login::login))
        .route("/logout", post(login::logout))
        .route("/runbooks", get(runbook_list))
        .route("/runbooks/{alert}", get(runbooks::one))
        .route("/assets/page.css", get(|| asset("text/css; charset=utf-8", STYLE)))
        .route("/assets/page.js", get(|| asset("text/javascript; charset=utf-8", SCRIPT)))
        .merge(people)
}

async fn asset(kind: &'static str, content: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")], content).into_response()
}

/// What every page has.
struct Frame {
    /// Name of the machine; none before the login.
    host: Option<String>,
    /// Title, and which link is the present one.
    title: String,
    /// Whether the page brings itself up to date.
    live: bool,
    /// When it was made.
    now: String,
}

impl Frame {
    fn new(facts: &Facts, title: &str, live: bool) -> Self {
        Self { host: Some(facts.host()), ..Self::open(title, live) }
    }

    fn open(title: &str, live: bool) -> Self {
        Self { host: None, title: title.to_owned(), live, now: moment(jiff::Timestamp::now()) }
    }

    /// Whether it is the page a link leads to.
    fn is(&self, title: &str) -> bool {
        self.title == title
    }
}

/// Renders a template; one that fails is a defect and says so.
fn show(template: &impl Template) -> Response {
    show_with(StatusCode::OK, template)
}

fn show_with(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(text) => (status, Html(text)).into_response(),
        Err(error) => {
            let problem = format!("the page cannot be made: {error}");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, problem, "the API has the same facts")
                .into_response()
        }
    }
}

#[derive(Template)]
#[template(path = "status.html")]
struct StatusPage {
    frame: Frame,
    troubles: Vec<Trouble>,
    facts: Vec<(String, String)>,
    unseen: Vec<String>,
}

async fn status(State(facts): State<Arc<Facts>>) -> Response {
    let (report, components, gpus, alerts) =
        tokio::join!(facts.status(), facts.components(), facts.gpus(), facts.alerts());
    let mut troubles =
        report.as_ref().map(|report| troubles::of_status(report, facts.backs_up())).unwrap_or_default();
    troubles.extend(troubles::of_parts(
        components.as_ref().ok().map(|list| list.as_slice()),
        gpus.as_ref().ok().map(|gpus| &**gpus),
        alerts.as_ref().ok().map(|list| list.as_slice()),
    ));
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
    let facts_of = report.map(|report| words::of_report(&report)).unwrap_or_default();
    show(&StatusPage { frame: Frame::new(&facts, "Status", true), troubles, facts: facts_of, unseen })
}

#[derive(Template)]
#[template(path = "components.html")]
struct ComponentsPage {
    frame: Frame,
    components: Vec<Component>,
    unseen: Option<String>,
}

async fn components(State(facts): State<Arc<Facts>>) -> Response {
    let (components, unseen) = split(facts.components().await.map(|list| list.to_vec()));
    show(&ComponentsPage { frame: Frame::new(&facts, "Components", true), components, unseen })
}

/// A GPU with its charts.
struct ChartedGpu {
    gpu: Gpu,
    charts: Vec<Sparkline>,
}

#[derive(Template)]
#[template(path = "gpus.html")]
struct GpusPage {
    frame: Frame,
    declared: bool,
    driver: String,
    gpus: Vec<ChartedGpu>,
    findings: Vec<super::view::Finding>,
    unseen: Vec<String>,
}

async fn gpus(State(facts): State<Arc<Facts>>) -> Response {
    let (fleet, unseen) = split(facts.gpus().await.map(|gpus| Gpus::clone(&gpus)));
    let mut unseen: Vec<String> = unseen.into_iter().collect();
    let series = if fleet.gpus.is_empty() { None } else { Some(facts.charts().await) };
    let series = match series {
        Some(Ok(series)) => series,
        Some(Err(problem)) => {
            unseen.push(format!("Charts come from Prometheus: {}", problem.detail));
            Arc::default()
        }
        None => Arc::default(),
    };
    let charted = fleet.gpus.into_iter().map(|gpu| {
        let values = series.get(&gpu.uuid);
        let charts = CHARTED
            .iter()
            .filter_map(|(metric, unit, title)| Sparkline::new(title, unit, values?.values.get(*metric)?));
        ChartedGpu { charts: charts.collect(), gpu }
    });
    show(&GpusPage {
        frame: Frame::new(&facts, "GPUs", true),
        declared: fleet.declared,
        driver: fleet.driver,
        gpus: charted.collect(),
        findings: fleet.findings,
        unseen,
    })
}

#[derive(Template)]
#[template(path = "backups.html")]
struct BackupsPage {
    frame: Frame,
    backups: Vec<BackupRecord>,
    drills: Vec<DrillRecord>,
    restores: Vec<RestoreRecord>,
}

async fn backups(State(facts): State<Arc<Facts>>) -> Response {
    let page = async || -> Result<BackupsPage, Problem> {
        Ok(BackupsPage {
            frame: Frame::new(&facts, "Backups", false),
            backups: facts.records("backups.jsonl", SHOWN).await?,
            drills: facts.records("drills.jsonl", SHOWN).await?,
            restores: facts.records("restores.jsonl", SHOWN).await?,
        })
    };
    page().await.map_or_else(IntoResponse::into_response, |page| show(&page))
}

#[derive(Template)]
#[template(path = "alerts.html")]
struct AlertsPage {
    frame: Frame,
    alerts: Vec<Alert>,
    unseen: Option<String>,
}

async fn alerts(State(facts): State<Arc<Facts>>) -> Response {
    let (alerts, unseen) = split(facts.alerts().await.map(|list| list.to_vec()));
    show(&AlertsPage { frame: Frame::new(&facts, "Alerts", true), alerts, unseen })
}

#[derive(Template)]
#[template(path = "history.html")]
struct HistoryPage {
    frame: Frame,
    applies: Vec<ApplyRecord>,
}

async fn history(State(facts): State<Arc<Facts>>) -> Response {
    match facts.records(applies::FILE, SHOWN).await {
        Ok(applies) => show(&HistoryPage { frame: Frame::new(&facts, "History", false), applies }),
        Err(problem) => problem.into_response(),
    }
}

#[derive(Template)]
#[template(path = "runbooks.html")]
struct RunbooksPage {
    frame: Frame,
    runbooks: Vec<Runbook>,
}

async fn runbook_list() -> Response {
    show(&RunbooksPage { frame: Frame::open("Runbooks", false), runbooks: runbooks::all() })
}

/// What was found, and why nothing was.
fn split<T: Default>(found: Result<T, Problem>) -> (T, Option<String>) {
    match found {
        Ok(found) => (found, None),
        Err(problem) => (T::default(), Some(problem.detail)),
    }
}

#[cfg(test)]
mod tests;
