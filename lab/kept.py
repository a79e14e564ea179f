"""Folders kept for later labs in the user's cache, named by the hash of their sources."""

import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

DAY_S = 86_400
UNUSED_DAYS = 30
"""Entries unused for so long are removed."""
DRAFT = "draft-"


def folder() -> Path:
    """The user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "opsproof"


def take(name: str, target: Path) -> bool:
    """Copies an entry to `target`; False if no complete entry exists."""
    entry = folder() / name
    try:
        os.utime(entry)
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(entry, target, symlinks=True)
    except OSError:
        return False
    return True


def keep(name: str, source: Path) -> None:
    """Adds a copy of `source` atomically; does nothing if the cache is not writable."""
    with suppress(OSError):
        folder().mkdir(parents=True, exist_ok=True)
        _prune()
        draft = Path(tempfile.mkdtemp(prefix=DRAFT, dir=folder()))
        try:
            shutil.copytree(source, draft, symlinks=True, dirs_exist_ok=True)
            draft.rename(folder() / name)  # fails if another process was faster
        finally:
            shutil.rmtree(draft, ignore_errors=True)


def _prune() -> None:
    for entry in folder().iterdir():
        days = 1 if entry.name.startswith(DRAFT) else UNUSED_DAYS
        with suppress(OSError):
            if entry.stat().st_mtime < time.time() - days * DAY_S:
                shutil.rmtree(entry, ignore_errors=True)
