"""What docs/guides/upgrade.md, rollback.md and airgap.md tell a person to type,
read from those pages: every line that a lab machine can follow, in their order.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from odin_lab import paths
from odin_lab.generations import FIRMWARE, PROFILES
from scenarios import upgrade

GUIDES = paths.REPOSITORY / "docs" / "guides"
# What needs Nix, the flake or the medium.
ELSEWHERE = re.compile(
    r"^(nix |nixos-rebuild |reboot$|system=\$\(nix |echo "
    # What NixOS says when it refuses.
    r"|There are changes to critical|nvidia-driver : )"
)


def typed(guide: str) -> list[str]:
    """The lines of a guide's plain blocks: what a person types, and what NixOS says."""
    lines, fence = [], None
    for line in (GUIDES / guide).read_text().splitlines():
        if line.startswith("```"):
            fence = None if fence is not None else line.removeprefix("```")
        elif fence == "" and line:
            lines.append(line)
    return lines


def commands(guide: str) -> list[str]:
    """The lines that a lab machine can follow."""
    return [line for line in typed(guide) if line.startswith("odin ")]


def test_nothing_in_the_guides_is_passed_over():
    """A line that is neither followed nor known to need more fails here."""
    for guide in ("upgrade.md", "rollback.md", "airgap.md"):
        lines = typed(guide)
        assert commands(guide)
        left = [
            line for line in lines if not line.startswith("odin ") and not ELSEWHERE.match(line)
        ]
        assert left == [], guide


def test_a_generation_from_a_medium_is_taken_up(nixos, make):
    """The lines of the air gap's page, after `nix copy`."""
    system = make()
    nixos.succeed(f"mkdir -p /media/stick && echo {system} > /media/stick/system")
    upgrade.at_ease(nixos, system)
    plan, apply = commands("airgap.md")
    assert nixos.execute(plan)[0] == 2
    nixos.succeed(apply)
    upgrade.power_up(nixos)
    upgrade.taken_up(nixos, system)


def test_an_entry_chosen_in_the_menu_is_made_to_stay(nixos, make):
    """At the console: the boot loader takes what a person points at, once."""
    before = upgrade.booted(nixos)
    system = make()
    upgrade.stage(nixos, system)
    upgrade.restart(nixos)
    upgrade.taken_up(nixos, system)
    entries = json.loads(nixos.succeed("bootctl list --json=short"))
    chosen = next(entry["id"] for entry in entries if f"init={before}/init" in entry["options"])
    nixos.succeed(f"echo {chosen} > {FIRMWARE}/LoaderEntryOneShot")
    upgrade.restart(nixos)
    assert upgrade.booted(nixos) == before
    nixos.wait_for_unit("odin-confirm.service")
    assert upgrade.next_boot(nixos) == system
    nixos.succeed(commands("rollback.md")[2])
    assert upgrade.next_boot(nixos) == before
    record = upgrade.history(nixos)[0]
    assert (record["kind"], record["state"]) == ("rollback", "confirmed"), record
    upgrade.restart(nixos)
    assert upgrade.booted(nixos) == before


def test_upgrade_and_back_as_the_guides_say(nixos, make, tmp_path: Path):
    before = upgrade.booted(nixos)
    system = make()
    upgrade.at_ease(nixos, system)

    plan, apply, history = commands("upgrade.md")
    words = f"system={system}; {plan}"
    status, text = nixos.execute(words)
    assert status == 2, text
    nixos.succeed("kubectl -n workloads create configmap before-the-upgrade --from-literal=a=b")
    # What goes back with the data is what the snapshot before the upgrade has.
    nixos.succeed("odin backup now")
    nixos.succeed(f"system={system}; {apply}")
    upgrade.power_up(nixos)
    upgrade.taken_up(nixos, system)
    assert "confirmed" in nixos.succeed(history)
    nixos.succeed("kubectl -n workloads create configmap since-the-upgrade --from-literal=a=b")

    told, confirm, back, with_data, plan, restore = commands("rollback.md")
    assert told == history
    assert nixos.succeed(confirm).strip() == "there is nothing to confirm"

    # By hand, and on again.
    nixos.succeed(back)
    upgrade.power_up(nixos)
    assert upgrade.taken_up(nixos, before)["kind"] == "rollback"
    nixos.succeed("kubectl -n workloads get configmap since-the-upgrade")
    assert nixos.succeed(f"readlink -f {PROFILES}/system").strip() == before
    upgrade.at_ease(nixos, system)
    nixos.succeed(f"system={system}; {apply}")
    upgrade.power_up(nixos)
    record = upgrade.taken_up(nixos, system)
    taken = record["snapshot"]

    # With data: what was written since is gone, and kept.
    nixos.succeed("kubectl -n workloads create configmap after-all --from-literal=a=b")
    nixos.succeed(with_data)
    upgrade.power_up(nixos)
    record = upgrade.taken_up(nixos, before)
    assert record["kind"] == "rollback"
    assert record["data"] == {"snapshot": taken, "datastore-only": False, "state": "done"}
    nixos.succeed("kubectl -n workloads get configmap before-the-upgrade")
    nixos.fail("kubectl -n workloads get configmap after-all")
    held = json.loads(nixos.succeed("odin --json backup list"))[-1]
    assert "hold" in held["tags"]
    status, text = nixos.execute(plan.replace("ID", held["id"]))
    assert status in (0, 2), text
    nixos.succeed(f"{restore.replace('ID', held['id'])} 2>&1")
    nixos.succeed("kubectl -n workloads get configmap after-all")
