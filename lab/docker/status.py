"""Which parts of the lab work now, tested the way users reach them."""

import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from typing import Any

import psycopg
import requests

from lab.docker import engine
from lab.docker.layout import (
    MANAGEMENT_PORT,
    NAMES,
    POSTGRES,
    POSTGRES_PORT,
    RABBITMQ,
    REDIS,
    REDIS_PORT,
    SSH_PORT,
    VPS,
)
from lab.docker.passwords import Passwords
from lab.docker.work import STREAM
from lab.errors import LabError
from lab.pm2 import APPS, MODULE
from lab.status import Working

HOST = "127.0.0.1"
PATIENCE_S = 3
CONSUMED = 54
HEALTHY = ("curl", "--silent", "--fail", "--max-time", "8", "--header", "X-Forwarded-Proto: https")


@dataclass(frozen=True)
class Status(Working):
    """Which parts work; `server` is systemd with all units, `ssh` the ssh server's greeting."""

    postgres: bool
    redis: bool
    rabbitmq: bool
    server: bool
    ssh: bool
    proxy: bool
    api: bool
    worker: bool
    logrotate: bool

    @property
    def wrong(self) -> list[str]:
        """Names of broken parts."""
        return [name for name, works in asdict(self).items() if not works]

    @property
    def to_blame(self) -> list[str]:
        """The containers at fault: broken databases if any, as the server needs them all; else the server."""
        databases = {POSTGRES: self.postgres, REDIS: self.redis, RABBITMQ: self.rabbitmq}
        wrong = [name for name, works in databases.items() if not works]
        return wrong or ([] if self.up else [VPS])


NOTHING = Status(*[False] * len(fields(Status)))


def ask(passwords: Passwords) -> Status:
    """Tests all parts concurrently."""
    healthy = {name for name, found in engine.containers(NAMES).items() if is_healthy(found)}
    with ThreadPoolExecutor() as pool:
        postgres = pool.submit(lambda: POSTGRES in healthy and _postgres(passwords))
        redis = pool.submit(lambda: REDIS in healthy and _redis(passwords))
        consumers = pool.submit(lambda: _consumers(passwords) if RABBITMQ in healthy else None)
        server = pool.submit(lambda: _server() if VPS in healthy else {})
        ssh = pool.submit(lambda: VPS in healthy and _greets())
        proxy = pool.submit(lambda: VPS in healthy and _serves("https://chat.lab.test/api/health/live"))
        api = pool.submit(lambda: VPS in healthy and _serves("http://127.0.0.1:3000/api/health/ready"))
    works = server.result()
    return Status(
        postgres=postgres.result(),
        redis=redis.result(),
        rabbitmq=consumers.result() is not None,
        server=works.get("system") == ["running"] and works.get("units") == ["active"],
        ssh=ssh.result(),
        proxy=proxy.result(),
        api=_online(works, APPS[0]) and api.result(),
        worker=_online(works, APPS[1]) and _consumes(works, consumers.result()),
        logrotate=_online(works, MODULE),
    )


def is_healthy(found: dict[str, Any]) -> bool:
    """Whether a container runs and, if a health check exists, is healthy."""
    state: dict[str, Any] = found["State"]
    health: str = state.get("Health", {}).get("Status", "healthy")
    return bool(state["Status"] == "running") and health == "healthy"


def words(output: str) -> dict[str, list[str]]:
    """The lines of lab-status, by first word, or by the name after "process"."""
    lines = [line.removeprefix("process ").split() for line in output.splitlines()]
    return {line[0]: line[1:] for line in lines if line}


def connect(role: str, password: str) -> psycopg.Connection[tuple[Any, ...]]:
    """A session with PostgreSQL in autocommit mode."""
    return psycopg.connect(
        host=HOST,
        port=POSTGRES_PORT,
        user=role,
        password=password,
        dbname="metachat",
        autocommit=True,
        connect_timeout=PATIENCE_S,
        application_name="lab",
    )


def _online(works: dict[str, list[str]], name: str) -> bool:
    """Whether PM2 reports a process as online, and no signal has halted the process."""
    status, state = works.get(name, ["missing", "X"])
    return status == "online" and state in ("R", "S", "D")


def _consumes(works: dict[str, list[str]], counted: int | None) -> bool:
    """Whether the worker consumes all queues and the stream; `counted` is RabbitMQ's number of both."""
    return works.get("consumed") == [str(CONSUMED)] and counted == CONSUMED + 1


def _postgres(passwords: Passwords) -> bool:
    try:
        connect("metachat", passwords.platform.passwords["metachat"]).close()
    except psycopg.OperationalError:
        return False
    return True


def _redis(passwords: Passwords) -> bool:
    try:
        with socket.create_connection((HOST, REDIS_PORT), timeout=PATIENCE_S) as connection:
            connection.sendall(f"AUTH {passwords.redis['REDIS_PASSWORD']}\r\nPING\r\n".encode())
            answer = b""
            while b"+PONG" not in answer and (more := connection.recv(100)):
                answer += more
    except OSError:
        return False
    return b"+PONG" in answer


def _consumers(passwords: Passwords) -> int | None:
    """The number of inbound queues and streams with consumers; None if RabbitMQ does not respond."""
    login = ("opsproof", passwords.rabbitmq["OPSPROOF_RABBITMQ_PASSWORD"])
    with requests.Session() as session:
        session.trust_env = False
        try:
            url = f"http://{HOST}:{MANAGEMENT_PORT}/api/queues?columns=name,consumers"
            answer = session.get(url, auth=login, timeout=PATIENCE_S)
            answer.raise_for_status()
        except requests.RequestException:
            return None
    wanted = [queue for queue in answer.json() if queue["name"].endswith((".inbound.queue", STREAM))]
    return len([queue for queue in wanted if queue.get("consumers", 0) > 0])


def _greets() -> bool:
    try:
        with socket.create_connection((HOST, SSH_PORT), timeout=PATIENCE_S) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def _server() -> dict[str, list[str]]:
    try:
        return words(engine.run("exec", VPS, "lab-status", timeout_s=20))
    except LabError:
        return {}


def _serves(url: str) -> bool:
    try:
        engine.run("exec", VPS, *HEALTHY, "--output", "/dev/null", url, timeout_s=20)
    except LabError:
        return False
    return True
