"""What several test modules share: recorded answers, a real sshd, a real PostgreSQL, runs of pytest."""

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

# Programs that tests start keep their bytecode: to compile opsproof takes longer than most of them run.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

REPOSITORY = Path(__file__).parents[1]
RECORDED = Path(__file__).parent / "recorded"


def pytest_configure(config: pytest.Config) -> None:
    """Counts what tests take, in this process and in workers."""
    config.pluginmanager.register(timing.Recorder(is_worker=hasattr(config, "workerinput")))


@pytest.hookimpl(tryfirst=True, optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Deals out whole files: tests of one file may hold the same lock."""
    from xdist.scheduler import LoadFileScheduling  # a run without workers needs none

    return LoadFileScheduling(config, log)


def pytest_report_header() -> str:
    """How much is proven, and what was drawn."""
    return f"proof: {'full' if extent.FULL else 'a sample'}, drawn for {extent.seed()} (OPSPROOF_SEED)"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what needs a lab before anything is deselected by marker."""
    mark_by_fixtures(items)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Puts the faults that were selected into the order of their batches."""
    arrange(session.items)


@pytest.fixture(scope="session", autouse=True)
def own_mounts() -> None:
    """Mounts end with the session, even a killed session; no test changes the machine's settings."""
    if isolation.possible():
        isolation.isolate()


@pytest.fixture(scope="session", autouse=True)
def own_connections() -> Iterator[None]:
    """Shared ssh connections lie where no other test run looks: its servers may have the same ports elsewhere."""
    with tempfile.TemporaryDirectory(prefix="run-") as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", folder)
        yield


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


@pytest.fixture
def recorded() -> Callable[..., Answer]:
    """The answer whose standard output, or error where the status says so, was recorded in a file."""

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
    """The first example of the documents, which declares every resource there is: production has not all of them."""
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
    """A testinfra host specification that reaches this machine over real ssh."""
    return sshd_server.spec()


@dataclass(frozen=True)
class Postgres:
    """A real server, reached as its superuser."""

    server: Server
    password: str

    def database(self, **fields: object) -> Database:
        """Its database postgres, as an inventory declares it."""
        dsn = f"host=127.0.0.1 port={self.server.port} dbname=postgres user={SUPERUSER}"
        return Database.model_validate({"dsn": dsn, "password_env": "TEST_PASSWORD", **fields})

    def target(self, **fields: object) -> DatabaseTarget:
        """Its database postgres, as the process that asks is told of it."""
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
    """What a run of pytest left behind."""

    status: int
    text: str
    reports: Path

    @property
    def properties(self) -> dict[str, dict[str, str]]:
        """What the JUnit XML says of each test."""
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
        (path,) = self.reports.glob("*.html")
        return path.read_text(encoding="utf-8")


Prove = Callable[..., Outcome]


@pytest.fixture(scope="session")
def prove() -> Prove:
    """Runs pytest as a user does, with an inventory and a folder for its reports; forked, unless it starts afresh."""

    def run(
        inventory: Path, *words: str, reports: Path | None = None, afresh: bool = False, **environment: str
    ) -> Outcome:
        reports = reports or Path(tempfile.mkdtemp(dir=inventory.parent))
        words = (f"--inventory={inventory}", f"--reports={reports}", *words)
        start = forks.start if afresh else forks.run_pytest
        words = (sys.executable, "-m", "pytest", *words) if afresh else words
        with tempfile.NamedTemporaryFile("w+", encoding="utf-8") as output:
            environment = {**os.environ, "COLUMNS": "200", **environment}
            status = start(words, REPOSITORY, environment, Path(output.name), 60)
            return Outcome(status, output.read(), reports)

    return run


@pytest.fixture(scope="session")
def script() -> Callable[[Path, str], Path]:
    """Makes an executable shell script, to stand in for a tool of a host."""

    def write(path: Path, text: str) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        path.chmod(0o755)
        return path

    return write


@pytest.fixture(scope="session")
def toml() -> Callable[[object], str]:
    """A text as it stands in TOML."""
    return json.dumps
