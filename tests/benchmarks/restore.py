"""A restore by the action against the runbook's, of the same data: outage, and duration.

The API's health is polled 20 times a second meanwhile. Also: memory of a backup, a drill and a restore.
"""

import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median

import requests
from backup import grow
from bench import Bench
from measure import ENVIRONMENT, Row, Spent, alternate, medians, row, spend
from memory import Peaks, peaks

DATABASE_BYTES = 350_000_000
MORE = 3
PROBE_EVERY_S = 0.05
RUNBOOK_BACKUP = r"""
set -euo pipefail
pg_dump -U metachat -Fc metachat > "$FOLDER/metachat_restore.sql"
gzip --force "$FOLDER/metachat_restore.sql"
"""
RUNBOOK = r"""
pm2 stop all
psql -U metachat -d postgres -c "DROP DATABASE IF EXISTS metachat;"
psql -U metachat -d postgres -c "CREATE DATABASE metachat;"
gunzip -c "$FOLDER/metachat_restore.sql.gz" | pg_restore -U metachat -d metachat
pm2 restart all
"""
"""The runbook's commands, with the lab's paths."""


@dataclass
class Probes:
    """Times of healthy answers of the API, polled at an even pace."""

    url: str
    good: list[float] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def ask(self) -> None:
        """Polls until stopped."""
        with requests.Session() as session:
            session.trust_env = False
            while not self.stopped.is_set():
                began = time.monotonic()
                if self._is_healthy(session):
                    self.good.append(began)
                time.sleep(max(0.0, began + PROBE_EVERY_S - time.monotonic()))

    def _is_healthy(self, session: requests.Session) -> bool:
        try:
            answer = session.get(f"{self.url}/health", headers={"X-Forwarded-Proto": "https"}, timeout=1)
            return bool(answer.json()["status"] == "healthy")
        except (requests.RequestException, ValueError):
            return False

    @property
    def outage_s(self) -> float:
        """The longest time between two healthy answers, minus the polling interval."""
        gaps = [later - sooner for sooner, later in zip(self.good, self.good[1:], strict=False)]
        return max(max(gaps) - PROBE_EVERY_S, 0.001)


@dataclass(frozen=True)
class Restored:
    """Cost of a restore: of the process, and in seconds without a healthy answer."""

    spent: Spent
    outage_s: float


def restore(bench: Bench) -> list[Row]:
    """Outage and duration in seconds, with 350 MB of data and three times as much; and memory."""
    with _grown(bench, 1):
        sides = alternate(bench.runs, lambda: _ours(bench), lambda: _runbook(bench))
        drills = [spend(_words(bench, "restore_drill")) for _ in range(bench.runs)]
        small = _peaks(bench)
    with _grown(bench, MORE):
        more = _ours(bench), _runbook(bench)
        large = _peaks(bench)
    outages, walls = medians(lambda each: each.outage_s, *sides), medians(lambda each: each.spent.wall_s, *sides)
    drill = median(each.wall_s for each in drills)
    return [
        row("restore of 350 MB / the runbook's, API not healthy", outages, "s", goal=3, goal_for="ours"),
        row("restore of about 900 MB / the runbook's, API not healthy", _outages(more), "s", goal=3, goal_for="ours"),
        row("restore of 350 MB with all checks / the runbook's, wall time", walls, "s"),
        row("drill of 350 MB / the runbook's restore, wall time", (drill, walls[1]), "s"),
        row("drill and restore of 350 MB / the runbook's restore", (drill + walls[0], walls[1]), "s", goal=1.1),
        *(each for name in small for each in _memory(name, large[name], small[name])),
    ]


def _outages(sides: tuple[Restored, Restored]) -> tuple[float, float]:
    return sides[0].outage_s, sides[1].outage_s


def _peaks(bench: Bench) -> dict[str, Peaks]:
    actions = {"backup": "backup", "drill": "restore_drill", "restore": "restore"}
    found = {name: peaks(_words(bench, action)) for name, action in actions.items()}
    spend(_words(bench, "restore", "--drop-old"))
    return found


def _memory(name: str, large: Peaks, small: Peaks) -> list[Row]:
    of = f"{name} of about 900 MB / of 350 MB, most memory"
    controller, host = (large.controller_bytes, small.controller_bytes), (large.host_bytes, small.host_bytes)
    return [
        row(f"{of}: opsproof", controller, "bytes", goal=1e8, goal_for="ours"),
        row(f"{of}: all its programs on the host", host, "bytes", goal=1e8, goal_for="ours"),
    ]


@contextmanager
def _grown(bench: Bench, times: int) -> Iterator[None]:
    """Grows the data to `times` 350 MB, and makes a backup by each side."""
    with bench.lab.connect() as admin:
        rows = grow(admin, DATABASE_BYTES)
        for each in range(1, times):
            copied = "INSERT INTO more_chunks SELECT id + %s, embedding FROM more_chunks WHERE id <= %s"
            admin.execute(copied, (each * DATABASE_BYTES, rows))
        admin.execute("ALTER TABLE more_chunks ADD PRIMARY KEY (id)")
    for folder in (bench.lab.layout.backups, bench.lab.layout.elsewhere):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
    spend(_words(bench, "backup"))
    _bash(bench, RUNBOOK_BACKUP)
    try:
        yield
    finally:
        with bench.lab.connect() as admin:
            admin.execute("DROP TABLE more_chunks")


def _ours(bench: Bench) -> Restored:
    restored = _probed(bench, lambda: spend(_words(bench, "restore")))
    spend(_words(bench, "restore", "--drop-old"))
    return restored


def _runbook(bench: Bench) -> Restored:
    return _probed(bench, lambda: _bash(bench, RUNBOOK))


def _probed(bench: Bench, work: Callable[[], Spent]) -> Restored:
    probes = Probes(bench.lab.url)
    asking = threading.Thread(target=probes.ask)
    asking.start()
    try:
        time.sleep(1)
        spent = work()
        _await(probes, time.monotonic())
    finally:
        probes.stopped.set()
        asking.join()
    return Restored(spent, probes.outage_s)


def _await(probes: Probes, since: float) -> None:
    deadline = time.monotonic() + 60
    while not (probes.good and probes.good[-1] > since + 1) and time.monotonic() < deadline:
        time.sleep(0.1)


def _words(bench: Bench, action: str, *more: str) -> list[str]:
    inventory = bench.folder / "restore.toml"
    lines = bench.inventory.read_text().splitlines(keepends=True)
    inventory.write_text("".join(line for line in lines if not line.startswith("off_site")))
    options = [f"--inventory={inventory}", f"--reports={bench.folder}/reports", "--apply"]
    return [sys.executable, f"actions/{action}.py", *options, *more]


def _bash(bench: Bench, script: str) -> Spent:
    lab = bench.lab
    where = {"PGHOST": "127.0.0.1", "PGPORT": str(lab.postgres_port), "FOLDER": str(bench.folder)}
    secret = {"PGPASSFILE": str(lab.layout.secrets / "pgpass-metachat")}
    return spend(["bash", "-c", script], environment={**ENVIRONMENT, **lab.env, **where, **secret})
