"""`odin` killed at work, a few times; `make acceptance` does it 200 times."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from killing import bundles, deck, invariants, record
from killing.box import running_box
from killing.campaign import Campaign, Tally

SEED, COUNT = 7, 6


def test_a_seed_draws_the_same_again_and_every_operation():
    cards = deck.deal(SEED, 200, bundles.NAMES)
    assert cards == deck.deal(SEED, 200, bundles.NAMES)
    assert cards != deck.deal(SEED + 1, 200, bundles.NAMES)
    assert Counter(card.kind for card in cards) == {"backup": 90, "apply": 80, "restore": 30}
    assert {card.kind for card in deck.deal(SEED, COUNT, bundles.NAMES)} == set(deck.KINDS)


@pytest.mark.parametrize(
    "before", ["# Proof\n", f"# Proof\n{record.BEGIN}\nold\n{record.END}\nmore\n"]
)
def test_the_record_touches_only_its_own_section(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str
):
    monkeypatch.setenv("ODIN", __file__)
    proof = tmp_path / "proof.md"
    proof.write_text(before)
    tally = Tally(kills=Counter(backup=4), hits=Counter(backup=3), failures=["left over: a file"])
    record.write(tally, SEED, ["4 at random times"], proof)
    text = proof.read_text()
    assert text.startswith("# Proof\n") and text.endswith("more\n" if "more" in before else ">\n")
    assert "backup: 3 of 4 hit (75%)" in text
    assert "1 FAILED" in text and "left over: a file" in text
    assert "old" not in text
    record.write(Tally(kills=Counter(backup=4), hits=Counter(backup=4)), SEED, ["4"], proof)
    assert "Verdict: passed" in proof.read_text()
    assert proof.read_text().count(record.BEGIN) == 1


def test_a_killed_odin_loses_nothing_and_the_next_call_succeeds(lab: None):
    with running_box() as box:
        campaign = Campaign(box, f"tests/acceptance/kills.py --seed {SEED} --count {COUNT}")
        campaign.measure()
        for card in deck.deal(SEED, COUNT, bundles.NAMES):
            campaign.random(card)
        campaign.finish()
        assert campaign.tally.failures == []
        assert campaign.tally.total == COUNT
        # When is a share of what a command took at first, on a machine that may
        # have had much else to do then.
        assert campaign.tally.hit, list(campaign.tally.lines())
        # The looks themselves: what a restore would leave, a lost snapshot and
        # a hand-made change are found.
        stray = box.var / "lib/rancher/k3s/server/token.odin-old-0"
        stray.touch()
        box.acknowledged.add("0" * 64)
        box.machine.succeed(
            f"kubectl -n {bundles.NAMESPACE} delete configmap kills-both-0",
        )
        assert invariants.leftovers(box) == ["/var/lib/rancher/k3s/server/token.odin-old-0"]
        assert any("is not listed" in finding for finding in invariants.of_any(box))
        assert any("kills-both-0" in finding for finding in invariants.of_declaration(box))
