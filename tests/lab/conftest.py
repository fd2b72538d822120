"""Fixtures of the lab's own tests."""

pytest_plugins = ["odin_lab.fixtures"]
