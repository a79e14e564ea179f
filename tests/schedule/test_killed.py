"""Installation and removal, killed at moments of their course: the old schedule or the new one."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest

from lab.processes import descendants
from tests.harness.extent import KILLS, moments
from tests.harness.killing import as_text

FOREIGN = "# a line of somebody else\n"


def start(tmp_path, verb, path):
    words = [sys.executable, "-m", "opsproof", "schedule", verb, f"--inventory={path}"]
    if (tmp_path / "units").exists():
        script = f'mount --bind {tmp_path}/units /etc/systemd/system && exec "$@"'
        words = ["unshare", "--mount", "sh", "-c", script, "sh", *words]
    pipe = subprocess.PIPE
    return subprocess.Popen(words, cwd=tmp_path, stdout=pipe, stderr=pipe, start_new_session=True, text=True)


def killed(tmp_path, verb, path, at_s):
    """The command, with the programs that it runs, ended after a time."""
    with start(tmp_path, verb, path) as process:
        time.sleep(at_s)
        for each in descendants([process.pid]):
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        process.communicate()  # until the last of them has ended


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


@pytest.mark.kills
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, for a mount namespace")
@pytest.mark.parametrize("verb", ["install", "remove"])
def test_killed_change_leaves_each_unit_old_or_new(scheduled, tmp_path, note, verb):
    """A second run completes the change. A stub stands in for systemctl."""
    units = tmp_path / "units"
    units.mkdir()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "systemctl").write_text("#!/bin/sh\n")
    (tmp_path / "bin" / "systemctl").chmod(0o755)
    path = scheduled('scheduler = "systemd"')
    course_s = run(tmp_path, "install", path)
    new = {each.name: each.read_text() for each in units.iterdir()}
    wanted = new if verb == "install" else {}
    for moment in moments(f"units {verb}"):
        for name, text in () if verb == "install" else new.items():
            (units / name).write_text(text)
        killed(tmp_path, verb, path, course_s * (0.4 + 0.6 * moment))
        left = {each.name: each.read_text() for each in units.iterdir() if not each.name.startswith(".")}
        assert left.items() <= new.items()
        run(tmp_path, verb, path)
        assert {each.name: each.read_text() for each in units.iterdir() if not each.name.startswith(".")} == wanted
        run(tmp_path, "remove", path)
    note(f"units: {verb} killed {KILLS} times at {as_text(moments(f'units {verb}'))}")
