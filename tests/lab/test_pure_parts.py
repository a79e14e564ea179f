"""Parts of the lab that need no running lab."""

import gzip
import json
import os
import re
import signal
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lab import LabError, lock, logs, ports, processes
from lab.instance import rewrite_inventory

NOW = datetime(2026, 11, 23, 18, 0, 0, tzinfo=UTC)


def test_a_log_line_is_a_date_and_json_with_repeated_keys():
    text = logs.line(
        NOW.replace(tzinfo=None), "INFO", ("ApiServer", "ApiServer.Http"), '"statusCode":200', "HTTP request completed"
    )

    date, _, body = text.partition(": ")
    pairs = json.loads(body, object_pairs_hook=list)
    assert date == "2026-11-23 18:00:00 +00:00"
    assert [value for key, value in pairs if key == "scope"] == ["ApiServer", "ApiServer.Http"]
    assert dict(pairs)["time"] == "2026-11-23T18:00:00.000Z"
    assert pairs[-1] == ("message", "HTTP request completed")


def test_history_is_a_week_of_files_and_the_same_each_time(tmp_path: Path):
    for name in ("one", "two"):
        logs.history(tmp_path / name, NOW, lines_per_day=300, plain_days=2)

    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert len([name for name in names if name.startswith("api-out__")]) == 7
    assert "api-out__2026-11-23_17-00-00.log.gz" in names
    assert "api-out__2026-11-22_17-00-00.log" in names
    assert all(_content(tmp_path / "one" / name) == _content(tmp_path / "two" / name) for name in names)


def test_history_has_few_server_errors(tmp_path: Path):
    logs.history(tmp_path, NOW, days=1, lines_per_day=4000)

    for log in ("api-out", "worker-out"):
        lines = "".join(_content(path) for path in tmp_path.glob(f"{log}*")).splitlines()
        recent = [line for line in lines if line[:19] >= f"{NOW - timedelta(days=1):%Y-%m-%d %H:%M:%S}"]
        errors = [line for line in recent if '"level":"ERROR"' in line and '"status":404' not in line]
        assert 0 < len(errors) < 10
    assert "".join(_content(path) for path in tmp_path.glob("api-out*")).count('"status":404') > 10


def test_history_lasts_most_of_a_day_at_any_hour(tmp_path: Path):
    week = [NOW - timedelta(hours=1, days=age) for age in range(7)]
    logs.history(tmp_path, NOW, lines_per_day=10)
    written = [path.stat().st_mtime for path in tmp_path.glob("api-out__*")]
    assert sorted(written, reverse=True) == [each.timestamp() for each in week]

    assert logs.are_old([])
    for hours, is_old in ((1, False), (19, False), (21, True)):
        rotated = datetime.now(UTC) - timedelta(hours=hours)
        assert logs.are_old(["api-out.log", f"api-out__{rotated:%Y-%m-%d_%H-%M-%S}.log.gz"]) == is_old


def test_history_has_old_plain_text_stack_traces_in_rotated_files(tmp_path: Path):
    logs.history(tmp_path, NOW, days=1, lines_per_day=10)

    assert (tmp_path / "api-error.log").read_text() == ""
    lines = "".join(_content(path) for path in tmp_path.glob("api-error__*")).splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+00:00: ", line) for line in lines)
    assert max(line[:10] for line in lines) < "2026-11-21"


def test_an_inventory_is_rewritten_for_another_lab():
    text = 'url = "http://127.0.0.1:43000"\nport = 45432\nlistens = [43001]\nhome = ".lab/pm2"\n'

    found = rewrite_inventory(text, Path("/srv/x"), 1111, 2222, 3333)

    assert found == 'url = "http://127.0.0.1:1111"\nport = 2222\nlistens = [3333]\nhome = "/srv/x/pm2"\n'


def test_a_port_in_use_is_named_with_its_process():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(LabError, match=rf"port {port} for the API is in use by process {os.getpid()} .*--api-port"):
            ports.require_free(port, "the API", "--api-port")


def test_a_free_port_is_free():
    assert ports.is_free(ports.free())


def test_a_lock_is_held_once(tmp_path: Path):
    path = tmp_path / "lock"
    with lock.held(path), pytest.raises(LabError, match=f"process {os.getpid()} holds the lock"), lock.held(path):
        pass


def test_a_halted_process_is_alive_but_makes_no_progress():
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    child.send_signal(signal.SIGSTOP)
    os.waitpid(child.pid, os.WUNTRACED)

    assert processes.is_alive(child.pid)
    assert not processes.makes_progress(child.pid)

    processes.end([child.pid], patience_s=1)
    assert not processes.is_alive(child.pid)
    child.wait()


def _content(path: Path) -> str:
    return gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text()
