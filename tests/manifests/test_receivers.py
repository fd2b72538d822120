"""What `odin` makes of declared receivers is a configuration Alertmanager takes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from odin_manifests import paths
from odin_manifests.bundle import Bundle

# Every key of the declaration, among them every kind of receiver.
CONTRACT = paths.ROOT / "crates" / "odin-model" / "tests" / "fixtures" / "odin.toml"


@pytest.fixture(params=paths.OVERLAY_NAMES)
def configuration(request, all_bundles: dict[str, Bundle], tmp_path: Path) -> tuple[Path, dict]:
    """The file for an overlay, and the overlay's own default."""
    bundle = all_bundles[request.param]
    declaration = CONTRACT.read_text().replace("/etc/odin/bundle", str(bundle.directory))
    (tmp_path / "odin.toml").write_text(
        declaration.replace('"/var/lib/odin"', f'"{tmp_path}/state"').replace(
            '"/run/odin"', f'"{tmp_path}/run"'
        )
    )
    done = subprocess.run(
        [paths.odin(), "--config", tmp_path / "odin.toml", "alerts", "config"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    file = tmp_path / "alertmanager.yml"
    file.write_text(done.stdout)
    default = bundle.one("ConfigMap", "alertmanager-default", "monitoring")
    return file, yaml.safe_load(default["data"]["alertmanager.yml"])


def test_alertmanager_takes_it(configuration: tuple[Path, dict], run) -> None:
    done = run("amtool", "check-config", configuration[0])
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        ({"alertname": "Watchdog"}, "dead-man"),
        ({"alertname": "A", "severity": "warning"}, "ops"),
        ({"alertname": "OdinDeliverySelfTest", "receiver": "dead-man"}, "dead-man"),
        ({"alertname": "OdinDeliverySelfTest", "receiver": "ops"}, "ops"),
    ],
)
def test_alerts_reach_their_receivers(
    configuration: tuple[Path, dict], run, labels: dict[str, str], receiver: str
) -> None:
    pairs = [f"{name}={value}" for name, value in labels.items()]
    done = run("amtool", "config", "routes", "test", "--config.file", configuration[0], *pairs)
    assert (done.returncode, done.stdout.split()) == (0, [receiver]), done.stderr


def test_grouping_and_inhibition_are_the_overlays(configuration: tuple[Path, dict]) -> None:
    file, default = configuration
    made = yaml.safe_load(file.read_text())
    assert made["inhibit_rules"] == default["inhibit_rules"]
    assert made["route"]["group_by"] == default["route"]["group_by"]
