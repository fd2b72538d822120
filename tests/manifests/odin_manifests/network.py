"""Who may reach whom, by the NetworkPolicies of a bundle.

The rules of Kubernetes: a pod that no policy selects for a direction is open in
that direction; one that is selected is reached, and reaches, only what some
policy allows. A connection needs both ends. Pods on the host's network are the
node, to which no policy applies.

Named ports and match expressions raise: this evaluator would rather fail than
be wrong about what it does not know.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network


@dataclass(frozen=True)
class Actor:
    """One end of a connection: a pod, or (without a namespace) a host."""

    name: str
    address: str
    namespace: str | None = None
    labels: dict[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, order=True)
class Port:
    number: int
    protocol: str = "TCP"

    def __str__(self) -> str:
        return f"{self.number}/{self.protocol.lower()}"


class Unsupported(Exception):
    """A policy uses what this evaluator does not know."""


def allowed(policies: list[dict], source: Actor, target: Actor, port: Port) -> bool:
    """Whether a connection passes the source's egress and the target's ingress."""
    return _direction(policies, "Egress", source, target, port) and _direction(
        policies, "Ingress", target, source, port
    )


def candidates(policies: list[dict], also: Iterable[Port]) -> list[Port]:
    """Ports worth trying: those given, those named by a policy, and their neighbours."""
    found = set(also)
    for policy in policies:
        for direction in ("ingress", "egress"):
            for rule in policy["spec"].get(direction, []):
                for port in rule.get("ports", []):
                    ends = (_number(port["port"]), port.get("endPort", port["port"]))
                    for number in (ends[0] - 1, ends[0], ends[1], ends[1] + 1):
                        found.add(Port(number, port.get("protocol", "TCP")))
    return sorted(found)


def _direction(
    policies: list[dict], direction: str, subject: Actor, peer: Actor, port: Port
) -> bool:
    if subject.namespace is None:
        return True
    selecting = [policy for policy in policies if _selects(policy, direction, subject)]
    if not selecting:
        return True
    return any(
        _rule_allows(rule, direction, policy["metadata"]["namespace"], peer, port)
        for policy in selecting
        for rule in policy["spec"].get(direction.lower(), [])
    )


def _selects(policy: dict, direction: str, subject: Actor) -> bool:
    spec = policy["spec"]
    # Without policyTypes: ingress always, egress when there are egress rules.
    types = spec.get("policyTypes", ["Ingress", *(["Egress"] if "egress" in spec else [])])
    return (
        direction in types
        and policy["metadata"]["namespace"] == subject.namespace
        and _matches(spec["podSelector"], subject.labels)
    )


def _rule_allows(rule: dict, direction: str, namespace: str, peer: Actor, port: Port) -> bool:
    peers = rule.get("from" if direction == "Ingress" else "to", [])
    # An empty list is every peer, and every port.
    return (not peers or any(_is_peer(entry, namespace, peer) for entry in peers)) and (
        not rule.get("ports") or any(_is_port(entry, port) for entry in rule["ports"])
    )


def _is_peer(entry: dict, namespace: str, peer: Actor) -> bool:
    if "ipBlock" in entry:
        block = entry["ipBlock"]
        address = ip_address(peer.address)
        return address in ip_network(block["cidr"]) and not any(
            address in ip_network(part) for part in block.get("except", [])
        )
    if peer.namespace is None:
        return False
    if "namespaceSelector" in entry:
        if not _matches(entry["namespaceSelector"], _namespace_labels(peer.namespace)):
            return False
    elif peer.namespace != namespace:
        return False
    return _matches(entry.get("podSelector", {}), peer.labels)


def _namespace_labels(namespace: str) -> dict[str, str]:
    # The one label nobody can forge; selecting by any other would let whoever
    # may label a namespace open the network.
    return {"kubernetes.io/metadata.name": namespace}


def _matches(selector: dict, labels: dict[str, str]) -> bool:
    if selector.keys() - {"matchLabels"}:
        raise Unsupported(f"selector {selector}")
    return selector.get("matchLabels", {}).items() <= labels.items()


def _is_port(entry: dict, port: Port) -> bool:
    if entry.get("protocol", "TCP") != port.protocol:
        return False
    if "port" not in entry:
        return True
    return _number(entry["port"]) <= port.number <= entry.get("endPort", entry["port"])


def _number(port: object) -> int:
    if not isinstance(port, int):
        raise Unsupported(f"named port {port!r}")
    return port


def half_open(policies: list[dict], actors: list[Actor], ports: list[Port]) -> Iterator[str]:
    """Connections that one end allows and the other refuses.

    They are closed, but one mistake more and they are not; and who wrote the one
    half meant something that does not work.
    """
    closed = {policy["metadata"]["namespace"] for policy in policies}
    pods = [actor for actor in actors if actor.namespace in closed]
    for source in pods:
        for target in pods:
            for port in ports if target is not source else ():
                out = _direction(policies, "Egress", source, target, port)
                if out != _direction(policies, "Ingress", target, source, port):
                    side = source.name if out else target.name
                    yield f"{source.name} to {target.name} {port}: open at {side} only"


# === The table of docs/reference/network.md

EVERY = "every"


@dataclass(frozen=True, order=True)
class Edge:
    """One actor may reach another on one port, or on `every` one."""

    source: str
    target: str
    port: str


def edges(policies: list[dict], actors: list[Actor], ports: list[Port]) -> Iterator[Edge]:
    """All that is allowed between different actors, at least one a pod of ODIN's namespaces."""
    closed = {policy["metadata"]["namespace"] for policy in policies}
    for source in actors:
        # The kubelet reaches the pods of its node whatever a policy says.
        if source.namespace is None:
            continue
        for target in actors:
            if target is source or not {source.namespace, target.namespace} & closed:
                continue
            open_ports = [port for port in ports if allowed(policies, source, target, port)]
            if open_ports == ports:
                yield Edge(source.name, target.name, EVERY)
            else:
                for port in open_ports:
                    yield Edge(source.name, target.name, str(port))


def table(text: str) -> Iterator[Edge]:
    """Edges of the first Markdown table whose header begins `| From | To | Port |`."""
    lines = iter(text.splitlines())
    for line in lines:
        if _cells(line)[:3] == ["From", "To", "Port"]:
            next(lines)
            break
    for line in lines:
        if not line.startswith("|"):
            return
        source, target, ports = (cell.strip("`") for cell in _cells(line)[:3])
        for port in ports.split(", "):
            yield Edge(source, target, port)


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]
