"""A lab machine does what scenarios count on."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from odin_lab import images, network, paths, registry
from odin_lab.cluster import Cluster, wait_until_ready
from odin_lab.machine import Machine
from odin_lab.shell import RequestedAssertionFailed

pytestmark = pytest.mark.machine

MANIFESTS = paths.LAB / "manifests"


def apply(machine: Machine, name: str) -> None:
    """Applies a manifest of this directory once the default account is there."""
    machine.wait_until_succeeds("kubectl get serviceaccount default", timeout=30)
    machine.copy_from_host(MANIFESTS / name, f"/tmp/{name}")
    machine.succeed(f"kubectl apply -f /tmp/{name}")


def lines(machine: Machine) -> list[int]:
    """What the writer pod has written, read from the volume on the host side."""
    text = machine.succeed("cat /var/lib/rancher/k3s/storage/pvc-*_default_data/lines")
    return [int(line) for line in text.split()]


def wait_for_lines(machine: Machine, least: int) -> None:
    machine.wait_until_succeeds(
        f"test $(cat /var/lib/rancher/k3s/storage/pvc-*_default_data/lines | wc -l) -ge {least}",
        timeout=60,
    )


class TestVerbs:
    """The NixOS test driver's verbs."""

    def test_status_and_output_are_exact(self, machine: Machine) -> None:
        assert machine.execute("printf 'a\\n b'; exit 7") == (7, "a\n b")
        assert machine.succeed("echo one", "echo two") == "one\ntwo\n"
        assert machine.fail("echo three; false") == "three\n"

    def test_a_command_that_should_fail_and_does_not_fails_the_test(self, machine: Machine) -> None:
        with pytest.raises(RequestedAssertionFailed, match="must not"):
            machine.fail("true")
        with pytest.raises(RequestedAssertionFailed, match="exit status 3"):
            machine.succeed("exit 3")

    def test_a_timeout_ends_the_command(self, machine: Machine) -> None:
        assert machine.execute("sleep 4717", timeout=1)[0] == 124
        machine.fail("pgrep -f '[s]leep 4717'")

    def test_what_runs_in_the_background_does_not_hold_a_command(self, machine: Machine) -> None:
        assert machine.execute("sleep 30 & echo done", timeout=10) == (0, "done\n")

    def test_units(self, machine: Machine) -> None:
        machine.wait_for_unit("k3s.service")
        machine.require_unit_state("k3s.service")
        assert machine.get_unit_info("k3s.service")["ActiveState"] == "active"
        assert machine.systemctl("is-active k3s.service") == (0, "active\n")
        with pytest.raises(RequestedAssertionFailed, match="no-such"):
            machine.wait_for_unit("no-such.service", timeout=10)
        machine.wait_for_open_port(6443)
        machine.wait_for_closed_port(6442)

    def test_files_go_there_and_back(self, machine: Machine, tmp_path: Path) -> None:
        tree = tmp_path / "tree"
        (tree / "deep").mkdir(parents=True)
        (tree / "deep/file").write_bytes(bytes(range(256)))
        (tree / "link").symlink_to("deep/file")
        machine.copy_from_host(tree, "/root/other name")
        machine.wait_for_file("/root/other name/deep/file")
        back = machine.copy_from_machine("/root/other name", tmp_path / "back")
        assert (back / "deep/file").read_bytes() == bytes(range(256))
        assert (back / "link").readlink() == Path("deep/file")

    def test_it_leads_nowhere(self, machine: Machine) -> None:
        """The bridge has no way out, whatever the host has."""
        forwarding = Path("/proc/sys/net/ipv4/conf", network.BRIDGE, "forwarding")
        assert forwarding.read_text() == "0\n"
        machine.fail("timeout 3 bash -c '</dev/tcp/192.0.2.1/80'")


class TestCluster:
    """Kubernetes under K3s' names."""

    def test_a_pod_writes_to_a_claimed_volume(self, machine: Machine) -> None:
        apply(machine, "writer.yaml")
        machine.succeed("kubectl wait --for=condition=Ready pod/writer --timeout=60s")
        wait_for_lines(machine, 3)
        volume = machine.succeed("kubectl get pv -o jsonpath='{.items[0].spec.hostPath.path}'")
        claim = machine.succeed("kubectl get pvc data -o jsonpath='{.spec.storageClassName}'")
        assert volume.startswith("/var/lib/rancher/k3s/storage/pvc-")
        assert claim == "local-path", "the class is the default one"

    def test_services_and_names_answer(self, machine: Machine) -> None:
        apply(machine, "web.yaml")
        machine.succeed("kubectl wait --for=condition=Ready pod/web pod/probe --timeout=60s")
        address = machine.succeed("kubectl get service web -o jsonpath='{.spec.clusterIP}'")
        assert address.startswith("10.43.")
        answer = machine.wait_until_succeeds(
            f"kubectl exec probe -- nc -w 2 {address} 80 </dev/null", timeout=30
        )
        assert answer == "hello\n"
        found = machine.wait_until_succeeds(
            "kubectl exec probe -- nslookup web.default.svc.cluster.local", timeout=30
        )
        assert address in found

    def test_the_node_carries_k3s_label(self, machine: Machine) -> None:
        machine.wait_until_succeeds(
            "kubectl get node -l node-role.kubernetes.io/control-plane=true -o name | grep machine",
            timeout=30,
        )

    def test_logs_and_exec_reach_the_kubelet(self, machine: Machine) -> None:
        machine.succeed(
            "kubectl run speaker --restart=Never --image=odin.local/busybox:1 -- -c 'echo spoken'"
        )
        machine.wait_until_succeeds("kubectl logs speaker | grep -x spoken", timeout=60)

    def test_what_k3s_leaves_on_disk_is_where_k3s_leaves_it(self, machine: Machine) -> None:
        for name in (
            *("server/db/state.db", "server/token", "server/tls/server-ca.crt"),
            *("server/tls/client-ca.key", "server/tls/request-header-ca.crt"),
            *("server/tls/service.key", "server/cred/admin.kubeconfig"),
        ):
            machine.succeed(f"test -s /var/lib/rancher/k3s/{name}")
        machine.succeed("test -s /etc/rancher/node/password -a -s /etc/rancher/k3s/k3s.yaml")
        machine.succeed("test -S /run/k3s/containerd/containerd.sock")
        assert machine.succeed("stat -c %a /etc/rancher/k3s/k3s.yaml").strip() == "600"
        check = machine.succeed(
            "sqlite3 /var/lib/rancher/k3s/server/db/state.db 'pragma quick_check'"
        )
        assert check == "ok\n"

    def test_admission_enforces_pod_security(self, machine: Machine) -> None:
        machine.succeed("kubectl create namespace strict")
        machine.succeed(
            "kubectl label namespace strict pod-security.kubernetes.io/enforce=restricted"
        )
        machine.wait_until_succeeds("kubectl -n strict get serviceaccount default", timeout=30)
        machine.fail("kubectl -n strict run root --image=odin.local/busybox:1 2>&1")

    def test_a_stop_of_k3s_leaves_pods_running(self, machine: Machine) -> None:
        ask = "kubectl get pod writer -o jsonpath='{.metadata.uid} {.status.containerStatuses[0]"
        ask += ".restartCount}'"
        before = machine.succeed(ask)
        machine.succeed("systemctl stop k3s.service")
        machine.require_unit_state("k3s.service", "inactive")
        machine.wait_for_closed_port(6443, timeout=5)
        # The datastore is closed when the stop returns: nothing holds it open.
        machine.fail("pgrep -x kine", "pgrep -x kube-apiserver", "pgrep -x containerd")
        machine.fail("fuser /var/lib/rancher/k3s/server/db/state.db 2>/dev/null")
        wait_for_lines(machine, len(lines(machine)) + 5)
        machine.succeed("systemctl start k3s.service")
        machine.require_unit_state("k3s.service", "active")
        assert machine.succeed("kubectl get --raw /readyz") == "ok"
        machine.wait_until_succeeds("kubectl wait --for=condition=Ready pod/writer --timeout=5s")
        assert machine.succeed(ask) == before
        wait_for_lines(machine, len(lines(machine)) + 5)

    def test_a_stop_during_a_start_ends_what_was_started(self, machine: Machine) -> None:
        machine.succeed("systemctl stop k3s.service", "systemctl start --no-block k3s.service")
        machine.wait_until_succeeds("pgrep -x kine", timeout=30)
        machine.succeed("systemctl stop k3s.service")
        machine.fail("pgrep -x kine", "pgrep -x kube-apiserver", "pgrep -x kubelet")
        machine.succeed("systemctl start k3s.service")

    def test_a_restart_brings_everything_back(self, machine: Machine) -> None:
        machine.succeed("systemctl restart k3s.service")
        assert machine.succeed("kubectl get --raw /readyz") == "ok"
        machine.wait_until_succeeds("pgrep -x kubelet && pgrep -x kube-proxy", timeout=30)


class TestPower:
    """Crash, power-off and what is left after them."""

    def test_data_outlives_a_power_cut(self, machine: Machine) -> None:
        wait_for_lines(machine, 10)
        before = lines(machine)
        machine.succeed("for tree in /sys/fs/cgroup/*; do mkdir $tree/of-this-boot; done")
        machine.crash()
        assert not machine.booted
        with pytest.raises(RequestedAssertionFailed, match="not running"):
            machine.succeed("true")
        machine.start()
        machine.fail("ls -d /sys/fs/cgroup/*/of-this-boot")
        assert lines(machine)[: len(before)] == before
        wait_until_ready(machine)
        wait_for_lines(machine, len(before) + 5)
        written = lines(machine)
        assert written == list(range(1, len(written) + 1)), "no line lost, none written twice"

    def test_power_off_is_quick_and_orderly(self, machine: Machine) -> None:
        before = machine.succeed("cat /proc/sys/kernel/random/boot_id")
        machine.shutdown(timeout=120)
        assert not machine.booted
        machine.start()
        assert machine.succeed("cat /proc/sys/kernel/random/boot_id") != before
        boot = before.strip().replace("-", "")
        machine.wait_until_succeeds(
            f"journalctl _BOOT_ID={boot} --no-pager -o cat | grep 'Reached target poweroff.target'",
            timeout=30,
        )
        wait_until_ready(machine)

    def test_reboot_from_within(self, machine: Machine) -> None:
        machine.execute("systemctl reboot")
        machine.wait_for_shutdown(timeout=120)
        machine.start()
        wait_until_ready(machine)


class TestSeveral:
    """Machines side by side, and one cluster moving to another machine."""

    def test_two_at_once(self, machine: Machine, machines) -> None:
        other = machines(
            "other", parts=[Cluster(apiserver_arguments=["--max-requests-inflight=99"])]
        )
        other.start()
        wait_until_ready(other)
        assert other.address != machine.address
        machine.wait_for_open_port(6443, addr=other.address)
        other.wait_for_open_port(6443, addr=machine.address)
        # From this host too.
        socket.create_connection((other.address, 6443), timeout=5).close()
        other.succeed("pgrep -af kube-apiserver | grep -e --max-requests-inflight=99")
        identity = "kubectl get namespace kube-system -o jsonpath='{.metadata.uid}'"
        assert machine.succeed(identity) != other.succeed(identity)
        names = {record.hostname for record in registry.all_records() if record.running}
        assert {"machine", "other"} <= names
        assert network.exists()

    def test_a_bare_machine_takes_over_from_the_server_directory(
        self, machine: Machine, machines, tmp_path: Path
    ) -> None:
        """Identity and objects live in server/ alone; the rest is made again at a start."""
        ask = "kubectl get namespace kube-system -o jsonpath='{.metadata.uid}'"
        identity = machine.succeed(ask)
        machine.succeed("kubectl create configmap carried --from-literal=key=value")
        machine.succeed("systemctl stop k3s.service")
        saved = machine.copy_from_machine("/var/lib/rancher/k3s/server", tmp_path)
        machine.succeed("systemctl start k3s.service")
        bare = machines("machine", identifier="bare", parts=[Cluster(start_at_boot=False)])
        bare.start()
        bare.fail("test -e /var/lib/rancher/k3s/server", "test -e /etc/rancher/k3s")
        bare.copy_from_host(saved, "/var/lib/rancher/k3s/server")
        bare.succeed("systemctl start k3s.service")
        assert bare.succeed(ask) == identity
        carried = bare.succeed("kubectl get configmap carried -o jsonpath='{.data.key}'")
        assert carried == "value"
        bare.wait_until_succeeds(
            "kubectl wait --for=condition=Ready node/machine --timeout=5s", timeout=60
        )
        # Its kubelet has a new certificate of the old authority.
        bare.wait_until_succeeds("kubectl logs -n kube-system deployment/coredns", timeout=60)


class TestImages:
    """What is loaded into a machine beyond what every cluster needs."""

    def test_asked_for_images_start_as_nobody(self, machines) -> None:
        wanted = {
            "prometheus": "prometheus --version && promtool --version",
            "alertmanager": "alertmanager --version && amtool --version",
            "node-exporter": "node_exporter --version",
        }
        made = machines("images", parts=[Cluster(images=list(wanted), start_at_boot=False)])
        made.start()
        made.succeed("systemctl start k3s-images.service")
        names = [images.reference(name) for name in (*images.BASE, *wanted)]
        assert set(made.succeed("ctr images list -q").split()) >= set(names)
        for name, command in wanted.items():
            for words in command.split(" && "):
                printed = made.succeed(
                    f"ctr run --rm {images.reference(name)} {name}-test /bin/{words} 2>&1"
                )
                assert f"{words.split()[0]}, version" in printed
            # By a file, so that an export that fails says why.
            made.succeed(f"ctr image export /tmp/{name}.tar {images.reference(name)}")
            made.succeed(
                f"tar -xO -f /tmp/{name}.tar --wildcards 'blobs/*'"
                """ | grep -a -q '"User":"65534:65534"'"""
            )
