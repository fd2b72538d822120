"""GPM metrics of GPU 0 between two samples, as JSON."""

from __future__ import annotations

import json

import pynvml

pynvml.nvmlInit()
gpu = pynvml.nvmlDeviceGetHandleByIndex(0)
samples = [pynvml.nvmlGpmSampleAlloc() for _ in range(2)]
for sample in samples:
    pynvml.nvmlGpmSampleGet(gpu, sample)
question = pynvml.c_nvmlGpmMetricsGet_t()
question.version = pynvml.NVML_GPM_METRICS_GET_VERSION
question.sample1, question.sample2 = samples
metrics = (
    pynvml.NVML_GPM_METRIC_GRAPHICS_UTIL,
    pynvml.NVML_GPM_METRIC_NVLINK_TOTAL_RX_PER_SEC,
    pynvml.NVML_GPM_METRIC_C2C_TOTAL_TX_PER_SEC,
)
question.numMetrics = len(metrics)
for place, metric in enumerate(metrics):
    question.metrics[place].metricId = metric
answer = pynvml.nvmlGpmMetricsGet(question)
answer = question if answer is None else answer
print(
    json.dumps(
        {
            "graphics": answer.metrics[0].value,
            "nvlink": answer.metrics[1].value,
            "c2c": answer.metrics[2].nvmlReturn,
        }
    )
)
for sample in samples:
    pynvml.nvmlGpmSampleFree(sample)
