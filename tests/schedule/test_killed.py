"""Installation and removal, killed at moments of their course: the old schedule or the new one."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest

from tests.harness.extent import KILLS, moments
from tests.harness.killing import as_text

FOREIGN = "# a line of somebody else\n"


def start(tmp_path, verb, path):
    words = [sys.executable, "-m", "opsproof", "schedule", verb, f"--inventory={path}"]
    pipe = subprocess.PIPE
    return subprocess.Popen(words, cwd=tmp_path, stdout=pipe, stderr=pipe, start_new_session=True, text=True)


def killed(tmp_path, verb, path, at_s):
    """The command, with all of its processes, ended after a time."""
    with start(tmp_path, verb, path) as process:
        time.sleep(at_s)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def run(tmp_path, verb, path):
    began = time.monotonic()
    with start(tmp_path, verb, path) as process:
        _, error = process.communicate(timeout=60)
    assert process.returncode == 0, error
    return time.monotonic() - began


@pytest.mark.kills
@pytest.mark.parametrize("verb", ["install", "remove"])
def test_killed_change_leaves_the_old_schedule_or_the_new(scheduled, stub, tmp_path, note, verb):
    path = scheduled()
    stub.write_text(FOREIGN)
    course_s = run(tmp_path, "install", path)
    new = stub.read_text()
    run(tmp_path, "remove", path)
    states = {FOREIGN, new}
    seen = []
    for moment in moments(f"schedule {verb}"):
        stub.write_text(FOREIGN if verb == "install" else new)
        killed(tmp_path, verb, path, course_s * (0.4 + 0.6 * moment))
        assert stub.read_text() in states
        seen.append(stub.read_text() == new)
        run(tmp_path, verb, path)
        assert stub.read_text() == (new if verb == "install" else FOREIGN)
    note(f"schedule {verb} killed {KILLS} times at {as_text(moments(f'schedule {verb}'))}: new {sum(seen)} times")
