"""`odin gpu serve`: the page as Prometheus' own tool reads it, and what delays no scrape."""

from __future__ import annotations

import json
import statistics
import subprocess
import time

import pytest
from exporter import Machine
from odin_lab import tools
from simulation import wait_until

EIGHT = 'profile = "{profile}"\ncount = 8\nload = 60\n'
MODELS = ("t4", "a100", "l40s", "h100", "h200", "b200")

# What promtool's linter holds against names that are DCGM's and stay so.
DCGMS_OWN = (
    "use base unit",
    "metric names should not contain abbreviated units",
    "metric names should be written in 'snake_case' not 'camelCase'",
    'counter metrics should have "_total" suffix',
    'non-counter metrics should not have "_total" suffix',
)


def lint(text: str) -> list[str]:
    """What `promtool check metrics` says; a page it cannot read fails at once."""
    done = subprocess.run(
        [tools.binary("promtool"), "check", "metrics"],
        input=text,
        capture_output=True,
        text=True,
    )
    # 3 are remarks of the linter, 1 is a page that cannot be read.
    assert done.returncode in (0, 3), done.stderr
    return [line for line in (done.stdout + done.stderr).splitlines() if line]


@pytest.mark.parametrize("profile", MODELS)
def test_promtool_reads_the_page_of_every_model(machine: Machine, profile: str) -> None:
    machine.declare(**{"dcgm-aliases": True, "price-per-gpu-hour": 2.5})
    machine.simulation.write(EIGHT.format(profile=profile))
    with machine.serving():
        page = machine.until(
            lambda page: all(page.state(gpu) == "running" for gpu in range(8)), "all are read"
        )
    remarks = lint(page.text)
    own = [line for line in remarks if not line.startswith("DCGM_")]
    assert own == []
    unknown = [line for line in remarks if not line.split(" ", 1)[1].startswith(DCGMS_OWN)]
    assert unknown == []
    assert len(page.of("DCGM_FI_DEV_GPU_TEMP")) == 8
    assert len(page.of("DCGM_FI_DEV_GPU_TEMP_CELSIUS")) == 8
    # Nothing is told with a number that says it is none.
    assert not any(value != value for _, _, value in page.samples)


def test_a_call_that_hangs_delays_no_scrape_and_no_end(machine: Machine) -> None:
    healthy = EIGHT.format(profile="h100")
    machine.simulation.write(healthy)
    with machine.serving():
        machine.until(lambda page: page.state(7) == "running", "all are read")
        machine.simulation.write(f'{healthy}[[fault]]\nkind = "hang"\ngpu = 3\n')
        machine.until(lambda page: page.state(3) == "hung", "one hangs")
        took = []
        for _ in range(20):
            began = time.monotonic()
            machine.page()
            took.append(time.monotonic() - began)
        # The call hangs for ever, a scrape does not wait even for its deadline.
        assert statistics.median(took) < 0.4, took
        page = machine.until(lambda page: len(page.of("DCGM_FI_DEV_GPU_TEMP")) == 7, "it left")
        assert page.of("odin_gpu_sample_age_seconds", gpu="3")[0] > 5
        status, health = machine.health()
        assert status == 1
        assert [gpu["verdict"] for gpu in health["gpus"]].count("unknown") == 1


def test_coverage_is_whole_and_told_with_reasons(machine: Machine) -> None:
    done = machine.run("gpu", "list", "--coverage")
    assert done.returncode == 0, done.stderr
    head, *lines = done.stdout.splitlines()
    assert "fields 302 of 302 (0 excluded)" in head, head
    assert not [line for line in lines if line.endswith("not answered")]
    left_out = [line for line in lines if "left out: " in line]
    assert all(line.split("left out: ")[1] for line in left_out)
    assert f"({len(left_out)} excluded)" in head, head


def test_the_baseline_is_recorded_once_all_were_healthy(machine: Machine) -> None:
    machine.simulation.write('profile = "h100"\ncount = 2\n')
    baseline = machine.directory / "state" / "gpu" / "baseline.json"
    with machine.serving():
        assert machine.run("gpu", "health").returncode == 0
        wait_until(baseline.exists, "it is recorded", patience=90)
        machine.until(lambda page: page.of("odin_gpu_baseline_devices") == [2], "it is used")
    assert baseline.stat().st_mode & 0o777 == 0o600
    # One GPU fewer after the next boot.
    machine.simulation.write('profile = "h100"\ncount = 1\n')
    with machine.serving():
        missing = {"finding": "gpu_missing", "verdict": "failed"}
        machine.until(lambda page: page.of("odin_gpu_finding", **missing) == [1], "one is missing")
        done = machine.run("gpu", "health")
        assert done.returncode == 1
        assert "1 of 2 recorded GPUs are not here" in done.stdout
        # It was taken out on purpose.
        done = machine.run("gpu", "health", "--record")
        assert done.returncode == 0, done.stderr
        machine.until(lambda page: page.of("odin_gpu_finding", **missing) == [], "it is accepted")


def test_nothing_is_recorded_while_a_gpu_cannot_be_read(machine: Machine) -> None:
    machine.simulation.write('profile = "h100"\ncount = 2\n[[fault]]\nkind = "lost"\ngpu = 1\n')
    done = machine.run("gpu", "health", "--record")
    assert done.returncode == 1
    assert "not every GPU can be read" in done.stderr
    assert not (machine.directory / "state" / "gpu").exists()


def test_verify_has_its_rows(machine: Machine) -> None:
    def rows(phase: int) -> dict[str, str]:
        done = machine.run("--local", "verify", "--phase", str(phase), "--json")
        report = json.loads(done.stdout)
        named = {row["name"]: row["verdict"] for row in report["rows"]}
        return {name: verdict for name, verdict in named.items() if name.startswith("gpu-")}

    machine.simulation.write('profile = "h100"\ncount = 2\n')
    names = ["gpu-driver", "gpu-baseline", "gpu-health"]
    assert rows(1) == dict.fromkeys(names, "failed"), "nobody answers"
    with machine.serving():
        machine.until(lambda page: page.state(1) == "running", "both are read")
        assert rows(1) == dict(zip(names, ("passed", "failed", "passed"), strict=True))
        assert machine.run("gpu", "health", "--record").returncode == 0
        machine.until(lambda page: page.of("odin_gpu_baseline_devices") == [2], "it is used")
        assert rows(1) == dict.fromkeys(names, "passed")
        # There is no kubelet here.
        assert rows(2) == {"gpu-metrics": "passed", "gpu-use-by-pod": "failed"}
    machine.config.write_text("")
    assert set(rows(1).values()) == {"absent"}
