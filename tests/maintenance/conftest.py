"""A server with lab data, and maintenance actions run by command line."""

import importlib.util
import io
import json
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path

import psycopg
import pytest

from lab import credentials, ports, seed
from lab.layout import Layout
from lab.postgres import Server
from lab.waiting import wait_until
from opsproof.action import main
from tests.harness.killing import await_plan, once_free
from tests.restore.conftest import ended

ROOT = Path(__file__).parents[2]
WORKS_WITHIN_S = 20


@dataclass
class Place:
    """One host with a database, and the operator's inventory."""

    server: Server
    secrets: credentials.Credentials
    layout: Layout
    folder: Path
    role: str = "metachat"
    passfile: str = "pgpass-metachat"
    path: list[str] = field(default_factory=list)
    database: str = ""
    more: str = ""
    name: str = "metachat"

    @property
    def inventory(self):
        path = self.folder / "inventory.toml"
        where = f"host=127.0.0.1 port={self.server.port} dbname={self.name} user=opsproof_monitor"
        limits = json.dumps(str(ROOT / "inventory" / "metachat.toml"))
        path.write_text(
            f'extends = {limits}\n[hosts.vps]\ntransport = "local://"\n'
            f"path = {json.dumps([*self.path, str(self.layout.bin)])}\n"
            f'[hosts.vps.databases.metachat]\ndsn = "{where} passfile={self.layout.pgpass}"\n'
            f'maintenance_user = "{self.role}"\nmaintenance_passfile = "{self.layout.secrets / self.passfile}"\n'
            f"{self.database}{self.more}"
        )
        return path

    def words(self, *more):
        return [f"--inventory={self.inventory}", f"--reports={self.folder}", *map(str, more)]

    def run(self, action, *more):
        """Runs an action within this process: a new process takes twice as long."""
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err), handlers():
            try:
                status = main(script(action), self.words(*more))
            except SystemExit as error:
                status = error.code
        return subprocess.CompletedProcess(more, status, out.getvalue(), err.getvalue())

    def do(self, action, *more):
        """Applies an action, requires success, and returns the output."""
        done = self.run(action, "--apply", *more)
        assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
        return done.stdout

    def again(self, action, *more):
        """Applies an action once the host lock is free; a command may outlive a killed action and hold the lock."""
        done = self.once_free(action, *more)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def once_free(self, action, *more):
        """Applies an action, retrying while the host is locked."""
        return once_free(lambda: self.run(action, "--apply", *more))

    def begin(self, action, *more):
        pipe = subprocess.PIPE
        words = [sys.executable, f"actions/{action}.py", *self.words("--apply", *more)]
        return subprocess.Popen(
            words, stdout=pipe, stderr=pipe, stdin=subprocess.DEVNULL, text=True, start_new_session=True, cwd=ROOT
        )

    @property
    def journal(self):
        return [json.loads(line) for line in (self.folder / "journal.jsonl").read_text().splitlines()]

    def connect(self, **options):
        return self.server.connect("metachat", self.secrets.passwords["metachat"], **options)

    def sql(self, query):
        with self.connect() as connection:
            cursor = connection.execute(query)
            return cursor.fetchall() if cursor.description else []

    def value(self, query):
        return self.sql(query)[0][0]

    def await_build(self, process=None):
        """Waits for an unfinished build: the new index exists and is invalid."""
        return wait_until(lambda: self.invalid, "an index is being built", process=process, every_s=0.02)

    def await_swap(self, process=None):
        """Waits for a rebuild that has swapped names and waits for readers of the old index."""
        what = "the new index has the name"
        return wait_until(lambda: any("_ccold" in each for each in self.invalid), what, process=process, every_s=0.02)

    @contextmanager
    def holding(self, *statements):
        """Holds a foreign transaction open after `statements`; yields the process ID."""
        connection = self.connect()
        try:
            connection.execute("BEGIN")
            for each in statements:
                connection.execute(each)
            yield connection.info.backend_pid
        finally:
            with suppress(psycopg.Error):
                connection.execute("ROLLBACK")
            connection.close()

    @contextmanager
    def building(self, statement):
        """Runs a foreign statement in the background; terminates the session at the end."""
        connection = self.connect()

        def work():
            with suppress(psycopg.Error):
                connection.execute(statement)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield connection.info.backend_pid
        finally:
            with suppress(psycopg.Error):
                self.sql(f"SELECT pg_terminate_backend({connection.info.backend_pid}, 5000)")
            thread.join(WORKS_WITHIN_S)
            assert not thread.is_alive()
            connection.close()

    @property
    def invalid(self):
        """Names of invalid indexes and of leftovers."""
        rows = self.sql(
            "SELECT relname FROM pg_index JOIN pg_class ON oid = indexrelid"
            r" WHERE NOT indisvalid OR relname ~ '_cc(new|old)\d*$|^opsproof_' ORDER BY 1"
        )
        return [name for (name,) in rows]

    @cached_property
    def month_number(self):
        """The server's month, queried once, so that a test may run past midnight."""
        return self.value(
            "SELECT (extract(year FROM today) * 12 + extract(month FROM today))::int - 1"
            " FROM CAST(now() AT TIME ZONE 'UTC' AS date) today"
        )

    @property
    def at_work(self):
        return self.value("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'opsproof_maintenance'")


@cache
def script(action):
    """The action class of actions/ACTION.py."""
    spec = importlib.util.spec_from_file_location(f"actions_{action}", ROOT / "actions" / f"{action}.py")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "actions")
        spec.loader.exec_module(module)
    (found,) = [each for each in vars(module).values() if isinstance(each, type) and each.__module__ == spec.name]
    return found


@contextmanager
def handlers():
    """Restores the signal handlers that an action has changed."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(each) for each in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def planted(home):
    layout = Layout(home)
    layout.create()
    secrets, server = credentials.load(layout), Server(layout, ports.free())
    server.initialise(secrets.passwords["metachat"])
    server.start()
    seed.plant(server, secrets, lambda _: None)
    credentials.publish(layout, secrets, 1, server.port)
    server.link(layout.bin)
    return server, secrets, layout


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    server, secrets, layout = planted(tmp_path_factory.mktemp("maintained"))
    yield server, secrets, layout
    server.remove()


@pytest.fixture
def place(site, tmp_path):
    made = Place(*site, tmp_path)
    yield made
    made.sql("DROP SCHEMA IF EXISTS t CASCADE")
    for name in made.invalid:
        made.sql(f'DROP INDEX IF EXISTS "{name}"')


@pytest.fixture
def table(place):
    """A separate table t.rows with a vector per row, without autovacuum."""
    place.sql(
        "CREATE SCHEMA t; CREATE TABLE t.rows WITH (autovacuum_enabled = off) AS"
        " SELECT id, embedding, position AS at FROM chunks ORDER BY id LIMIT 6000;"
        " ALTER TABLE t.rows ADD PRIMARY KEY (id); CREATE INDEX rows_at ON t.rows (at);"
        " ANALYZE t.rows"
    )
    return "t.rows"


@pytest.fixture
def restricted(place):
    """The place, with a maintenance role that has only the rights of docs/privileges/maintain.sql."""
    place.sql((ROOT / "docs" / "privileges" / "maintain.sql").read_text())
    place.sql("ALTER ROLE opsproof_maintain PASSWORD 'maintained'")
    passfile = place.folder / "pgpass"
    passfile.write_text("*:*:*:opsproof_maintain:maintained\n")
    passfile.chmod(0o600)
    place.role, place.passfile = "opsproof_maintain", str(passfile)
    yield place
    place.sql("DROP OWNED BY opsproof_maintain; DROP ROLE opsproof_maintain")


def killed_at(process, moment_s, *, everything):
    """Kills an action `moment_s` seconds after the plan is shown, alone or with all child processes.

    Returns whether the action still ran.
    """
    await_plan(process)
    time.sleep(moment_s)
    if runs := process.poll() is None:
        ended(process.pid) if everything else process.kill()
    process.communicate(timeout=40)
    return runs


def interrupted(process):
    process.send_signal(signal.SIGINT)
    return process.communicate(timeout=40)


READ = "SELECT count(*) FROM t.rows"


@pytest.fixture
def vectors(place, table):
    """A vector index with far too many lists."""
    place.sql("CREATE INDEX rows_vectors ON t.rows USING ivfflat (embedding vector_cosine_ops) WITH (lists = 200)")
    place.sql("COMMENT ON INDEX t.rows_vectors IS 'of the search'")
    return "t.rows_vectors"


def declared(place, name="rows", **limits):
    """Declares the vector index of a table, with limits."""
    said = "".join(f"limits.{name} = {{ must = '{limit}' }}\n" for name, limit in limits.items())
    place.more = (
        f'[hosts.vps.vector_indexes.{name}_vectors]\ndatabase = "metachat"\ntable = "t.{name}"\ncolumn = "embedding"\n'
        f'method = "ivfflat"\noperator = "<=>"\nprobes = {4 if name == "kinds" else 1}\nbudget = "4s"\n{said}'
    )
    place.database = 'timeout = "5s"\n'


def oid(place, name):
    return place.value(f"SELECT '{name}'::regclass::oid::bigint")


def definition(place, name):
    return place.value(f"SELECT pg_get_indexdef('{name}'::regclass)")


def leftovers_of_killed_build(place, name):
    """Kills a REINDEX that waits to drop the old index; returns the leftovers."""
    with place.holding(READ), place.building(f"REINDEX INDEX CONCURRENTLY {name}"):
        place.await_swap()
    return place.invalid


def month(place, ahead):
    """The first day of the month `ahead` months from now."""
    year, past = divmod(place.month_number + ahead, 12)
    return f"{year}-{past + 1:02}-01"


def partition_of(place, table, ahead):
    """The name of a month's partition."""
    return f"{table}_{month(place, ahead)[:7].replace('-', '_')}"
