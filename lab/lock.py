"""A lock per lab: only a single command runs at a time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.errors import LabError


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Holds the lock, released at the latest when the process ends; LabError if another process holds the lock."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise LabError(f"process {holder} holds the lock {path}: wait until the process ends") from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
