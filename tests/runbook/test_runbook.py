"""Every line of the old runbook has a proven target, or is counted as open."""

import copy
import re

import pytest

from tests.harness import documents
from tests.runbook import lines, page, proven, targets

DISKS = "Disk usage: <80%"
MORNING = "Morning Health Check (5 minutes)"
CADENCES = ("daily", "weekly", "monthly", "quarterly")
SHELL = re.compile(r" *(#!|echo |/|(if|else|exit|for|done|set|sleep|cd)\b|[A-Za-z_]+=(?!\$\((?!date)))")
"""Lines without a measurement or a change of their own."""


def bare(text):
    """A line without marks, quotation marks and psql around SQL."""
    return (
        re.sub(r'^- (\[ \] |✅ )?|^# |^[├└]── |^docker exec \S+ psql .* -c |["*\\]', "", text.strip())
        .strip()
        .removesuffix(":")
    )


@pytest.fixture(scope="module")
def walked():
    return lines.read(lines.RUNBOOK.read_text(encoding="utf-8"))


@pytest.fixture
def declared():
    return copy.deepcopy(targets.parsed())


def complaints(walked, declared):
    found = targets.match(walked, declared)
    return [*found.problems, *(each for row in found.rows for each in proven.problems(row, declared))]


def test_committed_page_is_current(repository):
    assert (repository / "docs" / "runbook.md").read_text(encoding="utf-8") == page.page(), "run: make schema"


def test_every_line_has_a_proven_target_or_is_open(walked, declared):
    assert complaints(walked, declared) == []


def test_every_test_named_as_proof_proves_a_target(walked, declared):
    used = {each for row in targets.match(walked, declared).rows for each in row.now}
    assert set(declared["proofs"]) <= used


def test_number_of_open_lines_only_falls(walked, declared):
    waiting = page.waiting(targets.match(walked, declared).rows)
    recorded = {name: subject["lines"] for name, subject in declared["open"].items()}
    assert {name: waiting[name] for name in recorded} == recorded, "lower the numbers of [open], and never raise any"


@pytest.mark.parametrize(
    ("chapter", "cadence"),
    [
        (MORNING, "daily"),
        ("Log Cleanup and Rotation Verification (10 minutes)", "weekly"),
        ("Backup Verification (5 minutes)", "weekly"),
        ("1. Vector Index Maintenance", "monthly"),
        ("2. Database Statistics Review", "monthly"),
        ("Performance Review (20 minutes)", "monthly"),
        ("Pre-Deployment Checklist", "predeploy"),
        ("Post-Deployment Checklist", "postdeploy"),
    ],
)
def test_checks_run_as_often_as_the_chapter_asks(walked, declared, chapter, cadence):
    often = CADENCES[: CADENCES.index(cadence) + 1] if cadence in CADENCES else (cadence,)
    found = [each for row in targets.match(walked, declared).rows if row.line.chapter == chapter for each in row.now]
    rounds = {each: set(proven.checks()[each].rounds) for each in found if each in proven.checks()}
    assert rounds
    assert {each for each in rounds if not rounds[each] & set(often)} == set()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("- [ ] Backup database", [("", "Backup database")]),
        ("- ✅ Disk usage: <80%", [("", "Disk usage: <80%")]),
        ("**Every Monday morning:**", [("", "Every Monday morning")]),
        ("Run these checks every morning:", [("", "Run these checks every morning")]),
        ("Regular maintenance ensures reliability.", []),
        ('```bash\n# 1. Size\necho -e "\\n1. Size:"\ndu -sh logs/\n```', [("1. Size", "du -sh logs/")]),
        ("```bash\n#!/bin/bash\n# Save as: /ops/a.sh\n\ncd /srv\n```", [("", "Save as: /ops/a.sh")]),
        ("```bash\n# Edit a.js:\n# LEVEL: 'info'\n```", [("", "Edit a.js: LEVEL: 'info'")]),
        ("```bash\nfind a \\\n  -delete\n```", [("", "find a -delete")]),
        ('```bash\necho "  - Peak CPU usage"\n```', [("", "Peak CPU usage")]),
        ("```bash\nif [ -f a ]; then\n  n=$(ls | wc -l)\nfi\nDAY=5\n```", [("", "n=$(ls | wc -l)")]),
        ("```\n/ops/\n├── a.sh\n```", [("", "a.sh")]),
        (
            '```bash\ndocker exec meta-chat-postgres psql -U metachat -d b -c \\\n  "SELECT \\"a\\"\n   FROM b;"\n```',
            [("", 'SELECT \\"a\\" FROM b;')],
        ),
    ],
)
def test_line_that_asks_for_something_is_walked(text, found):
    assert [(each.step, each.text) for each in lines.read(f"## Chapter\n\n{text}\n")] == found


def test_only_words_of_the_shell_are_left_out(walked):
    text = bare(" ".join(f"{each.step} {each.text}" for each in walked))
    blocks = [*documents.blocks(lines.RUNBOOK, "bash"), *documents.blocks(lines.RUNBOOK, "")]
    commands = [each for block in blocks for each in block.splitlines()]
    bullets = re.findall(r"^- .*$", documents.text_of(lines.RUNBOOK), re.MULTILINE)
    assert (len(commands) > 300, len(bullets)) == (True, 40)
    assert [each for each in (*commands, *bullets) if bare(each) not in text and not SHELL.match(each)] == []


def lose_a_target(declared):
    del declared[MORNING][DISKS]


def keep_a_key_without_a_line(declared):
    declared[MORNING]["Inodes"] = "test_inodes_are_available"


def cover_two_lines(declared):
    for key in [each for each in declared[MORNING] if each.startswith("sudo")]:
        declared[MORNING]["sudo"] = declared[MORNING].pop(key)


def target(value):
    def change(declared):
        declared[MORNING][DISKS] = value

    return change


def proof(path):
    def change(declared):
        declared["proofs"]["clean_logs.py --flush"] = path

    return change


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lose_a_target, f"no target: {MORNING}: {DISKS}"),
        (keep_a_key_without_a_line, f"no such line: {MORNING}: Inodes"),
        (cover_two_lines, f"a key for two lines: {MORNING}: sudo"),
        (target([]), "neither a target nor open"),
        (target("docs/inventory.md#mounts"), "neither a target nor open"),
        (target({"open": ["disks"]}), "no subject of [open]: disks"),
        (target("test_disk_is_fast"), "no check, or proven by no fault: test_disk_is_fast"),
        (target("free_disk.py"), "no such action or option: free_disk.py"),
        (target("vacuum.py --full"), "no such action or option: vacuum.py --full"),
        (target("analyze.py --table"), "executed by no test: analyze.py --table"),
        (target("schedule clean_logs: 00:10"), "no such job: schedule clean_logs: 00:10"),
        (target("schedule backup: 03:00"), "no such job: schedule backup: 03:00"),
        (target("opsproof disks"), "no such command: opsproof disks"),
        (target("opsproof waivers"), "executed by no test: opsproof waivers"),
        (target("opsproof quarterly"), "no proven check in this round: opsproof quarterly"),
        (target(["test_disk_has_free_space", "docs/disks.md"]), "no such page: docs/disks.md"),
        (target(["test_disk_has_free_space", "docs/inventory.md#disks"]), "no such page: docs/inventory.md#disks"),
        (target({"now": ["test_disk_has_free_space"], "limit": "disk_used < 90%"}), "no such limit: disk_used < 90%"),
        (target({"now": ["test_load_is_within_limit"], "limit": "disk_used < 80%"}), "no such limit: disk_used < 80%"),
        (target(["opsproof daily", "test_backup_is_recent"]), "not in daily: test_backup_is_recent"),
        (proof("tests/logfiles/test_gone.py::test_flush"), "executed by no test: clean_logs.py --flush"),
        (proof("tests/logfiles/test_rotate_logs.py::test_gone"), "executed by no test: clean_logs.py --flush"),
        (
            proof("tests/logfiles/test_rotate_logs.py::test_only_expired_files_of_declared_logs_are_removed"),
            "executed by no test: clean_logs.py --flush",
        ),
    ],
)
def test_mistake_in_the_targets_is_found(walked, declared, change, complaint):
    change(declared)
    assert complaint in complaints(walked, declared)


def test_job_of_an_unproven_action_is_no_target(walked, declared):
    del declared["proofs"]["analyze.py --all"]
    assert "executed by no test: analyze.py --all" in complaints(walked, declared)


def test_check_without_a_fault_is_no_target(walked, declared, monkeypatch):
    found = {name: faults for name, faults in proven.faults().items() if name != "test_disk_has_free_space"}
    monkeypatch.setattr(proven, "faults", lambda: found)
    assert "no check, or proven by no fault: test_disk_has_free_space" in complaints(walked, declared)
