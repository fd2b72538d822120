"""A machine that boots brings up all that is declared, and can prove it.

The functions need a machine with the NixOS test driver's verbs, `odin` with a
declaration, and a repository it may write to.
"""

from __future__ import annotations

from scenarios import main_job

# The first start imports every image and waits for the health of every wave.
FIRST_START = 1800
PROVEN = {"passed", "not-proven"}


def come_up(machine) -> None:
    """Waits until the node is ready and the bundle in force."""
    machine.wait_for_unit("k3s.service", timeout=FIRST_START)
    machine.wait_until_succeeds(
        "kubectl wait --for=condition=Ready node --all --timeout=10s", FIRST_START
    )
    # Exit 0: nothing is left to do. A supervisor may be at it already.
    machine.wait_until_succeeds("odin apply && odin plan", FIRST_START)


def accepted(machine) -> dict[str, str]:
    """Asserts that no row of phase 1 failed; returns the verdicts."""
    status, text = machine.execute("odin verify --phase 1")
    assert status == 0, text
    rows = main_job.report(machine, "verify --phase 1")["rows"]
    verdicts = {row["name"]: row["verdict"] for row in rows}
    # Rows of GPUs are absent where the machine declares none.
    declared = {
        name: verdict
        for name, verdict in verdicts.items()
        if verdict != "absent" or not name.startswith("gpu-")
    }
    assert len(declared) >= 9, verdicts
    assert set(declared.values()) <= PROVEN, verdicts
    return verdicts


def run(machine) -> None:
    """The whole of phase 1 on a machine that was just started."""
    come_up(machine)

    ready = main_job.ready_components(machine)
    assert len(ready) >= 3, ready
    assert all(count.split("/")[0] == count.split("/")[1] for count in ready.values()), ready

    machine.succeed("odin backup now", "odin backup drill")
    accepted(machine)

    # What must not work: a pod that asks for the host, and an apply by nobody.
    refused = (
        "kubectl -n workloads run intruder --image=odin.local/busybox:1"
        ' --overrides=\'{"spec":{"hostNetwork":true}}\''
    )
    machine.fail(refused)
    machine.fail("kubectl --as=system:anonymous get secrets --all-namespaces")
