//! What can be read over TCP.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use axum::{Json, Router};
use serde::Deserialize;
use utoipa::IntoParams;

use super::facts::Facts;
use super::problem::Problem;
use super::view::{Alert, Component, Gpus, Runbook, Status};
use super::{guard, openapi, page, troubles};
use crate::applies::{self, ApplyRecord};
use crate::operations::status::Seen;
use crate::records::{BackupRecord, DrillRecord, RestoreRecord};

/// Records that are answered where nothing else is asked for, and at most.
const DEFAULT_LIMIT: usize = 50;
const MAXIMUM_LIMIT: usize = 500;

/// How much is wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Page {
    /// Records at most, the newest first; 50 when absent, 500 at most.
    limit: Option<usize>,
}

impl Page {
    fn limit(&self) -> usize {
        self.limit.unwrap_or(DEFAULT_LIMIT).min(MAXIMUM_LIMIT)
    }
}

/// Everything over TCP.
pub(super) fn router(facts: Arc<Facts>) -> Router {
    let open = Router::new().route("/healthz", get(healthz)).route("/readyz", get(readyz));
    let scraped = Router::new().route("/metrics", get(metrics));
    let read = api().into_iter().fold(Router::new(), |router, (path, route)| router.route(path, route));
    open.merge(scraped.route_layer(from_fn_with_state(Arc::clone(&facts), guard::metrics)))
        .merge(read.route_layer(from_fn_with_state(Arc::clone(&facts), guard::read)))
        .merge(page::router(&facts))
        .fallback(nothing)
        .method_not_allowed_fallback(only_reading)
        .layer(from_fn_with_state(Arc::clone(&facts), guard::counted))
        .with_state(facts)
}

/// The routes of the API; the OpenAPI document describes just these.
pub(super) fn api() -> [(&'static str, MethodRouter<Arc<Facts>>); 10] {
    [
        ("/api/v1/status", get(status)),
        ("/api/v1/components", get(components)),
        ("/api/v1/history", get(history)),
        ("/api/v1/backups", get(backups)),
        ("/api/v1/restores", get(restores)),
        ("/api/v1/drills", get(drills)),
        ("/api/v1/gpus", get(gpus)),
        ("/api/v1/alerts", get(alerts)),
        ("/api/v1/runbooks", get(runbooks)),
        ("/api/v1/openapi.json", get(document)),
    ]
}

type Answer<T> = Result<Json<T>, Problem>;

/// Whether the supervisor runs.
#[utoipa::path(get, path = "/healthz", tag = "open", responses((status = 200, body = String)), security(()))]
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether the cluster answers the supervisor.
#[utoipa::path(get, path = "/readyz", tag = "open",
    responses((status = 200, body = String), (status = 503, body = Problem)), security(()))]
pub(super) async fn readyz(State(facts): State<Arc<Facts>>) -> Response {
    // To whoever asks without a token: the fact, and nothing about it.
    match facts.status().await {
        Ok(report) if matches!(report.cluster, Seen::Known(_)) => "ready\n".into_response(),
        _ => {
            Problem::unavailable("the cluster does not answer the supervisor", "odin status").into_response()
        }
    }
}

/// The supervisor's metrics, in Prometheus' text format.
#[utoipa::path(get, path = "/metrics", tag = "metrics",
    responses((status = 200, body = String), (status = 401, body = Problem)), security(("metrics" = [])))]
pub(super) async fn metrics(State(facts): State<Arc<Facts>>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], facts.exposition()).into_response()
}

/// What is declared, applied, healthy, backed up and proven; what is wrong, and what to do next.
#[utoipa::path(get, path = "/api/v1/status", tag = "read",
    responses((status = 200, body = Status), (status = 503, body = Problem)))]
pub(super) async fn status(State(facts): State<Arc<Facts>>) -> Answer<Status> {
    let report = facts.status().await?;
    Ok(Json(Status {
        well: report.is_well(),
        troubles: troubles::of_status(&report, facts.backs_up()),
        report,
    }))
}

/// The components of the bundle in force, with what is not healthy in them.
#[utoipa::path(get, path = "/api/v1/components", tag = "read",
    responses((status = 200, body = Vec<Component>), (status = 503, body = Problem)))]
pub(super) async fn components(State(facts): State<Arc<Facts>>) -> Answer<Vec<Component>> {
    Ok(Json(facts.components().await?.to_vec()))
}

/// The applies that changed something, with what they changed; the newest first.
#[utoipa::path(get, path = "/api/v1/history", tag = "read", params(Page),
    responses((status = 200, body = Vec<ApplyRecord>), (status = 400, body = Problem)))]
pub(super) async fn history(facts: State<Arc<Facts>>, page: Asked) -> Answer<Vec<ApplyRecord>> {
    records(&facts, page, applies::FILE).await
}

/// The backups that were taken; the newest first. `odin backup list` shows which the repository still has.
#[utoipa::path(get, path = "/api/v1/backups", tag = "read", params(Page),
    responses((status = 200, body = Vec<BackupRecord>), (status = 400, body = Problem)))]
pub(super) async fn backups(facts: State<Arc<Facts>>, page: Asked) -> Answer<Vec<BackupRecord>> {
    records(&facts, page, "backups.jsonl").await
}

/// The restores there were; the newest first.
#[utoipa::path(get, path = "/api/v1/restores", tag = "read", params(Page),
    responses((status = 200, body = Vec<RestoreRecord>), (status = 400, body = Problem)))]
pub(super) async fn restores(facts: State<Arc<Facts>>, page: Asked) -> Answer<Vec<RestoreRecord>> {
    records(&facts, page, "restores.jsonl").await
}

/// The drills there were, with what they found; the newest first.
#[utoipa::path(get, path = "/api/v1/drills", tag = "read", params(Page),
    responses((status = 200, body = Vec<DrillRecord>), (status = 400, body = Problem)))]
pub(super) async fn drills(facts: State<Arc<Facts>>, page: Asked) -> Answer<Vec<DrillRecord>> {
    records(&facts, page, "drills.jsonl").await
}

/// The GPUs of this machine, each with its verdict and what was found.
#[utoipa::path(get, path = "/api/v1/gpus", tag = "read",
    responses((status = 200, body = Gpus), (status = 503, body = Problem)))]
pub(super) async fn gpus(State(facts): State<Arc<Facts>>) -> Answer<Gpus> {
    Ok(Json(Gpus::clone(&*facts.gpus().await?)))
}

/// The alerts Alertmanager holds, the gravest first.
#[utoipa::path(get, path = "/api/v1/alerts", tag = "read",
    responses((status = 200, body = Vec<Alert>), (status = 503, body = Problem)))]
pub(super) async fn alerts(State(facts): State<Arc<Facts>>) -> Answer<Vec<Alert>> {
    Ok(Json(facts.alerts().await?.to_vec()))
}

/// The runbooks on this machine.
#[utoipa::path(get, path = "/api/v1/runbooks", tag = "read", responses((status = 200, body = Vec<Runbook>)))]
pub(super) async fn runbooks() -> Json<Vec<Runbook>> {
    Json(page::runbooks::all())
}

/// This document.
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "read", responses((status = 200)))]
pub(super) async fn document() -> Json<utoipa::openapi::OpenApi> {
    Json(openapi::document())
}

type Asked = Result<Query<Page>, axum::extract::rejection::QueryRejection>;

async fn records<T: serde::de::DeserializeOwned + Send + 'static>(
    facts: &Facts,
    page: Asked,
    file: &'static str,
) -> Answer<Vec<T>> {
    let Query(page) = page.map_err(|error| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            error.body_text(),
            "`limit` is a number, and all there is to ask",
        )
    })?;
    Ok(Json(facts.records(file, page.limit()).await?))
}

async fn nothing(State(facts): State<Arc<Facts>>, headers: HeaderMap) -> Response {
    let hint = "/api/v1/openapi.json lists what there is";
    page::explain(&facts, &headers, Problem::new(StatusCode::NOT_FOUND, "there is nothing here", hint)).await
}

async fn only_reading() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "this address answers GET and HEAD",
        "nothing can be changed over the network; use `odin` on the machine",
    )
}
