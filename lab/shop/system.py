"""The shop's file system: Debian with the shop's packages, kept in the user's cache, and the shop's own files."""

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from lab import debian, kept
from lab.errors import LabError
from lab.progress import Say, step

HERE = Path(__file__).parent
SUITE = "bookworm"
PACKAGES, INSTALL, SETUP = (HERE / name for name in ("packages.txt", "packages.sh", "setup.sh"))
FILES = HERE / "root"
ARCHIVE = "packages.tar"
PRIVATE_MOUNTS = ("unshare", "--mount", "--")
"""Mounts of a build end with the build, even with a killed one."""


def fingerprint() -> str:
    """Changes with everything that the file system is made of, and every fortnight."""
    files = sorted(path for path in HERE.rglob("*") if path.is_file() and path.suffix != ".pyc")
    digest = hashlib.sha256(_packages_entry().encode())
    for path in files:
        digest.update(f"{path.relative_to(HERE)} {path.stat().st_mode} ".encode() + path.read_bytes())
    return digest.hexdigest()


def build(root: Path, log: Path, say: Say) -> None:
    """Makes the file system in the missing folder `root`, complete or not at all.

    Raises:
        LabError: a step failed; names the file with the output.
    """
    draft = root.with_name("draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    _with_packages(draft, log, say)
    shutil.copytree(FILES, draft, dirs_exist_ok=True)
    with step(say, "users, clusters and services set up"):
        shutil.copy(SETUP, draft / "tmp")
        setup = 'mount -t proc proc "$1/proc" && exec chroot "$1" sh /tmp/setup.sh'
        _run(log, *PRIVATE_MOUNTS, "sh", "-c", setup, "sh", draft)
    draft.rename(root)


def fetch(folder: Path, say: Say) -> None:
    """Adds Debian with the shop's packages to the cache if missing; needs a network, and a folder for the work."""
    if not (kept.folder() / _packages_entry() / ARCHIVE).exists():
        with tempfile.TemporaryDirectory(dir=folder) as root:
            _with_packages(Path(root), folder / "fetch.log", say)


def _with_packages(root: Path, log: Path, say: Say) -> None:
    with tempfile.TemporaryDirectory(dir=root.parent) as folder:
        kept_packages = Path(folder) / "packages"
        if not kept.take(_packages_entry(), kept_packages):
            kept_packages.mkdir()
            _unpack(log, _base(Path(folder) / "base", log, say), root)
            with step(say, "Debian's packages installed"):
                _run(log, *PRIVATE_MOUNTS, INSTALL, root, PACKAGES)
            _run(log, "tar", "--directory", root, "--create", "--file", kept_packages / ARCHIVE, ".")
            kept.keep(_packages_entry(), kept_packages)
            return
        _unpack(log, kept_packages / ARCHIVE, root)


def _base(folder: Path, log: Path, say: Say) -> Path:
    """The archive of a minimal Debian."""
    if not kept.take(debian.entry(SUITE), folder):
        folder.mkdir()
        with step(say, f"Debian {SUITE} made"):
            _run(log, debian.BOOTSTRAP, SUITE, folder / debian.ARCHIVE)
        kept.keep(debian.entry(SUITE), folder)
    return folder / debian.ARCHIVE


def _unpack(log: Path, archive: Path, root: Path) -> None:
    _run(log, "tar", "--directory", root, "--extract", "--file", archive)


def _packages_entry() -> str:
    digest = hashlib.sha256(debian.entry(SUITE).encode() + PACKAGES.read_bytes() + INSTALL.read_bytes())
    return f"shop-{digest.hexdigest()[:16]}"


def _run(log: Path, *words: object) -> None:
    with log.open("ab") as file:
        command = list(map(str, words))
        done = subprocess.run(command, cwd="/", stdin=subprocess.DEVNULL, stdout=file, stderr=file, check=False)
    if done.returncode:
        raise LabError(f"{Path(command[0]).name} ended with {done.returncode}: see {log}")
