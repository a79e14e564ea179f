"""The log scanner with logs that change, break or are missing."""

from __future__ import annotations

import gzip
import json
import os
import random
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from opsproof.facts.logs import scanner
from tests.facts.scanning import DAY, JSON, NOW, ONE, PERL, TEXT, Logs, Scan, counts, entry

BROKEN = "BEGIN { *CORE::GLOBAL::%s = sub %s { %s } }"
READ = "(*\\$$;$)", "our $reads++; %s CORE::sysread($_[0], ${$_[1]}, $_[2], $_[3] // 0)"


def reading(perl: str) -> str:
    """Perl code to run before every read of the program; $reads counts reads."""
    return BROKEN % ("sysread", READ[0], READ[1] % perl)


def test_log_truncated_during_scan_is_read_from_copy(logs: Logs, answer: Any, tmp_path: Path) -> None:
    """pm2-logrotate copied and truncated the log: its lines are in the rotated file."""
    log, copy = logs(entry(50, "ERROR") * 20_000), tmp_path / "api-out__2026-11-24_00-00-00.log"
    move = f'if ($reads == 5) {{ system "cp", "{log}", "{copy}"; truncate "{log}", 0 }}'
    result = answer(also=reading(move))
    assert counts(result) == {"lines": 20_000, "recognized": 20_000, "errors": 20_000}


def test_log_truncated_and_regrown_is_rescanned(logs: Logs, answer: Any, tmp_path: Path) -> None:
    """The size looks unchanged: the first bytes differ."""
    log, copy = logs(entry(50, "ERROR") * 9_000), tmp_path / "api-out__2026-11-24_00-00-00.log"
    later = tmp_path / "later"
    later.write_text(entry(40) * 20_000)
    move = f'if ($reads == 5) {{ system "cp", "{log}", "{copy}"; system qq(cat "{later}" > "{log}") }}'
    assert counts(answer(also=reading(move))) == {"lines": 29_000, "recognized": 29_000, "errors": 9_000}


def test_log_copied_during_scan_before_its_truncation_is_rescanned(logs: Logs, answer: Any, tmp_path: Path) -> None:
    """logrotate shifted the rotated files, and copies a large log: what was .2 is .3 now, a name not listed."""
    log = logs(entry(50, "ERROR"))
    for age in (1, 2):
        (tmp_path / f"{log.name}.{age}").write_text(entry(100 * age, "ERROR") * 10 * age)
    old, new = (f'"{tmp_path / log.name}.{age}"' for age in (2, 3))
    first = f'"{tmp_path / log.name}.1"'
    move = f'if (!$moved++) {{ rename {old}, {new}; rename {first}, {old}; system "cp", "{log}", {first} }}'
    listed = f"our $moved; my @names = CORE::readdir($_[0]); {move} @names"
    result = answer(also=BROKEN % ("readdir", "(*)", listed))
    assert counts(result) == {"lines": 31, "recognized": 31, "errors": 31}


def test_log_renamed_during_scan_is_rescanned(logs: Logs, answer: Any, tmp_path: Path) -> None:
    """logrotate renamed each file: what was .1 is .2 now."""
    log = logs(entry(50, "ERROR"))
    logs(entry(90, "ERROR") * 2, "api-out.log.1")
    move = f"cd {tmp_path}; mv api-out.log.1 api-out.log.2; mv api-out.log api-out.log.1; touch api-out.log"
    listing = f'my @names = CORE::readdir($_[0]); system "{move}" if !-e "{log}.2"; @names'
    assert counts(answer(also=BROKEN % ("readdir", "(*)", listing)))["errors"] == 3


def test_log_truncated_during_every_scan_fails(logs: Logs, run: Scan, tmp_path: Path) -> None:
    """The program ends with an error, not with counts of remaining lines."""
    log = logs(entry(50, "ERROR") * 9_000)
    also = reading(f'if ($reads % 3 == 0) {{ system qq(echo $reads > "{log}") }}')
    done = run(log, DAY, *JSON, also=also)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "api-out.log: rotated during each of three scans\n"


def test_growing_log_is_read_up_to_initial_size(logs: Logs, answer: Any) -> None:
    """A flood cannot keep the scanner reading for ever."""
    log = logs(entry(50) * 9_000)
    also = reading(f'open my $add, ">>", "{log}"; print $add "x\\n" x 1_000_000; close $add;')
    assert counts(answer(also=also)) == {"lines": 9_000, "recognized": 9_000}


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_vanished_rotated_file_is_skipped(logs: Logs, answer: Any, suffix: str) -> None:
    """Retention deletes the oldest while the scanner looks at the folder."""
    old = logs(entry(90), f"api-out__2026-11-23_00-00-00.log{suffix}")
    logs(entry())
    listing = f'my @names = CORE::readdir($_[0]); unlink "{old}"; @names'
    assert counts(answer(also=BROKEN % ("readdir", "(*)", listing))) == ONE


def test_rotated_file_compressed_during_scan_is_rescanned(logs: Logs, answer: Any) -> None:
    """The uncompressed file is gone, its .gz twin has the lines."""
    old = logs(entry(90), "api-out__2026-11-23_00-00-00.log")
    logs(entry())
    listing = f'my @names = CORE::readdir($_[0]); system "gzip", "-q", "{old}" if -e "{old}"; @names'
    assert counts(answer(also=BROKEN % ("readdir", "(*)", listing))) == {"lines": 2, "recognized": 2}


def test_a_missing_log_is_an_error(tmp_path: Path, run: Scan, logs: Logs) -> None:
    """Rotated files do not replace a missing log."""
    logs(entry(), "api-out__2026-11-23_00-00-00.log")
    done = run(tmp_path / "api-out.log", DAY, *JSON)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "api-out.log: No such file or directory\n"


def test_path_that_is_not_a_file_is_an_error(tmp_path: Path, run: Scan) -> None:
    """A folder or a pipe in the log's place would block or read as empty."""
    (tmp_path / "api-out.log").mkdir()
    os.mkfifo(tmp_path / "pipe.log")
    assert run(tmp_path / "api-out.log", DAY, *JSON).stderr == "api-out.log: Is a directory\n"
    done = run(tmp_path / "pipe.log", DAY, *JSON)
    assert (done.returncode, done.stdout) == (2, "")


def test_folders_and_pipes_are_no_rotated_files(tmp_path: Path, logs: Logs, answer: Any) -> None:
    """They are not waited for."""
    logs(entry())
    (tmp_path / "api-out.log.1").mkdir()
    os.mkfifo(tmp_path / "api-out-2026-11-23.log")
    assert counts(answer()) == ONE


@pytest.mark.parametrize("name", ["api-out.log", "api-out__2026-11-23_00-00-00.log"])
def test_a_failing_read_is_an_error(logs: Logs, run: Scan, name: str) -> None:
    """The disk's error must not look like the end of the file."""
    path = logs(entry())
    logs(entry(90), name)
    done = run(path, DAY, *JSON, also=reading("if ($reads == 3) { $! = 5; return }"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith(".log: Input/output error\n")


@pytest.mark.parametrize(
    "name", ["api-out.log", "api-out__2026-11-23_00-00-00.log", "api-out__2026-11-23_00-00-00.log.gz"]
)
def test_an_unreadable_log_is_an_error(logs: Logs, run: Scan, name: str) -> None:
    """Also for the superuser, whom file modes do not stop: a loop of links stands in for them."""
    path = logs(entry())
    bad = path.with_name(name)
    bad.unlink(missing_ok=True)
    bad.symlink_to(bad)
    done = run(path, DAY, *JSON)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"{name}: Too many levels of symbolic links\n"


@cache
def many_packed() -> bytes:
    """A file of fifty thousand lines."""
    return gzip.compress("".join(entry(90 - at / 1000) for at in range(50_000)).encode())


@pytest.mark.parametrize("kept", [0, 15, 0.5, -9])
def test_corrupt_gz_file_in_window_is_an_error(logs: Logs, run: Scan, kept: float) -> None:
    """Half a file is not a quiet day."""
    packed = logs("", "api-out__2026-11-23_00-00-00.log.gz")
    data = many_packed()
    packed.write_bytes(data[: int(len(data) * kept) if kept == 0.5 else int(kept)])
    os.utime(packed, (NOW, NOW))
    done = run(logs(entry()), DAY, *JSON)
    assert (done.returncode, done.stdout) == (3, "")
    assert "api-out__2026-11-23_00-00-00.log.gz: gzip failed\n" in done.stderr


def test_missing_gzip_is_an_error_only_for_gz_files(logs: Logs, run: Scan, tmp_path: Path) -> None:
    """A host without gzip has no compressed lines in the window."""
    path = logs(entry())
    nowhere = {"PATH": str(tmp_path)}
    assert run(path, DAY, *JSON, environment=nowhere).returncode == 0
    logs(entry(90), "api-out__2026-11-23_00-00-00.log.gz")
    done = run(path, DAY, *JSON, environment=nowhere)
    assert (done.returncode, done.stdout, done.stderr) == (3, "", "gzip: No such file or directory\n")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["x.log"],
        ["x.log", "60"],
        ["x.log", "60", "text"],
        ["", "60", *TEXT],
        ["x.log", "60", *TEXT, "zone"],
        *(["x.log", window, *JSON] for window in ("0", "1h", "-5", "60\n")),
    ],
)
def test_bad_arguments_are_refused(run: Scan, arguments: list[str]) -> None:
    """With a usage message, and EX_USAGE of sysexits.h."""
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (64, "")
    assert done.stderr == "usage: log_scan.pl PATH WINDOW_SECONDS FORMATS\n"


def test_the_program_runs_as_one_argument(logs: Logs) -> None:
    """The program reaches the host as one argument, and uses the host's clock."""
    path = logs(entry())
    command = [PERL, "-e", scanner(), str(path), "60", *JSON]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["newest"] == NOW - 10


def random_log(rng: random.Random) -> Iterator[tuple[float, str]]:
    """Lines in order of time with the age each belongs to: dated twice, once, or not at all."""
    age = 8.0 * DAY
    while age > 0:
        age -= rng.expovariate(1 / rng.choice([2, 900, 20_000])) if rng.random() < 0.9 else 0
        age = round(age, 3)
        level = rng.choice(["INFO", "INFO", "WARN", "ERROR"])
        yield age, entry(age, level, dated=rng.random() < 0.7, pad="x" * rng.choice([0, 90, 900]))
        if rng.random() < 0.2:
            for _ in range(rng.choice([1, 3, 40])):
                yield age, "    at trace" + "y" * rng.choice([0, 60, 3000]) + "\n"


@pytest.mark.parametrize("seed", range(60))
def test_bisection_matches_full_read(logs: Logs, answer: Any, seed: int) -> None:
    """The window's start may be anywhere, in any file, amid undated lines of any length."""
    rng = random.Random(seed)
    lines = list(random_log(rng))
    window = rng.choice([60, 3600, DAY, 3 * DAY, 30 * DAY])
    cuts = sorted(rng.sample(range(len(lines)), rng.choice([0, 1, 3])))
    names = [f"api-out__2026-11-{10 + n}_00-00-00.log{rng.choice(['', '.gz'])}" for n in range(len(cuts))]
    for name, start, end in zip([*names, "api-out.log"], [0, *cuts], [*cuts, len(lines)], strict=True):
        logs("".join(text for _, text in lines[start:end]), name, age=lines[end - 1][0] - 0.001)
    inside = [text for age, text in lines if age <= window]
    expected = {"lines": len(inside), "errors": sum('"level":"ERROR"' in text for text in inside)}
    expected["recognized"] = len(inside)
    result = answer(window=window)
    assert {name: result[name] for name in expected} == expected


def test_one_day_window_reads_about_one_day(logs: Logs, answer: Any) -> None:
    """Older lines cost a few probes, not a full read."""
    log = logs("".join(entry(7 * DAY * (1 - at / 50_000)) for at in range(50_000)))
    result = answer()
    assert abs(result["lines"] - 50_000 / 7) < 2
    assert result["bytes_read"] < log.stat().st_size / 5
