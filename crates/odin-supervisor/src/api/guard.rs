//! What every request passes: rate, size and time; safe headers on every
//! answer; and the token, where one is asked for.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;

use super::facts::Facts;
use super::limits::{Limits, Rate};
use super::problem::Problem;
use crate::tokens::{Refusal, Scope, Token};

/// The cookie of the page. Its prefix makes browsers take it only over TLS, for
/// this host alone and for all its paths.
pub(super) const COOKIE: &str = "__Host-odin";

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) IpAddr);

/// Headers of every answer. No script, style or picture from elsewhere, none
/// written into the page, in nobody's frame.
const HEADERS: [(&str, &str); 8] = [
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=()"),
    ("cache-control", "no-store"),
];

/// Bounds of requests.
#[derive(Debug)]
struct Bounds {
    limits: Limits,
    rate: Rate,
}

/// Puts a router behind the bounds of requests.
pub(super) fn within(router: Router, limits: Limits) -> Router {
    let bounds = Arc::new(Bounds { limits, rate: Rate::new(limits) });
    router
        .layer(DefaultBodyLimit::max(limits.body_bytes))
        .layer(middleware::from_fn_with_state(bounds, bounded))
}

async fn bounded(State(bounds): State<Arc<Bounds>>, request: Request, next: Next) -> Response {
    let peer = peer(&request);
    let mut response = if bounds.rate.admits(peer, Instant::now()) {
        match tokio::time::timeout(bounds.limits.answer, next.run(request)).await {
            Ok(response) => response,
            Err(_) => Problem::unavailable("there was no answer in time", "ask again").into_response(),
        }
    } else {
        Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            format!("more than {} requests a second came from this address", bounds.limits.rate),
            "wait, and ask less often",
        )
        .into_response()
    };
    harden(response.headers_mut());
    response
}

/// Puts the headers of every answer; what a route says of its cache stays.
fn harden(headers: &mut HeaderMap) {
    for (name, value) in HEADERS {
        let name = HeaderName::from_static(name);
        if name != header::CACHE_CONTROL || !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
}

fn peer(request: &Request) -> IpAddr {
    let unknown = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);
    request.extensions().get::<Peer>().map_or(unknown, |Peer(peer)| *peer)
}

/// Counts answers.
pub(super) async fn counted(State(facts): State<Arc<Facts>>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    facts.traffic().answered(response.status().as_u16());
    response
}

/// Lets requests with a token of scope `read` through.
pub(super) async fn read(State(facts): State<Arc<Facts>>, request: Request, next: Next) -> Response {
    match allowed(&facts, request.headers(), Scope::Read, peer(&request)).await {
        Ok(_) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// Lets requests with a token of scope `metrics` through.
pub(super) async fn metrics(State(facts): State<Arc<Facts>>, request: Request, next: Next) -> Response {
    match allowed(&facts, request.headers(), Scope::Metrics, peer(&request)).await {
        Ok(_) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// Lets browsers through that have a cookie; others are sent to the login.
pub(super) async fn person(State(facts): State<Arc<Facts>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    match allowed(&facts, headers, Scope::Read, peer(&request)).await {
        Ok(_) => next.run(request).await,
        Err(problem) => super::page::to_login(presented(headers, Scope::Read).map(|_| problem)),
    }
}

/// Whether somebody has logged in, for pages that are open to all.
pub(super) async fn is_person(facts: &Facts, headers: &HeaderMap) -> bool {
    let Some(secret) = presented(headers, Scope::Read) else { return false };
    matches!(facts.tokens().ask(secret, Scope::Read, Timestamp::now()).await, Some(Ok(_)))
}

/// The token of a request, when it is good for a scope.
async fn allowed(facts: &Facts, headers: &HeaderMap, scope: Scope, peer: IpAddr) -> Result<Token, Problem> {
    let Some(secret) = presented(headers, scope) else {
        return Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            format!("this needs a token of scope {scope}"),
            "send `Authorization: Bearer TOKEN`; `odin token create` makes one",
        ));
    };
    check(facts, secret, scope, peer).await
}

/// Whether a token is good for a scope; counts and logs when it is not.
pub(super) async fn check(facts: &Facts, secret: &str, scope: Scope, peer: IpAddr) -> Result<Token, Problem> {
    let refusal = match facts.tokens().ask(secret, scope, Timestamp::now()).await {
        Some(Ok(token)) => return Ok(token),
        Some(Err(refusal)) => refusal,
        None => return Err(Problem::unavailable("the tokens cannot be read in time", "ask again")),
    };
    let (reason, problem) = match &refusal {
        Refusal::Unknown => (
            "unknown",
            Problem::new(
                StatusCode::UNAUTHORIZED,
                "this is no token of this machine, or it was revoked",
                "`odin token list` shows the tokens there are",
            ),
        ),
        Refusal::Expired { .. } => (
            "expired",
            Problem::new(
                StatusCode::UNAUTHORIZED,
                "this token has expired",
                "`odin token create` makes another",
            ),
        ),
        Refusal::Scope { has, .. } => (
            "scope",
            Problem::new(
                StatusCode::FORBIDDEN,
                format!("this needs a token of scope {scope}, and this one has {has}"),
                "`odin token create` makes one of another scope",
            ),
        ),
    };
    facts.traffic().refused(reason);
    facts.audit_refusal(&refusal, peer);
    Err(problem)
}

/// The token a request shows. The cookie is the page's, so it counts for
/// reading alone.
fn presented(headers: &HeaderMap, scope: Scope) -> Option<&str> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let (scheme, secret) = value.to_str().ok()?.split_once(' ')?;
        return scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim());
    }
    if scope != Scope::Read {
        return None;
    }
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    cookies.flat_map(|line| line.split(';')).find_map(|cookie| {
        let (name, value) = cookie.trim().split_once('=')?;
        (name == COOKIE).then_some(value)
    })
}
