"""Acceptance of the alerts: silence on a well machine, and the time to a notification."""
