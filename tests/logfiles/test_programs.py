"""The host programs that change logs, each alone on the local perl."""

import gzip
import json
import os
import subprocess

import pytest

from opsproof.inventory.hosts import Host
from opsproof.logfiles.state import command
from opsproof.transport.shell import run

HOST = Host(transport="local://").placed("vps", ())
NAME = "app__2026-11-25_00-00-00.log"


def program(name, *words):
    (answer,) = run(HOST, (command(HOST, name, *map(str, words), timeout_s=30),))
    return answer


def test_a_compressed_file_keeps_content_time_and_mode(tmp_path):
    path = tmp_path / NAME
    path.write_bytes(content := os.urandom(3_000_000))
    path.chmod(0o640)
    os.utime(path, (1000, 1000))
    answer = program("compress", path)
    packed = tmp_path / f"{NAME}.gz"
    assert json.loads(answer.require("compress.pl").stdout) == {"bytes": packed.stat().st_size}
    assert gzip.decompress(packed.read_bytes()) == content
    assert (packed.stat().st_mtime, packed.stat().st_mode & 0o777) == (1000, 0o640)
    assert list(tmp_path.iterdir()) == [packed]


def test_open_file_is_not_compressed(tmp_path):
    with (tmp_path / NAME).open("w") as file:
        file.write("a line\n")
        file.flush()
        answer = program("compress", tmp_path / NAME)
    assert answer.status == 1
    assert "is still written to" in answer.stderr
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_partial_files_of_killed_compression_are_replaced(tmp_path):
    (tmp_path / NAME).write_text("a line\n")
    (tmp_path / f"{NAME}.gz").write_bytes(b"half")
    (tmp_path / f"{NAME}.gz.part").write_bytes(b"half")
    assert program("compress", tmp_path / NAME).status == 0
    assert [path.name for path in tmp_path.iterdir()] == [f"{NAME}.gz"]
    assert gzip.decompress((tmp_path / f"{NAME}.gz").read_bytes()) == b"a line\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")
def test_full_disk_keeps_plain_file(tmp_path):
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "opsproof", tmp_path], check=True)
    try:
        (tmp_path / NAME).write_bytes(content := os.urandom(2_000_000))
        assert json.loads(program("compress", tmp_path / NAME).require("compress.pl").stdout) == {"bytes": None}
        assert [path.name for path in tmp_path.iterdir()] == [NAME]
        assert (tmp_path / NAME).read_bytes() == content
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_failing_gzip_keeps_plain_file(tmp_path, script):
    script(tmp_path / "bin" / "gzip", "echo 'gzip: broken' >&2; exit 1")
    (tmp_path / NAME).write_text("a line\n")
    host = Host(transport="local://", path=[str(tmp_path / "bin")]).placed("vps", ())
    (answer,) = run(host, (command(host, "compress", str(tmp_path / NAME), timeout_s=30),))
    assert (answer.status, answer.stderr) == (1, "gzip: broken \n")
    assert (tmp_path / NAME).read_text() == "a line\n"
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("output", ["", "printf other", "head -c 3"])
def test_wrong_gzip_output_is_detected(tmp_path, script, output):
    script(
        tmp_path / "bin" / "gzip", f'[ "$1" = -dc ] && exec /usr/bin/gzip -dc; {output or "true"} | /usr/bin/gzip -c'
    )
    (tmp_path / NAME).write_text("a line\n")
    host = Host(transport="local://", path=[str(tmp_path / "bin")]).placed("vps", ())
    (answer,) = run(host, (command(host, "compress", str(tmp_path / NAME), timeout_s=30),))
    assert answer.status == 1
    assert "differs from" in answer.stderr
    assert (tmp_path / NAME).read_text() == "a line\n"


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o400, 0o666])
def test_partial_file_is_never_more_readable_than_the_plain_file(tmp_path, script, mode):
    """The gzip of the test records the mode of the partial file before writing."""
    record = f'[ "$1" = -dc ] || stat -c %a {tmp_path}/{NAME}.gz.part > {tmp_path}/mode; exec /usr/bin/gzip "$@"'
    script(tmp_path / "bin" / "gzip", record)
    (tmp_path / NAME).write_text("a secret\n")
    (tmp_path / NAME).chmod(mode)
    host = Host(transport="local://", path=[str(tmp_path / "bin")]).placed("vps", ())
    run(host, (command(host, "compress", str(tmp_path / NAME), timeout_s=30),))[0].require("compress.pl")
    assert int((tmp_path / "mode").read_text(), 8) == mode
    assert (tmp_path / f"{NAME}.gz").stat().st_mode & 0o777 == mode


@pytest.mark.parametrize(
    "make", [lambda path: path.symlink_to("app.log"), os.mkfifo, os.mkdir], ids=["link", "fifo", "directory"]
)
def test_entry_that_is_no_file_is_reported_and_not_read(tmp_path, make):
    (tmp_path / "app.log").write_text("a line\n")
    make(tmp_path / NAME)
    make(tmp_path / "other.log")
    answer = program("state", tmp_path, "1", tmp_path / "app.log", tmp_path / "other.log")
    (app, other) = json.loads(answer.require("state.pl").stdout)["logs"]
    assert (app["odd"], app["files"], app["current"]["lines"]) == ([NAME], [], 1)
    assert (other["odd"], other["current"]) == (["other.log"], None)
    compressed = program("compress", tmp_path / NAME)
    assert (compressed.status, f"{NAME} is no file" in compressed.stderr) == (1, True)


SURE = (
    *("app.log.1", "app.log.2.gz", "app.log-20261125", "app.log-1795392000.gz", "app.log.2026-11-25"),
    *(
        "app-20261125.log",
        "app-2026-11-25.log.gz",
        "app.2026-11-25.log",
        "app_20261125.log",
        "app__2026-11-25.log",
        NAME,
    ),
)
"""Rotated files of logrotate, Python, cronolog, logback, pm2-logrotate."""
DOUBTFUL = ("app.1.log", "app.8080.log", "app-123456.log", "app-12345678.log", "app.log.8080", "app__2.log")
"""Maybe logs of another process, by port or process ID."""
FOREIGN = ("app.log", "app-error.log", "app-old-20261125.log", "my-app-20261125.log", "app.log.bak", "app.logs")


@pytest.mark.parametrize(("sure", "names"), [(True, SURE), (False, DOUBTFUL), (None, FOREIGN)])
def test_rotated_files_of_every_program_are_attributed_or_left(tmp_path, sure, names):
    for name in names:
        (tmp_path / name).write_text("a line\n")
        os.utime(tmp_path / name, (1000, 1000))
    answer = program("state", tmp_path, "0", tmp_path / "app.log")
    (log,) = json.loads(answer.require("state.pl").stdout)["logs"]
    assert {each["name"]: each["sure"] for each in log["files"]} == ({} if sure is None else dict.fromkeys(names, sure))
    for name in names:
        assert (program("remove", 3600, tmp_path / "app.log", tmp_path / name).status == 0) == bool(sure)
        assert (tmp_path / name).exists() != bool(sure)


@pytest.mark.parametrize(
    ("name", "said"),
    [("app.log", "is not a rotated file"), ("app__old.log", "is not a rotated file"), (NAME, "has not expired")],
)
def test_unexpired_or_unrotated_file_is_not_removed(tmp_path, name, said):
    (tmp_path / name).write_text("a line\n")
    answer = program("remove", 3600, tmp_path / "app.log", tmp_path / name)
    assert answer.status == 1
    assert said in answer.stderr
    assert (tmp_path / name).exists()


def test_removing_missing_file_succeeds(tmp_path):
    assert json.loads(program("remove", 3600, tmp_path / "app.log", tmp_path / NAME).require("remove.pl").stdout) == {
        "removed": 0
    }
