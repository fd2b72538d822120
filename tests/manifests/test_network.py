"""Who may reach whom: the rendered policies against docs/reference/network.md."""

from __future__ import annotations

import copy

import pytest

from odin_manifests import paths
from odin_manifests.bundle import Bundle
from odin_manifests.network import (
    Actor,
    Edge,
    Port,
    Unsupported,
    allowed,
    candidates,
    edges,
    half_open,
    table,
)
from odin_manifests.pods import pods

# What listens on the appliance, and what somebody looking around would try.
KNOWN = [
    *map(Port, (1, 22, 53, 80, 443, 2379, 3000, 3100, 6443, 8080, 8888, 9090, 9093, 9094)),
    *map(Port, (9100, 9153, 9400, 9480, 10250, 13133, 65535)),
    *(Port(number, "UDP") for number in (53, 123, 8472)),
    Port(7000, "SCTP"),
]
SCRAPE = {"odin.local/scrape": "true"}


def actors(bundle: Bundle) -> list[Actor]:
    """The parties of the page; those that are rendered with the labels they really have."""
    real = [
        Actor(pod.owner, f"10.42.0.{number}", pod.namespace, pod.labels)
        for number, pod in enumerate(pods(bundle), start=10)
        if not pod.spec.get("hostNetwork")
    ]
    reader = {
        name: {f"odin.local/reaches-{name}": "true"}
        for name in ("prometheus", "alertmanager", "loki")
    }
    return [
        *real,
        Actor("prometheus-reader", "10.42.0.40", "monitoring", reader["prometheus"]),
        Actor("alertmanager-reader", "10.42.0.41", "monitoring", reader["alertmanager"]),
        Actor("loki-reader", "10.42.0.47", "monitoring", reader["loki"]),
        Actor("monitoring-pod", "10.42.0.42", "monitoring"),
        Actor("monitoring-host-pod", "10.42.0.43", "monitoring-host"),
        Actor("platform-pod", "10.42.0.44", "odin-platform"),
        Actor("workload", "10.42.0.45", "workloads"),
        Actor("scraped-workload", "10.42.0.46", "workloads", SCRAPE),
        Actor("coredns", "10.42.0.2", "kube-system", {"k8s-app": "kube-dns"}),
        Actor("system-pod", "10.42.0.3", "kube-system", SCRAPE),
        # As many labels as would help it, and the wrong namespace.
        Actor(
            "stranger",
            "10.42.1.9",
            "default",
            {
                **{label: value for labels in reader.values() for label, value in labels.items()},
                **SCRAPE,
                "k8s-app": "kube-dns",
            },
        ),
        Actor("node", "192.168.7.20"),
        Actor("outside", "203.0.113.9"),
    ]


def policies(bundle: Bundle) -> list[dict]:
    return [item.content for item in bundle.of_kind("NetworkPolicy")]


def rendered(bundle: Bundle) -> set[Edge]:
    used = policies(bundle)
    return set(edges(used, actors(bundle), candidates(used, KNOWN)))


def is_as_listed(bundle: Bundle, changed: list[dict]) -> bool:
    # Ports of the unchanged policies too: a closed one must be noticed.
    ports = candidates(policies(bundle) + changed, KNOWN)
    parties = actors(bundle)
    return set(edges(changed, parties, ports)) == listed() and not any(
        half_open(changed, parties, ports)
    )


def listed() -> set[Edge]:
    return set(table(paths.NETWORK.read_text()))


def test_rendered_edges_are_the_listed_ones(bundle: Bundle) -> None:
    found = rendered(bundle)
    assert found - listed() == set(), "open, and not in docs/reference/network.md"
    assert listed() - found == set(), "in docs/reference/network.md, and closed"


def test_both_ends_of_a_connection_agree(bundle: Bundle) -> None:
    used = policies(bundle)
    assert list(half_open(used, actors(bundle), candidates(used, KNOWN))) == []


def test_every_pod_of_the_bundle_is_a_party(bundle: Bundle) -> None:
    named = {edge.source for edge in listed()}
    off_host = {pod.owner for pod in pods(bundle) if not pod.spec.get("hostNetwork")}
    assert off_host <= named


def test_every_namespace_is_closed_in_both_directions(bundle: Bundle) -> None:
    for namespace in bundle.of_kind("Namespace"):
        closing = bundle.one("NetworkPolicy", "default-deny", namespace.name)
        assert closing["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_page_lists_no_edge_twice() -> None:
    found = list(table(paths.NETWORK.read_text()))
    assert len(found) == len(set(found)) > 20


# === Every change of a policy shows


def mutations(policies: list[dict]):
    """Every policy gone, opened, or with one of its parts taken away."""
    for index, policy in enumerate(policies):
        name = f"{policy['metadata']['namespace']}/{policy['metadata']['name']}"
        yield f"{name} gone", [*policies[:index], *policies[index + 1 :]]

        def changed(change, index=index):
            copied = copy.deepcopy(policies)
            change(copied[index]["spec"])
            return copied

        for direction, peers in (("ingress", "from"), ("egress", "to")):
            # A direction that is not a policy's own is not made one by a rule.
            if direction.capitalize() in policy["spec"]["policyTypes"]:
                yield (
                    f"{name} {direction} opened",
                    changed(lambda spec, key=direction: spec.__setitem__(key, [{}])),
                )
            for number, rule in enumerate(policy["spec"].get(direction, [])):
                place = f"{name} {direction}[{number}]"
                yield (
                    f"{place} gone",
                    changed(lambda spec, key=direction, n=number: spec[key].pop(n)),
                )
                yield (
                    f"{place} to everybody",
                    changed(lambda spec, key=direction, n=number, p=peers: spec[key][n].pop(p)),
                )
                for which in range(len(rule.get("ports", []))):
                    yield (
                        f"{place} port {which} moved",
                        changed(
                            lambda spec, key=direction, n=number, w=which: spec[key][n]["ports"][
                                w
                            ].__setitem__("port", 4)
                        ),
                    )
                for which, peer in enumerate(rule[peers]):
                    for part in peer:
                        yield (
                            f"{place} peer {which} without {part}",
                            changed(
                                lambda spec, key=direction, n=number, w=which, q=part, p=peers: (
                                    spec[key][n][p][w].pop(q)
                                )
                            ),
                        )


def test_policies_are_the_same_in_every_overlay(
    bundle: Bundle, all_bundles: dict[str, Bundle]
) -> None:
    assert policies(bundle) == policies(all_bundles["lab"])


def test_every_mutation_is_noticed(all_bundles: dict[str, Bundle]) -> None:
    bundle = all_bundles["lab"]
    assert is_as_listed(bundle, policies(bundle))
    tried = list(mutations(policies(bundle)))
    assert len(tried) > 60
    unnoticed = [name for name, changed in tried if is_as_listed(bundle, changed)]
    assert unnoticed == []


# === The evaluator itself

A = Actor("a", "10.42.0.5", "one", {"app": "a"})
B = Actor("b", "10.42.0.6", "two", {"app": "b"})
HOST = Actor("host", "192.168.7.20")


def policy(namespace: str = "two", **spec: object) -> dict:
    return {"metadata": {"name": "p", "namespace": namespace}, "spec": {"podSelector": {}, **spec}}


def in_namespace(name: str) -> dict:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}


@pytest.mark.parametrize(
    ("why", "rules", "expected"),
    [
        ("nothing selects", [], True),
        ("selected, no rule", [policy()], False),
        ("policy of another namespace", [policy("three")], True),
        ("selects another pod", [policy(podSelector={"matchLabels": {"app": "c"}})], True),
        ("egress only leaves ingress open", [policy(policyTypes=["Egress"])], True),
        ("egress rules imply the type", [policy("one", egress=[])], False),
        ("no egress rules, no type", [policy("one")], True),
        ("an empty rule is everybody", [policy(ingress=[{}])], True),
        ("an empty list of peers too", [policy(ingress=[{"from": []}])], True),
        (
            "a pod selector means the policy's own namespace",
            [policy(ingress=[{"from": [{"podSelector": {}}]}])],
            False,
        ),
        ("a namespace", [policy(ingress=[{"from": [in_namespace("one")]}])], True),
        ("another namespace", [policy(ingress=[{"from": [in_namespace("six")]}])], False),
        ("every namespace", [policy(ingress=[{"from": [{"namespaceSelector": {}}]}])], True),
        (
            "both selectors of one peer must match",
            [
                policy(
                    ingress=[
                        {
                            "from": [
                                in_namespace("one") | {"podSelector": {"matchLabels": {"app": "x"}}}
                            ]
                        }
                    ]
                )
            ],
            False,
        ),
        (
            "two peers are either",
            [policy(ingress=[{"from": [in_namespace("six"), in_namespace("one")]}])],
            True,
        ),
        ("an address", [policy(ingress=[{"from": [{"ipBlock": {"cidr": "10.42.0.0/16"}}]}])], True),
        (
            "an exception of it",
            [
                policy(
                    ingress=[
                        {"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.42.0.0/16"]}}]}
                    ]
                )
            ],
            False,
        ),
        ("its port", [policy(ingress=[{"ports": [{"port": 80}]}])], True),
        ("another port", [policy(ingress=[{"ports": [{"port": 81}]}])], False),
        ("a range", [policy(ingress=[{"ports": [{"port": 70, "endPort": 80}]}])], True),
        (
            "another protocol",
            [policy(ingress=[{"ports": [{"port": 80, "protocol": "UDP"}]}])],
            False,
        ),
        ("a protocol without a port", [policy(ingress=[{"ports": [{"protocol": "TCP"}]}])], True),
        ("policies add up", [policy(), policy(ingress=[{}])], True),
    ],
)
def test_evaluator(why: str, rules: list[dict], expected: bool) -> None:
    assert allowed(rules, A, B, Port(80)) is expected, why


def test_evaluator_knows_hosts() -> None:
    assert allowed([policy("one", egress=[])], HOST, B, Port(80)), "no policy binds a host"
    assert not allowed([policy(ingress=[{"from": [in_namespace("one")]}])], HOST, B, Port(80))


@pytest.mark.parametrize(
    "spec",
    [
        {"podSelector": {"matchExpressions": [{"key": "app", "operator": "Exists"}]}},
        {"ingress": [{"ports": [{"port": "http"}]}]},
    ],
)
def test_evaluator_refuses_what_it_does_not_know(spec: dict) -> None:
    with pytest.raises(Unsupported):
        allowed([policy(**spec)], A, B, Port(80))
