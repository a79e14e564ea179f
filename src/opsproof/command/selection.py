"""A plugin of pytest for rounds started by `opsproof`: checks the command line, and fills in the folder of checks.

xdist passes the words of the command line to the workers, and they load the plugin too.
"""

from collections.abc import Iterable
from pathlib import Path

import pytest

from opsproof.command.usage import unknown
from opsproof.core.installation import CHECKS, FOLDER, check_folders

_OPTIONS = ("--inventory", "--host", "--reports", "--strict-warnings", "--save-facts", "--facts", "--collect-only")


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(parser: pytest.Parser, args: list[str]) -> None:
    """Replaces subjects, such as ``disks``, by their folders; without any, adds the folder of all checks.

    Raises:
        UsageError: an option or a subject is unknown.
    """
    known, further = parser.parse_known_and_unknown_args(args)
    if further:
        raise pytest.UsageError(_unknown("option", further[0].partition("=")[0], _OPTIONS, known.markexpr))
    for word in known.file_or_dir:
        args[args.index(word)] = str(_path(word, known.markexpr))
    args.extend([] if known.file_or_dir else [str(CHECKS)])


def _path(word: str, of_round: str) -> Path:
    for path in (*(folder / word for folder in check_folders()), FOLDER / word, Path(word)):
        if Path(str(path).partition("::")[0]).exists():
            return path
    known = [path.name for folder in check_folders() for path in folder.iterdir()]
    raise pytest.UsageError(_unknown("subject", word, known, of_round))


def _unknown(kind: str, word: str, known: Iterable[str], of_round: str) -> str:
    return unknown(kind, word, known, f"opsproof {of_round}")
