"""Completion scripts, in the shells that are installed."""

import shutil
import subprocess

import pytest

from opsproof.command import actions, checks
from opsproof.command.main import COMMANDS


def completed(opsproof, tmp_path, *words):
    """What bash completes for the words of a command line, the last of which is begun."""
    script = tmp_path / "completion"
    script.write_text(opsproof("completion", "bash")[1], encoding="utf-8")
    line = (
        f'. {script}; COMP_WORDS=({" ".join(words)}); COMP_CWORD={len(words) - 1}; _opsproof; echo "${{COMPREPLY[@]}}"'
    )
    return subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["opsproof", "mon"], ["monthly"]),
        (["opsproof", "do", "restore_"], ["restore_drill"]),
        (["opsproof", "do", "backup", "--ap"], ["--apply"]),
        (["opsproof", "do", "restore", "--accept-d"], ["--accept-differences"]),
        (["opsproof", "daily", "dis"], ["disks"]),
        (["opsproof", "daily", "--strict"], ["--strict-warnings"]),
        (["opsproof", "checks", "test_disk_has_f"], ["test_disk_has_free_space"]),
        (["opsproof", "history", "--form"], ["--format"]),
        (["opsproof", "privileges", "--che"], ["--check"]),
        (["opsproof", "daily", "--inventory", "="], []),
        (["opsproof", "daily", "--inventory", "=", "che"], []),
        (["opsproof", "nothing", "x"], []),
    ],
)
def test_bash_completes(opsproof, tmp_path, words, expected):
    assert completed(opsproof, tmp_path, *words) == expected


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_script_is_valid_and_complete(opsproof, tmp_path, shell):
    status, script, err = opsproof("completion", shell)
    assert (status, err) == (0, "")
    assert all(name in script for name in (*COMMANDS, *actions.summaries(), *checks.known(), "accept-differences"))
    if program := shutil.which(shell):
        (tmp_path / "script").write_text(script, encoding="utf-8")
        subprocess.run([program, "-n", tmp_path / "script"], check=True)
