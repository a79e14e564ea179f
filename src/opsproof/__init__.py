"""Prove that a production host is healthy, backed up, lean, safe and has room to grow."""

DEFAULT_INVENTORY = "inventory/metachat.toml"
"""The inventory of a run, or of an action, that names none."""
DEFAULT_REPORTS = "reports"
"""Where its reports go, with the history and the journal."""
