"""What the tests of drills and restores of clusters share: kills, and what is left."""

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path


def beside(site):
    """The directories beside the one that serves, by what their names add to it, without the time."""
    return sorted(path.name.split("_")[1] for path in site.home.glob("data_*Z"))


def bodies(site, count=3):
    """The last rows."""
    said = site.sql(f"SELECT body FROM messages ORDER BY id DESC LIMIT {count}")
    return said.splitlines()[::-1]


def again(site, *words):
    """An action, once the host is free: a command that goes on after its action keeps others out."""
    deadline = time.monotonic() + 90
    while (done := site.action(*words)).returncode == 3 and ("held by" in done.stderr or "runs already" in done.stderr):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return done


def begun(site, *words):
    """An action that runs."""
    pipe = subprocess.PIPE
    return subprocess.Popen(site.action_words(*words), stdout=pipe, stderr=pipe, text=True)


def wait_for(holds, process):
    """Until something holds, or the process has ended."""
    deadline = time.monotonic() + 60
    while not holds() and (process is None or process.poll() is None):
        assert time.monotonic() < deadline
        time.sleep(0.002)


def programs(site, *words):
    """The processes of this site's actions on the host whose command lines hold all of these words."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if str(site.home) in line and all(word in line for word in words) and int(entry.parent.name) != os.getpid():
                found.append(int(entry.parent.name))
    return found


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
