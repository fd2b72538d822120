"""A machine whose alerts somebody is told of: a receiver that listens on it.

The receiver is a program of a few lines behind systemd's socket activation,
because a machine of the lab has no other web server. What it was sent is in
`HEARD`, one request a line.
"""

from __future__ import annotations

import json
import shlex

from odin_lab.machine import Machine

HEARD = "/run/heard"
PORT = 9700
TOKEN = "lab-token"
DECLARATION = "/etc/odin/odin.toml"

ALERTING = """
[alerting]
receiver = "hook"
dead-man = "hook"
dead-man-interval = "10s"

[[alerting.receivers]]
name = "hook"
[alerting.receivers.webhook]
url-file = "/etc/odin/hook-url"
bearer-token-file = "/etc/odin/hook-token"

# Nobody listens there.
[[alerting.receivers]]
name = "deaf"
[alerting.receivers.webhook]
url = "http://127.0.0.1:9/"

[[alerting.routes]]
receiver = "hook"
severity = "critical"
"""

RECEIVER = f"""#!/bin/bash
length=0 token=none
while IFS= read -r line; do
  line=${{line%$'\\r'}}
  [ -n "$line" ] || break
  case "${{line,,}}" in
    content-length:*) length=${{line#*: }} ;;
    authorization:*) token=${{line##* }} ;;
  esac
done
body=$(head -c "$length" | tr '\\n' ' ')
exec 9>> {HEARD}
flock 9
printf '%s %s\\n' "$token" "$body" >&9
exec 9>&-
printf 'HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\nConnection: close\\r\\n\\r\\n'
"""


def listen(machine: Machine) -> None:
    """Starts the receiver and writes the files that name it."""
    # The daemon may have brought K3s up anew since; its node comes a moment later.
    machine.wait_until_succeeds("kubectl get node -o name | grep .", 60)
    node = json.loads(machine.succeed("kubectl get node -o json"))["items"][0]
    address = next(
        each["address"] for each in node["status"]["addresses"] if each["type"] == "InternalIP"
    )
    machine.succeed(
        f"umask 077; echo http://{address}:{PORT}/ > /etc/odin/hook-url",
        f"umask 077; echo {TOKEN} > /etc/odin/hook-token",
        f"printf %s {shlex.quote(RECEIVER)} > /usr/local/bin/hook; chmod 755 /usr/local/bin/hook",
        f"touch {HEARD}",
        "systemd-run --unit=hook systemd-socket-activate --accept --inetd"
        f" --listen=0.0.0.0:{PORT} /usr/local/bin/hook",
    )


def declare(machine: Machine, text: str) -> None:
    """Puts another declaration in force and restarts the daemon."""
    machine.succeed(
        f"printf %s {shlex.quote(text)} > {DECLARATION}",
        "odin config check",
        "systemctl restart odin.service",
    )


def heard(machine: Machine, word: str) -> list[dict]:
    """Alerts with a word in them that the receiver was sent."""
    # Not splitlines(): what Alertmanager writes may hold U+2028.
    lines = machine.succeed(f"flock {HEARD} cat {HEARD}").split("\n")
    found = []
    for line in filter(None, lines):
        token, _, body = line.partition(" ")
        assert token == TOKEN, line
        found += [alert for alert in json.loads(body)["alerts"] if word in json.dumps(alert)]
    return found


def metrics(machine: Machine) -> str:
    """The daemon's page."""
    return machine.succeed(
        "curl --fail --silent --unix-socket /run/odin/odin.sock http://o/metrics"
    )


def records(machine: Machine, name: str) -> list[dict]:
    """Lines of a file of records; none when there is none yet."""
    text = machine.succeed(f"cat /var/lib/odin/history/{name} 2>/dev/null || true")
    return [json.loads(line) for line in text.splitlines()]
