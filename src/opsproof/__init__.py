"""Proves that a production host is healthy, backed up, lean and safe, and has room to grow."""

DEFAULT_INVENTORY = "inventory/metachat.toml"
"""The default of --inventory."""
DEFAULT_REPORTS = "reports"
"""The default of --reports: the folder of reports, history and journal."""
