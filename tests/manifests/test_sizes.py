"""That what the stack asks for fits where it is to run."""

from __future__ import annotations

import pytest
import yaml

from odin_manifests.bundle import Bundle
from odin_manifests.pods import pods, quantity

# What the whole stack may ask for in the lab, where machines share two cores.
LAB = {"requests.cpu": 0.15, "requests.memory": 384 * 2**20, "limits.memory": 1.5 * 2**30}


def sums(bundle: Bundle) -> dict[str, dict[str, float]]:
    """Per namespace, in the names of a quota."""
    found: dict[str, dict[str, float]] = {}
    for pod in pods(bundle):
        total = found.setdefault(pod.namespace, dict.fromkeys([*LAB, "pods"], 0.0))
        total["pods"] += 1
        for container in pod.containers:
            for key in LAB:
                kind, resource = key.split(".")
                total[key] += quantity(container["resources"][kind][resource])
    for item in bundle.of_kind("StatefulSet"):
        total = found[item.namespace]
        for claim in item.content["spec"]["volumeClaimTemplates"]:
            size = quantity(claim["spec"]["resources"]["requests"]["storage"])
            total["requests.storage"] = total.get("requests.storage", 0) + size
            total["persistentvolumeclaims"] = total.get("persistentvolumeclaims", 0) + 1
    return found


def test_a_month_of_a_big_box_has_room(all_bundles: dict[str, Bundle]) -> None:
    """300,000 series at 1.3 bytes a sample, as often as they are read."""
    bundle = all_bundles["prod"]
    text = bundle.one("ConfigMap", "prometheus", "monitoring")["data"]["prometheus.yml"]
    config = yaml.safe_load(text)
    retention = config["storage"]["tsdb"]["retention"]
    every = int(config["global"]["scrape_interval"].removesuffix("s"))
    month = 300_000 * 1.3 / every * int(retention["time"].removesuffix("d")) * 86_400
    kept = int(retention["size"].removesuffix("GB")) * 2**30
    spec = bundle.one("StatefulSet", "prometheus", "monitoring")["spec"]
    (claim,) = spec["volumeClaimTemplates"]
    claimed = quantity(claim["spec"]["resources"]["requests"]["storage"])
    assert month < kept < 0.9 * claimed


def test_requests_and_limits_are_there(bundle: Bundle) -> None:
    for pod in pods(bundle):
        for container in pod.containers:
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}, pod.owner
            # No processor limit, on purpose: see the platform's LimitRange.
            assert container["resources"]["limits"].keys() == {"memory"}, pod.owner
            memory = [
                quantity(container["resources"][kind]["memory"]) for kind in ("requests", "limits")
            ]
            assert memory == sorted(memory), pod.owner


def test_every_namespace_has_a_quota_and_limits(bundle: Bundle) -> None:
    for namespace in bundle.of_kind("Namespace"):
        hard = bundle.one("ResourceQuota", "total", namespace.name)["spec"]["hard"]
        assert hard["services.nodeports"] == hard["services.loadbalancers"] == "0"
        bundle.one("LimitRange", "each", namespace.name)


def test_quotas_hold_the_stack_twice(bundle: Bundle) -> None:
    """Twice: while pods are replaced, the old and the new are counted both."""
    for namespace, total in sums(bundle).items():
        hard = bundle.one("ResourceQuota", "total", namespace)["spec"]["hard"]
        for key, value in total.items():
            assert 2 * value <= quantity(hard[key]), f"{namespace} {key}"


def test_limits_hold_every_container_and_claim(bundle: Bundle) -> None:
    def most(namespace: str, kind: str) -> dict:
        limits = bundle.one("LimitRange", "each", namespace)["spec"]["limits"]
        (found,) = (entry["max"] for entry in limits if entry["type"] == kind)
        return found

    for pod in pods(bundle):
        for container in pod.containers:
            memory = quantity(container["resources"]["limits"]["memory"])
            assert memory <= quantity(most(pod.namespace, "Container")["memory"]), pod.owner
    for item in bundle.of_kind("StatefulSet"):
        for claim in item.content["spec"]["volumeClaimTemplates"]:
            size = quantity(claim["spec"]["resources"]["requests"]["storage"])
            assert size <= quantity(most(item.namespace, "PersistentVolumeClaim")["storage"]), item


@pytest.mark.parametrize("key", LAB)
def test_lab_is_small(all_bundles: dict[str, Bundle], key: str) -> None:
    assert sum(total[key] for total in sums(all_bundles["lab"]).values()) <= LAB[key]


def test_retention_leaves_room_for_the_log(bundle: Bundle) -> None:
    """local-path does not bound a volume, so Prometheus has to keep below its claim itself."""
    config = bundle.one("ConfigMap", "prometheus", "monitoring")["data"]["prometheus.yml"]
    retention = yaml.safe_load(config)["storage"]["tsdb"]["retention"]
    # Prometheus' units are powers of two: its MB is 2^20.
    size = quantity(retention["size"].replace("B", "i"))
    (claim,) = bundle.one("StatefulSet", "prometheus", "monitoring")["spec"]["volumeClaimTemplates"]
    assert size <= 0.85 * quantity(claim["spec"]["resources"]["requests"]["storage"])
    assert retention["time"]
