"""Cuts GPU 0 as ODIN never does: one GPU instance with two smaller compute instances."""

from __future__ import annotations

import pynvml

pynvml.nvmlInit()
gpu = pynvml.nvmlDeviceGetHandleByIndex(0)
if pynvml.nvmlDeviceGetMigMode(gpu)[0] == 0:
    pynvml.nvmlDeviceSetMigMode(gpu, pynvml.NVML_DEVICE_MIG_ENABLE)
kind = pynvml.nvmlDeviceGetGpuInstanceProfileInfo(gpu, pynvml.NVML_GPU_INSTANCE_PROFILE_4_SLICE)
instance = pynvml.nvmlDeviceCreateGpuInstance(gpu, kind.id)
for number in (
    pynvml.NVML_COMPUTE_INSTANCE_PROFILE_2_SLICE,
    pynvml.NVML_COMPUTE_INSTANCE_PROFILE_1_SLICE,
):
    part = pynvml.nvmlGpuInstanceGetComputeInstanceProfileInfo(
        instance, number, pynvml.NVML_COMPUTE_INSTANCE_ENGINE_PROFILE_SHARED
    )
    pynvml.nvmlGpuInstanceCreateComputeInstance(instance, part.id)
try:
    pynvml.nvmlDeviceCreateGpuInstance(gpu, kind.id)
    raise SystemExit("two of them fit on no GPU")
except pynvml.NVMLError_InsufficientResources:
    pass
try:
    pynvml.nvmlGpuInstanceDestroy(instance)
    raise SystemExit("it has compute instances")
except pynvml.NVMLError_InUse:
    pass
