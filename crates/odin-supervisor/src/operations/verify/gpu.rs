//! Rows about GPUs. They ask odin-gpu.service and never the driver: one that
//! hangs must not hold the supervisor.

use odin_gpu::health::{Finding, Health, Verdict as Judged};
use odin_model::report::{Row, Verdict};

use super::row;
use crate::appliance::Appliance;
use crate::gpu;

const SERVICE: &str = "odin-gpu.service does not answer";

/// The driver, the number of GPUs and how well they are.
pub(super) async fn phase_one(appliance: &Appliance) -> Vec<Row> {
    let names = ["gpu-driver", "gpu-baseline", "gpu-health"];
    if appliance.config.gpu.is_none() {
        return absent(1, &names);
    }
    match gpu::health_of_service(appliance).await {
        Ok(health) => judge(&health),
        Err(reason) => failed(1, &names, &format!("{SERVICE}: {reason}")),
    }
}

/// Whether the metrics are there, and which pod uses which GPU.
pub(super) async fn phase_two(appliance: &Appliance) -> Vec<Row> {
    let names = ["gpu-metrics", "gpu-use-by-pod"];
    if appliance.config.gpu.is_none() {
        return absent(2, &names);
    }
    match gpu::metrics_of_service(appliance).await {
        Ok(page) => judge_page(&page),
        Err(reason) => failed(2, &names, &format!("{SERVICE}: {reason}")),
    }
}

fn absent(phase: u8, names: &[&str]) -> Vec<Row> {
    names.iter().map(|name| row(phase, name, Verdict::Absent, "[gpu] is not declared")).collect()
}

fn failed(phase: u8, names: &[&str], reason: &str) -> Vec<Row> {
    names.iter().map(|name| row(phase, name, Verdict::Failed, reason)).collect()
}

fn judge(health: &Health) -> Vec<Row> {
    if let Some(reason) = &health.unavailable {
        return failed(1, &["gpu-driver", "gpu-baseline", "gpu-health"], &words(reason));
    }
    let count = health.gpus.len();
    let driver = row(1, "gpu-driver", Verdict::Passed, format!("driver {} answers", health.driver));
    let named = |name: &str| health.findings.iter().find(|finding| finding.name == name);
    let baseline = match (named("gpu_missing").or(named("baseline_unreadable")), health.baseline) {
        (Some(finding), _) => row(1, "gpu-baseline", Verdict::Failed, words(finding)),
        (None, None) => {
            let reason =
                "nothing is recorded yet: `odin gpu health --record`, or wait until all were healthy";
            row(1, "gpu-baseline", Verdict::Failed, reason)
        }
        (None, Some(recorded)) => {
            let reason = format!("none of the GPUs of {recorded:.0} is missing; {count} are here");
            row(1, "gpu-baseline", Verdict::Passed, reason)
        }
    };
    let of_gpus =
        health.gpus.iter().flat_map(|gpu| gpu.findings.iter().map(move |one| (Some(gpu.index), one)));
    let all = of_gpus.chain(health.findings.iter().map(|one| (None, one)));
    let wrong: Vec<String> = all
        .filter(|(_, finding)| finding.verdict != Judged::Healthy)
        .map(|(index, finding)| {
            let whose = index.map_or_else(|| "the machine".to_owned(), |index| format!("GPU {index}"));
            format!("{whose}: {}", words(finding))
        })
        .collect();
    let healthy = if health.holds() {
        row(1, "gpu-health", Verdict::Passed, format!("{count} GPUs are healthy"))
    } else {
        row(1, "gpu-health", Verdict::Failed, wrong.join("; "))
    };
    vec![driver, baseline, healthy]
}

fn words(finding: &Finding) -> String {
    format!("{}; next: {}", finding.evidence, finding.next_step)
}

fn judge_page(page: &str) -> Vec<Row> {
    let samples = |name: &str| -> Vec<f64> {
        let lines = page.lines().filter(|line| line.split(['{', ' ']).next() == Some(name));
        lines.filter_map(|line| line.rsplit_once(' ')?.1.parse().ok()).collect()
    };
    // DCGM's names, because that is what dashboards and alerts look for.
    let temperatures = samples("DCGM_FI_DEV_GPU_TEMP").len();
    let metrics = match samples("odin_gpu_devices").first() {
        None => (Verdict::Failed, "the driver cannot be asked: `odin gpu health`".to_owned()),
        Some(0.0) => (Verdict::Failed, "the driver counts no GPU".to_owned()),
        Some(count) if *count > temperatures as f64 => {
            (Verdict::Failed, format!("{temperatures} of {count} GPUs have metrics: `odin gpu health`"))
        }
        Some(count) => (Verdict::Passed, format!("{count} GPUs have metrics")),
    };
    let pods = if samples("odin_gpu_pod_resources_up").first() == Some(&1.0) {
        (Verdict::Passed, "the kubelet tells which pod has which GPU")
    } else {
        (Verdict::Failed, "the kubelet does not tell which pod has which GPU: `odin gpu health`")
    };
    vec![row(2, "gpu-metrics", metrics.0, metrics.1), row(2, "gpu-use-by-pod", pods.0, pods.1)]
}

#[cfg(test)]
mod tests;
