"""What nvitop reads of every device, as JSON."""

from __future__ import annotations

import json

import nvitop

devices = []
for device in nvitop.Device.all():
    snapshot = device.as_snapshot()
    devices.append(
        {
            "name": snapshot.name,
            "uuid": snapshot.uuid,
            "memory_total": snapshot.memory_total,
            "memory_used": snapshot.memory_used,
            "gpu_utilization": snapshot.gpu_utilization,
            "temperature": snapshot.temperature,
            "power_usage": snapshot.power_usage,
            "power_limit": snapshot.power_limit,
            "processes": sorted(device.processes()),
        }
    )
print(json.dumps(devices, default=str))
