"""Faults of the machine: units that hang, a journal that fills its disk, a GPU that is lost."""

from __future__ import annotations

from odin_lab.gpus import SCENARIO, Gpus, uuid

from repairing.fault import JOURNAL, NOTES, Injection
from repairing.pods import ANSWERS

# Any answer will do, also one that refuses: what hangs gives none.
SPEAKS = "curl --silent --insecure --max-time 2 --output /dev/null"
DIRECTORY = "/var/log/journal"


def _hangs(
    name: str, process: str, unit: str, works: str, seen: str, labels: str = ""
) -> Injection:
    """A unit whose process is stopped: to systemd it runs."""
    pid = f"{NOTES}/{name}"
    return Injection(
        name,
        inject=f"{process} > {pid} && kill -STOP $(cat {pid})",
        works=works,
        undo=f"kill -CONT $(cat {pid}) 2>/dev/null || true",
        seen=seen,
        labels=labels,
        target=f"unit {unit}",
    )


def _main_process(unit: str) -> str:
    return f"systemctl show --value -p MainPID {unit}"


def _journal() -> Injection:
    """journald bounds itself by the size of its disk; here it may have nearly all of it."""
    image, device = "/var/local/journal.img", JOURNAL
    used = f"df --output=pcent {DIRECTORY} | tail -n 1 | tr -dc 0-9"
    return Injection(
        "journal-fills-disk",
        prepare=(
            f"mountpoint --quiet {DIRECTORY} || {{ mkdir -p /var/local /etc/systemd/journald.conf.d"
            f" && truncate -s 128M {image} && mkfs.ext4 -q -m 0 {image}"
            " && { [ -e /dev/loop-control ] || mknod /dev/loop-control c 10 237; }"
            # Found on the host's kernel, named for the machine alone; detached as soon
            # as it is mounted, which ends it with the mount.
            f" && n=$(losetup -f | tr -dc 0-9) && mknod -m 600 {device} b 7 $n"
            f" && losetup {device} {image} && mkdir -p {DIRECTORY}"
            f" && mount {device} {DIRECTORY} && losetup -d {device}"
            " && printf '[Journal]\\nStorage=persistent\\nSystemMaxUse=1G\\nSystemKeepFree=1M\\n"
            "SystemMaxFileSize=8M\\nRateLimitIntervalSec=0\\nCompress=no\\n'"
            " > /etc/systemd/journald.conf.d/zz-repairing.conf"
            " && systemctl restart systemd-journald.service && journalctl --flush; }"
        ),
        inject=(
            # The same line twice is kept once.
            f"while [ $({used}) -lt 90 ]; do head -c 1M /dev/urandom | base64 -w 3000"
            " | systemd-cat -t repairing; journalctl --sync; done"
        ),
        works=f"[ $({used}) -lt 85 ]",
        undo="journalctl --rotate --vacuum-size=16M",
        seen=f'instance_device:node_filesystem_available:ratio{{device="{device}"}} > 0.5',
        labels=f'severity="warning", device="{device}"',
        target="machine ",
    )


def _gpu_lost(cards: Gpus) -> Injection:
    fault = cards.scenario('[[fault]]\nkind = "lost"\ngpu = 1\n')

    def scenario(text: str) -> str:
        return f"cat > {SCENARIO}.new <<'END'\n{text}END\nmv {SCENARIO}.new {SCENARIO}"

    running = f'odin_gpu_state{{UUID="{uuid(1)}", state="running"}}'
    return Injection(
        "gpu-lost",
        inject=scenario(fault),
        works=(
            "curl --silent --fail --max-time 2 http://127.0.0.1:9400/metrics"
            f" | grep -q '^odin_gpu_state{{.*{uuid(1)}.*state=\"running\".*}} 1'"
        ),
        undo=scenario(cards.scenario()),
        seen=f"{running} == 1",
        labels=f'UUID="{uuid(1)}"',
        target="node ",
        incurable=(
            "no program brings back a GPU that has left the bus; the remedy keeps pods away, and"
            " is refused on the only node"
        ),
    )


def injections(cards: Gpus) -> list[Injection]:
    """All of them."""
    k3s = "k3s.service"
    return [
        _hangs(
            *("kubelet-hangs", "pgrep -x kubelet", k3s),
            f"{SPEAKS} https://127.0.0.1:10250/healthz",
            'up{job="kubelet"} == 1',
        ),
        _hangs(
            *("apiserver-hangs", "pgrep -x kube-apiserver", k3s),
            f"{SPEAKS} https://127.0.0.1:6443/version",
            'up{job="apiserver"} == 1',
        ),
        _journal(),
        _hangs(
            *("datastore-hangs", "pgrep -x kine", k3s),
            f"{SPEAKS} --http2-prior-knowledge --unix-socket /run/k3s/kine.sock http://kine/",
            'up{job="apiserver"} == 1',
        ),
        _hangs(
            *("gpu-exporter-hangs", _main_process("odin-gpu.service"), "odin-gpu.service"),
            f"{ANSWERS} http://127.0.0.1:9400/metrics",
            'up{job="gpu"} == 1',
        ),
        _gpu_lost(cards),
    ]
