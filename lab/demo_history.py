"""The demonstration of reports: two simulated months, judged by the real checks from changed recordings of the lab."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab.demo import ROUND
from lab.errors import LabError
from lab.instance import SETTLED_S, Lab
from lab.layout import REPOSITORY
from lab.progress import say_aloud
from lab.simulated import MOMENT

DAYS, DAY_S = 60, 86_400
FOLDER = REPOSITORY / "reports" / "demo-history"
CLEANED, STOPPED, BURST, FLAPPING = 44, (21, 22), 33, 48
"""The days on which the disk is cleaned, the worker is stopped and the log has a burst of errors, and from which on
the health check fails every second day."""
Facts = dict[str, Any]


def run(lab: Lab) -> int:
    """Records the lab, and judges a changed recording for each day; returns 0.

    Raises:
        LabError: a round could not run.
    """
    with tempfile.TemporaryDirectory() as name:
        recording = Path(name) / "facts.json"
        try:
            lab.up()
            lab.traffic(seconds=SETTLED_S, requests=5000)
            inventory = lab.inventory(Path(name) / "lab.toml")
            _judge(Path(name), inventory, f"--save-facts={recording}")
        finally:
            lab.down()
        shutil.rmtree(FOLDER, ignore_errors=True)
        simulate(recording, inventory, FOLDER, DAYS)
    say_aloud(f"{DAYS} days are in {FOLDER}/index.html")
    return 0


def simulate(recording: Path, inventory: Path, reports: Path, days: int) -> None:
    """Judges a recording, changed for each of the last days, into a folder of reports.

    Raises:
        LabError: a round could not run.
    """
    text, now = recording.read_text(encoding="utf-8"), time.time()
    changed = recording.with_name("changed.json")
    for day in range(days):
        changed.write_text(json.dumps(on_day(day, json.loads(text))), encoding="utf-8")
        moment = str(now - (days - 1 - day) * DAY_S)
        _judge(reports, inventory, f"--facts={changed}", "-p", "lab.simulated", **{MOMENT: moment})


def _judge(reports: Path, inventory: Path, *words: str, **environment: str) -> None:
    given = [f"--inventory={inventory}", f"--reports={reports}", "-q", *words]
    words_of_round = [word for word in ROUND if not word.startswith("--inventory")]
    done = subprocess.run(
        [sys.executable, *words_of_round, *given],
        cwd=REPOSITORY,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in (0, 1, 6):
        raise LabError(f"a round ended with status {done.returncode}: {done.stdout[-500:]}{done.stderr[-500:]}")


def on_day(day: int, recordings: Facts) -> Facts:
    """The recordings as they would be on a day, from 0."""
    for host in recordings.values():
        for name, answer in host["answers"].items():
            change = _CHANGES.get(name.partition(" ")[0])
            if change:
                answer["stdout"] = change(day, name, answer["stdout"])
    return recordings


def _disks(day: int, _name: str, text: str) -> str:
    """A disk fills by half a percent a day until it is too full, and is cleaned."""
    head, line = text.splitlines()
    place, used, available, *inodes = line.rsplit(maxsplit=4)
    size = int(used) + int(available)
    taken = int(size * (0.8 + 0.0045 * day - (0.2 if day >= CLEANED else 0)))
    return f"{head}\n{' '.join([place, str(taken), str(size - taken), *inodes])}\n"


def _processes(day: int, _name: str, text: str) -> str:
    """The worker grows until it is restarted every third week, and is stopped for two days."""
    said = json.loads(text)
    for each in said["daemon"]["processes"]:
        if each["name"] == "meta-chat-worker":
            each["memory_bytes"] += day % 21 * 4_000_000
            each["status"] = "stopped" if day in STOPPED else each["status"]
    return json.dumps(said)


def _logs(day: int, name: str, text: str) -> str:
    """A few errors each day, and a burst."""
    said = json.loads(text)
    if name.endswith("api-out"):
        said["errors"] = 480 if day == BURST else 3 + day * 7 % 5
    return json.dumps(said)


def _responses(day: int, name: str, text: str) -> str:
    fails = name == "responses health" and day >= FLAPPING and day % 2
    return text.replace("\n200 ", "\n503 ") if fails else text


_CHANGES: dict[str, Callable[[int, str, str], str]] = {
    "disks": _disks,
    "processes": _processes,
    "log_reports": _logs,
    "responses": _responses,
}
