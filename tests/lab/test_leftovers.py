"""Nothing of a machine or an API is left on the host, however its run ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from odin_lab import cgroups, network, paths, process, registry
from odin_lab.machine import Machine

# Seconds for what takes one of a host that has nothing else to do.
PATIENCE = 120

# A driver that makes a machine, says so, and waits to be ended.
DRIVER = """
import sys, time
from odin_lab.machine import Machine
machine = Machine("victim", identifier=sys.argv[1], keep=sys.argv[2] == "keep")
machine.start()
machine.succeed("setsid sleep 10000 >/dev/null 2>&1 &")
print(machine.record.index, flush=True)
time.sleep(600)
"""


def traces(identifier: str) -> list[str]:
    """Everything on this host that belongs to a machine."""
    found = []
    directory = paths.state() / "machines" / identifier
    if directory.exists():
        found.append(f"directory {directory}")
    found += [f"cgroup {group}" for group in cgroups.groups(identifier) if group.exists()]
    if str(directory) in Path("/proc/self/mountinfo").read_text():
        found.append(f"mount below {directory}")
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and process.start_time(int(entry.name)) is not None:
            text = b""
            for name in ("cmdline", "cgroup"):
                try:
                    text += (entry / name).read_bytes()
                except OSError:
                    continue  # it ended meanwhile
            if f"/{identifier}".encode() in text or f"--machine={identifier}".encode() in text:
                found.append(f"process {entry.name}: {text!r}")
    return found


@pytest.fixture
def identifier(request: pytest.FixtureRequest, lab: None):
    """The name of a machine that is removed at the end whatever the test found."""
    name = f"victim-{os.getpid()}"
    yield name
    for record in registry.all_records():
        if record.identifier == name:
            registry.destroy(record)


def drive(identifier: str, keep: bool) -> subprocess.Popen:
    """Starts DRIVER and returns when its machine runs."""
    words = [sys.executable, "-c", DRIVER, identifier, "keep" if keep else "lose"]
    child = subprocess.Popen(words, cwd=paths.LAB, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None and child.stdout.readline().strip().isdigit()
    return child


@pytest.mark.machine
class TestMachine:
    """Machines and what they consist of."""

    def test_close_leaves_nothing(self, identifier: str) -> None:
        with Machine("victim", identifier=identifier) as machine:
            machine.start()
            machine.succeed("setsid sleep 10000 >/dev/null 2>&1 &")
            found = traces(identifier)
            assert any("directory" in trace for trace in found)
            assert any("cgroup" in trace for trace in found)
            assert sum("process" in trace for trace in found) > 3
            link = Path("/sys/class/net", network.link(machine.record.index))
            assert link.exists()
        assert traces(identifier) == []
        assert not link.exists()
        # The bridge stays for others only.
        assert network.exists() == bool(registry.all_records())

    def test_a_killed_driver_takes_its_machine_along(self, identifier: str) -> None:
        driver = drive(identifier, keep=False)
        record = registry.find(identifier)
        driver.kill()
        driver.wait()
        process.wait_until(lambda: not record.running, PATIENCE, "the machine has ended")
        assert identifier in registry.reap()
        assert traces(identifier) == []
        assert network.exists() == bool(registry.all_records())

    def test_a_kept_machine_outlives_its_driver_until_stopped(self, identifier: str) -> None:
        driver = drive(identifier, keep=True)
        driver.kill()
        driver.wait()
        assert identifier not in registry.reap()
        assert Machine.attach(identifier).succeed("hostname") == "victim\n"
        words = [sys.executable, "-m", "odin_lab.cli", "stop", identifier]
        subprocess.run(words, cwd=paths.LAB, check=True)
        assert traces(identifier) == []

    def test_stop_touches_no_process_that_took_over_a_number(self, identifier: str) -> None:
        driver = drive(identifier, keep=True)
        bystander = subprocess.Popen(["sleep", "1000"])
        try:
            record = registry.find(identifier)
            registry.kill(record)
            # As if the kernel had given the numbers of the dead machine away.
            stale = process.Process(bystander.pid, start=1)
            registry.update(record, leader=stale, nspawn=stale)
            registry.destroy(registry.find(identifier))
            assert bystander.poll() is None
            assert traces(identifier) == []
        finally:
            driver.kill()
            driver.wait()
            bystander.kill()
            bystander.wait()

    def test_an_interrupted_start_is_removed_by_stop(self, identifier: str) -> None:
        words = [sys.executable, "-m", "odin_lab.cli", "up", identifier]
        child = subprocess.Popen(words, cwd=paths.LAB, stderr=subprocess.DEVNULL)
        directory = paths.state() / "machines" / identifier
        process.wait_until((directory / "machine.json").exists, 60, "the machine is recorded")
        child.send_signal(signal.SIGINT)
        child.wait(PATIENCE)
        words = [sys.executable, "-m", "odin_lab.cli", "stop", identifier]
        subprocess.run(words, cwd=paths.LAB, check=True)
        assert traces(identifier) == []

    def test_the_commands_of_the_makefile(self, identifier: str) -> None:
        def lab(*words: str) -> str:
            command = [sys.executable, "-m", "odin_lab.cli", *words]
            done = subprocess.run(command, cwd=paths.LAB, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            return done.stdout

        lab("up", identifier)
        lab("up", identifier)  # it runs already
        assert lab("shell", identifier, "hostname").strip() == identifier
        assert "Ready" in lab("shell", identifier, "kubectl", "get", "nodes")
        assert f"{identifier}\trunning\t10.231.0." in lab("list")
        lab("stop", identifier)
        assert identifier not in lab("list")
        assert traces(identifier) == []

    def test_a_directory_without_a_record_is_removed(self, identifier: str) -> None:
        directory = paths.state() / "machines" / identifier
        directory.mkdir(parents=True)
        (directory / "half").write_text("made by a driver that died before its record")
        registry.reap()
        assert not directory.exists()


# A test file of someone who uses the fixtures.
SCENARIO = """
def test_it(machines):
    machine = machines("victim", identifier={identifier!r})
    machine.start()
    print("started", flush=True)
    {body}
"""


@pytest.mark.machine
class TestFixtures:
    """A test run that is interrupted, or fails."""

    def run(self, tmp_path: Path, body: str) -> tuple[subprocess.Popen, str]:
        """Starts pytest on a scenario and returns when its machine runs."""
        name = f"victim-{os.getpid()}"
        file = tmp_path / "test_scenario.py"
        file.write_text(SCENARIO.format(identifier=name, body=body))
        words = [sys.executable, "-m", "pytest", "-sq", "-p", "odin_lab.fixtures", str(file)]
        child = subprocess.Popen(
            words,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(paths.LAB)},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdout is not None
        assert any("started" in line for line in child.stdout), "the machine runs"
        # The fixtures put the id of the run behind the name.
        return child, f"{name}-{child.pid}"

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_an_interrupted_run_leaves_nothing(
        self, lab: None, tmp_path: Path, number: signal.Signals
    ) -> None:
        child, name = self.run(tmp_path, "machine.succeed('sleep 1000')")
        assert registry.find(name).running
        child.send_signal(number)
        child.communicate(timeout=PATIENCE)
        assert child.returncode == pytest.ExitCode.INTERRUPTED
        assert traces(name) == []

    def test_a_failure_comes_with_the_machine_s_words(self, lab: None, tmp_path: Path) -> None:
        child, name = self.run(
            tmp_path, "machine.succeed('logger -p user.err complaint; sync; false')"
        )
        output, _ = child.communicate(timeout=PATIENCE)
        assert child.returncode == pytest.ExitCode.TESTS_FAILED
        assert "machine victim" in output and "complaint" in output
        assert traces(name) == []


@pytest.mark.api
class TestApiServer:
    """The small API fixture, run as a command."""

    def start(self, tmp_path: Path) -> tuple[subprocess.Popen, set[process.Process], Path]:
        report = tmp_path / "report"
        script = f'echo "$ODIN_TEST_KUBECONFIG" >{report}.new; mv {report}.new {report}; sleep 1000'
        words = [sys.executable, "-m", "odin_lab.apiserver", "--", "sh", "-c", script]
        child = subprocess.Popen(words, cwd=paths.LAB)
        process.wait_until(
            lambda: report.exists() or child.poll() is not None, 300, "the command runs"
        )
        assert child.poll() is None
        listed = Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split()
        children = {process.Process.of(int(pid)) for pid in listed}
        assert len(children) == 4, "three daemons and the command"
        directory = Path(report.read_text().strip()).parents[2]
        assert (directory / "kine.sock").exists()
        return child, {one for one in children if one}, directory

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_a_signal_ends_all_and_removes_the_directory(
        self, tmp_path: Path, number: signal.Signals
    ) -> None:
        child, children, directory = self.start(tmp_path)
        child.send_signal(number)
        assert child.wait(PATIENCE) == 128 + number
        assert not [one for one in children if one.alive]
        assert not directory.exists()

    def test_sigkill_ends_the_daemons(self, tmp_path: Path) -> None:
        child, children, directory = self.start(tmp_path)
        child.kill()
        child.wait()
        process.wait_until(
            lambda: not any(one.alive for one in children), PATIENCE, "all have ended"
        )
        subprocess.run(["rm", "-r", directory], check=True)

    def test_the_status_is_the_command_s(self) -> None:
        words = [sys.executable, "-m", "odin_lab.apiserver", "--", "sh", "-c", "exit 41"]
        assert subprocess.run(words, cwd=paths.LAB).returncode == 41
