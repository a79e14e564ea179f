"""A real server, queried as the monitoring role."""

from dataclasses import replace


def as_monitor(postgres, monkeypatch):
    """Target of the database postgres as role opsproof_monitor with password monitor."""
    monkeypatch.setenv("MONITOR", "monitor")
    target = postgres.target(password_env="MONITOR")
    return replace(target, dsn=target.dsn.replace("user=metachat", "user=opsproof_monitor"))
