"""A run of the tests leaves the machine as it was."""

import errno
import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness import isolation

pytestmark = pytest.mark.skipif(
    not isolation.possible(), reason="only root, with the right to mount, can isolate tests"
)


@pytest.mark.parametrize("folder", isolation.READ_ONLY)
def test_no_test_changes_the_machines_settings(folder):
    with pytest.raises(OSError, match="Read-only") as caught:
        (Path(folder) / secrets.token_hex(8)).touch()
    assert caught.value.errno == errno.EROFS


KILLED = """
import os, pathlib, signal, subprocess, sys
from tests.harness import isolation
isolation.isolate()
subprocess.run(["mount", "-t", "tmpfs", "opsproof", sys.argv[1]], check=True)
pathlib.Path("/dev/shm", pathlib.Path(sys.argv[1]).name).touch()
print(os.path.ismount(sys.argv[1]), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_killed_session_leaves_no_mount_and_no_shared_memory(tmp_path):
    words = [sys.executable, "-c", KILLED, str(tmp_path)]
    done = subprocess.run(words, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("True\n", "")
    assert not os.path.ismount(tmp_path)
    assert not (Path("/dev/shm") / tmp_path.name).exists()
