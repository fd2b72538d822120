"""A kubelet's pod-resources socket: which pod has which device.

`v1.PodResourcesLister/List` of k8s.io/kubelet, pkg/apis/podresources/v1. The
few messages are put together by hand, so no generated code is needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc


@dataclass(frozen=True)
class Pod:
    """A pod with one container that has devices."""

    namespace: str
    name: str
    devices: tuple[str, ...]
    container: str = "main"
    resource: str = "nvidia.com/gpu"


@contextmanager
def telling(socket: Path, pods: list[Pod]) -> Iterator[None]:
    """Answers on the socket."""
    answer = b"".join(_field(1, _pod(pod)) for pod in pods)
    listing = grpc.unary_unary_rpc_method_handler(lambda request, context: answer)
    handler = grpc.method_handlers_generic_handler("v1.PodResourcesLister", {"List": listing})
    server = grpc.server(ThreadPoolExecutor(max_workers=1))
    server.add_generic_rpc_handlers((handler,))
    server.add_insecure_port(f"unix:{socket}")
    server.start()
    try:
        yield
    finally:
        server.stop(grace=None).wait()


def _pod(pod: Pod) -> bytes:
    ids = b"".join(_field(2, device.encode()) for device in pod.devices)
    devices = _field(1, pod.resource.encode()) + ids
    container = _field(1, pod.container.encode()) + _field(2, devices)
    return _field(1, pod.name.encode()) + _field(2, pod.namespace.encode()) + _field(3, container)


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
