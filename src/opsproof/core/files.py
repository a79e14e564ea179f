"""Files of a user: read with errors that name the reason, replaced as a whole, and appended to line by line."""

import errno
import fcntl
import os
from pathlib import Path


def read_text(path: Path) -> str:
    """The text of a file in UTF-8. A FIFO is refused, because reading it would wait for a writer.

    Raises:
        OSError: the file does not exist, is no file, or cannot be read.
        ValueError: the path is not valid, or the text is not UTF-8.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        raise OSError(errno.EINVAL, "is no file", str(path))
    return path.read_text(encoding="utf-8")


def replace(path: Path, text: str, mode: int = 0o666) -> None:
    """Replaces a file: a reader sees the old text or the new one. The umask reduces `mode`.

    Raises:
        OSError: the file cannot be written; the old file stays.
        UnicodeError: the text cannot be encoded; the old file stays.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.touch(mode=mode)
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def is_torn(line: str) -> bool:
    """Whether a power failure cut a line of JSON short, or left NUL bytes in its place."""
    return not line.strip("\0") or (line.startswith("{") and not line.endswith("}"))


def append(path: Path, line: str) -> None:
    """Appends a line to a file atomically, safe with concurrent writers; makes its folder, and the file for the owner.

    A torn line before stays a line of its own.

    Raises:
        OSError: the file cannot be written; it has no part of the line.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    content = line.encode()
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        end = os.fstat(descriptor).st_size
        if end and os.pread(descriptor, 1, end - 1) != b"\n":
            content = b"\n" + content
        if os.write(descriptor, content) != len(content):  # disk full: remove the partial line
            os.ftruncate(descriptor, end)
            raise OSError(errno.ENOSPC, "no space left on device", str(path))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
