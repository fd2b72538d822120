"""The MIG devices of GPU 0, as JSON."""

from __future__ import annotations

import ctypes
import json

import pynvml


def address(handle: object) -> int | None:
    return ctypes.cast(handle, ctypes.c_void_p).value


pynvml.nvmlInit()
gpu = pynvml.nvmlDeviceGetHandleByIndex(0)
assert pynvml.nvmlDeviceGetMigMode(gpu)[0] == 1
devices = []
for index in range(pynvml.nvmlDeviceGetMaxMigDeviceCount(gpu)):
    try:
        device = pynvml.nvmlDeviceGetMigDeviceHandleByIndex(gpu, index)
    except pynvml.NVMLError_NotFound:
        continue
    uuid = pynvml.nvmlDeviceGetUUID(device)
    assert address(pynvml.nvmlDeviceGetHandleByUUID(uuid)) == address(device)
    instance = pynvml.nvmlDeviceGetGpuInstanceId(device)
    handle = pynvml.nvmlDeviceGetGpuInstanceById(gpu, instance)
    assert pynvml.nvmlGpuInstanceGetInfo(handle).id == instance
    devices.append(
        {
            "uuid": uuid,
            "instance": instance,
            "slices": pynvml.nvmlDeviceGetAttributes(device).gpuInstanceSliceCount,
            "memory": pynvml.nvmlDeviceGetMemoryInfo(device).total,
        }
    )
print(json.dumps(devices))
