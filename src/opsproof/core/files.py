"""Files of a user, read with errors that name the reason."""

import errno
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
