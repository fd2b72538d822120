"""What Grafana and kube-state-metrics are told, as rendered.

No Grafana and no kube-state-metrics can be run here: that they start is shown
where their images can be built.
"""

from __future__ import annotations

import configparser
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from odin_manifests import dashboards, paths
from odin_manifests.bundle import Bundle

OIDC = {
    "oidc": {
        "enabled": True,
        "clientId": "odin",
        "authUrl": "https://id.example/authorize",
        "tokenUrl": "https://id.example/token",
        "apiUrl": "https://id.example/userinfo",
    }
}


@pytest.fixture(params=["dev", "prod"])
def with_grafana(request: pytest.FixtureRequest, all_bundles: dict[str, Bundle]) -> Bundle:
    return all_bundles[request.param]


@pytest.fixture
def rendered(run, tmp_path: Path) -> Callable[[dict], list[dict]]:
    """The chart by itself with some values."""

    def render(values: dict) -> list[dict]:
        (tmp_path / "values.yaml").write_text(yaml.safe_dump(values))
        chart = paths.CHARTS / "grafana"
        done = run("helm", "template", "grafana", chart, "-f", tmp_path / "values.yaml")
        assert done.returncode == 0, done.stderr
        return [each for each in yaml.safe_load_all(done.stdout) if each]

    return render


def ini(text: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string("[top]\n" + text)
    return parser


def files(bundle: Bundle) -> dict[str, str]:
    return bundle.one("ConfigMap", "grafana", "monitoring")["data"]


def spec(bundle: Bundle) -> dict:
    return bundle.one("StatefulSet", "grafana", "monitoring")["spec"]["template"]["spec"]


def test_nobody_is_let_in_unasked(with_grafana: Bundle) -> None:
    settings = ini(files(with_grafana)["grafana.ini"])
    assert settings["auth.anonymous"]["enabled"] == "false"
    assert settings["users"]["allow_sign_up"] == "false"
    assert settings["auth.generic_oauth"]["enabled"] == "false"
    for key in ("admin_password", "secret_key"):
        assert settings["security"][key].startswith("$__file{/secrets/admin/")


def test_nothing_is_asked_of_the_internet(with_grafana: Bundle) -> None:
    settings = ini(files(with_grafana)["grafana.ini"])
    for section, key in (
        ("analytics", "reporting_enabled"),
        ("analytics", "check_for_updates"),
        ("analytics", "check_for_plugin_updates"),
        ("news", "news_feed_enabled"),
        ("plugins", "plugin_admin_enabled"),
        ("snapshots", "external_enabled"),
    ):
        assert settings[section][key] == "false", key
    for section, key in (
        ("plugins", "preinstall_disabled"),
        ("plugins", "public_key_retrieval_disabled"),
        ("security", "disable_gravatar"),
    ):
        assert settings[section][key] == "true", key


def test_secrets_are_named_and_never_held(with_grafana: Bundle) -> None:
    (admin,) = (each for each in spec(with_grafana)["volumes"] if each["name"] == "admin")
    assert admin["secret"]["secretName"] == "grafana-admin"
    assert [item for item in with_grafana.of_kind("Secret") if item.component == "grafana"] == []
    (container,) = spec(with_grafana)["containers"]
    assert "env" not in container and "envFrom" not in container


def test_what_the_configuration_names_is_mounted(with_grafana: Bundle) -> None:
    settings = ini(files(with_grafana)["grafana.ini"])
    (container,) = spec(with_grafana)["containers"]
    mounts = {each["mountPath"]: each for each in container["volumeMounts"]}
    assert settings["paths"]["data"].startswith("/grafana/")
    assert not mounts["/grafana"].get("readOnly")
    # The default, written out: where it looks for the files below.
    assert settings["paths"]["provisioning"] == "/etc/grafana/provisioning"
    (config,) = (each for each in spec(with_grafana)["volumes"] if each["name"] == "config")
    assert {item["key"]: item["path"] for item in config["configMap"]["items"]} == {
        "grafana.ini": "grafana.ini",
        "datasources.yaml": "provisioning/datasources/odin.yaml",
        "dashboards.yaml": "provisioning/dashboards/odin.yaml",
    }
    (provider,) = yaml.safe_load(files(with_grafana)["dashboards.yaml"])["providers"]
    assert provider["options"]["path"] in mounts
    assert settings["dashboards"]["default_home_dashboard_path"] == "/dashboards/overview.json"


def test_datasources_lead_to_services_of_the_bundle(with_grafana: Bundle) -> None:
    found = yaml.safe_load(files(with_grafana)["datasources.yaml"])["datasources"]
    assert {each["uid"]: each["url"] for each in found} == {
        "prometheus": "http://prometheus:9090",
        "loki": "http://loki:3100",
        "alertmanager": "http://alertmanager:9093",
    }
    assert all(each["uid"] == each["type"] and not each["editable"] for each in found)
    for name in ("prometheus", "alertmanager", "loki"):
        (port,) = with_grafana.one("Service", name, "monitoring")["spec"]["ports"]
        assert f"http://{name}:{port['port']}" in {each["url"] for each in found}
    prometheus = with_grafana.one("ConfigMap", "prometheus", "monitoring")["data"]["prometheus.yml"]
    config = yaml.safe_load(prometheus)
    common = config["global"]["scrape_interval"]
    each = {job.get("scrape_interval", common) for job in config["scrape_configs"]}
    # A rate over less than two scrapes of the slowest job is none.
    slowest = max(each, key=lambda interval: int(interval.removesuffix("s")))
    assert found[0]["jsonData"]["timeInterval"] == slowest


def test_every_dashboard_is_mounted(with_grafana: Bundle) -> None:
    (volume,) = (each for each in spec(with_grafana)["volumes"] if each["name"] == "dashboards")
    mounted = {each["configMap"]["name"] for each in volume["projected"]["sources"]}
    assert mounted == {
        item.name for item in with_grafana.of_kind("ConfigMap") if item.component == "dashboards"
    }
    assert mounted == {f"dashboard-{name.removesuffix('.json')}" for name in dashboards.FILES}


def test_oidc_is_by_values_and_its_secret_by_file(rendered) -> None:
    objects = rendered(OIDC)
    (config,) = (each for each in objects if each["kind"] == "ConfigMap")
    oauth = ini(config["data"]["grafana.ini"])["auth.generic_oauth"]
    assert oauth["enabled"] == "true" and oauth["client_id"] == "odin"
    assert oauth["client_secret"] == "$__file{/secrets/oidc/client-secret}"
    (stateful,) = (each for each in objects if each["kind"] == "StatefulSet")
    pod = stateful["spec"]["template"]["spec"]
    assert {"name": "oidc", "mountPath": "/secrets/oidc", "readOnly": True} in pod["containers"][0][
        "volumeMounts"
    ]
    (policy,) = (
        each
        for each in objects
        if each["kind"] == "NetworkPolicy" and each["metadata"]["name"] == "grafana"
    )
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    (egress,) = policy["spec"]["egress"]
    assert [port["port"] for port in egress["ports"]] == [443]


def test_cookies_are_for_https_where_there_is_https(rendered) -> None:
    for url, secure in (("https://grafana.example", "true"), ("http://localhost:3000", "false")):
        (config,) = (each for each in rendered({"rootUrl": url}) if each["kind"] == "ConfigMap")
        assert ini(config["data"]["grafana.ini"])["security"]["cookie_secure"] == secure


def test_state_is_read_of_what_is_asked_for_and_no_more(with_grafana: Bundle) -> None:
    deployment = with_grafana.one("Deployment", "kube-state-metrics", "monitoring")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    (asked,) = (arg for arg in container["args"] if arg.startswith("--resources="))
    rules = with_grafana.one("ClusterRole", "odin-kube-state-metrics")["rules"]
    allowed = {kind for rule in rules for kind in rule["resources"]}
    assert set(asked.removeprefix("--resources=").split(",")) == allowed
    assert all(rule["verbs"] == ["list", "watch"] for rule in rules)
    assert not {"secrets", "configmaps"} & allowed
