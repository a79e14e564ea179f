"""Files copied to the server before its start: keys, passwords, the application's environment, a week of logs."""

import io
import tarfile
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from lab import credentials, logs, ssh
from lab.docker import engine
from lab.docker.layout import APP, VPS, DockerLayout
from lab.docker.passwords import MONITORS, Passwords

API_PORT = 3000
OWNERS = {"root": 0, "deploy": 1000, "ops": 1001, "vault": 1002}
NETRC = "machine 127.0.0.1 login opsproof password {}\n"
MONITOR_FOLDER = "/home/ops/.opsproof"


@dataclass(frozen=True)
class File:
    """A file on the server."""

    path: str
    content: bytes
    owner: str
    mode: int = 0o600
    modified: float = field(default_factory=time.time)


def copy_files(layout: DockerLayout, passwords: Passwords) -> None:
    """Copies all files into the container, running or not."""
    files = [*_secrets(layout, passwords), *_history(datetime.now(UTC))]
    engine.run("cp", "--archive", "-", f"{VPS}:/", data=archive(files))


def renew_logs() -> None:
    """Replaces the server's logs by a week of logs up to now."""
    engine.run("exec", VPS, "sh", "-c", f"rm -f {APP}/logs/*")
    engine.run("cp", "--archive", "-", f"{VPS}:/", data=archive(_history(datetime.now(UTC))))


def archive(files: Iterable[File]) -> bytes:
    """The files as a tar archive from the root folder, with owners and modes."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        for file in files:
            entry = tarfile.TarInfo(file.path.lstrip("/"))
            entry.size, entry.mode, entry.mtime = len(file.content), file.mode, file.modified
            entry.uid = entry.gid = OWNERS[file.owner]
            tar.addfile(entry, io.BytesIO(file.content))
    return target.getvalue()


def environment(platform: credentials.Credentials) -> str:
    """The application's .env, with LAB_SERVICES for the real Redis and RabbitMQ."""
    variables = credentials.environment(platform, API_PORT, 5432) | {"LAB_SERVICES": "redis,rabbitmq"}
    return "".join(f"{name}={value}\n" for name, value in variables.items())


def _secrets(layout: DockerLayout, passwords: Passwords) -> list[File]:
    redis, rabbitmq = (passwords.monitors[name] for name in MONITORS)
    monitor = passwords.platform.passwords["opsproof_monitor"]
    texts = (
        (f"/etc/ssh/{ssh.SERVER}", ssh.private(layout.ssh, ssh.SERVER), "root"),
        *(
            (f"/home/{user}/.ssh/authorized_keys", ssh.public(layout.ssh, ssh.CLIENT) + "\n", user)
            for user in ("ops", "vault")
        ),
        (f"{MONITOR_FOLDER}/postgres", monitor + "\n", "ops"),
        (f"{MONITOR_FOLDER}/redis.netrc", NETRC.format(redis), "ops"),
        (f"{MONITOR_FOLDER}/rabbitmq.netrc", NETRC.format(rabbitmq), "ops"),
        (f"{APP}/.env", environment(passwords.platform), "deploy"),
    )
    return [File(path, text.encode(), owner) for path, text, owner in texts]


def _history(now: datetime) -> list[File]:
    with tempfile.TemporaryDirectory() as folder:
        logs.history(Path(folder), now)
        return [
            File(f"{APP}/logs/{path.name}", path.read_bytes(), "deploy", 0o640, path.stat().st_mtime)
            for path in sorted(Path(folder).iterdir())
        ]
