"""A real kubelet gives out simulated GPUs: who gets which, faults, restarts, sharing."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from odin_lab import cluster, gpus, odin
from odin_lab.fixtures import temporary_machine
from odin_lab.machine import Machine

COUNT = 4

DECLARATION = """
[gpu]
device-plugin = "odin"
sharing-file = "/etc/odin/device-plugin.yaml"

[gpu.remediation]
actions = ["taint", "cordon", "drain"]
dry-run = false
after = "5s"

[gpu.mig."NVIDIA H100 80GB HBM3"]
"3g.40gb" = 2
"""
# A reset takes MIG devices away, so the two are not declared together.
RESETTING = DECLARATION.partition("[gpu.mig")[0].replace(
    '"drain"]', '"drain", "reset"]\nreset-command = ["/usr/local/bin/reset-gpu"]'
)

NOT_SHARED = "version: v1\n"
SHARED = """version: v1
sharing:
  timeSlicing:
    resources:
    - name: nvidia.com/gpu
      replicas: 2
"""

REMAP_PENDING = '[[fault]]\nkind = "remap-pending"\ngpu = {index}\n'
RESETS = "/run/resets"
# Stands for `nvidia-smi --gpu-reset`: says what it met, and the GPUs are well.
RESET = f"""#!/bin/sh -e
{{
  echo "$*"
  systemctl is-active odin-gpu.service nvidia-persistenced.service || true
  kubectl --kubeconfig=/etc/rancher/k3s/k3s.yaml get pod holder --ignore-not-found -o name
}} >>{RESETS}
mv /etc/nvml-sim/well.toml {gpus.SCENARIO}
"""

# Stands for NVIDIA's daemon, which has every GPU open.
PERSISTENCE = """[Service]
ExecStart=/bin/sleep infinity
"""

MIXED = """version: v1
flags:
  migStrategy: mixed
"""

LOST = '[[fault]]\nkind = "lost"\ngpu = 1\n'


@pytest.fixture(scope="module")
def cards() -> gpus.Gpus:
    return gpus.Gpus(COUNT)


@pytest.fixture(scope="module")
def gpu_box(lab: None, cards: gpus.Gpus) -> Iterator[Machine]:
    """A machine with GPUs that its cluster knows of."""
    parts = [
        cluster.Cluster(images=("busybox",)),
        odin.Odin(declaration=DECLARATION),
        cards,
    ]
    with temporary_machine("gpu-box", parts=parts) as machine:
        machine.start()
        cluster.wait_until_ready(machine)
        share(machine, NOT_SHARED)
        wait_for_gpus(machine, COUNT)
        yield machine


@pytest.fixture(autouse=True)
def well(gpu_box: Machine, cards: gpus.Gpus) -> Iterator[None]:
    """Each test begins and ends with all GPUs well and free."""
    yield
    gpu_box.succeed("kubectl delete pod,pdb --all --wait --grace-period=1 --timeout=60s")
    cards.set_faults(gpu_box)
    wait_for_gpus(gpu_box, COUNT)


def share(machine: Machine, configuration: str) -> None:
    """Puts a configuration of sharing in force."""
    machine.succeed(
        f"cat >/etc/odin/device-plugin.yaml <<'END'\n{configuration}END",
        "systemctl restart odin-gpu.service",
    )


def declare(machine: Machine, declaration: str) -> None:
    """Puts a declaration in force for what starts from now on."""
    machine.succeed(f"cat >/etc/odin/odin.toml <<'END'\n{declaration}END")


def wait_for_gpus(machine: Machine, allocatable: int, capacity: int = COUNT) -> None:
    """Waits until the node says how many GPUs there are and may be given out."""
    machine.wait_until_succeeds(
        'kubectl get node "$(hostname)" -o json | jq -e \'.status |'
        f' .capacity["nvidia.com/gpu"] == "{capacity}"'
        f' and .allocatable["nvidia.com/gpu"] == "{allocatable}"\'',
        90,
    )


def run_pod(
    machine: Machine, name: str, count: int = 1, labels: str = "{}", resource: str = "gpu"
) -> None:
    """Creates a pod that asks for GPUs and stays."""
    machine.succeed(
        f"""kubectl apply -f - <<'END'
apiVersion: v1
kind: Pod
metadata: {{name: {name}, labels: {labels}}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: odin.local/busybox:1
    imagePullPolicy: IfNotPresent
    command: [sh, -c, "exec sleep 1000000"]
    resources: {{limits: {{nvidia.com/{resource}: {count}}}}}
END"""
    )


def wait_until_running(machine: Machine, name: str) -> None:
    machine.succeed(f"kubectl wait pod {name} --for=condition=Ready --timeout=60s")


def seen_by(machine: Machine, pod: str) -> tuple[list[str], list[str]]:
    """Device nodes and UUIDs a pod sees."""
    nodes = machine.succeed(f"kubectl exec {pod} -- sh -c 'ls /dev | grep nvidia'").split()
    return nodes, machine.succeed(f"kubectl exec {pod} -- /usr/bin/nvml-list").split()


def node(machine: Machine) -> dict:
    return json.loads(machine.succeed('kubectl get node "$(hostname)" -o json'))


def wait_for_condition(machine: Machine, status: str) -> dict:
    """Waits until the node says that its GPUs are well, or not."""
    machine.wait_until_succeeds(
        'kubectl get node "$(hostname)" -o json | jq -e \'.status.conditions[]'
        f' | select(.type == "GPUHealthy" and .status == "{status}")\'',
        60,
    )
    conditions = node(machine)["status"]["conditions"]
    return next(one for one in conditions if one["type"] == "GPUHealthy")


def test_a_pod_gets_a_gpu_and_sees_no_other(gpu_box: Machine):
    run_pod(gpu_box, "one")
    run_pod(gpu_box, "other")
    for pod in ("one", "other"):
        wait_until_running(gpu_box, pod)
    seen = {}
    for pod in ("one", "other"):
        nodes, uuids = seen_by(gpu_box, pod)
        assert len(nodes) == 1, (pod, nodes)
        assert uuids == [gpus.uuid(int(nodes[0].removeprefix("nvidia")))], (pod, nodes, uuids)
        seen[pod] = nodes[0]
    assert seen["one"] != seen["other"]


def test_a_pod_without_a_gpu_sees_none(gpu_box: Machine):
    gpu_box.succeed(
        "kubectl run plain --image=odin.local/busybox:1 --image-pull-policy=IfNotPresent"
        " --command -- sleep 1000000"
    )
    wait_until_running(gpu_box, "plain")
    gpu_box.fail("kubectl exec plain -- sh -c 'ls /dev | grep nvidia'")
    gpu_box.fail("kubectl exec plain -- ls /usr/bin/nvml-list")


def test_the_one_too_many_waits_until_one_is_free(gpu_box: Machine):
    run_pod(gpu_box, "all-but-one", COUNT - 1)
    run_pod(gpu_box, "last")
    for pod in ("all-but-one", "last"):
        wait_until_running(gpu_box, pod)
    run_pod(gpu_box, "too-many")
    gpu_box.wait_until_succeeds(
        "kubectl get pod too-many -o json | jq -e '.status.conditions[]?"
        ' | select(.type == "PodScheduled" and .status == "False")'
        ' | .message | contains("Insufficient nvidia.com/gpu")\'',
        30,
    )
    gpu_box.succeed("kubectl delete pod last --wait --timeout=60s")
    wait_until_running(gpu_box, "too-many")


def test_the_node_has_the_labels_of_feature_discovery(gpu_box: Machine):
    gpu_box.wait_until_succeeds(
        'kubectl get node "$(hostname)" -o json'
        ' | jq -e \'.metadata.labels["nvidia.com/gpu.count"] == "4"\'',
        60,
    )
    labels = node(gpu_box)["metadata"]["labels"]
    assert labels["nvidia.com/gpu.product"].startswith("NVIDIA-H100"), labels
    assert labels["nvidia.com/gpu.family"] == "hopper"
    assert labels["nvidia.com/gpu.replicas"] == "1"
    assert int(labels["nvidia.com/gpu.memory"]) > 79_000
    assert labels["nvidia.com/cuda.driver-version.full"].count(".") >= 1


def test_a_lost_gpu_is_given_to_nobody_and_comes_back(gpu_box: Machine, cards: gpus.Gpus):
    assert wait_for_condition(gpu_box, "True")["reason"] == "AllHealthy"
    cards.set_faults(gpu_box, LOST)
    wait_for_gpus(gpu_box, COUNT - 1)
    condition = wait_for_condition(gpu_box, "False")
    assert gpus.uuid(1) in condition["message"], condition
    gpu_box.wait_until_succeeds(
        "kubectl get events -o json | jq -e '.items[] | select(.reason == \"GPUUnhealthy\")'", 30
    )
    run_pod(gpu_box, "rest", COUNT - 1)
    wait_until_running(gpu_box, "rest")
    nodes = gpu_box.succeed("kubectl exec rest -- sh -c 'ls /dev | grep nvidia'").split()
    assert sorted(nodes) == ["nvidia0", "nvidia2", "nvidia3"]
    cards.set_faults(gpu_box)
    wait_for_gpus(gpu_box, COUNT)
    wait_for_condition(gpu_box, "True")
    gpu_box.wait_until_succeeds(
        "kubectl get events -o json | jq -e '.items[] | select(.reason == \"GPURecovered\")'", 30
    )


def test_a_restarted_kubelet_is_told_again(gpu_box: Machine):
    run_pod(gpu_box, "before")
    wait_until_running(gpu_box, "before")
    started = gpu_box.succeed("date +%s").strip()
    gpu_box.succeed("systemctl restart k3s-kubelet.service")
    gpu_box.wait_until_succeeds(
        f"journalctl -u odin-gpu.service --since=@{started} --no-pager"
        " | grep -q 'registered with the kubelet'",
        60,
    )
    wait_for_gpus(gpu_box, COUNT)
    # The pod kept its GPU, and nobody else gets it.
    assert gpu_box.succeed("kubectl get pod before -o jsonpath={.status.phase}") == "Running"
    mine, _ = seen_by(gpu_box, "before")
    run_pod(gpu_box, "after", COUNT - 1)
    wait_until_running(gpu_box, "after")
    others = gpu_box.succeed("kubectl exec after -- sh -c 'ls /dev | grep nvidia'").split()
    assert len(others) == COUNT - 1 and mine[0] not in others, (mine, others)


def test_a_killed_plugin_is_there_again(gpu_box: Machine):
    gpu_box.succeed("systemctl kill --signal=KILL odin-gpu.service")
    gpu_box.wait_until_succeeds("systemctl is-active odin-gpu.service", 30)
    wait_for_gpus(gpu_box, COUNT)


def test_time_slicing_makes_replicas(gpu_box: Machine):
    share(gpu_box, SHARED)
    try:
        wait_for_gpus(gpu_box, 2 * COUNT, 2 * COUNT)
        pods = [f"shared-{number}" for number in range(COUNT + 1)]
        for pod in pods:
            run_pod(gpu_box, pod)
        for pod in pods:
            wait_until_running(gpu_box, pod)
        given = [seen_by(gpu_box, pod)[1] for pod in pods]
        assert all(len(one) == 1 for one in given), given
        # Spread before shared: every GPU is in use, one of them twice.
        assert {one[0] for one in given} == {gpus.uuid(index) for index in range(COUNT)}
        labels = node(gpu_box)["metadata"]["labels"]
        assert labels["nvidia.com/gpu.replicas"] == "2"
        assert labels["nvidia.com/gpu.product"].endswith("-SHARED")
        assert labels["nvidia.com/gpu.sharing-strategy"] == "time-slicing"
    finally:
        gpu_box.succeed("kubectl delete pod --all --wait --grace-period=1 --timeout=60s")
        share(gpu_box, NOT_SHARED)


def test_idle_gpus_are_cut_and_their_parts_given_out(gpu_box: Machine, cards: gpus.Gpus):
    mig = f"NVML_SIM_SCENARIO={gpus.SCENARIO} odin gpu mig"
    run_pod(gpu_box, "holder")
    wait_until_running(gpu_box, "holder")
    status, said = gpu_box.execute(f"{mig} apply 2>&1")
    assert status == 1, said
    assert "in use: pod default/holder has GPU-" in said
    gpu_box.succeed("kubectl delete pod holder --wait --grace-period=1 --timeout=60s")
    gpu_box.wait_until_succeeds(f"{mig} plan; [ $? = 2 ]", 30)
    try:
        # As at a boot.
        gpu_box.succeed(
            f"systemctl set-environment NVML_SIM_SCENARIO={gpus.SCENARIO}",
            "systemctl start odin-gpu-mig.service",
            f"{mig} plan",
        )
        cards.specify(gpu_box, parts=2)
        share(gpu_box, MIXED)
        gpu_box.wait_until_succeeds(
            'kubectl get node "$(hostname)" -o json | jq -e \'.status.allocatable'
            f'["nvidia.com/mig-3g.40gb"] == "{2 * COUNT}"\'',
            90,
        )
        run_pod(gpu_box, "part", resource="mig-3g.40gb")
        wait_until_running(gpu_box, "part")
        status, said = gpu_box.execute(f"{mig} rollback 2>&1")
        assert status == 1, said
        assert "in use: pod default/part has MIG-" in said
        gpu_box.succeed("kubectl delete pod part --wait --grace-period=1 --timeout=60s")
        gpu_box.wait_until_succeeds(f"{mig} rollback", 30)
        assert gpu_box.succeed(f"{mig} plan || [ $? = 2 ]").count("MIG off") == COUNT
    finally:
        gpu_box.succeed(
            "kubectl delete pod --all --wait --grace-period=1 --timeout=60s",
            f"rm -f {gpus.SCENARIO}.mig /var/lib/odin/gpu/mig-*.json",
            "systemctl stop odin-gpu-mig.service",
            "systemctl unset-environment NVML_SIM_SCENARIO",
        )
        cards.specify(gpu_box)
        share(gpu_box, NOT_SHARED)


def test_an_unwell_node_is_drained_as_budgets_allow_and_taken_back(
    gpu_box: Machine, cards: gpus.Gpus
):
    run_pod(gpu_box, "free")
    run_pod(gpu_box, "guarded", labels="{app: guarded}")
    gpu_box.succeed(
        """kubectl apply -f - <<'END'
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: guarded}
spec: {minAvailable: 1, selector: {matchLabels: {app: guarded}}}
END"""
    )
    for pod in ("free", "guarded"):
        wait_until_running(gpu_box, pod)
    gpu_box.succeed("systemctl start odin.service")
    try:
        cards.set_faults(gpu_box, LOST)
        gpu_box.wait_until_succeeds(
            'kubectl get node "$(hostname)" -o json | jq -e \'.spec.unschedulable and'
            ' any(.spec.taints[]; .key == "odin.local/gpu-unhealthy")\'',
            90,
        )
        gpu_box.wait_until_succeeds("! kubectl get pod free", 60)
        gpu_box.wait_until_succeeds(
            "journalctl -u odin.service --no-pager | grep 'disruption budget' | grep -q guarded", 60
        )
        assert gpu_box.succeed("kubectl get pod guarded -o jsonpath={.status.phase}") == "Running"
        cards.set_faults(gpu_box)
        gpu_box.wait_until_succeeds(
            'kubectl get node "$(hostname)" -o json | jq -e \'(.spec.unschedulable | not) and'
            ' (any(.spec.taints[]?; .key == "odin.local/gpu-unhealthy") | not)\'',
            90,
        )
        gpu_box.succeed("grep -q guarded /var/lib/odin/history/gpu-remedies.jsonl")
    finally:
        gpu_box.succeed("systemctl stop odin.service")


def test_a_gpu_that_needs_it_is_reset_when_its_pod_is_gone(gpu_box: Machine, cards: gpus.Gpus):
    gpu_box.succeed(
        f"cat >/usr/local/bin/reset-gpu <<'END'\n{RESET}END",
        "chmod +x /usr/local/bin/reset-gpu",
        f"cat >/etc/nvml-sim/well.toml <<'END'\n{cards.scenario()}END",
        f"cat >/run/systemd/system/nvidia-persistenced.service <<'END'\n{PERSISTENCE}END",
        "systemctl daemon-reload",
        "systemctl start nvidia-persistenced.service",
    )
    run_pod(gpu_box, "holder")
    wait_until_running(gpu_box, "holder")
    (held,) = seen_by(gpu_box, "holder")[0]
    index = int(held.removeprefix("nvidia"))
    declare(gpu_box, RESETTING)
    gpu_box.succeed("systemctl start odin.service")
    try:
        cards.set_faults(gpu_box, REMAP_PENDING.format(index=index))
        gpu_box.wait_until_succeeds(
            "grep -q '\"done\"' /var/lib/odin/history/gpu-resets.jsonl", 120
        )
        # What had it open was stopped, its pod gone; nothing else was reset.
        met = gpu_box.succeed(f"cat {RESETS}").split()
        assert met == [f"--id={gpus.uuid(index)}", "inactive", "inactive"]
        gpu_box.succeed("systemctl is-active nvidia-persistenced.service")
        wait_for_gpus(gpu_box, COUNT)
        gpu_box.wait_until_succeeds(
            'kubectl get node "$(hostname)" -o json | jq -e \'(.spec.unschedulable | not) and'
            ' (any(.spec.taints[]?; .key == "odin.local/gpu-unhealthy") | not)\'',
            90,
        )
        run_pod(gpu_box, "next", COUNT)
        wait_until_running(gpu_box, "next")
    finally:
        gpu_box.succeed("systemctl stop odin.service")
        declare(gpu_box, DECLARATION)
