"""Every test belongs to one part, parts cannot meet, and the whole proof goes on where it was interrupted."""

import json
import subprocess
import sys

import pytest

from tests.harness import full, parts
from tests.harness.parts import PARTS, ROOT, Part

HERE = ROOT / "tests"


def test_every_file_of_tests_is_in_one_part():
    files = {path.relative_to(ROOT).as_posix() for path in HERE.rglob("test_*.py")}
    ignored = tuple(word.removeprefix("--ignore=") for word in parts.REST)
    named = [[each for each in files if each.startswith(f"{folder}/")] for folder in ignored]
    assert sum(map(len, named)) == len({each for found in named for each in found})
    assert {part.words for part in PARTS if part.name != "units"} == {(folder,) for folder in ignored}


def test_make_test_names_all_parts_except_separate_parts():
    assert {*parts.TEST, *parts.APART} == set(parts.BY_NAME)


def part(name, code):
    return Part(name, ("-c", code))


@pytest.fixture
def python(monkeypatch):
    """Parts whose process is Python itself."""

    def command(self):
        return [sys.executable, *self.words]

    monkeypatch.setattr(Part, "command", command)


def test_parts_print_behind_their_names_and_the_worst_status_counts(python, tmp_path, capsys):
    ended = []
    chosen = [part("good", "print('fine')"), part("bad", "print('not'); raise SystemExit(3)")]
    assert parts.run(chosen, tmp_path, ended.append) == 3
    said = capsys.readouterr().out.splitlines()
    assert sorted(said) == ["        bad | not", "       good | fine"]
    assert {each.part.name: each.status for each in ended} == {"good": 0, "bad": 3}
    assert (tmp_path / "good").is_dir()


def test_nothing_to_run_is_no_success(tmp_path):
    assert parts.run([], tmp_path) == 5


@pytest.mark.skipif(not parts.can_isolate(), reason="no namespaces can be had here")
def test_two_parts_listen_on_one_port_and_take_one_name(tmp_path):
    code = (
        "import socket, time; a = socket.create_server(('127.0.0.1', 45999));"
        "b = socket.socket(socket.AF_UNIX); b.bind(chr(0) + 'opsproof-part'); time.sleep(1)"
    )
    words = [*parts.NAMESPACES, *parts.ISOLATED, sys.executable, "-c", code]
    both = [subprocess.Popen(words) for _ in range(2)]
    assert [each.wait(30) for each in both] == [0, 0]


@pytest.mark.skipif(not parts.can_isolate(), reason="no namespaces can be had here")
def test_a_part_sees_its_own_processes_alone_and_leaves_none(tmp_path):
    code = (
        "import os, pathlib, subprocess;"
        "subprocess.run(['sh', '-c', 'sleep 600 & exit']);"
        "print([each.name for each in pathlib.Path('/proc').iterdir() if each.name.isdigit()])"
    )
    words = [*parts.NAMESPACES, *parts.ISOLATED, sys.executable, "-c", code]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=30)
    assert len(json.loads(done.stdout.replace("'", '"'))) == 3


def test_a_whole_proof_goes_on_for_the_same_code_alone(tmp_path):
    path = tmp_path / "folder" / "state.json"
    path.parent.mkdir()
    first = full.Progress("some code", path)
    first.load()
    first.add("backup", {"passed": 3})
    same, other = full.Progress("some code", path), full.Progress("another", path)
    same.load()
    other.load()
    assert (same.parts, other.parts) == ({"backup": {"passed": 3}}, {})
    assert json.loads(path.read_text())["code"] == "some code"


def test_record_takes_the_place_of_the_last_one():
    text = full.DOCUMENT.read_text(encoding="utf-8")
    once = full.record(text, "abc", "2026-01-01", {"backup": {"passed": 3, "skipped": 0, "seconds": 61}})
    twice = full.record(once, "def", "2026-01-02", {"backup": {"passed": 4, "skipped": 1, "seconds": 62}})
    assert "| backup | 3 | 0 | 61 s |" in once
    assert "abc" not in twice
    assert twice.count("| backup |") == 1
