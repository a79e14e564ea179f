"""gather.pl, run by a real perl."""

import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab import processes
from lab.waiting import wait_until

GATHERER = Path(__file__).parents[2] / "src" / "opsproof" / "transport" / "host" / "gather.pl"
CAP = 2**20


@dataclass(frozen=True)
class Framed:
    status: int
    flag: str
    out: bytes
    err: bytes


def job(*words, seconds=10.0):
    return f"{seconds:g}:" + ",".join(os.fsencode(word).hex() for word in words)


def arguments(*jobs, cap=CAP, path="", pool=()):
    return ["perl", GATHERER, "nonce", str(cap), path, str(len(pool)), *pool, *jobs]


def frames(printed):
    head, rest = printed.split(b"\n", 1)
    assert head.startswith(b"opsproof nonce ")
    found = []
    while not rest.startswith(b"end nonce\n"):
        line, rest = rest.split(b"\n", 1)
        status, _, flag, out, err = line.split()
        sizes = int(out), int(out) + int(err)
        found.append(Framed(int(status), flag.decode(), rest[: sizes[0]], rest[sizes[0] : sizes[1]]))
        rest = rest[sizes[1] :]
    assert rest == b"end nonce\n"
    return found


def gather(*jobs, **options):
    done = subprocess.run(arguments(*jobs, **options), capture_output=True, timeout=30, check=True)
    assert done.stderr == b""
    return frames(done.stdout)


def shell(text, **options):
    return job("sh", "-c", text, **options)


@pytest.mark.parametrize(
    ("words", "framed"),
    [
        (("echo", "a b", "'; rm -rf x"), Framed(0, "-", b"a b '; rm -rf x\n", b"")),
        (("sh", "-c", "echo out; echo err >&2; exit 3"), Framed(3, "-", b"out\n", b"err\n")),
        (("sh", "-c", "kill -KILL $$"), Framed(137, "-", b"", b"")),
        (("sh", "-c", "kill -SEGV $$"), Framed(139, "-", b"", b"")),
        (("true",), Framed(0, "-", b"", b"")),
        (("printf", "%s", ""), Framed(0, "-", b"", b"")),
        (("printf", r"\000\377\n\000"), Framed(0, "-", b"\x00\xff\n\x00", b"")),
        (("printf", "end nonce\nopsproof nonce 1\n0 0 - 9 9\n"),
         Framed(0, "-", b"end nonce\nopsproof nonce 1\n0 0 - 9 9\n", b"")),
        (("no-such-tool", "-v"), Framed(127, "-", b"", b"no-such-tool: No such file or directory\n")),
        (("/etc/passwd",), Framed(126, "-", b"", b"/etc/passwd: Permission denied\n")),
        (("cat",), Framed(0, "-", b"", b"")),
        (("sh", "-c", "echo $LC_ALL"), Framed(0, "-", b"C\n", b"")),
    ],
    ids=[
        "no shell", "status and both streams", "killed", "crashed", "silent", "empty argument",
        "binary", "frame in the output", "missing", "not executable", "empty stdin", "plain locale",
    ],
)  # fmt: skip
def test_status_and_streams_are_framed_unchanged(words, framed):
    assert gather(job(*words)) == [framed]


@pytest.fixture(scope="module")
def late(tmp_path_factory):
    """Two commands that time out, and a file with the processes of the first."""
    pids = tmp_path_factory.mktemp("late") / "pids"
    scripts = (f"echo begun; sleep 60 & echo $! $$ > {pids}; sleep 60", "sleep 60 & echo done")
    return *gather(*(shell(each, seconds=3) for each in scripts)), pids


def test_timeout_kills_the_process_group(late):
    framed, _, pids = late
    assert framed == Framed(124, "timeout", b"begun\n", b"")
    for pid in map(int, pids.read_text().split()):
        await_end(pid)


def await_end(pid):
    """Waits for the end of a killed process."""
    wait_until(lambda: not processes.is_alive(pid), f"process {pid} ends", 2)


def test_command_that_ignores_signals_is_killed():
    (framed,) = gather(shell("trap '' TERM INT HUP; while :; do sleep 0.05; done", seconds=0.3))
    assert (framed.status, framed.flag) == (124, "timeout")


@pytest.mark.parametrize("stream", ["out", "err"])
def test_output_is_truncated_at_the_cap(stream):
    redirection = "" if stream == "out" else " >&2"
    (framed,) = gather(shell(f"head -c 50000000 /dev/zero{redirection}"))
    assert (framed.status, framed.flag) == (141, "truncated")
    assert len(getattr(framed, stream)) == CAP


def test_output_of_the_cap_size_is_complete():
    (framed,) = gather(shell(f"head -c {CAP} /dev/zero"))
    assert (framed.status, framed.flag, len(framed.out)) == (0, "-", CAP)


def test_background_child_is_killed_at_the_timeout(late):
    _, framed, _ = late
    assert framed == Framed(124, "timeout", b"done\n", b"")


def test_slow_command_does_not_affect_the_others():
    found = gather(shell("sleep 60", seconds=0.3), *[shell(f"echo {n}") for n in range(3)], job("no-such-tool"))
    assert [(each.status, each.out) for each in found] == [
        (124, b""), (0, b"0\n"), (0, b"1\n"), (0, b"2\n"), (127, b""),
    ]  # fmt: skip


def test_fifty_commands_run_concurrently(tmp_path):
    # Each command waits until all fifty have begun, so that sequential execution would time out.
    wait = f"touch {tmp_path}/$0; while [ $(ls {tmp_path} | wc -l) -lt 50 ]; do sleep 0.1; done; echo $0"
    found = gather(*[job("sh", "-c", wait, str(n), seconds=20) for n in range(50)])
    assert [each.out for each in found] == [b"%d\n" % n for n in range(50)]


def test_pool_words_are_shared():
    words = b"echo".hex()
    assert [each.out for each in gather(f"5:{words},@1", f"5:{words},@0", pool=("zero", "one"))] == [
        b"one\n",
        b"zero\n",
    ]


def test_folders_of_path_come_first(tmp_path, script):
    script(tmp_path / "df", "echo ours")
    found = gather(job("df"), job("echo", "still found"), path=str(tmp_path))
    assert [each.out for each in found] == [b"ours\n", b"still found\n"]


def test_no_file_is_written(tmp_path):
    environment = {"PATH": os.environ["PATH"], "TMPDIR": str(tmp_path), "HOME": str(tmp_path)}
    jobs = [shell("echo x; exit 1"), shell("sleep 9", seconds=0.1), shell("head -c 5000000 /dev/zero")]
    subprocess.run(arguments(*jobs), cwd=tmp_path, env=environment, capture_output=True, check=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_terminated_gatherer_kills_its_commands(tmp_path, ending):
    pid = tmp_path / "pid"
    words = arguments(shell(f"echo $$ > {pid}.new; mv {pid}.new {pid}; sleep 60", seconds=60))
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    wait_until(pid.exists, "the command begins", process=process, every_s=0.01)
    process.send_signal(ending)
    assert process.wait(timeout=10) == 1
    await_end(int(pid.read_text()))
