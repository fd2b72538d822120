use odin_gpu::health::Verdict as Judged;

use super::*;

/// What odin-gpu.service answers.
struct Answers(Result<Option<Health>, String>);

impl Gpus for Answers {
    fn look(&self) -> Result<Option<Health>, String> {
        self.0.clone()
    }
}

/// Two healthy GPUs, as the service tells of them.
fn well() -> Health {
    let gpu = |uuid: &str| {
        format!(
            r#"{{"index": 0, "identity": {{"uuid": "{uuid}"}}, "state": "running", "verdict": "healthy",
                "facts": {{"pcie-width": 16, "pcie-generation": 5, "sm-clock-maximum-hertz": 1.98e9,
                           "ecc-uncorrected": 2}}, "findings": []}}"#
        )
    };
    let text = format!(
        r#"{{"library": "open", "unavailable": null, "driver": "595.91", "baseline": null,
            "gpus": [{}, {}], "findings": []}}"#,
        gpu("GPU-a"),
        gpu("GPU-b")
    );
    serde_json::from_str(&text).expect("verdicts")
}

fn found(name: &str, evidence: &str) -> Finding {
    Finding {
        name: name.into(),
        verdict: Judged::Failed,
        evidence: evidence.into(),
        next_step: "look".into(),
        cured_by_reset: false,
    }
}

/// The service's answer, changed.
fn but(change: impl FnOnce(&mut Health)) -> Answers {
    let mut health = well();
    change(&mut health);
    Answers(Ok(Some(health)))
}

fn fact(name: &str, value: f64) -> Answers {
    but(|health| {
        let facts = health.gpus[1].facts.as_mut().expect("facts");
        facts.0.insert(name.into(), value);
    })
}

fn before(gpus: &Answers) -> Before {
    Before::now(gpus, Timestamp::UNIX_EPOCH)
}

#[test]
fn every_way_to_be_worse_fails_and_nothing_else_does() {
    let xid = found("xid_79", "XID 79, 1 in the last 5 minutes");
    let cases = [
        (but(|_| {}), None),
        // More than before is no reason to go back.
        (fact("pcie-width", 32.0), None),
        (but(|health| drop(health.gpus.remove(1))), Some("1 of 2 recorded GPUs are not here")),
        (fact("pcie-width", 8.0), Some("GPU-b: 8 PCIe lanes")),
        (fact("pcie-generation", 4.0), Some("GPU-b: 4 as the highest PCIe generation")),
        (fact("sm-clock-maximum-hertz", 1.0e9), Some("1000 MHz of SM clock")),
        (fact("ecc-uncorrected", 3.0), Some("3 uncorrected ECC errors")),
        (but(|health| health.gpus[0].findings.push(xid)), Some("GPU-a: XID 79")),
        (but(|health| health.findings.push(found("gpu_missing", "1 is gone"))), Some("1 is gone")),
        (but(|health| health.unavailable = Some(found("missing", "no library"))), Some("no library")),
        (Answers(Err("it does not answer".into())), Some("it does not answer")),
    ];
    for (now, expected) in cases {
        let judged = judge("gpus", &now, &before(&but(|_| {})));
        match expected {
            None => assert_eq!(judged.verdict, Verdict::Passed, "{judged:?}"),
            Some(words) => {
                assert_eq!(judged.verdict, Verdict::Failed, "{judged:?}");
                assert!(judged.reason.contains(words), "{judged:?}");
            }
        }
    }
}

#[test]
fn what_was_ill_before_is_not_held_against_the_new_generation() {
    let ill = || but(|health| health.gpus[0].findings.push(found("pcie_width", "8 of 16 lanes")));
    assert_eq!(judge("gpus", &ill(), &Before::default()).verdict, Verdict::Failed);
    assert_eq!(judge("gpus", &ill(), &before(&ill())).verdict, Verdict::Passed);
    // The same on another GPU is new.
    let other = but(|health| health.gpus[1].findings.push(found("pcie_width", "8 of 16 lanes")));
    assert_eq!(judge("gpus", &other, &before(&ill())).verdict, Verdict::Failed);
}

#[test]
fn without_declared_gpus_there_is_nothing_to_judge() {
    let none = Answers(Ok(None));
    assert_eq!(before(&none), Before::default());
    assert_eq!(judge("gpus", &none, &before(&but(|_| {}))).verdict, Verdict::Absent);
    // Who does not answer is no measure.
    assert_eq!(before(&Answers(Err("silent".into()))), Before::default());
}

#[test]
fn it_survives_in_a_record() {
    let kept = before(&but(|health| health.findings.push(found("gpu_missing", "one"))));
    let text = serde_json::to_string(&kept).expect("text");
    assert_eq!(serde_json::from_str::<Before>(&text).expect("read"), kept);
    assert_eq!(serde_json::from_str::<Before>("{}").expect("read"), Before::default());
}
