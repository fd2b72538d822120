//! The login: the only thing over TCP that changes anything, and what it
//! changes is a cookie of the browser.

use std::net::IpAddr;
use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::FormRejection;
use axum::extract::{Extension, Form, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::{Frame, show, show_with, words};
use crate::api::facts::Facts;
use crate::api::guard::{self, COOKIE, Peer};
use crate::api::problem::Problem;
use crate::tokens::Scope;

/// How long a browser keeps the cookie; the token may end before.
const KEPT_SECONDS: u32 = 8 * 3600;

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    frame: Frame,
    refused: Option<String>,
}

/// What the form sends.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sent {
    token: String,
}

/// Sends a browser to the login; one that had logged in is told why it has to
/// again.
pub(in crate::api) fn to_login(refused: Option<Problem>) -> Response {
    let Some(problem) = refused else {
        return Redirect::to("/login").into_response();
    };
    let frame = Frame::open("Log in", false);
    let page = LoginPage { frame, refused: Some(format!("Log in again: {}.", problem.detail)) };
    show_with(StatusCode::UNAUTHORIZED, &page)
}

pub(super) async fn form() -> Response {
    show(&LoginPage { frame: Frame::open("Log in", false), refused: None })
}

pub(super) async fn login(
    State(facts): State<Arc<Facts>>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    form: Result<Form<Sent>, FormRejection>,
) -> Response {
    if !is_from_here(&headers) {
        return from_elsewhere();
    }
    let peer = peer.map_or(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), |Extension(Peer(peer))| peer);
    let refuse = |status, reason: String| {
        show_with(status, &LoginPage { frame: Frame::open("Log in", false), refused: Some(reason) })
    };
    let Ok(Form(Sent { token })) = form else {
        return refuse(StatusCode::BAD_REQUEST, "The form was not filled in as it is.".to_owned());
    };
    let secret = token.trim();
    let known = match guard::check(&facts, secret, Scope::Read, peer).await {
        Ok(known) => known,
        Err(problem) => return refuse(StatusCode::UNAUTHORIZED, problem.detail),
    };
    facts.audit_login(&known.name, peer);
    with_cookie(Redirect::to("/").into_response(), secret, KEPT_SECONDS)
}

pub(super) async fn logout(headers: HeaderMap) -> Response {
    if is_from_here(&headers) {
        with_cookie(Redirect::to("/login").into_response(), "", 0)
    } else {
        from_elsewhere()
    }
}

fn with_cookie(mut response: Response, value: &str, seconds: u32) -> Response {
    let cookie = format!("{COOKIE}={value}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age={seconds}");
    // A token that is known is letters and digits.
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

/// Whether a form was sent by this page: nobody may log somebody else in or
/// out. A program that is no browser says nothing of where it comes from.
fn is_from_here(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let by_site = text("sec-fetch-site").is_none_or(|site| matches!(site, "same-origin" | "none"));
    let host = text("host").unwrap_or_default();
    let by_origin = text("origin").is_none_or(|origin| origin.strip_prefix("https://") == Some(host));
    by_site && by_origin
}

fn from_elsewhere() -> Response {
    Problem::new(StatusCode::FORBIDDEN, "this form was sent from another site", "log in at /login")
        .into_response()
}
