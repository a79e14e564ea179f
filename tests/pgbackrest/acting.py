"""Shared by the tests of cluster backups, drills and restores: kills and leftovers."""

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from lab import processes
from lab.waiting import wait_until
from opsproof.core import scripts

TRIES = 10
STARTER = scripts.perl("transport/gather").partition("\n")[0]
"""A part of the command line that starts an action's commands on the host."""


def beside(site):
    """The kinds of directories beside the data directory."""
    return sorted(path.name.split("_")[1] for path in site.home.glob("data_*Z"))


def bodies(site, count=3):
    """The last rows."""
    said = site.sql(f"SELECT body FROM messages ORDER BY id DESC LIMIT {count}")
    return said.splitlines()[::-1]


def again(site, *words):
    """The next action; waits for commands that outlive their action."""
    return wait_until(lambda: _unless_held(site.action(*words)), "the host is free", 90, every_s=0.1)


def _unless_held(done):
    held = done.returncode == 3 and ("held by" in done.stderr or "is already running" in done.stderr)
    return None if held else done


def begun(site, *words):
    """A running action."""
    pipe = subprocess.PIPE
    return subprocess.Popen(site.action_words(*words), stdout=pipe, stderr=pipe, text=True)


def met(process, holds, description):
    """Whether a condition held while the action ran; False if the action completed first."""
    found = False

    def holds_or_ended():
        nonlocal found
        found = bool(holds())
        return found or process.poll() == 0

    wait_until(holds_or_ended, description, 60, process=process, every_s=0.005)
    return found


def in_time(attempt, afresh=lambda: None):
    """Repeats an attempt until in time; `afresh` resets the site before the next attempt."""
    for _ in range(TRIES):
        if attempt():
            return
        afresh()
    raise AssertionError(f"all {TRIES} attempts came too late")


def programs(site, *words):
    """The site's processes on the host whose command lines contain all words."""
    lines = {pid: processes.command(pid) for pid in processes.pids() if pid != os.getpid()}
    return [pid for pid, line in lines.items() if all(word in line for word in (str(site.home), *words))]


def is_busy(site):
    """Whether a command of an action still runs, or is about to: the starter outlives a killed action."""
    starting = any(STARTER in processes.command(pid) for pid in processes.pids())
    return starting or programs(site, "perl") or "@opsproof-" in Path("/proc/net/unix").read_text()


def kill(pids):
    """Ends processes at once."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def is_served(site):
    """Whether the cluster takes writes."""
    with suppress(Exception):
        return site.sql("SELECT pg_is_in_recovery()") == "f"
    return False


def forget(site):
    """Deletes the inventory and the journal of a test."""
    for path in (site.home / "inventory.toml", site.reports / "journal.jsonl"):
        path.unlink(missing_ok=True)


def between(site):
    """A moment between two rows, both of them archived."""
    moment = site.write("wanted")
    site.write("unwanted")
    site.archive()
    return moment


def marks(site):
    """The marks that restores have written into their directories."""
    return {path.read_text().split()[0] for path in site.home.glob("data*/opsproof.mark")}


def killed(site, moment, holds, whom="action"):
    """Kills a restore once a condition holds; False if the restore completed first.

    On the host all programs are killed, the swap too.
    """
    with begun(site, "restore", "--to", moment, "--apply") as process:
        if not met(process, holds, "the moment of the kill comes"):
            return False
        os.kill(process.pid, signal.SIGSTOP)
        if whom == "host":
            kill([pid for pid in programs(site, "perl") if pid != process.pid])
        process.kill()
        process.wait(60)
    return True


def next_run_completes(site, moment):
    """Asserts that the next run completes, and that nothing is half swapped."""
    done = again(site, "restore", "--to", moment, "--apply")
    # If the host completed the swap after the kill, the archive has no commit after the target time.
    assert done.returncode == 0 or "the archive has no commit after --to" in done.stderr, done.stderr
    assert is_served(site)
    assert bodies(site, 1) == ["wanted"]
    assert set(beside(site)) == {"before"}
    assert marks(site) == set()
    return done
