"""A server with the data of the lab, and backups made by the actions."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import pytest

from lab import credentials, ports, seed
from lab.credentials import Credentials
from lab.layout import Layout
from lab.postgres import Server
from opsproof.backup_store import manifest
from tests.harness.few import keep_few, spare_disk

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Site:
    """One host with a database and a backup folder."""

    server: Server
    secrets: Credentials
    layout: Layout
    folder: Path
    database: str = "metachat"
    more: dict[str, object] = field(default_factory=dict)

    def inventory(self, transport: str = "local://", **more: object) -> Path:
        """Writes an inventory with extra keys of the backup; returns the path."""
        keys = {"user": "opsproof_backup", "passfile": str(self.layout.secrets / "pgpass-backup"), **self.more, **more}
        dsn = f"host=127.0.0.1 port={self.server.port} dbname={self.database} user=opsproof_monitor"
        backup = "".join(f"{name} = {json.dumps(value)}\n" for name, value in keys.items())
        path = self.folder.with_suffix(".toml")
        path.write_text(
            f'[hosts.vps]\ntransport = "{transport}"\npath = ["{self.layout.bin}"]\n'
            f'[hosts.vps.databases.metachat]\ndsn = "{dsn} passfile={self.layout.pgpass}"\n'
            f'[hosts.vps.backups.metachat]\ndatabase = "metachat"\nfolder = "{self.folder}"\n{backup}'
        )
        return path

    def words(self, action: str = "backup", *more: str, inventory: Path | None = None) -> list[str]:
        """The command line of an action."""
        where = [f"--inventory={inventory or self.inventory()}", f"--reports={self.folder}-reports"]
        return [sys.executable, str(ROOT / "actions" / f"{action}.py"), *where, *more]

    def begin(self, *more: str, inventory: Path | None = None) -> subprocess.Popen[str]:
        """Starts a backup."""
        pipe = subprocess.PIPE
        return subprocess.Popen(
            self.words("backup", "--apply", *more, inventory=inventory), stdout=pipe, stderr=pipe, text=True, cwd=ROOT
        )

    def run(
        self, *more: str, action: str = "backup", inventory: Path | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Runs an action to the end."""
        words = self.words(action, *more, inventory=inventory)
        environment = {**os.environ, **environment}
        return subprocess.run(
            words, capture_output=True, text=True, timeout=120, check=False, cwd=ROOT, env=environment
        )

    @property
    def sets(self) -> list[str]:
        """The backups, oldest first."""
        return sorted(each.name.removesuffix(".manifest.json") for each in self.folder.glob("*.manifest.json"))

    def take(self, other: Site) -> str:
        """Copies the only backup of another site; returns the name."""
        (name,) = other.sets
        for path in other.files(name):
            shutil.copy2(path, self.folder)
        return name

    def files(self, name: str) -> list[Path]:
        return sorted(self.folder.glob(f"{name}.*"))

    def flaws(self) -> list[str]:
        """Files of any backup that differ from the manifest, checked without the code of the actions."""
        return [flaw for name in self.sets for flaw in _flaws(self.folder, name)]

    @property
    def leftovers(self) -> list[str]:
        whole = {path.name for name in self.sets for path in self.files(name) if path.suffix != ".partial"}
        return sorted({path.name for path in self.folder.iterdir()} - whole)

    def forget(self, *names: str) -> None:
        for path in (path for name in names for path in self.files(name)):
            path.unlink()


def _flaws(folder: Path, name: str) -> list[str]:
    said = manifest.read((folder / f"{name}.manifest.json").read_text())
    content = {each: folder / each.name for each in said.files.values()}
    return [
        f"{file.name}: checksum mismatch"
        for file, path in content.items()
        if not path.exists() or sha256(path.read_bytes()).hexdigest() != file.sha256
    ]


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Credentials, Layout]]:
    """A server with the schema and the data of the lab."""
    layout = Layout(tmp_path_factory.mktemp("planted"))
    layout.create()
    secrets, server = credentials.load(layout), Server(layout, ports.free())
    server.initialise(secrets.passwords["metachat"])
    server.start()
    with server.connect("metachat", secrets.passwords["metachat"], "postgres") as admin:
        spare_disk(admin)
    seed.plant(server, secrets, lambda _: None)
    credentials.publish(layout, secrets, 1, server.port)
    server.link(layout.bin)
    yield server, secrets, layout
    server.remove()


@pytest.fixture(scope="session")
def few(planted: tuple[Server, Credentials, Layout]) -> str:
    """Name of a database like the lab's with few rows: a backup takes half the time."""
    server, secrets, _ = planted
    password = secrets.passwords["metachat"]
    with server.connect("metachat", password, "postgres") as admin:
        admin.execute("CREATE DATABASE few TEMPLATE metachat")
    with server.connect("metachat", password, "few") as admin:
        keep_few(admin)
    return "few"


def _folder(root: Path) -> Path:
    folder = root / "backups"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
def site(planted: tuple[Server, Credentials, Layout], tmp_path: Path) -> Site:
    return Site(*planted, _folder(tmp_path))


@pytest.fixture
def small_site(planted: tuple[Server, Credentials, Layout], few: str, tmp_path: Path) -> Site:
    """A site with the small database."""
    return Site(*planted, _folder(tmp_path), few)


@pytest.fixture(scope="session")
def made(planted: tuple[Server, Credentials, Layout], tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A site with a backup made by the action; tests copy the backup with `take`."""
    return _with_backup(Site(*planted, _folder(tmp_path_factory.mktemp("made"))))


@pytest.fixture(scope="session")
def small_made(planted: tuple[Server, Credentials, Layout], few: str, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A site with a backup of the small database, and an off-site copy in the sibling folder "copies"."""
    root = tmp_path_factory.mktemp("made")
    (root / "copies").mkdir()
    return _with_backup(Site(*planted, _folder(root), few, {"off_site": [str(root / "copies")]}))


def _with_backup(site: Site) -> Site:
    done = site.run("--apply")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(site.sets) == 1
    return site
