"""Waits for events of all GPUs and prints them; says `ready` once registered."""

from __future__ import annotations

import ctypes
import sys

import pynvml


def address(handle: object) -> int | None:
    return ctypes.cast(handle, ctypes.c_void_p).value


wanted = int(sys.argv[1])
pynvml.nvmlInit()
handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
names = {address(handle): index for index, handle in enumerate(handles)}
events = pynvml.nvmlEventSetCreate()
for handle in handles:
    kinds = pynvml.nvmlDeviceGetSupportedEventTypes(handle)
    pynvml.nvmlDeviceRegisterEvents(handle, kinds, events)
print("ready", flush=True)
for _ in range(wanted):
    event = pynvml.nvmlEventSetWait_v2(events, 60_000)
    print(names[address(event.device)], hex(event.eventType), event.eventData, flush=True)
pynvml.nvmlEventSetFree(events)
