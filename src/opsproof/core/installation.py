"""The folder of the checks and actions, and how a person runs an action from the current folder.

A clone of the repository has ``checks/`` and ``actions/`` at the top; the wheel has both inside the package.
"""

import shlex
import shutil
import sys
from pathlib import Path

from opsproof.core import extensions
from opsproof.core.scripts import PACKAGE

FOLDER = PACKAGE if (PACKAGE / "actions").is_dir() else PACKAGE.parents[1]
"""The folder with ``checks/`` and ``actions/``."""
CHECKS = FOLDER / "checks"
ACTIONS = FOLDER / "actions"


def check_folders() -> tuple[Path, ...]:
    """The folders of all checks: of opsproof, and of installed extensions."""
    return (CHECKS, *extensions.check_folders())


def from_here(path: Path) -> str:
    """The path as text, relative to the current folder if the file is inside."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def program() -> list[str]:
    """The words of the command ``opsproof`` of the running Python; only the name, if the search path has it."""
    own = Path(sys.executable).with_name("opsproof")
    if not own.exists():
        return [from_here(Path(sys.executable)), "-m", "opsproof"]
    found = shutil.which("opsproof")
    return ["opsproof" if found and own.samefile(found) else from_here(own)]


def rights_command(file: str) -> str:
    """The command that prints a file of the rights of rounds and actions, such as monitor.sql."""
    return shlex.join([*program(), "privileges", "--inventory=FILE", f"--show={file}"])


def absolute_program() -> list[str]:
    """The words of the command ``opsproof`` of the running Python, from any folder."""
    own = Path(sys.executable).with_name("opsproof")
    return [str(own)] if own.exists() else [sys.executable, "-m", "opsproof"]


def action_command(name: str) -> list[str]:
    """The words that run an action: its script in a clone, ``opsproof do NAME`` from the wheel."""
    if FOLDER == PACKAGE:
        return [*program(), "do", name]
    return [from_here(Path(sys.executable)), from_here(ACTIONS / f"{name}.py")]


def action_title(name: str) -> str:
    """The name of an action in its messages, as a person would type it."""
    return f"opsproof do {name}" if FOLDER == PACKAGE else f"actions/{name}.py"
