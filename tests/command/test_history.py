"""`opsproof history`: selection, formats, bounds."""

import csv
import io
import json
import tracemalloc

import pytest

from opsproof.core.limits import Measurement
from opsproof.core.verdicts import Verdict
from opsproof.history.query import HistoryQuery, rows
from opsproof.history.store import History

DAY = 86400.0


def verdict(host, word, value):
    measured = Measurement("disk used", value, "percent", "< 80 %", word, "")
    return Verdict(f"test_disk[{host}-/]", host, "/", word, f"disk used {value} %\x1b[31m", measurements=[measured])


@pytest.fixture
def reports(tmp_path):
    """Three runs on two hosts."""
    history = History(tmp_path / "history.sqlite")
    for number, word in enumerate(("passed", "failed", "warned")):
        history.add(number * DAY, "lab.toml", "daily", [verdict("a", word, 50 + number), verdict("b", "passed", 10)])
    assert history.complaints == []
    return tmp_path


def printed(opsproof, reports, *words):
    status, out, err = opsproof("history", f"--reports={reports}", *words)
    assert (status, err) == (0, "")
    return out


def test_text_has_the_newest_first_and_no_control_characters(opsproof, reports):
    lines = printed(opsproof, reports, "--host=a").splitlines()
    assert lines[0] == (
        "1970-01-03T00:00:00Z  lab.toml  daily  a  test_disk[a-/]  warned  disk used 52 %\N{REPLACEMENT CHARACTER}[31m"
    )
    assert [line.split()[5] for line in lines] == ["warned", "failed", "passed"]


@pytest.mark.parametrize(
    ("words", "count"),
    [
        ((), 6),
        (("--check=test_disk",), 6),
        (("--check=test_disk[a-/]",), 3),
        (("--verdict=failed",), 1),
        (("--round=weekly",), 0),
        (("--metric=disk_used",), 6),
        (("--values", "--host=b"), 3),
        (("--metric=inodes_used",), 0),
        (("--since=30d",), 0),
    ],
)
def test_options_select(opsproof, reports, words, count):
    assert len(printed(opsproof, reports, *words).splitlines()) == count


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("--host=aa", "--host: unknown host 'aa': did you mean 'a'? see opsproof history --help"),
        ("--host=vps-00", "--host: unknown host 'vps-00': see opsproof history --help"),
        (
            "--check=test_dis",
            "--check: unknown check 'test_dis': did you mean 'test_disk'? see opsproof history --help",
        ),
        ("--check=test_disk[c-/]", "did you mean 'test_disk[b-/]'?"),
        ("--round=dayly", "--round: unknown round 'dayly': did you mean 'daily'? see opsproof history --help"),
    ],
)
def test_mistyped_name_is_said_with_a_similar_one(opsproof, reports, word, said):
    status, out, err = opsproof("history", f"--reports={reports}", word)
    assert (status, out) == (2, "")
    assert said in err


def test_csv_and_json_have_the_same_values(opsproof, reports):
    table = list(csv.DictReader(io.StringIO(printed(opsproof, reports, "--values", "--format=csv"))))
    objects = [json.loads(line) for line in printed(opsproof, reports, "--values", "--format=json").splitlines()]
    assert table == [{name: str(value) for name, value in each.items()} for each in objects]
    assert objects[0]["value"] in (52, 10)


def test_rows_beyond_the_limit_are_announced(opsproof, reports):
    status, out, err = opsproof("history", f"--reports={reports}", "--limit=2")
    assert (status, len(out.splitlines())) == (0, 2)
    assert err == "opsproof: only the newest 2 rows: give --limit=0 to print all\n"
    assert len(printed(opsproof, reports, "--limit=0").splitlines()) == 6
    assert len(printed(opsproof, reports, "--limit=6").splitlines()) == 6


def test_missing_history_ends_with_6(opsproof, tmp_path):
    status, out, err = opsproof("history", f"--reports={tmp_path}")
    assert (status, out) == (6, "")
    assert err.endswith(
        "history.sqlite: unable to open database file: give the folder of the history, --reports=FOLDER\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_rows_are_streamed(tmp_path):
    history = History(tmp_path / "history.sqlite")
    for number in range(4):
        history.add(number, "lab.toml", "daily", [verdict("a", "passed", each) for each in range(5000)])
    tracemalloc.start()
    assert sum(1 for _ in rows(tmp_path / "history.sqlite", HistoryQuery())) == 20000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000
