"""A lab: starts, heals and stops all parts."""

import json
import os
import re
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import psycopg
import requests

from lab import credentials, lock, logs, node, ports, schedule, seed, stubs, traffic
from lab.errors import LabError
from lab.layout import (
    DEFAULT_API_PORT,
    DEFAULT_HOME,
    DEFAULT_POSTGRES_PORT,
    DEFAULT_RELAY_PORT,
    REPOSITORY,
    Layout,
)
from lab.pm2 import APPS, MODULE, Pm2
from lab.postgres import SUPERUSER, Server
from lab.progress import Say, say_aloud, step
from lab.relay import Relay
from lab.settling import Settling
from lab.status import Working
from lab.waiting import wait_until

HEALTHY_WITHIN_S = 20
SETTLED_S = 6.1
"""Uptime after which a process counts as settled: over 5 s in inventory/lab.toml, and rounds read whole seconds."""


@dataclass(frozen=True)
class Status(Working):
    """Which parts of the lab work now."""

    postgres: bool
    pm2: bool
    api: bool
    worker: bool
    logrotate: bool
    relay: bool


class Lab:
    """The platform in miniature under a home folder; ports default to the last used, then to the standard ports."""

    def __init__(
        self,
        home: Path | str = DEFAULT_HOME,
        api_port: int | None = None,
        postgres_port: int | None = None,
        relay_port: int | None = None,
        say: Say = say_aloud,
    ) -> None:
        self.layout = Layout(Path(home).expanduser().resolve())
        last = self._last()
        self.api_port: int = api_port or last.get("api_port", DEFAULT_API_PORT)
        self.postgres_port: int = postgres_port or last.get("postgres_port", DEFAULT_POSTGRES_PORT)
        usual = DEFAULT_RELAY_PORT if self.api_port == DEFAULT_API_PORT else ports.free()
        self.relay = Relay(self.layout, relay_port or last.get("relay_port", usual))
        self.settling = Settling()
        self._say = say
        self._server = Server(self.layout, self.postgres_port)
        self._pm2 = Pm2(self.layout, self.env)

    @property
    def home(self) -> Path:
        """The folder with all files of the lab."""
        return self.layout.home

    @property
    def url(self) -> str:
        """The API's address; send `X-Forwarded-Proto: https` as the proxy does."""
        return f"http://127.0.0.1:{self.api_port}"

    @cached_property
    def env(self) -> dict[str, str]:
        """The environment of commands in the lab: only PATH and HOME come from the caller, since PM2 displays all."""
        home = os.environ.get("HOME", str(self.home))
        return {
            "PATH": node.path(self.layout),
            "HOME": home,
            "PM2_HOME": str(self.layout.pm2),
            "TZ": "UTC",
            "LANG": "C.UTF-8",
        }

    @property
    def secrets(self) -> list[str]:
        """All secrets of the lab; reports and logs must never contain them."""
        return self._credentials().all

    @property
    def passwords(self) -> dict[str, str]:
        """The passwords of the database's roles."""
        return self._credentials().passwords

    def pm2(self, *arguments: str) -> str:
        """Runs the lab's own pm2 and returns the output; LabError on failure. Starts a daemon if none runs."""
        return self._pm2.run(*arguments)

    def connect(self, role: str = SUPERUSER, **options: Any) -> psycopg.Connection[tuple[Any, ...]]:
        """A session in autocommit mode, as superuser, `metachat_app` or `opsproof_monitor`."""
        return self._server.connect(role, self._credentials().passwords[role], **options)

    @property
    def server(self) -> Server:
        """The lab's PostgreSQL."""
        return self._server

    def database_pids(self) -> list[int]:
        """Process ids of the lab's PostgreSQL."""
        return self._server.pids()

    def stop_database(self) -> None:
        """Stops only PostgreSQL; `up` restarts the server."""
        self._server.stop()

    def faults(self, **switches: object) -> None:
        """Switches exactly the given faults on, described in `app/faults.js`; without arguments, all off."""
        if not switches:
            self.layout.faults.unlink(missing_ok=True)
            return
        draft = self.layout.faults.with_suffix(".new")
        draft.write_text(json.dumps(switches))
        draft.replace(self.layout.faults)

    def traffic(self, seconds: float = 2.0, requests: int = 400) -> dict[str, int]:
        """Sends a mix of requests until either bound is reached; returns the number of answers by status code."""
        return traffic.send(self.api_port, requests, seconds)

    def inventory(self, path: Path) -> Path:
        """Writes a copy of inventory/lab.toml with the lab's ports and home."""
        text = (REPOSITORY / "inventory" / "lab.toml").read_text()
        path.write_text(rewrite_inventory(text, self.home, self.api_port, self.postgres_port, self.relay.port))
        return path

    def status(self) -> Status:
        """Which parts work; starts nothing."""
        entries = self._pm2.entries() if self.layout.bin.exists() else {}
        working = {name for name, entry in entries.items() if entry.works}
        return Status(
            postgres=self.layout.secrets.exists() and self._server.works(self._credentials().passwords[SUPERUSER]),
            pm2=self._pm2.responds(),
            api=APPS[0] in working and self._answers(),
            worker=APPS[1] in working,
            logrotate=MODULE in working,
            relay=self.relay.works(),
        )

    def up(self) -> None:
        """Starts stopped parts and heals broken parts; on failure or interruption, stops all that were started."""
        self.layout.create()
        with (
            lock.held(self.layout.lock),
            step(self._say, f"lab is up: API {self.url}, PostgreSQL 127.0.0.1:{self.postgres_port}"),
            ExitStack() as undo,
        ):
            self._up(undo)
            undo.pop_all()

    def down(self, purge: bool = False) -> None:
        """Stops everything; keeps the data unless `purge`. Does nothing if nothing runs."""
        if not self.home.exists():
            self._say("nothing to stop: no lab found")
            return
        with lock.held(self.layout.lock), step(self._say, "lab is down" + (", data deleted" if purge else "")):
            self._pm2.stop()
            self._server.stop()
            self.relay.stop()
            if purge:
                self._server.remove()
                self.layout.remove()

    def _up(self, undo: ExitStack) -> None:
        self._switch_off_faults()
        before = self.status()
        self._refuse_other_ports(before)
        self._clear_way(before)
        changed = self._prepare()
        stale = self._has_old_logs()
        broken = self._broken(before, changed or stale)
        if before.up and not broken:
            self._say("lab is already up")
            return
        if changed and before.api:
            self._say("API and worker start again, because their files changed")
        elif not before.down:
            self._say(f"healing: {', '.join(self._wrong(before, broken))}")
        if not before.postgres:
            self._start_postgres(undo)
        if not before.relay:
            undo.callback(self.relay.stop)
            self.relay.start()
        if stale:
            self._renew_logs()
        if not before.pm2:
            undo.callback(self._pm2.stop)
        self._start_apps(broken)
        self._remember()

    def _switch_off_faults(self) -> None:
        if self.layout.faults.exists():
            self.faults()
            self._say("faults switched off")

    def _prepare(self) -> bool:
        """Updates files; True if running processes must be restarted."""
        changed = node.prepare(self.layout, self._say)
        self._server.link(self.layout.bin)
        stubs.link(self.layout)
        schedule.plant(self.layout, self.inventory(self.layout.inventory))
        ports_changed = credentials.publish(self.layout, self._credentials(), self.api_port, self.postgres_port)
        return changed or ports_changed

    def _broken(self, before: Status, changed: bool) -> list[str]:
        """The applications that must be started; both if PM2 or its module is missing."""
        if changed or not before.pm2 or not before.logrotate:
            return list(APPS)
        return [name for name, works in zip(APPS, (before.api, before.worker), strict=True) if not works]

    def _wrong(self, before: Status, broken: list[str]) -> list[str]:
        parts = {name: works for name, works in asdict(before).items() if name not in ("api", "worker")}
        return [name for name, works in parts.items() if not works] + broken

    def _clear_way(self, before: Status) -> None:
        """Ends leftover processes and requires free ports, before anything starts."""
        if not before.pm2 or not before.logrotate:
            orphans = self._pm2.orphans()
            if orphans:
                self._say(f"ended {len(orphans)} orphans of a killed PM2")
            self._pm2.stop()
        if not before.postgres:
            self._server.stop()
            ports.require_free(self.postgres_port, "PostgreSQL", "--postgres-port")
        if not before.api:
            self._pm2.remove(APPS[0])
            ports.require_free(self.api_port, "the API", "--api-port")

    def _start_postgres(self, undo: ExitStack) -> None:
        undo.callback(self._server.stop)
        reason = seed.why_new(self._server, self._credentials())
        if reason:
            with step(self._say, f"data folder made, because {reason}"):
                self._server.initialise(self._credentials().passwords[SUPERUSER])
        with step(self._say, "postgresql started"):
            self._server.start()
        if reason:
            seed.plant(self._server, self._credentials(), self._say)

    def _has_old_logs(self) -> bool:
        return logs.are_old(path.name for path in self.layout.logs.iterdir())

    def _renew_logs(self) -> None:
        with step(self._say, "seven days of logs written"):
            logs.remove(self.layout.logs)
            logs.history(self.layout.logs, datetime.now(UTC))

    def _start_apps(self, broken: list[str]) -> None:
        with step(self._say, f"{' and '.join(broken) or 'API'} healthy"):
            if broken:
                self._pm2.start(broken)
            self._await_health()

    def _await_health(self) -> None:
        what = f"a healthy API (logs: {self.layout.logs})"
        wait_until(lambda: self._answers("/api/health/ready") and self.status().up, what, HEALTHY_WITHIN_S, every_s=0.1)

    def _answers(self, path: str = "/api/health/live") -> bool:
        with requests.Session() as session:
            session.trust_env = False
            try:
                return session.get(self.url + path, headers=traffic.HTTPS, timeout=2).status_code == requests.codes.ok
            except requests.RequestException:
                return False

    def _credentials(self) -> credentials.Credentials:
        return credentials.load(self.layout)

    def _refuse_other_ports(self, before: Status) -> None:
        last = self._last()
        known = (last.get("api_port", self.api_port), last.get("postgres_port", self.postgres_port))
        if known != (self.api_port, self.postgres_port) and (before.pm2 or self._server.is_running()):
            raise LabError(f"the lab already runs on ports {known[0]} and {known[1]}: run `python -m lab down` first")

    def _last(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads(self.layout.state.read_text())
        except (OSError, ValueError):
            return {}
        return found

    def _remember(self) -> None:
        state = {
            "api_port": self.api_port,
            "postgres_port": self.postgres_port,
            "relay_port": self.relay.port,
            "data": str(self._server.data),
            "pm2_home": str(self.layout.pm2),
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        credentials.write_private(self.layout.state, json.dumps(state, indent=2))


def rewrite_inventory(text: str, home: Path, api_port: int, postgres_port: int, relay_port: int) -> str:
    """The lab's inventory with ports and home replaced, and absolute paths."""
    own = {DEFAULT_API_PORT: api_port, DEFAULT_POSTGRES_PORT: postgres_port, DEFAULT_RELAY_PORT: relay_port}
    text = re.sub(r"\b\d{5}\b", lambda found: str(own.get(int(found[0]), found[0])), text)
    limits = REPOSITORY / "inventory" / "metachat.toml"
    text = text.replace(f'extends = "{limits.name}"', f"extends = {json.dumps(str(limits))}")
    # The host is also named lab, so only replace the home at the start of a path.
    return re.sub(rf'(?<=["=]){re.escape(DEFAULT_HOME.name)}(?=[/"])', lambda _: str(home), text)
