"""Kills `odin` at work on a lab machine and looks at what is left."""
