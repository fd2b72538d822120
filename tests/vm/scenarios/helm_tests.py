"""The charts' own tests (`helm test`), on a machine where the bundle is in force.

ODIN applies bundles and no releases, so Helm knows none to test. The test
objects are therefore rendered from the charts and applied, in the order of
their hook weights; each pod must succeed.

The functions need a machine with the NixOS test driver's verbs; rendering is
the caller's affair, since a machine has no Helm.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable

WEIGHT = "helm.sh/hook-weight"
# A scrape interval, an image from disk and a volume, with room for a busy host.
DEADLINE = 180


def run_helm_tests(machine, objects: Iterable[dict]) -> dict[str, str]:
    """Applies test objects and waits for every pod to succeed.

    Returns what each pod printed, by its name. Objects are removed again when
    all succeeded; what failed is left for a look.
    """
    ordered = sorted(objects, key=_weight)
    for item in ordered:
        machine.succeed(f"kubectl apply -f - <<'END'\n{json.dumps(item)}\nEND")
    printed = {}
    for item in ordered:
        if item["kind"] == "Pod":
            namespace, name = item["metadata"]["namespace"], item["metadata"]["name"]
            printed[name] = _outcome(machine, namespace, name)
    for item in reversed(ordered):
        namespace, name = item["metadata"]["namespace"], item["metadata"]["name"]
        machine.succeed(f"kubectl -n {namespace} delete {item['kind'].lower()} {name} --now")
    return printed


def _weight(item: dict) -> int:
    return int(item["metadata"]["annotations"].get(WEIGHT, "0"))


def _outcome(machine, namespace: str, name: str) -> str:
    """What the pod printed, once it has succeeded."""
    phase = "jsonpath='{.status.phase}'"
    machine.wait_until_succeeds(
        f"kubectl -n {namespace} get pod {name} -o {phase} | grep -qxE 'Succeeded|Failed'",
        DEADLINE,
    )
    printed = machine.succeed(f"kubectl -n {namespace} logs {shlex.quote(name)}")
    ended = machine.succeed(f"kubectl -n {namespace} get pod {name} -o {phase}").strip()
    assert ended == "Succeeded", f"{namespace}/{name} ended as {ended}, having printed:\n{printed}"
    return printed
