"""Shared fixtures: recorded answers, a real sshd, a real PostgreSQL, runs of pytest."""

import json
import os
import secrets
import shutil
import socket
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab.layout import Layout
from lab.postgres import SUPERUSER, Server
from lab.testing import lab, lab_tools
from opsproof.inventory.load import Inventory, load
from opsproof.inventory.resources import Database
from opsproof.postgres.connection import DatabaseTarget
from opsproof.transport.shell import Answer
from tests.harness import extent, forks, isolation, timing
from tests.harness.estate import estate
from tests.harness.notes import note
from tests.harness.s3 import s3, s3_server
from tests.harness.selection import mark_by_fixtures
from tests.harness.sshd import Sshd, running
from tests.proving.selection import arrange

__all__ = ["estate", "lab", "lab_tools", "note", "s3", "s3_server"]

# Programs started by tests cache bytecode: compiling opsproof takes longer than most of them run.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

REPOSITORY = Path(__file__).parents[1]
RECORDED = Path(__file__).parent / "recorded"


def pytest_configure(config: pytest.Config) -> None:
    """Measures the tests' durations, in this process and in workers."""
    config.pluginmanager.register(timing.Recorder(is_worker=hasattr(config, "workerinput")))


@pytest.hookimpl(tryfirst=True, optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Distributes whole files: tests of a file may share a lock."""
    from xdist.scheduler import LoadFileScheduling  # only needed with workers

    return LoadFileScheduling(config, log)


def pytest_report_header() -> str:
    """The extent of the proof, and the seed."""
    return f"proof: {'full' if extent.FULL else 'a sample'}, drawn for {extent.seed()} (OPSPROOF_SEED)"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks tests that need a lab before pytest deselects by marker."""
    mark_by_fixtures(items)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Sorts the selected faults by batch."""
    arrange(session.items)


@pytest.fixture(scope="session", autouse=True)
def own_mounts() -> None:
    """Mounts end with the session, even a killed session; no test changes the machine's settings."""
    if isolation.possible():
        isolation.isolate()


@pytest.fixture(scope="session", autouse=True)
def own_connections() -> Iterator[None]:
    """Keeps shared ssh connections in a private folder: servers of other test runs may have the same ports."""
    with tempfile.TemporaryDirectory(prefix="run-") as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", folder)
        yield


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


@pytest.fixture
def recorded() -> Callable[..., Answer]:
    """An answer with recorded standard output, or recorded standard error for a failure status."""

    def answer(name: str, status: int = 0, **fields: float) -> Answer:
        text = (RECORDED / name).read_text(encoding="utf-8")
        return Answer(status, "" if status else text, text if status else "", **fields)

    return answer


@pytest.fixture(scope="session")
def production() -> Inventory:
    """The committed inventory."""
    return load(REPOSITORY / "inventory" / "metachat.toml")


@pytest.fixture(scope="session")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Inventory:
    """The first example of the documentation: declares every kind of resource, unlike production."""
    folder = tmp_path_factory.mktemp("everything")
    shutil.copy(REPOSITORY / "inventory" / "metachat.toml", folder)
    text = (REPOSITORY / "docs" / "inventory.md").read_text(encoding="utf-8")
    example = text.partition("```toml\n# complete\n")[2].partition("```")[0]
    (folder / "everything.toml").write_text(example, encoding="utf-8")
    return load(folder / "everything.toml")


@pytest.fixture
def free_port() -> int:
    return _free_port()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def sshd_server() -> Iterator[Sshd]:
    with running() as server:
        yield server


@pytest.fixture(scope="session")
def sshd(sshd_server: Sshd) -> str:
    """A testinfra host specification for the local machine over real ssh."""
    return sshd_server.spec()


@dataclass(frozen=True)
class Postgres:
    """A real server, with its superuser's login."""

    server: Server
    password: str

    def database(self, **fields: object) -> Database:
        """The database postgres, as declared in an inventory."""
        dsn = f"host=127.0.0.1 port={self.server.port} dbname=postgres user={SUPERUSER}"
        return Database.model_validate({"dsn": dsn, "password_env": "TEST_PASSWORD", **fields})

    def target(self, **fields: object) -> DatabaseTarget:
        """The database postgres, as passed to the querying process."""
        database = self.database(**fields)
        return DatabaseTarget(database.dsn, database.password_env, database.timeout, database.password_file)


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    password = secrets.token_hex(8)
    server = Server(Layout(tmp_path_factory.mktemp("postgres")), _free_port())
    server.initialise(password)
    server.start()
    yield Postgres(server, password)
    server.remove()


@pytest.fixture
def postgres(postgres_server: Postgres, monkeypatch: pytest.MonkeyPatch) -> Postgres:
    monkeypatch.setenv("TEST_PASSWORD", postgres_server.password)
    return postgres_server


@dataclass(frozen=True)
class Outcome:
    """The results of a run of pytest."""

    status: int
    text: str
    reports: Path

    @property
    def properties(self) -> dict[str, dict[str, str]]:
        """The JUnit XML's properties of each test."""
        (path,) = self.reports.glob("*.xml")
        cases = ET.parse(path).getroot().iter("testcase")
        return {
            each.attrib["name"]: {p.attrib["name"]: p.attrib["value"] for p in each.iter("property")} for each in cases
        }

    @property
    def verdicts(self) -> dict[str, str]:
        """The verdict of each test."""
        return {name[: name.rindex("]") + 1]: said.get("verdict", "") for name, said in self.properties.items()}

    @property
    def html(self) -> str:
        (path,) = self.reports.glob("20*.html")
        return path.read_text(encoding="utf-8")


Prove = Callable[..., Outcome]


@pytest.fixture(scope="session")
def prove() -> Prove:
    """Runs pytest like a user, with an inventory and a reports folder; in a fork, unless `afresh`."""

    def run(
        inventory: Path, *words: str, reports: Path | None = None, afresh: bool = False, **environment: str
    ) -> Outcome:
        reports = reports or Path(tempfile.mkdtemp(dir=inventory.parent))
        words = (f"--inventory={inventory}", f"--reports={reports}", *words)
        start = forks.start if afresh else forks.run_pytest
        words = (sys.executable, "-m", "pytest", *words) if afresh else words
        with tempfile.NamedTemporaryFile("w+", encoding="utf-8") as output:
            environment = {**timing.untimed(os.environ), "COLUMNS": "200", **environment}
            status = start(words, REPOSITORY, environment, Path(output.name), 60)
            return Outcome(status, output.read(), reports)

    return run


@pytest.fixture(scope="session")
def script() -> Callable[[Path, str], Path]:
    """Makes an executable shell script, as a stub for a tool of a host."""

    def write(path: Path, text: str) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        path.chmod(0o755)
        return path

    return write


@pytest.fixture(scope="session")
def toml() -> Callable[[object], str]:
    """A value as TOML."""
    return json.dumps
