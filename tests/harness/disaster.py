"""The commands of docs/disaster.md, executed with the values of a lab."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.harness.documents import DISASTER, ROOT, text_of

BY_PGBACKREST = "## With pgBackRest\n"
TIMEOUT_S = 600


def blocks(part: str = "") -> list[str]:
    """The blocks of commands: of pgBackRest's section, or of the sections before."""
    by_dump, _, by_pgbackrest = text_of(DISASTER).partition(BY_PGBACKREST)
    text = by_pgbackrest if part == "pgbackrest" else by_dump
    return re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def names(variables: str) -> set[str]:
    """The names in the block of variables."""
    return set(re.findall(r"^(?:export )?([A-Z_]+)=", variables, re.MULTILINE))


def execute(commands: list[str], values: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Runs blocks in one shell, as a person would, with the values of the variables."""
    text = "".join(commands).replace(".venv/bin", str(Path(sys.executable).parent))
    words = ["bash", "-eu", "-o", "pipefail", "-c", text]
    environment = {**os.environ, **values}
    return subprocess.run(
        words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
