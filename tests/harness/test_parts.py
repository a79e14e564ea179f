"""Every test belongs to one part, parts are isolated, and an interrupted whole proof can be resumed."""

import json
import os
import select
import subprocess
import sys
import time

import pytest

from tests.harness import full, parts, timing
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


def test_make_test_runs_required_parts_first(monkeypatch):
    monkeypatch.setenv("OPSPROOF_REQUIRE_DOCKER", "1")
    monkeypatch.setenv("OPSPROOF_REQUIRE_SHOP", "0")
    monkeypatch.delenv("OPSPROOF_REQUIRE_PGBACKREST", raising=False)
    assert parts.in_test() == ("docker", *parts.TEST)


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


def test_packages_of_a_part_are_fetched_right_before_its_tests(python, tmp_path, monkeypatch):
    fetched = []
    monkeypatch.setattr(parts, "can_isolate", lambda: True)
    monkeypatch.setattr(parts, "_fetch", lambda *names: fetched.append(names))
    chosen = [part("other", ""), Part("shop", ("-c", ""), fetches=True)]
    assert parts.run(chosen, tmp_path) == 0
    assert fetched == [(), ("shop",)]


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("import os; os.kill(os.getpid(), 9)", 137),
        ("import os; os.write(1, b'\\xff\\n'); raise SystemExit(4)", 4),
        ("raise SystemExit(2)", 2),
    ],
    ids=["killed", "prints binary output", "collects no tests"],
)
def test_part_that_fails_without_a_failed_test_is_an_error(python, tmp_path, code, status):
    assert parts.run([part("good", "print('fine')"), part("bad", code)], tmp_path) == status
    assert timing.read(tmp_path)["counts"] == {"error": 1}


def test_unrecordable_result_fails_and_starts_no_further_part(python, tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "SIDE_BY_SIDE", 1)

    def full_disk(end):
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        parts.run([part(name, "print('fine')") for name in ("one", "two", "three")], tmp_path, full_disk)
    assert not (tmp_path / "three").exists()


def test_test_that_hangs_ends_its_part(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(parts, "TEST_LIMIT_S", 1)
    monkeypatch.setattr(parts, "can_isolate", lambda: False)
    (tmp_path / "test_it.py").write_text("import time\n\ndef test_it():\n    time.sleep(60)\n")
    settings = ("-c", f"{ROOT}/pyproject.toml", "-p", "opsproof.plugin")
    began = time.monotonic()
    assert parts.run([Part("hanging", (*settings, str(tmp_path / "test_it.py")))], tmp_path) == 1
    assert time.monotonic() - began < 30
    assert "Timeout (0:00:01)!" in capsys.readouterr().out


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


RUNNER = """
import subprocess, sys
from tests.harness import parts
process = subprocess.Popen([*parts.NAMESPACES, *parts.ISOLATED, "sh", "-c", "echo begun; exec sleep 600"])
process.wait()
"""


@pytest.mark.skipif(not parts.can_isolate(), reason="no namespaces can be had here")
def test_a_part_ends_with_its_runner_even_when_that_is_killed():
    with subprocess.Popen([sys.executable, "-c", RUNNER], cwd=ROOT, stdout=subprocess.PIPE, text=True) as runner:
        assert runner.stdout.readline() == "begun\n"
        runner.kill()
        readable, _, _ = select.select([runner.stdout], [], [], 10)
        assert readable, "the part goes on"
        assert runner.stdout.read() == ""


def test_whole_proof_resumes_only_for_the_same_code(tmp_path):
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


def test_record_replaces_the_last_record():
    text = full.DOCUMENT.read_text(encoding="utf-8")
    once = full.record(text, "abc", "2026-01-01", {"backup": {"passed": 3, "skipped": 0, "seconds": 61}})
    twice = full.record(once, "def", "2026-01-02", {"backup": {"passed": 4, "skipped": 1, "seconds": 62}})
    assert "| backup | 3 | 0 | 61 s |" in once
    assert "abc" not in twice
    assert twice.count("| backup |") == 1


def test_record_without_a_place_fails():
    with pytest.raises(AssertionError, match="no place for the record"):
        full.record("# The proof\n", "abc", "2026-01-01", {})


@pytest.fixture
def proving(tmp_path, monkeypatch):
    """Runs of the whole proof on a repository of two files, whose parts end as they are told."""

    def git(*words):
        identity = ("-c", "user.name=x", "-c", "user.email=x@example.org")
        subprocess.run(["git", *identity, *words], cwd=tmp_path, check=True, capture_output=True)

    def commit(name, content):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
        git("add", ".")
        git("commit", "-q", "-m", content)

    def prove(statuses, passed=1, meanwhile=lambda: None):
        ran = []

        def run(chosen, folder, ended):
            for each in chosen:
                ran.append(each.name)
                (folder / each.name).mkdir()
                timing.write({"counts": {"passed": passed}}, folder / each.name)
                meanwhile()
                ended(parts.Ended(each, statuses.get(each.name, 0), 1.0))
            return parts.worst(statuses.get(name, 0) for name in ran)

        monkeypatch.setattr(full, "run", run)
        return full.main(), ran

    prove.git, prove.commit, prove.document = git, commit, tmp_path / "docs" / "proof.md"
    prove.environment = monkeypatch.setenv
    git("init", "-q")
    commit("docs/proof.md", "## The last one\n\nNot run yet.\n")
    commit(".gitignore", ".lab\n")
    monkeypatch.setattr(full, "ROOT", tmp_path)
    monkeypatch.setattr(full, "STATE", tmp_path / ".lab" / "state.json")
    monkeypatch.setattr(full, "DOCUMENT", prove.document)
    monkeypatch.setattr(full, "PARTS", [part("one", ""), part("two", "")])
    for name in full.ENVIRONMENT:
        monkeypatch.setenv(name, "")
    return prove


def is_recorded(prove):
    return "all green" in prove.document.read_text()


def test_whole_proof_resumes_with_unpassed_parts_and_restarts_after_its_record(proving):
    assert proving({"two": 1}) == (1, ["one", "two"])
    assert not is_recorded(proving)
    assert proving({}) == (0, ["two"])
    assert is_recorded(proving)
    proving.git("commit", "-qam", "record")
    assert proving({}) == (0, ["one", "two"])


@pytest.mark.parametrize("name", ["code.py", "docs/inventory.md"])
def test_whole_proof_discards_results_of_other_files(proving, name):
    proving({"two": 1})
    proving.commit(name, "changed")
    assert proving({}) == (0, ["one", "two"])


@pytest.mark.parametrize(
    ("statuses", "passed", "status"), [({"one": -9}, 1, 137), ({}, 0, 2)], ids=["a part was killed", "no test passed"]
)
def test_whole_proof_is_not_recorded_if_a_part_failed(proving, statuses, passed, status):
    assert proving(statuses, passed)[0] == status
    assert not is_recorded(proving)


@pytest.mark.parametrize("is_committed", [True, False])
def test_whole_proof_is_not_recorded_if_files_changed_meanwhile(proving, is_committed):
    def meanwhile():
        proving.document.with_name("inventory.md").write_text("changed")
        proving.git("add", ".")
        if is_committed:
            proving.git("commit", "-q", "-m", "changed", "--allow-empty")

    assert proving({}, meanwhile=meanwhile)[0] == 2
    assert not is_recorded(proving)


def test_whole_proof_selects_all_tests(proving):
    proving.environment("PYTEST_ADDOPTS", "--collect-only")
    proving({}, meanwhile=lambda: proving.environment("SEEN", os.environ.get("PYTEST_ADDOPTS", "none")))
    assert os.environ["SEEN"] == "none"
