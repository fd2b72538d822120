"""Calls everything nvidia-ml-py can ask about a device, and prints what came back.

It runs in a process of its own: a library that crashes must fail a test and
not end it. One line of JSON for each device.
"""

from __future__ import annotations

import ctypes
import inspect
import json
import sys

import pynvml

# What a getter may give: a value, or NVML's own no.
PREFIXES = ("nvmlDeviceGet", "nvmlDeviceIs", "nvmlDeviceQuery", "nvmlDeviceValidate")


def getters() -> dict[str, object]:
    """The functions that need a device and nothing else."""
    found = {}
    for name, function in inspect.getmembers(pynvml, inspect.isfunction):
        parameters = list(inspect.signature(function).parameters.values())
        required = [p for p in parameters if p.default is inspect.Parameter.empty]
        if (
            name.startswith(PREFIXES)
            and "Handle" not in name
            and len(required) == 1
            and required[0].name in ("handle", "device")
        ):
            found[name] = function
    return found


def fields() -> dict[str, int]:
    """The numbers of the fields, by name; NVML_FI_MAX is none."""
    return {
        name: value
        for name, value in vars(pynvml).items()
        if name.startswith("NVML_FI_") and isinstance(value, int) and name != "NVML_FI_MAX"
    }


def ask(function: object, *arguments: object) -> str:
    try:
        return f"value {plain(function(*arguments))}"
    except pynvml.NVMLError as error:
        return f"error {error.value} {error}"
    except Exception as error:
        return f"client {type(error).__name__}: {error}"


def plain(value: object) -> object:
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, ctypes.Structure):
        return str(value)
    return value


def device(handle: object) -> dict[str, str]:
    answers = {name: ask(function, handle) for name, function in getters().items()}
    names = fields()
    try:
        values = pynvml.nvmlDeviceGetFieldValues(handle, list(names.values()))
    except pynvml.NVMLError as error:
        return answers | dict.fromkeys(names, f"error {error.value} {error}")
    for name, value in zip(names, values, strict=True):
        good = value.nvmlReturn == pynvml.NVML_SUCCESS
        answers[name] = (
            f"value {value.valueType}/{value.value.ullVal}"
            if good
            else f"error {value.nvmlReturn} {pynvml.NVMLError(value.nvmlReturn)}"
        )
    return answers


def main() -> None:
    pynvml.nvmlInit()
    for index in range(pynvml.nvmlDeviceGetCount()):
        try:
            handle = pynvml.nvmlDeviceGetHandleByIndex(index)
        except pynvml.NVMLError as error:
            print(json.dumps({"handle": f"error {error.value} {error}"}))
            continue
        print(json.dumps({"handle": "value"} | device(handle)), flush=True)
    pynvml.nvmlShutdown()


if __name__ == "__main__":
    sys.exit(main())
