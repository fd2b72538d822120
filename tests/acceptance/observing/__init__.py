"""The monitoring stack while something happens to it."""
