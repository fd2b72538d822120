"""Upgrades that go wrong in every way a lab machine can show."""
