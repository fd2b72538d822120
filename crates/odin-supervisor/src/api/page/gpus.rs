//! The GPUs, with charts of the last half hour.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::chart::{self, Chart};
use super::{Frame, show, split, words};
use crate::api::facts::{CHARTED, Facts, MEMORY_BESIDES};
use crate::api::view::{Charts, Finding, Gpu, Gpus, Series};

/// A GPU with its charts.
pub(super) struct ChartedGpu {
    pub(super) gpu: Gpu,
    pub(super) charts: Vec<Chart>,
    /// The same as a table.
    pub(super) rows: Vec<Row>,
}

/// One moment of all charts.
pub(super) struct Row {
    pub(super) when: String,
    /// Title and value.
    pub(super) values: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "gpus.html")]
pub(super) struct GpusPage {
    pub(super) frame: Frame,
    pub(super) declared: bool,
    pub(super) driver: String,
    pub(super) gpus: Vec<ChartedGpu>,
    pub(super) findings: Vec<Finding>,
    pub(super) unseen: Vec<String>,
}

pub(super) async fn gpus(State(facts): State<Arc<Facts>>) -> Response {
    let (fleet, unseen) = split(facts.gpus().await.map(|gpus| Gpus::clone(&gpus)));
    let mut unseen: Vec<String> = unseen.into_iter().collect();
    let charts = if fleet.gpus.is_empty() { None } else { Some(facts.charts().await) };
    let charts: Arc<Charts> = match charts {
        Some(Ok(charts)) => charts,
        Some(Err(problem)) => {
            unseen.push(format!("Charts come from Prometheus: {}", problem.detail));
            Arc::default()
        }
        None => Arc::default(),
    };
    show(&GpusPage {
        frame: Frame::new(&facts, "GPUs", true),
        declared: fleet.declared,
        driver: fleet.driver,
        gpus: fleet.gpus.into_iter().map(|gpu| ChartedGpu::new(gpu, &charts)).collect(),
        findings: fleet.findings,
        unseen,
    })
}

impl ChartedGpu {
    pub(super) fn new(gpu: Gpu, charts: &Charts) -> Self {
        let nothing = Series::default();
        let series = charts.gpus.get(&gpu.uuid).unwrap_or(&nothing);
        let charts: Vec<Chart> = CHARTED
            .iter()
            .filter_map(|(metric, unit, title)| {
                Chart::new(title, unit, series.of(metric), charts.end, full(series, metric, unit))
            })
            .collect();
        let rows = chart::row_names().enumerate().map(|(row, when)| Row {
            when,
            values: charts.iter().map(|chart| (chart.title.clone(), chart.rows[row].clone())).collect(),
        });
        let rows = if charts.is_empty() { Vec::new() } else { rows.collect() };
        Self { gpu, charts, rows }
    }
}

/// The greatest value there can be: of percentages, and of memory, which is
/// what is used and what is besides.
fn full(series: &Series, metric: &str, unit: &str) -> Option<f64> {
    let newest = |metric: &str| series.of(metric).last().map(|(_, value)| *value);
    match unit {
        "%" | "°C" => Some(100.0),
        "MiB" => {
            let besides: Vec<f64> = MEMORY_BESIDES.iter().filter_map(|metric| newest(metric)).collect();
            (!besides.is_empty()).then(|| newest(metric).unwrap_or_default() + besides.iter().sum::<f64>())
        }
        _ => None,
    }
}
