"""The list of faults has all its injections, and its figures hide nothing."""

from __future__ import annotations

from odin_lab.gpus import Gpus

from repairing import campaign, fault
from repairing.figures import Figures
from repairing.watch import Outcome


def remedied(alert: str, seconds: float) -> Outcome:
    """A repair by ODIN, for an alert."""
    remedy = {"alert": alert, "action": "restart-pod", "result": "resolved"}
    return Outcome(0, seconds, 20, True, remedies=[remedy])


def all_at(seconds: float | None) -> dict[str, Outcome]:
    """Every fault a lab machine can have, repaired after so long."""
    lab = {name for name, entry in fault.listed().items() if entry.proven == "lab"}
    return {name: Outcome(0, seconds) for name in lab}


def test_every_fault_of_the_list_can_be_brought_about() -> None:
    assert set(campaign.catalogue(Gpus(2))) == set(all_at(None))


def test_what_is_not_shown_stands_against_the_goal() -> None:
    listed = fault.listed()
    healed = {name: remedied(listed[name].alert, 60) for name in all_at(60)}
    found = Figures(listed, {"odin": healed, "alone": all_at(None)}, 900)
    assert found.times() == ([60] * len(healed), [900] * len(healed))
    (missed,) = found.missed()
    assert missed.startswith(f"{len(healed)} of {len(listed)} alerts resolved")
    assert len(found.left()) == len(listed) - len(healed)


def test_an_outcome_has_one_verdict() -> None:
    listed = fault.listed()
    refused = {"alert": "GpuLost", "action": "cordon", "result": {"failed": "no other node"}}
    outcomes = {
        "loki-hangs": Outcome(0, 90, 20, True),
        "dns-hangs": Outcome(0, 30),
        "collector-hangs": Outcome(0, 30, 20, False),
        "gpu-lost": Outcome(0, None, 9, remedies=[refused]),
        "exporter-hangs": Outcome(0, trouble="all went on as before"),
        "container-in-backoff": remedied("TargetDown", 40),
    }
    found = Figures(listed, {"odin": outcomes}, 900)
    assert {name: found.verdict(name) for name in outcomes} == {
        "loki-hangs": (True, "resolved by Kubernetes"),
        "dns-hangs": (False, "repaired by Kubernetes, its alert did not fire"),
        "collector-hangs": (False, "repaired, its alert fires on"),
        "gpu-lost": (False, "not resolved: no other node; not within 900 s"),
        "exporter-hangs": (False, "not measured: all went on as before"),
        "container-in-backoff": (True, "resolved by ODIN, for TargetDown"),
    }
    assert found.verdict("volume-full")[1].startswith("not shown")
    assert found.verdict("backup-fails")[1] == "not measured"
    assert "17 faults were not measured on both machines" in found.missed()
