"""A real server, asked as the role that rounds come as."""

from dataclasses import replace


def as_monitor(postgres, monkeypatch):
    """The database postgres as the role opsproof_monitor with the password monitor."""
    monkeypatch.setenv("MONITOR", "monitor")
    target = postgres.target(password_env="MONITOR")
    return replace(target, dsn=target.dsn.replace("user=metachat", "user=opsproof_monitor"))
