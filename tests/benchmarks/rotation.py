"""Lines lost by rotating a log with 10,000 lines a second: by ours, by pm2-logrotate, and by pm2 reloadLogs."""

import json
import re
import time
from collections.abc import Callable
from pathlib import Path

from bench import Bench
from measure import Row, RunFailedError, row

from lab.waiting import wait_until
from tests.logfiles.platform import Platform, running

ROTATIONS = 20
RATE = 10_000
MODULE = "pm2-logrotate"
WHOLE = re.compile(rb"^(\d+) x{80}$", re.MULTILINE)
SETTINGS = {"max_size": "100K", "retain": "1000", "compress": "false", "workerInterval": "1"}


def rotation(bench: Bench) -> list[Row]:
    """Rotates equally often in each way, in separate PM2s; a line cut in two counts as lost."""
    tools = bench.lab.layout.bin
    ours = _lost(tools, _by_action)
    rates = f"lines lost in {ROTATIONS} rotations, {RATE:,} lines a second"
    return [
        row(f"{rates} / {MODULE}", (ours, _lost(tools, _by_module)), "lines", goal=0, goal_for="ours"),
        row(f"{rates} / rename and pm2 reloadLogs", (ours, _lost(tools, _by_reload)), "lines", goal=0, goal_for="ours"),
    ]


def _lost(tools: Path, rotate: Callable[[Platform], None]) -> float:
    """The number of written lines that are missing or split."""
    with running(tools, start=False) as platform:
        if rotate is _by_module:
            _install(platform)
        platform.start(RATE)
        wait_until(lambda: platform.current.exists() and platform.current.stat().st_size > 0, "the first line")
        rotate(platform)
        written, _ = platform.finish()
        content = b"".join(platform.content(path) for path in [*platform.rotated(), platform.current])
        numbers = [int(each[1]) for each in WHOLE.finditer(content)]
        return (written - len(set(numbers))) + (len(numbers) - len(set(numbers)))


def _by_action(platform: Platform) -> None:
    for _ in range(ROTATIONS):
        done = platform.run("rotate_logs", "--apply")
        if done.returncode:
            raise RunFailedError(done.stdout + done.stderr)


def _by_reload(platform: Platform) -> None:
    for number in range(ROTATIONS):
        platform.current.rename(platform.logs / f"app__{number:03d}.log")
        platform.pm2("reloadLogs")
        wait_until(platform.current.exists, "PM2 opens a new file")


def _by_module(platform: Platform) -> None:
    while len(platform.rotated()) < ROTATIONS:
        time.sleep(0.1)
    platform.pm2("stop", MODULE)


def _install(platform: Platform) -> None:
    """Installs the module like `pm2 install`, from the lab's packages."""
    place = platform.folder / "pm2" / "modules" / MODULE / "node_modules" / MODULE
    place.parent.mkdir(parents=True)
    place.symlink_to(platform.tools.parent / "app" / "node_modules" / MODULE)
    settings = {"module-db-v2": {MODULE: {}}, MODULE: SETTINGS}
    (platform.folder / "pm2" / "module_conf.json").write_text(json.dumps(settings), encoding="utf-8")
