"""Prometheus' and Alertmanager's configuration and rules, judged by their own tools."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml

from odin_manifests import paths
from odin_manifests.bundle import Bundle

FILES = sorted(path.name for path in paths.RULES.glob("*.yaml"))
SHIPPED = [paths.RULES / name for name in FILES]
UNIT_TESTS = paths.TESTS / "rules"
ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
EXAMPLES = sorted((paths.MANIFESTS / "examples").glob("*-rules.yaml"))
REMEDIES = {
    *("restart-pod", "restart-workload", "restart-unit", "clean-images", "clean-journal"),
    *("rotate-certificate", "cordon", "backup-now", "apply"),
}
FAULTS = paths.ROOT / "tests" / "acceptance" / "faults.yaml"
UP = re.compile(r"\bup\{([^}]*)\} == 0")
RECORD = re.compile(r"[a-z_]+:[a-z_]+:[a-z0-9_]+")


def seconds(text: str) -> int:
    """Of a duration in one unit."""
    return int(text[:-1]) * {"s": 1, "m": 60, "h": 3600}[text[-1]]


def rules(kind: str, files: Iterable[Path] = SHIPPED) -> list[dict]:
    return [
        rule
        for file in files
        for group in yaml.safe_load(file.read_text())["groups"]
        for rule in group["rules"]
        if kind in rule
    ]


def log_rules() -> list[dict]:
    """Alerts that Loki makes of lines."""
    return [
        rule
        for path in sorted(paths.LOG_RULES.glob("*.yaml"))
        for group in yaml.safe_load(path.read_text())["groups"]
        for rule in group["rules"]
    ]


def unit_tests() -> list[dict]:
    return [yaml.safe_load(path.read_text()) for path in sorted(UNIT_TESTS.glob("*.yaml"))]


def test_rules_are_valid(run) -> None:
    done = run("promtool", "check", "rules", "--lint=all", "--lint-fatal", *SHIPPED, *EXAMPLES)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", sorted(path.name for path in UNIT_TESTS.glob("*.yaml")))
def test_rules_do_what_they_say(name: str, run) -> None:
    done = run("promtool", "test", "rules", name, cwd=UNIT_TESTS)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tested_firing_and_not() -> None:
    cases = [
        case
        for file in unit_tests()
        for group in file["tests"]
        for case in group.get("alert_rule_test", [])
    ]
    names = {rule["alert"] for rule in rules("alert", [*SHIPPED, *EXAMPLES])}
    assert {case["alertname"] for case in cases if case.get("exp_alerts")} == names
    # The watchdog has no time at which it does not fire.
    assert {case["alertname"] for case in cases if not case.get("exp_alerts")} == names - {
        "Watchdog"
    }


def test_every_recorded_series_is_tested() -> None:
    tested = {
        name
        for file in unit_tests()
        for group in file["tests"]
        for case in group.get("promql_expr_test", [])
        for name in RECORD.findall(case["expr"])
    }
    recorded = [rule["record"] for rule in rules("record", [*SHIPPED, *EXAMPLES])]
    assert all(RECORD.fullmatch(name) for name in recorded)
    assert set(recorded) <= tested


@pytest.mark.parametrize("rule", [*rules("alert"), *log_rules()], ids=lambda rule: rule["alert"])
def test_alert_is_complete(rule: dict) -> None:
    assert rule["labels"]["severity"] in ("none", "info", "warning", "critical")
    annotations = rule["annotations"]
    assert annotations.keys() - {"remediation"} == {"summary", "description", "runbook_url"}
    assert annotations.get("remediation", "apply") in REMEDIES
    if annotations.get("remediation") == "restart-unit":
        assert rule["labels"]["unit"].endswith(".service")
    runbook = paths.RUNBOOKS / f"{rule['alert']}.md"
    assert rule["annotations"]["runbook_url"] == str(runbook.relative_to(paths.ROOT))
    text = runbook.read_text()
    assert text.startswith(f"# {rule['alert']}\n")
    for heading in ("## What it means", "## What to look at", "## What to do"):
        assert f"\n{heading}\n" in text, heading


def test_every_runbook_has_its_alert() -> None:
    assert {path.stem for path in paths.RUNBOOKS.glob("*.md")} == {
        rule["alert"] for rule in [*rules("alert"), *log_rules()]
    }


def test_every_severity_of_an_alert_is_tested_firing() -> None:
    """An alert of two rules, milder and graver, is shown in both forms."""
    tested = {
        (case["alertname"], alert["exp_labels"]["severity"])
        for file in unit_tests()
        for group in file["tests"]
        for case in group.get("alert_rule_test", [])
        for alert in case.get("exp_alerts") or []
    }
    declared = {(rule["alert"], rule["labels"]["severity"]) for rule in rules("alert")}
    assert declared <= tested


def test_faults_name_alerts_and_remedies_there_are() -> None:
    """The list was fixed before the rules; what it names has to be in them."""
    faults = yaml.safe_load(FAULTS.read_text())["faults"]
    declared = {
        (rule["alert"], rule["annotations"].get("remediation"))
        for rule in rules("alert", [*SHIPPED, *EXAMPLES])
    }
    for fault in faults:
        alert, remedy = fault["alert"], fault["remedy"]
        if fault.get("missing"):
            # The alert is not there to carry the annotation.
            assert remedy in REMEDIES and (alert, None) in declared
        elif remedy:
            assert (alert, remedy) in declared, fault["name"]
        else:
            assert fault["because"] and alert in {name for name, _ in declared}
    assert sum(bool(fault["remedy"]) for fault in faults) / len(faults) >= 0.9


def test_log_rules_are_valid(run) -> None:
    files = sorted(paths.LOG_RULES.glob("*.yaml"))
    done = run("lokitool", "rules", "check", "--strict", *files)
    assert done.returncode == 0, done.stdout + done.stderr


def test_log_rules_are_in_the_bundle_as_they_are(bundle: Bundle) -> None:
    data = bundle.one("ConfigMap", "loki-rules", "monitoring")["data"]
    assert data == {path.name: path.read_text() for path in paths.LOG_RULES.glob("*.yaml")}


def test_loki_is_full_where_its_alert_says(bundle: Bundle) -> None:
    """The metric is of 1, as the setting is."""
    (data,) = bundle.one("ConfigMap", "loki", "monitoring")["data"].values()
    threshold = yaml.safe_load(data)["ingester"]["wal"]["disk_full_threshold"]
    (rule,) = (rule for rule in rules("alert") if rule["alert"] == "LokiStorageFailing")
    wanted = f'max(loki_ingester_wal_disk_usage_percent{{job="loki"}}) >= {threshold}'
    assert wanted in rule["expr"]


def test_rules_are_in_the_bundle_as_they_are(bundle: Bundle) -> None:
    data = bundle.one("ConfigMap", "prometheus-rules", "monitoring")["data"]
    assert data == {name: (paths.RULES / name).read_text() for name in FILES}


def test_prometheus_configuration(bundle: Bundle, run, tmp_path: Path) -> None:
    text = bundle.one("ConfigMap", "prometheus", "monitoring")["data"]["prometheus.yml"]
    account = tmp_path / "account"
    account.mkdir()
    for name in ("token", "ca.crt"):
        (account / name).write_text("")
    (account / "targets.json").write_text("[]")
    assert ACCOUNT in text and "/etc/prometheus/rules" in text and "/etc/prometheus/odin" in text
    config = tmp_path / "prometheus.yml"
    config.write_text(
        text.replace(ACCOUNT, str(account))
        .replace("/etc/prometheus/rules", str(paths.RULES))
        .replace("/etc/prometheus/local-rules", str(paths.MANIFESTS / "examples"))
        .replace("/etc/prometheus/odin", str(account))
    )
    done = run("promtool", "check", "config", "--lint=all", "--lint-fatal", config)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"SUCCESS: {len(FILES) + len(EXAMPLES)} rule files found" in done.stdout


def test_mounts_are_where_the_configuration_looks(bundle: Bundle) -> None:
    spec = bundle.one("StatefulSet", "prometheus", "monitoring")["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    sources = {
        volume["name"]: volume["configMap"]["name"]
        for volume in spec["volumes"]
        if "configMap" in volume
    }
    by_source = {name: mounts[volume] for volume, name in sources.items()}
    assert by_source["prometheus-rules"] == "/etc/prometheus/rules"
    assert by_source["prometheus-local-rules"] == "/etc/prometheus/local-rules"
    (local,) = (volume for volume in spec["volumes"] if volume["name"] == "local-rules")
    assert local["configMap"]["optional"] is True
    assert f"--config.file={by_source['prometheus']}/prometheus.yml" in container["args"]


def test_prometheus_finds_only_where_it_has_rights(bundle: Bundle) -> None:
    text = bundle.one("ConfigMap", "prometheus", "monitoring")["data"]["prometheus.yml"]
    config = yaml.safe_load(text)
    jobs = [*config["scrape_configs"], *config["alerting"]["alertmanagers"]]
    discoveries = [entry for job in jobs for entry in job.get("kubernetes_sd_configs", [])]
    names = [
        name
        for entry in discoveries
        if entry["role"] != "node"
        for name in entry["namespaces"]["names"]
    ]
    assert set(names) == {
        item.namespace for item in bundle.of_kind("Role") if item.name == "odin-prometheus"
    }


def test_missing_targets_are_those_that_are_scraped(bundle: Bundle) -> None:
    """TargetMissing names every job that must have a target, and none that does not exist."""
    text = bundle.one("ConfigMap", "prometheus", "monitoring")["data"]["prometheus.yml"]
    jobs = {job["job_name"] for job in yaml.safe_load(text)["scrape_configs"]}
    (rule,) = (rule for rule in rules("alert") if rule["alert"] == "TargetMissing")
    # Prometheus itself has PrometheusNotReady; pods to scrape, GPUs and the API of
    # the supervisor need not exist, and not every overlay has the last two.
    named = set(re.findall(r'job="([a-z-]+)"', rule["expr"]))
    optional = {"pods", "gpu", "odin", "grafana", "kube-state-metrics"}
    assert named == jobs - {"prometheus"} - optional


def test_what_is_said_of_a_node_has_its_instance(bundle: Bundle) -> None:
    """By which Alertmanager knows that KubeNodeNotReady is of the node whose kubelet is down."""
    text = bundle.one("ConfigMap", "prometheus", "monitoring")["data"]["prometheus.yml"]
    jobs = {job["job_name"]: job for job in yaml.safe_load(text)["scrape_configs"]}
    (copied,) = jobs["kube-state-metrics"]["metric_relabel_configs"]
    assert copied["source_labels"] == ["__name__", "node"]
    assert copied["target_label"] == "instance"
    found = re.fullmatch(copied["regex"], "kube_node_status_condition;box")
    assert found and found[1] == "box"
    assert not re.fullmatch(copied["regex"], "kube_pod_info;box")


def test_a_pod_that_asks_to_be_scraped_does_not_speak_as_prometheus(bundle: Bundle) -> None:
    """Alerts read recorded series by their name alone."""
    text = bundle.one("ConfigMap", "prometheus", "monitoring")["data"]["prometheus.yml"]
    jobs = {job["job_name"]: job for job in yaml.safe_load(text)["scrape_configs"]}
    (dropped,) = jobs["pods"]["metric_relabel_configs"]
    assert (dropped["action"], dropped["source_labels"]) == ("drop", ["__name__"])
    recorded = [rule["record"] for rule in rules("record", SHIPPED)]
    for name in ["ALERTS", "ALERTS_FOR_STATE", *recorded]:
        assert re.fullmatch(dropped["regex"], name), name
    assert not re.fullmatch(dropped["regex"], "http_requests_total")


def test_one_lost_scrape_is_no_alert(bundle: Bundle) -> None:
    """Until the next scrape of the target an alert that it is down only waits."""
    text = bundle.one("ConfigMap", "prometheus", "monitoring")["data"]["prometheus.yml"]
    config = yaml.safe_load(text)
    interval = config["global"]["scrape_interval"]
    jobs = config["scrape_configs"]
    of_pods = {job["job_name"] for job in jobs if "target_label: pod\n" in yaml.safe_dump(job)}
    judged = set()
    for rule in rules("alert", [*SHIPPED, *EXAMPLES]):
        for selector in UP.findall(rule["expr"]):
            ((how, names),) = re.findall(r'job(=|!~)"([^"]*)"', selector)
            for job in jobs:
                name = job["job_name"]
                if (name in names.split("|")) != (how == "="):
                    continue
                if ('pod!=""' in selector) if name not in of_pods else ('pod=""' in selector):
                    continue
                every = seconds(job.get("scrape_interval", interval))
                assert seconds(rule["for"]) > every, (rule["alert"], name)
                judged.add(name)
    assert judged == {job["job_name"] for job in jobs}


def test_alertmanager_configuration(bundle: Bundle, run, tmp_path: Path) -> None:
    data = bundle.one("ConfigMap", "alertmanager-default", "monitoring")["data"]
    (tmp_path / "alertmanager.yml").write_text(data["alertmanager.yml"])
    done = run("amtool", "check-config", tmp_path / "alertmanager.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_declared_secret_is_laid_over_the_default(bundle: Bundle) -> None:
    """The later source of a projected volume wins, and only without `items`."""
    spec = bundle.one("StatefulSet", "alertmanager", "monitoring")["spec"]["template"]["spec"]
    (config,) = (volume for volume in spec["volumes"] if volume["name"] == "config")
    assert config["projected"]["sources"] == [
        {"configMap": {"name": "alertmanager-default"}},
        {"secret": {"name": "alertmanager-config", "optional": True}},
    ]
    assert "--config.file=/etc/alertmanager/alertmanager.yml" in spec["containers"][0]["args"]
