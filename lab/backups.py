"""Backups of the lab's database: a real one, and a week of earlier ones that hold the same."""

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
DAY_S = 86400


def prepare(lab: Lab, days: int = 8) -> None:
    """One new backup, one of each of the `days` before, and a drill that went well; what was there is gone."""
    for folder in (lab.layout.backups, lab.layout.elsewhere):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
    back_up(lab)
    for age in range(days, 0, -1):
        clone(lab, newest(lab), time.time() - age * DAY_S)
    practised(lab)


def back_up(lab: Lab, wanting: str = "") -> None:
    """A backup by the action itself, with no table declared called `wanting`; LabError where it does not work."""
    inventory = lab.inventory(lab.home / "backups.toml")
    inventory.write_text(inventory.read_text().replace(f', "public.{wanting}"', ""))
    words = [sys.executable, "actions/backup.py", f"--inventory={inventory}", f"--reports={lab.layout.reports}"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src")}
    done = subprocess.run(
        [*words, "--apply", "--yes"], cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False
    )
    inventory.unlink()
    if done.returncode:
        raise LabError(f"no backup: {done.stderr.strip()}")


def newest(lab: Lab) -> str:
    """The name of the newest backup."""
    return sets(lab)[-1]


def sets(lab: Lab) -> list[str]:
    """The names of all backups, oldest first."""
    return sorted(each.name.removesuffix(".manifest.json") for each in lab.layout.backups.glob("*.manifest.json"))


def files(lab: Lab, name: str) -> list[Path]:
    """The files of a backup."""
    return sorted(lab.layout.backups.glob(f"{name}.*"))


def dump(lab: Lab, name: str) -> Path:
    """The archive of a backup."""
    return next(each for each in files(lab, name) if ".dump" in each.name)


def clone(lab: Lab, source: str, began: float) -> str:
    """The name of one more backup with the same content, as if it had begun at another time."""
    name = dump_folder.set_name_at(NAME, began)
    original, copy = dump(lab, source), dump(lab, source).name.replace(source, name)
    # All clones are one file, so that they take no room; the original stays apart, for faults to break.
    twin = next((each for each in lab.layout.backups.glob("*.dump*") if each.stat().st_nlink > 1), None)
    shutil.copy2(original, lab.layout.backups / copy) if twin is None else os.link(twin, lab.layout.backups / copy)
    if twin is None:
        os.link(lab.layout.backups / copy, lab.layout.backups / ".twin")
    shutil.copy2(lab.layout.backups / f"{source}.globals.sql", lab.layout.backups / f"{name}.globals.sql")
    write_manifest(lab, name, renamed((lab.layout.backups / f"{source}.manifest.json").read_text(), source, began))
    return name


def renamed(text: str, source: str, began: float) -> str:
    """The text of a manifest as if the backup had begun at another time; its checksum is not right any more."""
    return re.sub(r'"began": \d+', f'"began": {began:.0f}', text.replace(source, dump_folder.set_name_at(NAME, began)))


def sealed(text: str) -> str:
    """The text of a manifest with the checksum that it must have."""
    body = re.sub(r',\s*"checksum": "\w+"}\s*\Z', "", text)
    return f'{body},\n"checksum": "{sha256(body.encode()).hexdigest()}"}}\n'


def write_manifest(lab: Lab, name: str, text: str) -> None:
    """Writes a manifest with the checksum that it then has."""
    path = lab.layout.backups / f"{name}.manifest.json"
    path.touch(mode=0o600)
    path.write_text(sealed(text))


def practised(lab: Lab, outcome: str = "done", age_s: float = 0.0, restore_s: float = 20.0) -> None:
    """Puts a drill on record."""
    put_on_record(lab.layout.journal, "lab", drill(newest(lab), outcome, age_s, restore_s))


def drill(set_name: str, outcome: str, age_s: float, restore_s: float) -> Drill:
    """A drill as if it had been so long ago, and had taken so long."""
    measured = {"backup": NAME, "set": set_name, "restore_s": restore_s}
    return Drill(time.time() - age_s, outcome, outcome, measured)


def put_on_record(path: Path, host: str, drill: Drill) -> None:
    """Writes into a journal that a backup was restored for practice."""
    how = (drill.outcome, drill.message, drill.began, drill.restore_s, drill.measured)
    journal.append(path, journal.JournalEntry(ACTION, host, ["--apply"], ["restore"], *how))


def forget_drills(path: Path) -> None:
    """Takes every drill out of a journal."""
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if json.loads(line)["action"] != ACTION))
