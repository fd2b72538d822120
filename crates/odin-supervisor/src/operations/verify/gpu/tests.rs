use super::*;

fn finding(name: &str, verdict: Judged) -> Finding {
    Finding { name: name.to_owned(), verdict, evidence: "seen".to_owned(), next_step: "do".to_owned() }
}

/// One healthy GPU with a baseline, as the service tells it.
fn well() -> Health {
    serde_json::from_str(
        r#"{"library": "open", "unavailable": null, "driver": "595.91", "baseline": "2026-11-23T12:00:00Z",
            "gpus": [{"index": 0, "identity": {"uuid": "GPU-a"}, "state": "running", "facts": {},
                      "verdict": "healthy", "findings": []}],
            "findings": []}"#,
    )
    .expect("verdicts")
}

fn verdicts(rows: &[Row]) -> Vec<Verdict> {
    rows.iter().map(|row| row.verdict).collect()
}

const PASSED: Verdict = Verdict::Passed;
const FAILED: Verdict = Verdict::Failed;

#[test]
fn each_row_fails_for_its_own_reason() {
    let mut degraded = well();
    degraded.gpus[0].verdict = Judged::Degraded;
    degraded.gpus[0].findings.push(finding("pcie_width", Judged::Degraded));
    let unavailable = Health { unavailable: Some(finding("missing", Judged::Unknown)), ..well() };
    let cases = [
        (well(), [PASSED, PASSED, PASSED]),
        (unavailable, [FAILED, FAILED, FAILED]),
        (Health { baseline: None, ..well() }, [PASSED, FAILED, PASSED]),
        (
            Health { findings: vec![finding("gpu_missing", Judged::Failed)], ..well() },
            [PASSED, FAILED, FAILED],
        ),
        (
            Health { findings: vec![finding("baseline_unreadable", Judged::Unknown)], ..well() },
            [PASSED, FAILED, FAILED],
        ),
        (Health { findings: vec![finding("pod_resources_absent", Judged::Healthy)], ..well() }, [PASSED; 3]),
        (degraded, [PASSED, PASSED, FAILED]),
    ];
    for (health, expected) in cases {
        assert_eq!(verdicts(&judge(&health)), expected, "{health:?}");
    }
}

#[test]
fn metrics_are_there_when_every_gpu_has_them() {
    let temperature = "DCGM_FI_DEV_GPU_TEMP{gpu=\"0\",modelName=\"NVIDIA H100 80GB\"} 40\n";
    let cases = [
        (String::new(), [FAILED, FAILED]),
        ("odin_gpu_devices 0\nodin_gpu_pod_resources_up 1\n".to_owned(), [FAILED, PASSED]),
        (format!("odin_gpu_devices 2\n{temperature}odin_gpu_pod_resources_up 0\n"), [FAILED, FAILED]),
        (format!("odin_gpu_devices 1\n{temperature}odin_gpu_pod_resources_up 1\n"), [PASSED, PASSED]),
        // Another metric whose name begins the same.
        ("odin_gpu_devices 1\nDCGM_FI_DEV_GPU_TEMP_CELSIUS 40\n".to_owned(), [FAILED, FAILED]),
    ];
    for (page, expected) in cases {
        assert_eq!(verdicts(&judge_page(&page)), expected, "{page}");
    }
}
