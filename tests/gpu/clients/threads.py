"""One thread asks GPU 0, another GPU 1; the main thread says what came back.

Each line of stdin asks for a round of both; each answer is one line of JSON.
A thread that hangs is told apart by its count standing still.
"""

from __future__ import annotations

import json
import sys
import threading

import pynvml

pynvml.nvmlInit()
counts = [0, 0]
answers = ["", ""]


def ask(index: int) -> None:
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    while True:
        try:
            answers[index] = str(pynvml.nvmlDeviceGetPowerUsage(handle))
        except pynvml.NVMLError as error:
            answers[index] = str(error)
        counts[index] += 1


for index in (0, 1):
    threading.Thread(target=ask, args=(index,), daemon=True).start()
for _ in sys.stdin:
    print(json.dumps({"counts": counts, "answers": answers}), flush=True)
