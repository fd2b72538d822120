//! Every page with the worst that can be written into it.

use std::collections::BTreeMap;

use super::chart::Chart;
use super::glance::{StatusPage, Tile};
use super::gpus::{ChartedGpu, GpusPage, Row};
use super::*;
use crate::api::view::{Finding, Gpu, IllObject, Trouble};
use crate::applies::{Change, Field};

/// What somebody who may write an annotation, a name or a label would write.
const EVIL: &str = r#"<script>alert(1)</script>"' onmouseover=alert(1) </title></h1><img src=x>"#;

fn evil() -> String {
    EVIL.to_owned()
}

fn frame(title: &str) -> Frame {
    Frame { host: Some(evil()), title: title.to_owned(), live: true, now: record_time() }
}

fn finding() -> Finding {
    Finding { name: evil(), verdict: "failed".into(), evidence: evil(), next_step: evil() }
}

fn record_time() -> jiff::Timestamp {
    "2026-11-23T20:00:00Z".parse().expect("a time")
}

/// Every page, by its path.
fn pages() -> BTreeMap<&'static str, String> {
    let render = |page: &dyn Fn() -> askama::Result<String>| page().expect("a page");
    let trouble = Trouble {
        what: evil(),
        next_step: evil(),
        runbook: Some("/runbooks/TargetDown".into()),
        critical: true,
    };
    let status = StatusPage {
        frame: frame("Status"),
        tone: "bad",
        troubles: vec![trouble],
        tiles: vec![Tile { name: "Drill", path: "/backups", tone: "bad", value: evil(), detail: evil() }],
        facts: vec![(evil(), evil())],
        unseen: vec![evil()],
    };
    let ill = IllObject { object: evil(), reason: evil() };
    let component = Component { name: evil(), wave: 1, objects: 2, healthy: false, ill: vec![ill] };
    let components = ComponentsPage { frame: frame("Components"), components: vec![component], unseen: None };
    let gpu =
        Gpu { index: 0, uuid: evil(), name: evil(), verdict: evil(), mig: true, findings: vec![finding()] };
    let chart = Chart::new(EVIL, EVIL, &[(1.0, 2.0), (16.0, 3.0)], 16.0, None).expect("a chart");
    let gpus = GpusPage {
        frame: frame("GPUs"),
        declared: true,
        driver: evil(),
        gpus: vec![ChartedGpu {
            gpu,
            charts: vec![chart],
            rows: vec![Row { when: evil(), values: vec![(evil(), evil())] }],
        }],
        findings: vec![finding()],
        unseen: vec![evil()],
    };
    let alert = Alert {
        name: evil(),
        severity: evil(),
        state: evil(),
        summary: evil(),
        description: evil(),
        runbook: Some("/runbooks/TargetDown".into()),
        since: evil(),
        labels: BTreeMap::from([(evil(), evil())]),
    };
    let alerts = AlertsPage::new(frame("Alerts"), vec![alert], None);
    let drill = DrillRecord {
        snapshot: evil(),
        time: record_time(),
        seconds: 1.5,
        bytes: 1,
        files: 2,
        passed: false,
        findings: vec![evil()],
    };
    let backups = BackupsPage {
        frame: frame("Backups"),
        backups: Vec::new(),
        drills: vec![drill],
        restores: Vec::new(),
    };
    let field = Field { path: evil(), from: Some(evil()), to: Some(evil()) };
    let change = Change { verb: evil(), object: evil(), detail: evil(), fields: vec![field] };
    let apply = ApplyRecord {
        time: record_time(),
        seconds: 200.0,
        operation: evil(),
        generation: 3,
        digest: evil(),
        succeeded: false,
        changes: vec![change],
        more: 2,
        troubles: vec![evil()],
    };
    let history = HistoryPage { frame: frame("History"), applies: vec![apply] };
    let runbooks = RunbooksPage { frame: Frame::open("Runbooks", false), runbooks: runbooks::all() };
    BTreeMap::from([
        ("/", render(&|| status.render())),
        ("/components", render(&|| components.render())),
        ("/gpus", render(&|| gpus.render())),
        ("/alerts", render(&|| alerts.render())),
        ("/backups", render(&|| backups.render())),
        ("/history", render(&|| history.render())),
        ("/runbooks", render(&|| runbooks.render())),
    ])
}

#[test]
fn nothing_that_others_wrote_becomes_markup() {
    for (path, html) in pages() {
        for bad in ["<script>alert", "<img src=x", "\"' onmouseover", "' onmouseover", "\" onmouseover"] {
            assert!(!html.contains(bad), "{path} has {bad}:\n{html}");
        }
        assert!(path == "/runbooks" || html.contains("&#60;script&#62;"), "{path}:\n{html}");
    }
}

#[test]
fn pages_hold_to_their_own_content_policy_and_work_offline() {
    for (path, html) in pages() {
        for bad in
            [" style=", "<style", "javascript:", "http://", "https://", "//cdn", " onclick=", " onload="]
        {
            assert!(!html.contains(bad), "{path} has {bad}");
        }
        assert_eq!(html.matches("<script").count(), 1, "{path}");
        assert!(html.contains(r#"<script src="/assets/page.js" defer></script>"#), "{path}");
        assert!(html.contains(r#"<link rel="stylesheet" href="/assets/page.css">"#), "{path}");
    }
    for bad in ["http", "//", "@import", "url("] {
        let style = STYLE.replace("prefers", "");
        assert!(!style.contains(bad), "the style has {bad}");
    }
}

#[test]
fn pages_can_be_used_by_keyboard_and_read_aloud() {
    for (path, html) in pages() {
        assert!(html.starts_with("<!doctype html>\n<html lang=\"en\">"), "{path}");
        for once in [
            "<main id=\"main\"",
            "<header>",
            "<footer>",
            "<nav aria-label=\"Pages\">",
            "<h1>",
            "name=\"viewport\"",
        ] {
            assert_eq!(html.matches(once).count(), 1, "{path}: {once}");
        }
        let skip = html.find("class=\"skip\" href=\"#main\"").expect("a way past the links");
        assert!(skip < html.find("<nav").expect("links"), "{path}");
        assert_eq!(html.matches("aria-current=\"page\"").count(), 1, "{path}");
        assert_eq!(html.matches("<table").count(), html.matches("<caption").count(), "{path}");
        assert_eq!(
            html.matches("<svg").count(),
            html.matches("role=\"img\" aria-labelledby=\"").count(),
            "{path}"
        );
        let ids: Vec<&str> = html.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        let unique: std::collections::BTreeSet<&&str> = ids.iter().collect();
        assert_eq!(ids.len(), unique.len(), "{path}: {ids:?}");
        for (open, close) in ["div", "dl", "table", "section", "article", "ul", "p", "details", "figure"]
            .map(|tag| (format!("<{tag}"), format!("</{tag}>")))
        {
            let opened =
                html.matches(&format!("{open} ")).count() + html.matches(&format!("{open}>")).count();
            assert_eq!(opened, html.matches(&close).count(), "{path}: {open}");
        }
    }
}

#[test]
fn colours_have_contrast_in_light_and_dark() {
    /// Relative luminance (WCAG 2.2, definition of it).
    fn luminance(colour: &str) -> f64 {
        let part = |range: std::ops::Range<usize>| {
            let value = f64::from(u8::from_str_radix(&colour[range], 16).expect("hexadecimal")) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * part(1..3) + 0.7152 * part(3..5) + 0.0722 * part(5..7)
    }
    let schemes: Vec<&str> = STYLE.split("--ground:").skip(1).collect();
    assert_eq!(schemes.len(), 2, "light and dark");
    for scheme in schemes {
        let scheme = format!("--ground:{}", scheme.split('}').next().expect("an end"));
        let colour = |name: &str| {
            let rest = scheme.split(&format!("--{name}: ")).nth(1).expect(name);
            rest.split(';').next().expect("an end").to_owned()
        };
        for ground in ["ground", "raised"] {
            for text in ["text", "faint", "link", "good", "warn", "bad"] {
                let (one, other) = (luminance(&colour(ground)), luminance(&colour(text)));
                let contrast = (one.max(other) + 0.05) / (one.min(other) + 0.05);
                assert!(contrast >= 4.5, "{text} on {ground}: {contrast:.1}");
            }
        }
    }
}
