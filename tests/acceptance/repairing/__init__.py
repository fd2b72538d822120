"""The faults of tests/acceptance/faults.yaml, and how long they take to be repaired."""
