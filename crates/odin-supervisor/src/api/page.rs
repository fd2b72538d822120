//! The page: what the API tells, for people. Made on the machine, from nothing
//! but what is in the program: it works without a network.

mod chart;
mod glance;
mod gpus;
mod login;
pub(super) mod runbooks;
mod words;

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};

use super::facts::Facts;
use super::guard;
use super::problem::Problem;
use super::view::{Alert, Component, Runbook};
use crate::applies::{self, ApplyRecord};
use crate::records::{BackupRecord, DrillRecord, RestoreRecord};
pub(super) use login::to_login;

const STYLE: &str = include_str!("../../assets/page.css");
const SCRIPT: &str = include_str!("../../assets/page.js");
const ICON: &str = include_str!("../../assets/icon.svg");
/// What there is, and whether it needs a login.
const LINKS: [(&str, &str, bool); 7] = [
    ("/", "Status", true),
    ("/components", "Components", true),
    ("/gpus", "GPUs", true),
    ("/alerts", "Alerts", true),
    ("/backups", "Backups", true),
    ("/history", "History", true),
    ("/runbooks", "Runbooks", false),
];
/// Records a page shows; the API answers more.
const SHOWN: usize = 30;

/// The routes of the page. Style, script, login and runbooks are for everybody:
/// none of them says anything of this machine.
pub(super) fn router(facts: &Arc<Facts>) -> Router<Arc<Facts>> {
    let people = Router::new()
        .route("/", get(glance::status))
        .route("/components", get(components))
        .route("/gpus", get(gpus::gpus))
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
        .route("/assets/icon.svg", get(|| asset("image/svg+xml", ICON)))
        // Browsers ask for this name whatever the page says.
        .route("/favicon.ico", get(|| asset("image/svg+xml", ICON)))
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
    now: jiff::Timestamp,
}

impl Frame {
    fn new(facts: &Facts, title: &str, live: bool) -> Self {
        Self { host: Some(facts.host()), ..Self::open(title, live) }
    }

    fn open(title: &str, live: bool) -> Self {
        Self { host: None, title: title.to_owned(), live, now: jiff::Timestamp::now() }
    }

    /// A page that is open to all; who has logged in sees where.
    async fn for_anybody(facts: &Facts, headers: &HeaderMap, title: &str) -> Self {
        if guard::is_person(facts, headers).await {
            Self::new(facts, title, false)
        } else {
            Self::open(title, false)
        }
    }

    /// Path and name of the pages that can be opened.
    fn links(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let known = self.host.is_some();
        LINKS.into_iter().filter(move |(.., login)| known || !login).map(|(path, name, _)| (path, name))
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
#[template(path = "problem.html")]
struct ProblemPage {
    frame: Frame,
    problem: Problem,
}

/// A problem for whoever asks: as a page where one is read, else as JSON.
pub(super) async fn explain(facts: &Facts, headers: &HeaderMap, problem: Problem) -> Response {
    let accepts = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    if !accepts.is_some_and(|accept| accept.contains("text/html")) {
        return problem.into_response();
    }
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let frame = Frame::for_anybody(facts, headers, &problem.title).await;
    show_with(status, &ProblemPage { frame, problem })
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

#[derive(Template)]
#[template(path = "backups.html")]
struct BackupsPage {
    frame: Frame,
    backups: Vec<BackupRecord>,
    drills: Vec<DrillRecord>,
    restores: Vec<RestoreRecord>,
}

async fn backups(State(facts): State<Arc<Facts>>, headers: HeaderMap) -> Response {
    let page = async || -> Result<BackupsPage, Problem> {
        Ok(BackupsPage {
            frame: Frame::new(&facts, "Backups", false),
            backups: facts.records("backups.jsonl", SHOWN).await?,
            drills: facts.records("drills.jsonl", SHOWN).await?,
            restores: facts.records("restores.jsonl", SHOWN).await?,
        })
    };
    match page().await {
        Ok(page) => show(&page),
        Err(problem) => explain(&facts, &headers, problem).await,
    }
}

#[derive(Template)]
#[template(path = "alerts.html")]
struct AlertsPage {
    frame: Frame,
    /// Those that say that something is wrong, and the others.
    groups: Vec<(&'static str, Vec<Alert>)>,
    /// Whether there are none of the first.
    well: bool,
    unseen: Option<String>,
}

impl AlertsPage {
    fn new(frame: Frame, alerts: Vec<Alert>, unseen: Option<String>) -> Self {
        let (firing, others): (Vec<_>, Vec<_>) = alerts.into_iter().partition(Alert::is_trouble);
        let well = firing.is_empty();
        let groups = [("Firing", firing), ("Silenced, or no trouble", others)];
        let groups = groups.into_iter().filter(|(_, alerts)| !alerts.is_empty()).collect();
        Self { frame, groups, well, unseen }
    }
}

async fn alerts(State(facts): State<Arc<Facts>>) -> Response {
    let (alerts, unseen) = split(facts.alerts().await.map(|list| list.to_vec()));
    show(&AlertsPage::new(Frame::new(&facts, "Alerts", true), alerts, unseen))
}

#[derive(Template)]
#[template(path = "history.html")]
struct HistoryPage {
    frame: Frame,
    applies: Vec<ApplyRecord>,
}

async fn history(State(facts): State<Arc<Facts>>, headers: HeaderMap) -> Response {
    match facts.records(applies::FILE, SHOWN).await {
        Ok(applies) => show(&HistoryPage { frame: Frame::new(&facts, "History", false), applies }),
        Err(problem) => explain(&facts, &headers, problem).await,
    }
}

#[derive(Template)]
#[template(path = "runbooks.html")]
struct RunbooksPage {
    frame: Frame,
    runbooks: Vec<Runbook>,
}

async fn runbook_list(State(facts): State<Arc<Facts>>, headers: HeaderMap) -> Response {
    let frame = Frame::for_anybody(&facts, &headers, "Runbooks").await;
    show(&RunbooksPage { frame, runbooks: runbooks::all() })
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
