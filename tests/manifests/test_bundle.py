"""The bundle as `odin bundle build` renders it from each overlay.

UPDATE_SNAPSHOTS=1 rewrites the snapshots instead of comparing with them.
"""

from __future__ import annotations

import os
import re
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path

import yaml

from odin_manifests import paths
from odin_manifests.bundle import Bundle, checksums, files

LABELS = {
    f"app.kubernetes.io/{key}" for key in ("name", "instance", "component", "part-of", "version")
}


def test_snapshot(bundle: Bundle) -> None:
    snapshot = paths.SNAPSHOTS / bundle.overlay
    # Dashboards are copied as they are, which test_dashboards.py holds; their
    # sums are in SHA256SUMS.
    if os.environ.get("UPDATE_SNAPSHOTS") == "1":
        shutil.rmtree(snapshot, ignore_errors=True)
        shutil.copytree(bundle.directory, snapshot, ignore=shutil.ignore_patterns("dashboards"))
    expected, found = files(snapshot), files(bundle.directory)
    found = {name: text for name, text in found.items() if not name.startswith("dashboards/")}
    hint = (
        "UPDATE_SNAPSHOTS=1 python3 -m pytest tests/manifests -k snapshot, and read the difference"
    )
    assert sorted(found) == sorted(expected), hint
    assert [name for name in found if found[name] != expected[name]] == [], hint


def test_two_renders_are_equal(bundle: Bundle, render: Callable[[str], Path]) -> None:
    assert files(render(bundle.overlay)) == files(bundle.directory)


def test_checksums_cover_every_file(bundle: Bundle) -> None:
    assert (bundle.directory / "SHA256SUMS").read_text() == checksums(bundle.directory)


def test_declaration_is_the_source_without_its_sources(bundle: Bundle) -> None:
    source = tomllib.loads((paths.MANIFESTS / "bundle.toml").read_text())
    expected = [
        {key: value for key, value in component.items() if key not in ("chart", "overlays")}
        for component in source["component"]
        if not component.get("optional")
    ]
    assert bundle.declaration["format"] == source["format"] == 1
    assert bundle.declaration["overlay"] == bundle.overlay
    assert bundle.declaration["component"] == expected


def test_every_overlay_has_the_same_objects(bundle: Bundle, all_bundles: dict[str, Bundle]) -> None:
    first = all_bundles[paths.OVERLAY_NAMES[0]]
    assert [item.file for item in bundle.objects] == [item.file for item in first.objects]


def test_file_says_what_is_in_it(bundle: Bundle) -> None:
    for item in bundle.objects:
        place = item.namespace or "cluster"
        expected = f"{item.component}/{item.kind}-{place}-{item.name}.yaml".lower()
        assert item.file == expected


def test_no_object_twice(bundle: Bundle) -> None:
    found = [(item.kind, item.namespace, item.name) for item in bundle.objects]
    assert len(found) == len(set(found))


def test_labels(bundle: Bundle) -> None:
    for item in bundle.objects:
        assert item.labels.keys() >= LABELS, item
        assert item.labels["app.kubernetes.io/part-of"] == "odin", item
        assert item.labels["app.kubernetes.io/instance"] == item.component, item


def test_what_cannot_change_holds_no_version(bundle: Bundle) -> None:
    """Selectors and claim templates are immutable: a version in one would forbid upgrades."""
    for item in bundle.of_kind("StatefulSet", "DaemonSet"):
        spec = item.content["spec"]
        selectors = [spec["selector"]["matchLabels"]]
        selectors += [
            claim["metadata"].get("labels", {}) for claim in spec.get("volumeClaimTemplates", [])
        ]
        for labels in selectors:
            assert labels.keys() <= {"app.kubernetes.io/name", "app.kubernetes.io/instance"}, item


def test_no_tests_and_no_hooks(bundle: Bundle) -> None:
    for item in bundle.objects:
        annotations = item.content["metadata"].get("annotations", {})
        assert not [key for key in annotations if key.startswith("helm.sh/")], item


def test_namespaced_objects_go_to_declared_namespaces(bundle: Bundle) -> None:
    """No object relies on the namespace of whoever applies it."""
    made = {item.name for item in bundle.of_kind("Namespace")}
    # Where Prometheus needs a role to discover the API server and CoreDNS.
    rights_only = {"default": {"Role", "RoleBinding"}, "kube-system": {"Role", "RoleBinding"}}
    for item in bundle.objects:
        if item.namespace in rights_only:
            assert item.kind in rights_only[item.namespace], item
        elif item.namespace is not None:
            assert item.namespace in made, item


def test_components_come_after_what_they_need(bundle: Bundle) -> None:
    done: set[str] = set()
    for component in bundle.declaration["component"]:
        assert set(component["after"]) <= done, component["name"]
        done.add(component["name"])
        if component["name"] != "platform":
            assert "platform" in component["after"]


def test_changed_configuration_changes_the_pod(bundle: Bundle) -> None:
    """Nothing is reloaded: a configuration that changes has to make new pods."""
    hashes = {
        item.name: item.content["spec"]["template"]["metadata"]["annotations"][
            "odin.local/config-sha256"
        ]
        for item in bundle.of_kind("StatefulSet", "DaemonSet")
        if item.name != "node-exporter"
    }
    assert set(hashes) == {"alertmanager", "loki", "otel-collector", "prometheus"}
    assert all(re.fullmatch("[0-9a-f]{64}", value) for value in hashes.values())


def test_configurations_of_overlays_have_their_own_hashes(all_bundles: dict[str, Bundle]) -> None:
    by_config: dict[str, set[str]] = {}
    for each in all_bundles.values():
        config = yaml.safe_dump(
            [
                each.one("ConfigMap", name, "monitoring")["data"]
                for name in ("prometheus", "prometheus-rules")
            ]
        )
        template = each.one("StatefulSet", "prometheus", "monitoring")["spec"]["template"]
        annotation = template["metadata"]["annotations"]["odin.local/config-sha256"]
        by_config.setdefault(config, set()).add(annotation)
    assert len(by_config) == len(set().union(*by_config.values())) == len(all_bundles)
