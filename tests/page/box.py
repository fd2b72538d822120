"""A machine whose page has something to show: GPUs, backups, a history and alerts."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml
from odin_lab import cluster, gpus, odin, paths
from odin_lab.fixtures import temporary_machine
from odin_lab.machine import Machine
from scenarios import stack

PORT = 9480
EVIL = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"
"""What somebody writes who may write an annotation, a log line or a declared value."""

# One GPU at rest, one that works in waves: a chart of it is never flat.
WAVES = 'load = { kind = "sine", minimum = 20, maximum = 95, period = 47 }\nmemory = 61\n'

# What else fires is about the host the lab runs on, or about what the lab leaves
# out: a full disk, a clock that nobody sets, no Loki.
SILENCE = (
    "odin alerts silence --for 2h --by tests --comment 'of the host'"
    " 'alertname!~Watchdog|LogErrorBurst|Gpu.*'"
)

LOST = '[[fault]]\nkind = "lost"\ngpu = 1\n'

# What a restore leaves behind. A real one takes the machine down for minutes, and
# tests/odin has it.
RESTORED = {
    "snapshot": "5f2c7a90d1",
    "time": "2026-11-01T03:12:44Z",
    "bytes": 734003200,
    "files": 812,
    "staging-milliseconds": 96400,
    "downtime-milliseconds": 41250,
}


@dataclass
class Box:
    """The machine, and where its page is."""

    machine: Machine
    made: int = 0

    @property
    def url(self) -> str:
        """The page, as a person on the network types it."""
        return f"https://{self.machine.address}:{PORT}"

    def token(self, scope: str = "read", expires: str = "1h") -> tuple[str, str]:
        """A new token: its name and what is typed."""
        self.made += 1
        name = f"browser-{self.made}"
        command = f"odin --json token create {name} --scope {scope} --expires {expires}"
        return name, json.loads(self.machine.succeed(command))["token"]

    def alert(self, *alerts: dict) -> None:
        """Brings alerts to Alertmanager as Prometheus and Loki do."""
        spec = json.loads(
            self.machine.succeed("kubectl -n monitoring get service alertmanager -o json")
        )["spec"]
        address = f"http://{spec['clusterIP']}:{spec['ports'][0]['port']}/api/v2/alerts"
        self.machine.succeed(
            f"curl --fail --silent --show-error --json @- {address}"
            f" <<'END'\n{json.dumps(alerts)}\nEND"
        )


@contextmanager
def running_box(say: Callable[[str], None], note: str = EVIL) -> Iterator[Box]:
    """A machine with all of it, removed at the end; `note` is what others wrote into it."""
    with tempfile.TemporaryDirectory(prefix="odin-page-") as scratch:
        disk = Path(scratch) / "disk"
        disk.mkdir()
        odin.build(say)
        # Without what keeps logs: the page shows none, and it takes minutes to build.
        bundle = odin.build_bundle("lab", Path(scratch) / "bundle", say, odin.LOGS)
        changed(bundle, disk / "changed", note)
        parts = [
            cluster.Cluster(images=[name for name in odin.STACK_IMAGES if name not in odin.LOGS]),
            odin.Odin(
                bundle,
                declaration=(paths.GUEST / "odin.toml").read_text() + "\n[gpu]\n",
                supervise=True,
            ),
            gpus.Gpus(2),
        ]
        with temporary_machine(
            "gpu-01", identifier="page", parts=parts, binds={disk: odin.BACKUP_DISK}
        ) as machine:
            machine.start()
            cluster.wait_until_ready(machine)
            box = Box(machine)
            furnish(box, note)
            yield box


def furnish(box: Box, note: str) -> None:
    """Does what leaves something to read on every page."""
    machine = box.machine
    work(box)
    machine.succeed(
        "systemctl start odin-gpu.service",
        'kubectl label node "$(hostname)" nvidia.com/gpu.present=true --overwrite',
    )
    machine.wait_until_succeeds("odin status", 1800)
    machine.succeed("odin backup now", "odin backup drill")
    machine.succeed(
        f"rm -rf /etc/odin/bundle && cp -r {odin.BACKUP_DISK}/changed /etc/odin/bundle",
        "odin apply",
        f"echo '{json.dumps(RESTORED)}' >>/var/lib/odin/history/restores.jsonl",
    )
    box.alert(*alerts(note))
    machine.succeed(SILENCE)
    stack.wait("the GPUs are scraped", lambda: stack.value(machine, 'up{job="gpu"}') == 1, 120)


def alerts(note: str) -> list[dict]:
    """What fires. A line of a log reaches the page as LogQL alerts bring it: in an annotation."""
    return [
        {
            "labels": {"alertname": "LogErrorBurst", "severity": "warning", "pod": note},
            "annotations": {
                "summary": f"Many errors: {note}",
                "description": f"last line: 2026-11-23 ERROR {note}",
            },
            "endsAt": "2099-01-01T00:00:00Z",
        }
    ]


def work(box: Box, faults: str = "") -> None:
    """The GPUs as they are: one works in waves, the other has the faults."""
    first, second = (f'[[gpu]]\nuuid = "{gpus.uuid(index)}"\n' for index in range(2))
    text = f'profile = "h100"\n{first}{WAVES}{second}{faults}'
    box.machine.succeed(
        f"cat >{gpus.SCENARIO}.new <<'END'\n{text}END\nmv {gpus.SCENARIO}.new {gpus.SCENARIO}"
    )


def changed(bundle: Path, output: Path, note: str) -> None:
    """A bundle that differs: a quota grows, and there is an annotation."""
    shutil.copytree(bundle, output)
    file = output / "platform" / "resourcequota-workloads-total.yaml"
    quota = yaml.safe_load(file.read_text())
    quota["spec"]["hard"]["pods"] = "77"
    quota["metadata"]["annotations"] = {"note": note}
    file.write_text(yaml.safe_dump(quota))
    files = sorted(path for path in output.rglob("*") if path.is_file())
    sums = {str(path.relative_to(output)): path.read_bytes() for path in files}
    (output / "SHA256SUMS").write_text(
        "".join(
            f"{hashlib.sha256(content).hexdigest()}  {name}\n"
            for name, content in sorted(sums.items())
            if not name.startswith("SHA256SUMS")
        )
    )
