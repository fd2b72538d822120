"""A bundle of a chosen size: the same objects for `odin` and for its peer.

No workload wants a pod: what is measured is applying, and the API without
nodes would leave every pod pending.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

Object = dict[str, Any]

PER_PART = 99
"""Objects of a part, its namespace not counted."""

_TEMPLATE = {
    "metadata": {"labels": {"app": "bench"}},
    "spec": {
        "containers": [
            {
                "name": "main",
                "image": "odin.local/busybox:1",
                "args": ["sleep", "infinity"],
                "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
                "env": [{"name": "LEVEL", "value": "info"}, {"name": "ZONE", "value": "a"}],
                "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}},
                "securityContext": {"allowPrivilegeEscalation": False, "runAsNonRoot": True},
            }
        ]
    },
}
_SELECTOR = {"matchLabels": {"app": "bench"}}


def _config_map(number: int) -> Object:
    lines = "".join(f"key-{line} = {number * line}\n" for line in range(40))
    return {"data": {"settings.toml": lines, "level": "info"}}


def _service(number: int) -> Object:
    port = {"name": "http", "port": 8000 + number, "protocol": "TCP", "targetPort": 8080}
    return {"spec": {"selector": {"app": "bench"}, "ports": [port]}}


def _role(number: int) -> Object:
    rule = {"apiGroups": [""], "resources": ["configmaps", "pods"], "verbs": ["get", "list"]}
    return {"rules": [rule]}


def _role_binding(number: int) -> Object:
    return {
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "role-0"},
        "subjects": [{"kind": "ServiceAccount", "name": f"serviceaccount-{number}"}],
    }


def _deployment(number: int) -> Object:
    spec = {"replicas": 0, "minReadySeconds": 5, "selector": _SELECTOR, "template": _TEMPLATE}
    return {"spec": spec}


def _stateful_set(number: int) -> Object:
    return {
        "spec": {
            "replicas": 0,
            "serviceName": "service-0",
            "selector": _SELECTOR,
            "template": _TEMPLATE,
        }
    }


def _cron_job(number: int) -> Object:
    template = {"metadata": {}, "spec": {**_TEMPLATE["spec"], "restartPolicy": "Never"}}
    job = {"spec": {"template": template}}
    return {"spec": {"schedule": "0 3 * * *", "suspend": True, "jobTemplate": job}}


def _network_policy(number: int) -> Object:
    ingress = {"from": [{"podSelector": {"matchLabels": {"app": f"client-{number}"}}}]}
    return {"spec": {"podSelector": _SELECTOR, "policyTypes": ["Ingress"], "ingress": [ingress]}}


def _disruption_budget(number: int) -> Object:
    return {"spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"tier": f"t-{number}"}}}}


def _quota(number: int) -> Object:
    return {"spec": {"hard": {"pods": "50"}}}


def _limits(number: int) -> Object:
    return {"spec": {"limits": [{"type": "Container", "default": {"memory": "64Mi"}}]}}


def _account(number: int) -> Object:
    return {"automountServiceAccountToken": False}


@dataclass(frozen=True)
class Share:
    """How many objects of one kind a part has, and what is in them."""

    count: int
    version: str
    kind: str
    body: Callable[[int], Object]


SHARES = (
    Share(35, "v1", "ConfigMap", _config_map),
    Share(13, "v1", "Service", _service),
    Share(10, "apps/v1", "Deployment", _deployment),
    Share(10, "v1", "ServiceAccount", _account),
    Share(8, "rbac.authorization.k8s.io/v1", "Role", _role),
    Share(8, "rbac.authorization.k8s.io/v1", "RoleBinding", _role_binding),
    Share(5, "networking.k8s.io/v1", "NetworkPolicy", _network_policy),
    Share(4, "policy/v1", "PodDisruptionBudget", _disruption_budget),
    Share(2, "apps/v1", "StatefulSet", _stateful_set),
    Share(2, "batch/v1", "CronJob", _cron_job),
    Share(1, "v1", "ResourceQuota", _quota),
    Share(1, "v1", "LimitRange", _limits),
)

KINDS = 1 + len(SHARES)
"""Kinds of a whole bundle, Namespace included."""


def objects(total: int) -> list[Object]:
    """`total` objects: one namespace in a hundred, the rest mixed.

    Namespaces come first.
    """
    parts = max(1, total // (PER_PART + 1))
    namespaces = [_object("v1", "Namespace", f"bench-{part}", None, {}) for part in range(parts)]
    inside = [thing for part in range(parts) for thing in _inside(f"bench-{part}")]
    return (namespaces + inside)[:total]


def _inside(namespace: str) -> Iterator[Object]:
    for share in SHARES:
        for number in range(share.count):
            name = f"{share.kind.lower()}-{number}"
            yield _object(share.version, share.kind, name, namespace, share.body(number))


def _object(version: str, kind: str, name: str, namespace: str | None, body: Object) -> Object:
    metadata = {
        "name": name,
        "labels": {
            "app.kubernetes.io/name": name,
            "app.kubernetes.io/part-of": "odin",
            "bench/tier": "declared",
        },
    }
    if namespace:
        metadata["namespace"] = namespace
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **body}


def write(directory: Path, total: int) -> list[Object]:
    """Writes a bundle of `total` objects and returns them.

    Read in the order of its paths, as kubectl does, namespaces come first too.
    """
    made = objects(total)
    files = {"bundle.toml": _header(made)}
    for thing in made:
        metadata = thing["metadata"]
        namespace = metadata.get("namespace", "cluster")
        name = f"{thing['kind'].lower()}-{namespace}-{metadata['name']}.yaml"
        files[f"{_component(thing)}/{name}"] = yaml.safe_dump(thing, sort_keys=True)
    sums = ""
    for path, text in sorted(files.items()):
        full = directory / path
        full.parent.mkdir(parents=True, exist_ok=True)
        full.write_text(text)
        sums += f"{hashlib.sha256(text.encode()).hexdigest()}  {path}\n"
    (directory / "SHA256SUMS").write_text(sums)
    return made


def _component(thing: Object) -> str:
    namespace = thing["metadata"].get("namespace")
    return f"part-{namespace}" if namespace else "base"


def _header(made: list[Object]) -> str:
    text = 'format = 1\noverlay = "bench"\n'
    for name in dict.fromkeys(map(_component, made)):
        after = "[]" if name == "base" else '["base"]'
        text += (
            f'\n[[component]]\nname = "{name}"\nnamespace = "default"\nafter = {after}\n'
            'timeout = "120s"\ngate = false\n'
        )
    return text
