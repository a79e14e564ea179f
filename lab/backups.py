"""Backups of the lab's database and files: real backups, and clones dated over the week before."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path

from lab.errors import LabError
from lab.instance import Lab
from lab.layout import REPOSITORY
from opsproof.action import journal
from opsproof.action.drills import ACTION, Drill
from opsproof.backup_store import dump_folder

NAME = "metachat"
FILES = "files"
"""The declared backups: of the database, and of files."""
DAY_S = 86400


def prepare(lab: Lab, days: int = 8) -> None:
    """Replaces all backups by new ones and a clone for each of the `days` before; journals successful drills."""
    for folder in (lab.layout.backups, lab.layout.elsewhere):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
    back_up(lab)
    for name, age in ((name, age) for name in (NAME, FILES) for age in range(days, 0, -1)):
        clone(lab, newest(lab, name), time.time() - age * DAY_S)
    record_drill(lab)
    record_drill(lab, of=FILES)


def back_up(lab: Lab, undeclared: str = "", of: str = "", *, incomplete: bool = False) -> None:
    """Runs the backup action, with a table or path `undeclared` left out of the inventory, perhaps of one backup alone.

    Raises:
        LabError: the action fails, or does not report an `incomplete` backup.
    """
    inventory = lab.inventory(lab.home / "backups.toml")
    text = inventory.read_text().replace(f', "public.{undeclared}"', "")
    inventory.write_text(text.replace(f', "{lab.layout.app}/{undeclared}"', ""))
    words = [sys.executable, "actions/backup.py", f"--inventory={inventory}", f"--reports={lab.layout.reports}"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src")}
    words += [*([f"--backup={of}"] if of else []), "--apply", "--yes"]
    done = subprocess.run(words, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    inventory.unlink()
    if done.returncode != (5 if incomplete else 0):
        raise LabError(f"backup failed: {done.stderr.strip()}")


def without_files(text: str) -> str:
    """The text of an inventory without the backup of files, so that actions need no --backup."""
    return re.sub(r"\n\[hosts\.\w+\.backups\.files\]\n(?:(?!\[).*\n)*", "\n", text)


def newest(lab: Lab, of: str = NAME) -> str:
    """The name of the newest set of a declared backup."""
    return sets(lab, of)[-1]


def sets(lab: Lab, of: str = NAME) -> list[str]:
    """The names of all sets of a declared backup, oldest first."""
    found = lab.layout.backups.glob(f"{of}_*.manifest.json")
    return sorted(each.name.removesuffix(".manifest.json") for each in found)


def files(lab: Lab, name: str) -> list[Path]:
    """The files of a backup."""
    return sorted(lab.layout.backups.glob(f"{name}.*"))


def dump(lab: Lab, name: str) -> Path:
    """The archive of a backup."""
    return next(each for each in files(lab, name) if ".dump" in each.name)


def clone(lab: Lab, source: str, began: float) -> str:
    """Adds a backup with the content of `source` and the start time `began`; returns the new name."""
    name = dump_folder.set_name_at(source.rpartition("_")[0], began)
    for each in (path for path in files(lab, source) if not re.search(r"\.dump|\.json$", path.name)):
        shutil.copy2(each, lab.layout.backups / each.name.replace(source, name))
    if source.startswith(f"{NAME}_"):
        _link_dump(lab, source, name)
    write_manifest(lab, name, redated((lab.layout.backups / f"{source}.manifest.json").read_text(), source, began))
    return name


def _link_dump(lab: Lab, source: str, name: str) -> None:
    original, copy = dump(lab, source), dump(lab, source).name.replace(source, name)
    # All clones are hard links to one file, to take no space; the original stays separate, for faults to break.
    twin = next((each for each in lab.layout.backups.glob("*.dump*") if each.stat().st_nlink > 1), None)
    shutil.copy2(original, lab.layout.backups / copy) if twin is None else os.link(twin, lab.layout.backups / copy)
    if twin is None:
        os.link(lab.layout.backups / copy, lab.layout.backups / ".twin")


def redated(text: str, source: str, began: float) -> str:
    """A manifest's text with the start time `began`; the checksum is not updated."""
    name = dump_folder.set_name_at(source.rpartition("_")[0], began)
    return re.sub(r'"began": \d+', f'"began": {began:.0f}', text.replace(source, name))


def with_checksum(text: str) -> str:
    """A manifest's text with a correct checksum."""
    body = re.sub(r',\s*"checksum": "\w+"}\s*\Z', "", text)
    return f'{body},\n"checksum": "{sha256(body.encode()).hexdigest()}"}}\n'


def write_manifest(lab: Lab, name: str, text: str) -> None:
    """Writes a manifest with a correct checksum."""
    path = lab.layout.backups / f"{name}.manifest.json"
    path.touch(mode=0o600)
    path.write_text(with_checksum(text))


def record_drill(
    lab: Lab, outcome: str = "done", age_s: float = 0.0, restore_s: float = 20.0, of: str = NAME, **measured: str
) -> None:
    """Adds a drill of a declared backup to the lab's journal."""
    append_drill(lab.layout.journal, "lab", drill(newest(lab, of), outcome, age_s, restore_s, **measured))


def drill(set_name: str, outcome: str, age_s: float, restore_s: float, **more: str) -> Drill:
    """A drill that began `age_s` ago and took `restore_s`, with `more` measured."""
    measured = {"backup": set_name.rpartition("_")[0], "set": set_name, "restore_s": restore_s, **more}
    return Drill(time.time() - age_s, outcome, outcome, measured)


def append_drill(path: Path, host: str, drill: Drill) -> None:
    """Adds a drill to a journal."""
    how = (drill.outcome, drill.message, drill.began, drill.restore_s, drill.measured)
    journal.append(path, journal.JournalEntry(ACTION, host, ["--apply"], ["restore"], *how))


def forget_drills(path: Path) -> None:
    """Removes all drills from a journal."""
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if json.loads(line)["action"] != ACTION))
