"""PostgreSQL's own regression tests, fetched from Debian's source package and loaded into a database by psql."""

import hashlib
import re
import subprocess
import tarfile
import tempfile
from functools import cache
from pathlib import Path

from lab import kept
from tests.harness.extent import FULL, sample
from tests.zoo.conftest import Zoo
from tests.zoo.counts import refused

SOURCE = "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian bookworm main"
PACKAGE = "postgresql-15"
FOLDER = "src/test/regress"
FIRST = "test_setup"
"""The file that makes the tables of most others."""
FILES = 10
"""Files of a draw."""
SETTINGS = {
    "lc_messages": "C",
    "lc_monetary": "C",
    "lc_numeric": "C",
    "lc_time": "C",
    "bytea_output": "hex",
    "timezone_abbreviations": "Default",
}
"""Settings of the database, as pg_regress sets them."""
SESSION = {"PGTZ": "PST8PDT", "PGDATESTYLE": "Postgres, MDY"}
OPTIONS = "-c intervalstyle=postgres_verbose -c statement_timeout=60s -c lock_timeout=10s"


@cache
def folder() -> Path:
    """The folder of the regression tests, downloaded once by apt, which verifies the signature."""
    name = f"regression-{hashlib.sha256(f'{SOURCE} {PACKAGE}'.encode()).hexdigest()[:24]}"
    if not (kept.folder() / name).exists():
        with tempfile.TemporaryDirectory() as place:
            kept.keep(name, _download(Path(place)))
    return kept.folder() / name


def _download(place: Path) -> Path:
    for each in ("state/lists/partial", "cache/archives/partial"):
        (place / each).mkdir(parents=True)
    (place / "sources.list").write_text(f"{SOURCE}\n")
    private = {
        "Dir::State": place / "state",
        "Dir::Cache": place / "cache",
        "Dir::Etc::SourceList": place / "sources.list",
        "Dir::Etc::SourceParts": "/dev/null",
        "APT::Sandbox::User": "root",
    }
    apt = ["apt-get", "-qq", *(f"-o{key}={value}" for key, value in private.items())]
    for words in (["update"], ["source", "--download-only", PACKAGE]):
        subprocess.run([*apt, *words], cwd=place, check=True, timeout=300)
    (path,) = place.glob("*.orig.tar.*")
    with tarfile.open(path) as archive:
        wanted = [each for each in archive if f"/{FOLDER}/" in each.name]
        archive.extractall(place / "unpacked", wanted)
    (top,) = (place / "unpacked").iterdir()
    return top / FOLDER


def files() -> list[str]:
    """The names of the files in the order of their schedule: all, or a draw."""
    schedule = (folder() / "parallel_schedule").read_text()
    order = [name for line in re.findall(r"^test: (.*)$", schedule, re.MULTILINE) for name in line.split()]
    return order if FULL else [FIRST, *sample("regression", [name for name in order if name != FIRST], FILES)]


def load(zoo: Zoo, database: str, build: Path) -> int:
    """Loads the files into an empty database; returns the number of refused statements.

    Functions of the C library of the regression tests are refused, with all that needs them; COPY reads files of the
    tests only where the server may.
    """
    (build / "results").mkdir()
    for name, value in SETTINGS.items():
        zoo.psql("postgres", "-c", f"ALTER DATABASE {database} SET {name} = '{value}'")
    paths = {"PG_ABS_SRCDIR": str(folder()), "PG_ABS_BUILDDIR": str(build), "PG_LIBDIR": "/nonexistent"}
    environment = {**paths, "PG_DLSUFFIX": ".so", "PGOPTIONS": OPTIONS, **SESSION}
    count = sum(
        refused(zoo.psql(database, "-f", str(folder() / "sql" / f"{name}.sql"), **environment).stderr)
        for name in files()
    )
    # pg_dump 16.2 writes this comment before the constraint, so that no archive can be restored.
    zoo.psql(database, "-c", "COMMENT ON CONSTRAINT inv_ck ON DOMAIN constraint_comments_dom IS NULL")
    return count
