"""Writes rules/gpu.yaml, the unit tests of the alerts about GPUs, from gpu-cases.yaml.

    python3 tests/manifests/record.py

The series of a recorded case are what `odin gpu serve` tells of a GPU of
nvml-sim that is well for five minutes, has the fault for fifteen, and is well
again; a test records them again and compares. What nvml-sim cannot do is
written by hand, below in the same file.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "lab")]

from odin_manifests import paths, recording, simulator  # noqa: E402
from odin_manifests.exporter import uuid  # noqa: E402

CASES = HERE / "gpu-cases.yaml"
OUTPUT = HERE / "rules" / "gpu.yaml"
AT_MOST = 16  # GPUs that nvml-sim has

BEFORE = recording.WELL - 1
DURING = recording.WELL + recording.FAULTY - 1
AFTER = recording.STEPS - 1

HEAD = """# Written by tests/manifests/record.py from gpu-cases.yaml; changes belong there.
rule_files: [../../../manifests/rules/gpu.yaml]
group_eval_order: [{groups}]
evaluation_interval: 1m
tests:
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        OUTPUT.write_text(written(Path(scratch)))
    print(OUTPUT)


def written(scratch: Path) -> str:
    """The file, recorded now."""
    content = yaml.safe_load(CASES.read_text())
    library = simulator.library()
    recorded = []
    for number, together in enumerate(_batches(content["recorded"])):
        directory = scratch / str(number)
        directory.mkdir()
        series = recording.record(directory, library, together)
        recorded += zip(range(len(together)), together, series, strict=True)
    groups = yaml.safe_load((paths.RULES / "gpu.yaml").read_text())["groups"]
    text = HEAD.format(groups=", ".join(group["name"] for group in groups))
    for index, case, series in recorded:
        text += "\n".join(_case(index, case, series)) + "\n\n"
    for case in content["by_hand"]:
        lines = yaml.safe_dump([case], sort_keys=False, width=10_000).splitlines()
        text += "\n".join(f"  {line}" for line in lines) + "\n\n"
    return text.rstrip() + "\n"


def _batches(cases: list[dict]) -> Iterator[list[dict]]:
    """Cases that are recorded side by side.

    A GPU that does not answer makes the exporter listen anew for events, so
    those are apart from the ones whose events count.
    """
    for answers in (True, False):
        alike = [case for case in cases if case.get("answers", True) is answers]
        for first in range(0, len(alike), AT_MOST):
            yield alike[first : first + AT_MOST]


def _case(index: int, case: dict, recorded: recording.Recording) -> Iterator[str]:
    yield f"  - name: {json.dumps(case['name'])}"
    yield "    interval: 1m"
    yield "    input_series:"
    for series in sorted(recorded, key=str):
        yield f"      - series: '{series}'"
        yield f'        values: "{recording.notation(recorded[series])}"'
    firing = case.get("firing", [])
    yield "    promql_expr_test:"
    at = {
        BEFORE: [],
        DURING: [alert["alertname"] for alert in firing],
        AFTER: [alert["alertname"] for alert in firing if alert.get("lasts")],
    }
    for minute, names in at.items():
        yield "      - expr: count by (alertname) (ALERTS{alertstate='firing'})"
        yield f"        eval_time: {minute}m"
        yield f"        exp_samples:{'' if names else ' []'}"
        for name in sorted(names):
            yield f"""          - {{ labels: '{{alertname="{name}"}}', value: 1 }}"""
    if firing:
        yield "    alert_rule_test:"
    for alert in firing:
        yield from _alert(index, alert)


def _alert(index: int, alert: dict) -> Iterator[str]:
    def filled(text: str) -> str:
        return json.dumps(text.replace("$UUID", uuid(index)).replace("$gpu", str(index)))

    labels = {"severity": alert["severity"], "instance": "box", "gpu": "$gpu", "UUID": "$UUID"}
    labels |= alert.get("labels", {})
    yield f"      - {{ eval_time: {BEFORE}m, alertname: {alert['alertname']} }}"
    yield f"      - eval_time: {DURING}m"
    yield f"        alertname: {alert['alertname']}"
    yield "        exp_alerts:"
    inner = ", ".join(f"{name}: {filled(value)}" for name, value in labels.items())
    yield f"          - exp_labels: {{ {inner} }}"
    yield "            exp_annotations:"
    for name in ("remediation", "summary", "description"):
        if name in alert:
            yield f"              {name}: {filled(alert[name])}"
    yield f"              runbook_url: docs/runbooks/{alert['alertname']}.md"


if __name__ == "__main__":
    main()
