"""One command at a time per lab."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.errors import LabError


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Holds the lock, which ends with the process whatever happens; LabError when another process has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise LabError(f"process {holder} holds the lock {path}: wait until it is done") from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
