"""Faults of pods: processes that hang, that do not stay up, that fill their memory."""

from __future__ import annotations

from dataclasses import replace

from odin_lab import images

from repairing.fault import NOTES, Injection

ANSWERS = "curl --silent --fail --max-time 2 --output /dev/null"
_TLS = "/var/lib/rancher/k3s/server/tls"
API = (
    f"curl --silent --fail --max-time 2 --cacert {_TLS}/server-ca.crt"
    f" --cert {_TLS}/client-admin.crt --key {_TLS}/client-admin.key https://127.0.0.1:6443"
)
"""The API as its page is asked for: `kubectl` costs a second on a busy machine."""
BACK_OFFS = 6
"""How often a container is killed: then Kubernetes waits for nearly three minutes."""
RUNS = 15  # seconds before each of them
FILLED = 97  # per cent of a container's limit; the alert is about 95

WORKLOAD = f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web, namespace: workloads}}
spec:
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata:
      labels: {{app: web, odin.local/scrape: "true"}}
      annotations: {{odin.local/metrics-port: "8080"}}
    spec:
      automountServiceAccountToken: false
      securityContext:
        runAsNonRoot: true
        runAsUser: 65534
        seccompProfile: {{type: RuntimeDefault}}
      containers:
        - name: web
          image: {images.reference("node-exporter")}
          imagePullPolicy: IfNotPresent
          args: [--collector.disable-defaults, --web.listen-address=:8080]
          ports: [{{containerPort: 8080}}]
          securityContext: {{allowPrivilegeEscalation: false, capabilities: {{drop: [ALL]}}}}
---
apiVersion: v1
kind: Service
metadata: {{name: web, namespace: workloads}}
spec:
  selector: {{app: web}}
  ports: [{{port: 8080}}]
"""

# Kills the container of one pod each time it runs, so many times, and no more once
# that pod is gone: what was wrong was wrong with this pod. It may run for a little
# first: a container that ends at once is another trouble (PodWithoutContainer).
KILLER = f"""
uid=$1 process=$2 left=$3
while [ "$left" -gt 0 ] && [ -d "/var/lib/kubelet/pods/$uid" ]; do
  for pid in $(pgrep -x "$process"); do
    if grep -q "pod$uid" "/proc/$pid/cgroup" && [ "$(ps -o etimes= -p "$pid")" -ge {RUNS} ]; then
      kill -KILL "$pid" && left=$((left - 1))
    fi
  done
  sleep 0.2
done
"""

# Bytes in use and the limit of the memory cgroup of a process, as the kubelet
# counts: without pages of files that can go at once.
MEMORY = """
for group in /sys/fs/cgroup/memory /sys/fs/cgroup; do
  group=$(find "$group" -path '*pod*' -name cgroup.procs -exec grep -lx "$1" {} + | head -n 1)
  [ -z "$group" ] || break
done
group=${group%/cgroup.procs}
[ -n "$group" ] || exit 1
if [ -e "$group/memory.limit_in_bytes" ]; then
  limit=$(cat "$group/memory.limit_in_bytes") used=$(cat "$group/memory.usage_in_bytes")
  idle=$(sed -n 's/^total_inactive_file //p' "$group/memory.stat")
else
  limit=$(cat "$group/memory.max") used=$(cat "$group/memory.current")
  idle=$(sed -n 's/^inactive_file //p' "$group/memory.stat")
fi
echo "$group $((used - idle)) $limit"
"""


def _hangs(name: str, job: str, namespace: str, pod: str, process: str, answers: str) -> Injection:
    """A pod whose process is stopped: it takes connections and never answers."""
    pid = f"{NOTES}/{name}"
    return Injection(
        name,
        inject=f"pgrep {process} | head -n 1 > {pid} && kill -STOP $(cat {pid})",
        works=f"{ANSWERS} {answers}",
        undo=f"kill -CONT $(cat {pid}) 2>/dev/null || true",
        seen=f'up{{job="{job}"}} == 1',
        labels=f'job="{job}"',
        target=f"pod {namespace}/{pod}",
    )


def _service(namespace: str, name: str) -> str:
    """The address of a Service, which the API need not be asked for later."""
    note = f"{NOTES}/address-{name}"
    address = f"kubectl -n {namespace} get service {name} -o jsonpath={{.spec.clusterIP}}"
    return f"$([ -s {note} ] || {address} > {note}; cat {note})"


def _pod(namespace: str, name: str) -> str:
    """The address of the one pod of a component, asked for anew: it changes."""
    pods = f"{API}/api/v1/namespaces/{namespace}/pods?labelSelector=app.kubernetes.io/name={name}"
    living = "first(.items[] | select(.metadata.deletionTimestamp == null)).status.podIP"
    return f"$({pods} | jq -er '{living}')"


def _in_backoff() -> Injection:
    name, process = "container-in-backoff", "otel-collector"
    selector = f"kubectl -n monitoring-host get pod -l app.kubernetes.io/name={process}"
    return Injection(
        name,
        prepare=f"cat > {NOTES}/killer <<'END'{KILLER}END\n",
        inject=(
            f"uid=$({selector} -o jsonpath={{.items[0].metadata.uid}}) &&"
            f" systemd-run --quiet --unit=killer sh {NOTES}/killer $uid {process} {BACK_OFFS}"
        ),
        works=(
            "! systemctl --quiet is-active killer.service &&"
            f" {ANSWERS} http://{_pod('monitoring-host', process)}:8888/metrics"
        ),
        undo="systemctl stop killer.service 2>/dev/null || true",
        seen=f'up{{job="{process}"}} == 1',
        labels=f'severity="critical", container="{process}"',
        target=f"pod monitoring-host/{process}",
    )


def _leaks() -> Injection:
    # In the pod's own process namespace: what is in it ends with the pod.
    hold = (
        'echo 0 > "$0/cgroup.procs"; (head -c "$1" /dev/zero; exec sleep 1000000)'
        ' | tail -c "$1" > /dev/null'
    )
    look = f"set -- $(sh {NOTES}/memory $(pgrep -x alertmanager))"
    return Injection(
        "stack-leaks-memory",
        prepare=f"cat > {NOTES}/memory <<'END'{MEMORY}END\n",
        inject=(
            f"{look} && left=$(($3 * {FILLED} / 100 - $2)) &&"
            " systemd-run --quiet --unit=hog nsenter -t $(pgrep -x alertmanager) -p --"
            f" sh -c '{hold}' $1 $left &&"
            f" until {look}; [ $(($2 * 100 / $3)) -ge 95 ]; do sleep 0.2; done"
        ),
        works=(
            f"{look}; [ $(($2 * 100 / $3)) -lt 95 ] &&"
            f" {ANSWERS} http://{_service('monitoring', 'alertmanager')}:9093/-/healthy"
        ),
        undo="systemctl stop hog.service 2>/dev/null || true",
        seen='up{job="alertmanager"} == 1',
        labels='container="alertmanager"',
        target="pod monitoring/alertmanager-0",
    )


def _workload() -> Injection:
    hang = _hangs(
        "workload-hangs",
        *("pods", "workloads", "web-", "-f '[n]ode_exporter.*:8080'"),
        f"http://{_service('workloads', 'web')}:8080/metrics",
    )
    deploy = (
        f"kubectl apply -f - <<'END'{WORKLOAD}END\n"
        "kubectl -n workloads rollout status deployment/web --timeout=120s"
    )
    return replace(
        hang,
        prepare=deploy,
        seen='up{job="pods", pod=~"web-.*"} == 1',
        labels='pod=~"web-.*"',
    )


def injections() -> list[Injection]:
    """All of them."""
    host = "http://$(hostname -I | cut -d' ' -f1):9100/metrics"
    loki, alertmanager, prometheus = (
        _service("monitoring", name) for name in ("loki", "alertmanager", "prometheus")
    )
    collector = f"http://{_pod('monitoring-host', 'otel-collector')}:8888/metrics"
    exporter = "-f '[n]ode_exporter.*:9100'"
    stack, nodes = "monitoring", "monitoring-host"
    return [
        _in_backoff(),
        _hangs("exporter-hangs", "node-exporter", nodes, "node-exporter", exporter, host),
        _workload(),
        _leaks(),
        _hangs(
            *("dns-hangs", "coredns", "kube-system", "coredns", "-x coredns"),
            f"http://{_service('kube-system', 'kube-dns')}:9153/metrics",
        ),
        _hangs(
            *("collector-hangs", "otel-collector", nodes, "otel-collector", "-x otel-collector"),
            collector,
        ),
        _hangs("loki-hangs", "loki", stack, "loki-0", "-x loki", f"http://{loki}:3100/ready"),
        _hangs(
            *("prometheus-hangs", "prometheus", stack, "prometheus-0", "-x prometheus"),
            f"http://{prometheus}:9090/-/ready",
        ),
        _hangs(
            *("alertmanager-hangs", "alertmanager", stack, "alertmanager-0", "-x alertmanager"),
            f"http://{alertmanager}:9093/-/ready",
        ),
    ]
