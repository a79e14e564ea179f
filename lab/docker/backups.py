"""Backups of the docker lab's database on its server: a real backup, and clones dated over the week before."""

import os
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from lab.backups import DAY_S, NAME, redated, with_checksum
from lab.docker.layout import BACKUPS, ELSEWHERE, VPS, DockerLayout
from lab.errors import LabError
from lab.layout import REPOSITORY
from opsproof.action import drills
from opsproof.backup_store import dump_folder
from opsproof.core.errors import Absent, MeasurementError

LAST_S = 20 * 3600
DAYS = 8
HOST = "vps"
JOURNAL = "journal.jsonl"
_CLONE = """
umask 077; cd "$1"
[ -e .twin ] || cp -- "$2.dump" .twin
ln -- .twin "$3.dump"; cp -- "$2.globals.sql" "$3.globals.sql"; cat > "$3.manifest.json"
"""
"""Clones are hard links to one file, to take no space; the original stays separate, for faults to break."""


class LabServer(Protocol):
    """The part of the lab used to make backups."""

    layout: DockerLayout

    @property
    def home(self) -> Path:
        """The folder with the lab's keys and passwords."""

    def root(self, *command: str, container: str = VPS, text: str = "") -> str:
        """Runs a command as root in a container, the server by default; returns the output."""

    def ops(self, *command: str, text: str = "") -> str:
        """Runs a command as the monitor's login on the server; returns the output."""

    def inventory(self, path: Path) -> Path:
        """Writes the lab's inventory."""


def prepare(lab: LabServer) -> None:
    """Replaces all backups and off-site copies by a new backup and a clone for each of the `DAYS` before."""
    for folder in (BACKUPS, ELSEWHERE):
        lab.root("sh", "-c", 'cd "$1" && rm -rf ./* .twin', "sh", folder)
    act(lab, "backup")
    source = newest(lab)
    for age in range(DAYS, 0, -1):
        clone(lab, source, time.time() - age * DAY_S)


def are_fresh(lab: LabServer) -> bool:
    """Whether exactly the backups of today and the week before exist."""
    found = sets(lab)
    return len(found) == DAYS + 1 and time.time() - dump_folder.began(found[-1]) < LAST_S


def ensure_drill(lab: LabServer, reports: Path, others: Path | None = None) -> None:
    """Runs a drill, unless the journal in `reports` or `others` has a successful drill of the last week to copy."""
    if _has_recent_drill(reports):
        return
    if others and _has_recent_drill(others):
        reports.mkdir(parents=True, exist_ok=True)
        shutil.copy(others / JOURNAL, reports / JOURNAL)
    else:
        act(lab, "restore_drill", reports=reports)


def _has_recent_drill(reports: Path) -> bool:
    with suppress(Absent, MeasurementError):
        drill = drills.last(reports / JOURNAL, HOST, NAME)
        return drill.outcome == "done" and drill.age_s < 7 * DAY_S
    return False


def act(lab: LabServer, action: str, *words: str, reports: Path | None = None, undeclared: str = "") -> str:
    """Applies an action, with the table `undeclared` left out of the inventory; returns the output, or LabError."""
    inventory = lab.inventory(lab.home / "actions.toml")
    inventory.write_text(inventory.read_text().replace(f', "public.{undeclared}"', ""))
    options = [f"--inventory={inventory}", f"--reports={reports or lab.layout.reports}", "--apply", "--yes"]
    done = subprocess.run(
        [sys.executable, f"actions/{action}.py", *options, *words],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise LabError(f"{action}: {done.stderr.strip()}")
    return done.stdout


def sets(lab: LabServer) -> list[str]:
    """The names of all backups, oldest first."""
    names = lab.root("ls", BACKUPS, container=VPS).splitlines()
    return sorted(each.removesuffix(".manifest.json") for each in names if each.endswith(".manifest.json"))


def newest(lab: LabServer) -> str:
    """The name of the newest backup."""
    return sets(lab)[-1]


def clone(lab: LabServer, source: str, began: float) -> str:
    """Adds a backup with the content of `source` and the start time `began`; returns the new name."""
    name = dump_folder.set_name_at(NAME, began)
    text = with_checksum(redated(lab.ops("cat", f"{BACKUPS}/{source}.manifest.json"), source, began))
    lab.ops("sh", "-ec", _CLONE, "sh", BACKUPS, source, name, text=text)
    return name
