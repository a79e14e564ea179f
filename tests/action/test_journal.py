"""The journal of actions."""

import json
import os
import subprocess
import threading

import pytest

from opsproof.action.journal import JournalEntry, append


def entry(number=0, message="done"):
    return JournalEntry("make", "vps", ["--apply"], [f"step {number}"], "done", message, 0.0, 1.23456)


def test_entry_is_one_line_with_user_steps_and_outcome(tmp_path):
    append(tmp_path / "reports" / "journal.jsonl", entry())
    said = json.loads((tmp_path / "reports" / "journal.jsonl").read_text())
    assert (said["action"], said["host"], said["plan"], said["outcome"]) == ("make", "vps", ["step 0"], "done")
    assert said["duration_s"] == 1.235
    assert "@" in said["user"]


def test_concurrent_writers_lose_no_entry(tmp_path):
    path = tmp_path / "journal.jsonl"
    ask = [threading.Thread(target=append, args=(path, entry(n, "x" * 10000))) for n in range(20)]
    for thread in ask:
        thread.start()
    for thread in ask:
        thread.join()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert sorted(line["plan"][0] for line in lines) == sorted(f"step {n}" for n in range(20))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")
def test_full_disk_leaves_no_partial_line(tmp_path):
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "none", tmp_path], check=True)
    try:
        path = tmp_path / "journal.jsonl"
        append(path, entry())
        with pytest.raises(OSError, match=r"(?i)no space left"):
            append(path, entry(1, "x" * 40000))
        assert len([json.loads(line) for line in path.read_text().splitlines()]) == 1
    finally:
        subprocess.run(["umount", tmp_path], check=True)
