//! The runbooks: docs/runbooks, in the program, as pages.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use include_dir::{Dir, include_dir};
use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd, html};

use super::{Frame, explain, show, words};
use crate::api::facts::Facts;
use crate::api::problem::Problem;
use crate::api::view::Runbook;

static RUNBOOKS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../docs/runbooks");

#[derive(Template)]
#[template(path = "runbook.html")]
struct RunbookPage {
    frame: Frame,
    content: String,
}

/// Every runbook, by the name of its alert.
pub(in crate::api) fn all() -> Vec<Runbook> {
    let names = RUNBOOKS.files().filter_map(|file| file.path().to_str()?.strip_suffix(".md"));
    let mut found: Vec<Runbook> =
        names.map(|alert| Runbook { alert: alert.to_owned(), path: format!("/runbooks/{alert}") }).collect();
    found.sort_by(|one, other| one.alert.cmp(&other.alert));
    found
}

/// Where the runbook of an alert is; none when it has none.
pub(in crate::api) fn path_of(alert: &str) -> Option<String> {
    text_of(alert).map(|_| format!("/runbooks/{alert}"))
}

pub(super) async fn one(
    State(facts): State<Arc<Facts>>,
    Path(alert): Path<String>,
    headers: HeaderMap,
) -> Response {
    match text_of(&alert) {
        Some(text) => {
            let frame = Frame::for_anybody(&facts, &headers, &alert).await;
            show(&RunbookPage { frame, content: render(text) })
        }
        None => {
            let problem =
                Problem::new(StatusCode::NOT_FOUND, "there is no such runbook", "/runbooks lists them");
            explain(&facts, &headers, problem).await
        }
    }
}

/// The text of a runbook. A name is compared with the names there are and never
/// becomes part of a path.
fn text_of(alert: &str) -> Option<&'static str> {
    let file = RUNBOOKS.files().find(|file| {
        file.path().to_str().and_then(|path| path.strip_suffix(".md")).is_some_and(|name| name == alert)
    })?;
    file.contents_utf8()
}

/// Markdown to HTML. HTML in a text is shown and not taken as such, and a link
/// leads to another runbook or is no link: the rest of the documentation is not
/// on the machine.
fn render(text: &str) -> String {
    let mut dropped = 0_usize;
    let events = Parser::new_ext(text, Options::ENABLE_TABLES).filter_map(|event| match event {
        Event::Html(text) | Event::InlineHtml(text) => Some(Event::Text(text)),
        Event::Start(Tag::Image { .. }) | Event::End(TagEnd::Image) => None,
        Event::Start(Tag::Link { link_type, dest_url, title, id }) => match here(&dest_url) {
            Some(url) => Some(Event::Start(Tag::Link { link_type, dest_url: CowStr::from(url), title, id })),
            None => {
                dropped += 1;
                None
            }
        },
        Event::End(TagEnd::Link) if dropped > 0 => {
            dropped -= 1;
            None
        }
        other => Some(other),
    });
    let mut out = String::new();
    html::push_html(&mut out, events);
    out
}

/// Where a link of a runbook leads on the machine.
fn here(url: &str) -> Option<String> {
    let name = url.split('#').next()?.strip_suffix(".md")?;
    path_of(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_runbook_of_the_repository_is_here() {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/runbooks");
        let mut names: Vec<String> = std::fs::read_dir(directory)
            .expect("docs/runbooks")
            .filter_map(|entry| {
                entry.expect("an entry").file_name().to_str()?.strip_suffix(".md").map(str::to_owned)
            })
            .collect();
        names.sort();
        let here: Vec<String> = all().into_iter().map(|runbook| runbook.alert).collect();
        assert_eq!(here, names);
        assert!(here.len() > 30);
    }

    #[test]
    fn no_name_leads_out_of_the_runbooks() {
        for name in
            ["", ".", "..", "../adr/0001-plan-then-execute", "/etc/passwd", "TargetDown.md", "targetdown"]
        {
            assert_eq!(text_of(name), None, "{name:?}");
        }
        assert!(text_of("TargetDown").is_some());
    }

    #[test]
    fn a_runbook_is_text_and_links_only_to_others() {
        let text = "# A\n<script>alert(1)</script>\n\n[one](TargetDown.md#x) [no](../reference/network.md) \
                    [bad](javascript:alert(1)) ![p](https://example.org/p.png) `<b>`";
        let html = render(text);
        assert!(html.contains("<h1>A</h1>"), "{html}");
        assert!(html.contains("<a href=\"/runbooks/TargetDown\">one</a>"), "{html}");
        assert!(html.contains("&lt;script&gt;") && html.contains("&lt;b&gt;"), "{html}");
        for bad in ["<script", "javascript:", "example.org", "network.md", "<img"] {
            assert!(!html.contains(bad), "{bad}: {html}");
        }
        assert_eq!(html.matches("<a ").count(), html.matches("</a>").count(), "{html}");
    }
}
