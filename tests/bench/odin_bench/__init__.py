"""Figures of ODIN beside those of its peers, measured in one run."""
