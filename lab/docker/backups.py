"""Backups of the docker lab's database on its server: a real one, and a week of earlier ones that hold the same."""

import os
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from lab.backups import DAY_S, NAME, renamed, sealed
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
"""Clones are one file, so that they take no room; the original stays apart, for faults to break."""


class LabServer(Protocol):
    """The lab as its backups are made on it."""

    layout: DockerLayout

    @property
    def home(self) -> Path:
        """The folder that holds the keys and passwords of this lab."""

    def root(self, *command: str, container: str = VPS, text: str = "") -> str:
        """The output of a command as root in the server or another container."""

    def ops(self, *command: str, text: str = "") -> str:
        """The output of a command as the monitor's login on the server."""

    def inventory(self, path: Path) -> Path:
        """Writes the inventory of this lab."""


def prepare(lab: LabServer) -> None:
    """A backup of now, one of each of the days before, and their copies; what was there is gone."""
    for folder in (BACKUPS, ELSEWHERE):
        lab.root("sh", "-c", 'cd "$1" && rm -rf ./* .twin', "sh", folder)
    act(lab, "backup")
    source = newest(lab)
    for age in range(DAYS, 0, -1):
        clone(lab, source, time.time() - age * DAY_S)


def are_fresh(lab: LabServer) -> bool:
    """Whether there is a backup of this day, the week before it, and no other."""
    found = sets(lab)
    return len(found) == DAYS + 1 and time.time() - dump_folder.began(found[-1]) < LAST_S


def practise(lab: LabServer, reports: Path, others: Path | None = None) -> None:
    """A drill, unless the journal in `reports` has one of this week that went well, or may have that of `others`."""
    if _practised(reports):
        return
    if others and _practised(others):
        reports.mkdir(parents=True, exist_ok=True)
        shutil.copy(others / JOURNAL, reports / JOURNAL)
    else:
        act(lab, "restore_drill", reports=reports)


def _practised(reports: Path) -> bool:
    with suppress(Absent, MeasurementError):
        drill = drills.last(reports / JOURNAL, HOST, NAME)
        return drill.outcome == "done" and drill.age_s < 7 * DAY_S
    return False


def act(lab: LabServer, action: str, *words: str, reports: Path | None = None, wanting: str = "") -> str:
    """What an action said that was applied, with no table declared called `wanting`; LabError where it fails."""
    inventory = lab.inventory(lab.home / "actions.toml")
    inventory.write_text(inventory.read_text().replace(f', "public.{wanting}"', ""))
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
    """The name of one more backup with the same content, as if it had begun at another time."""
    name = dump_folder.set_name_at(NAME, began)
    text = sealed(renamed(lab.ops("cat", f"{BACKUPS}/{source}.manifest.json"), source, began))
    lab.ops("sh", "-ec", _CLONE, "sh", BACKUPS, source, name, text=text)
    return name
