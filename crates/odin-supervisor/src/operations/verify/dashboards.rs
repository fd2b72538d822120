//! The row about dashboards: every query of every panel is put to Prometheus
//! or Loki as Grafana would put it, so that it needs no Grafana.
//!
//! An error fails the row. A query without data does not: a machine without
//! GPUs has none of their series. What has no data is named.

mod fill;
mod panels;

use std::time::{Duration, Instant};

use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use odin_model::report::Row;
use serde_json::Value;

use super::metrics::{Prometheus, list};
use super::stack::{Finding, Stack, absent, bounded, judged};
use fill::{Values, fill};
use panels::{Dashboard, Language, Query, Variable};

const PHASE: u8 = 2;
const NAME: &str = "dashboards-answer";
/// What Grafana's sidecar looks for.
const LABEL: &str = "grafana_dashboard=1";
/// Panels of a dashboard that are asked at once, as a browser does.
const AT_ONCE: usize = 4;
/// How long all panels of one dashboard may take together.
const DASHBOARD: Duration = Duration::from_secs(5);
const LIMIT: Duration = Duration::from_secs(60);
/// Panels of a dashboard that are named; more are counted.
const NAMED: usize = 3;
/// The time a dashboard shows, and the step between two of its points.
const SPAN: i64 = 3600;
const STEP: &str = "60";

/// Whether every panel of every dashboard in the cluster is answered.
pub(super) async fn answer(stack: &Stack) -> Row {
    let Some(prometheus) = Prometheus::of(stack) else {
        return absent(PHASE, &[NAME], "prometheus").remove(0);
    };
    let finding = bounded(LIMIT, every(stack, &prometheus)).await;
    judged(
        PHASE,
        NAME,
        finding,
        "open the panel's query in Prometheus, or mend the ConfigMap of the dashboard",
    )
}

/// What one dashboard was like.
#[derive(Debug)]
struct Seen {
    title: String,
    took: Duration,
    panels: Vec<(String, Answered)>,
}

/// What one query was like.
#[derive(Debug, PartialEq)]
enum Answered {
    Data,
    Nothing,
    /// Its data source is not declared.
    NotAsked,
    Refused(String),
}

async fn every(stack: &Stack, prometheus: &Prometheus<'_>) -> Finding {
    let files = stack.cluster.config_files(LABEL).await.map_err(|error| error.to_string())?;
    let mut seen = Vec::new();
    for file in files.iter().filter(|file| file.key.ends_with(".json")) {
        let dashboard = panels::parse(&file.text)
            .map_err(|reason| format!("{} of the ConfigMap {}: {reason}", file.key, file.config_map))?;
        seen.push(one(stack, prometheus, &dashboard).await?);
    }
    judge(&seen)
}

async fn one(stack: &Stack, prometheus: &Prometheus<'_>, dashboard: &Dashboard) -> Result<Seen, String> {
    let began = Instant::now();
    let values = values(prometheus, dashboard).await?;
    // Collected first: a stream over references has a future that no task takes.
    let asked: Vec<_> =
        dashboard.queries.iter().map(|query| put(stack, prometheus, query, &values)).collect();
    let answers: Vec<Answered> = stream::iter(asked).buffered(AT_ONCE).collect().await;
    let names = dashboard.queries.iter().map(|query| query.panel.clone());
    let panels = names.zip(answers).collect();
    Ok(Seen { title: dashboard.title.clone(), took: began.elapsed(), panels })
}

/// The variables, filled from what is live, each with those before it.
async fn values(prometheus: &Prometheus<'_>, dashboard: &Dashboard) -> Result<Values, String> {
    let mut values = fill::builtin(Timestamp::now().as_second(), SPAN);
    for (name, variable) in &dashboard.variables {
        let value = match variable {
            Variable::Fixed(value) => value.clone(),
            Variable::Labels { series, label, several } => {
                let path = format!("/api/v1/label/{label}/values");
                let series = series.as_deref().map(|text| fill(text, &values)).transpose()?;
                let query: Vec<(&str, &str)> =
                    series.iter().map(|series| ("match[]", series.as_str())).collect();
                let found: Vec<String> = prometheus
                    .ask(&path, &query)
                    .await
                    .map_err(|reason| format!("variable {name} of {}: {reason}", dashboard.title))?;
                if *several { fill::several(&found) } else { found.into_iter().next().unwrap_or_default() }
            }
        };
        values.insert(name.clone(), value);
    }
    Ok(values)
}

async fn put(stack: &Stack, prometheus: &Prometheus<'_>, query: &Query, values: &Values) -> Answered {
    let expression = match fill(&query.expression, values) {
        Ok(expression) => expression,
        Err(reason) => return Answered::Refused(reason),
    };
    let now = Timestamp::now().as_second();
    let (start, end) = ((now - SPAN).to_string(), now.to_string());
    let range =
        [("query", expression.as_str()), ("start", start.as_str()), ("end", end.as_str()), ("step", STEP)];
    let answer: Result<Value, String> = match (query.language, query.instant) {
        (Language::Prometheus, true) => prometheus.ask("/api/v1/query", &range[..1]).await,
        (Language::Prometheus, false) => prometheus.ask("/api/v1/query_range", &range).await,
        (Language::Loki, instant) => {
            let Some(service) = stack.service("loki", "3100") else { return Answered::NotAsked };
            let (path, query) = if instant { ("query", &range[..1]) } else { ("query_range", &range[..]) };
            let path = format!("/loki/api/v1/{path}");
            stack.ask(service, &path, query).await.map(|answer: Value| answer["data"].clone())
        }
    };
    answer.map_or_else(Answered::Refused, |data| has_data(&data))
}

fn has_data(data: &Value) -> Answered {
    match &data["result"] {
        Value::Array(series) if series.is_empty() => Answered::Nothing,
        Value::Array(_) => Answered::Data,
        _ => Answered::Refused("the answer has no result".to_owned()),
    }
}

fn judge(dashboards: &[Seen]) -> Finding {
    if dashboards.is_empty() {
        return Err(format!("no ConfigMap has the label {LABEL}"));
    }
    let mut wrong = Vec::new();
    for seen in dashboards {
        for (panel, answered) in &seen.panels {
            if let Answered::Refused(reason) = answered {
                wrong.push(format!("{}, {panel}: {reason}", seen.title));
            }
        }
        if seen.took > DASHBOARD {
            let (took, limit) = (seen.took.as_secs_f64(), DASHBOARD.as_secs());
            wrong.push(format!("{} took {took:.1} s, at most {limit} s are allowed", seen.title));
        }
    }
    if !wrong.is_empty() {
        return Err(list(&wrong));
    }
    let queries: usize = dashboards.iter().map(|seen| seen.panels.len()).sum();
    let slowest = dashboards.iter().map(|seen| seen.took).max().unwrap_or_default().as_secs_f64();
    let mut evidence =
        format!("{} dashboards, {queries} queries, the slowest in {slowest:.1} s", dashboards.len());
    for (what, kind) in [("without data", Answered::Nothing), ("not asked", Answered::NotAsked)] {
        let named: Vec<String> = dashboards.iter().filter_map(|seen| named(seen, &kind)).collect();
        if !named.is_empty() {
            evidence.push_str(&format!("; {what}: {}", named.join(", ")));
        }
    }
    Ok(evidence)
}

/// The dashboard and its panels of one kind; their number when they are many.
fn named(seen: &Seen, kind: &Answered) -> Option<String> {
    let of_kind = |(panel, answered): &(String, Answered)| (answered == kind).then(|| panel.clone());
    let panels: Vec<String> = seen.panels.iter().filter_map(of_kind).collect();
    match (panels.len(), seen.panels.len()) {
        (0, _) => None,
        (count, all) if count == all => Some(format!("all of {}", seen.title)),
        (count, all) if count > NAMED => Some(format!("{count} of {all} of {}", seen.title)),
        _ => Some(format!("{} ({})", seen.title, panels.join(", "))),
    }
}

#[cfg(test)]
mod tests;
