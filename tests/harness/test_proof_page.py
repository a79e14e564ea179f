"""The matrix of faults and checks: kept as rows, printed for a terminal, and shown on one page."""

import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.proof_matrix import page
from tests.proof_matrix.matrix import Row, read, text, write
from tests.proving import Proof, results

ROOT = Path(__file__).parents[2]
CHECKS = {
    "test_disk_has_free_space": "disks",
    "test_inodes_are_available": "disks",
    "test_load_is_within_limit": "machine",
}
HOSTILE = "</script><img src=x onerror=\"alert('1')\">{{ 7 * 7 }}&lt;"


def row(fault="disk full", lab="embedded", **changed):
    """A row of what the fault names and changed, with one test of each check."""
    tests = {f"{name}[lab-/data]": verdict for name, verdict in changed.items()}
    return Row(lab, fault, tests, frozenset(changed), 2.5, "as named", "", alone=False)


FULL = row(test_disk_has_free_space="failed")
FILLING = row("disk filling", test_disk_has_free_space="warned", test_inodes_are_available="warned")
GONE = replace(row("host gone", "docker", **dict.fromkeys(CHECKS, "unknown")), named=frozenset("*"))
MISSING = "test_inodes_are_available[lab-/data]"
SURPRISING = replace(row("inodes used up"), outcome="surprised", note="nothing was seen", named=frozenset([MISSING]))


class Shown(HTMLParser):
    """What a browser makes of a page: its elements, and the text outside of its style and script."""

    def __init__(self, content):
        super().__init__()
        self.elements, self.texts, self.inside = [], [], ""
        self.feed(content)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.inside = tag if tag in ("script", "style") else self.inside

    def handle_endtag(self, tag):
        self.inside = "" if tag == self.inside else self.inside

    def handle_data(self, data):
        if not self.inside:
            self.texts.append(data)

    @property
    def text(self):
        return " ".join("".join(self.texts).split())


def shown(*rows, checks=CHECKS):
    return Shown(page.render(rows, checks))


def test_rows_come_back_as_they_were_written(tmp_path):
    write(tmp_path / "new" / "rows.jsonl", [FULL, SURPRISING])
    assert read([tmp_path / "new" / "rows.jsonl"]) == sorted([FULL, SURPRISING], key=lambda each: each.fault)


def test_the_newest_row_of_a_fault_counts(tmp_path):
    old, other, new = row(test_disk_has_free_space="failed"), row(lab="docker"), row(test_disk_has_free_space="warned")
    write(tmp_path / "a.jsonl", [new, other])
    write(tmp_path / "b.jsonl", [old])
    assert read([tmp_path / "a.jsonl", tmp_path / "b.jsonl"]) == [other, new]


def test_a_line_that_a_killed_writer_cut_short_costs_no_other(tmp_path):
    path = tmp_path / "rows.jsonl"
    write(path, [FULL, FILLING])
    path.write_text(path.read_text()[:-20])
    write(path, [GONE])
    assert read([path]) == [GONE, FULL]


WRITER = """
import sys
from pathlib import Path
from tests.proof_matrix.matrix import Row, write
for number in range(20):
    write(Path(sys.argv[1]), [Row(sys.argv[2], f"fault {number}", {}, frozenset(), 1.0, "as named", "x" * 5000, False)])
"""


def test_processes_write_at_the_same_time(tmp_path):
    path = tmp_path / "rows.jsonl"
    words = [sys.executable, "-c", WRITER, path]
    writers = [subprocess.Popen([*words, f"lab {number}"], cwd=ROOT) for number in range(3)]
    assert [each.wait() for each in writers] == [0, 0, 0]
    assert len(read([path])) == 60


def test_the_page_leaves_out_faults_that_were_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "REPORTS", tmp_path)
    monkeypatch.setattr(results, "show", lambda config, text: None)
    names = ("disk full", "disk full + disk filling", "removed long ago", "disk full + removed long ago")
    results.keep(Proof(None, None, [], [row(name, test_disk_has_room="failed") for name in names]), None)
    shown = Shown((tmp_path / "proof.html").read_text()).text
    assert "embedded: disk full + disk filling" in shown
    assert "removed long ago" not in shown
    assert len(read([tmp_path / "proof.jsonl"])) == 4


def test_the_terminal_shows_each_change_in_full_on_120_columns():
    many = {f"test_check_number_{number}": ("failed", "unknown", "warned")[number % 3] for number in range(40)}
    everything = replace(row("everything at once", **many), alone=True, seconds=61.04, note="because " * 40)
    printed = text([everything, row("nothing")])
    assert printed.startswith("   61.0 s  everything at once (alone)\n")
    assert max(map(len, printed.splitlines())) <= 120
    assert [name for name in many if f"{name}[lab-/data]" not in printed] == []
    assert "…" not in printed
    assert printed.endswith("    2.5 s  nothing\n           nothing changed")


def test_the_terminal_counts_the_tests_of_a_check():
    both = Row("lab", "fault", {"test_a[x]": "warned", "test_a[y]": "failed"}, frozenset(), 1.0, "surprised", "", False)
    assert text([both]) == "    1.0 s  fault (surprised)\n           failed  test_a (2)"


def test_the_page_shows_first_how_many_checks_failed():
    said = shown(FULL, FILLING, GONE).text
    assert "1 of 3 checks seen failing" in said
    assert "3 seen unknown" in said
    assert "2 seen warning" in said
    assert (
        said.index("checks seen failing") < said.index("Checks that no fault made fail") < said.rindex("Faults: docker")
    )


def test_the_page_names_each_check_that_no_fault_made_fail():
    assert page.unseen([FULL, FILLING, GONE], CHECKS) == {
        "test_inodes_are_available": ["unknown", "warned"],
        "test_load_is_within_limit": ["unknown"],
    }
    assert page.unseen([FULL], CHECKS)["test_load_is_within_limit"] == []
    said = shown(FULL, FILLING, GONE).text.partition("Checks that no fault made fail")[2].partition("Faults:")[0]
    assert "load is within limit" in said
    assert "disk has free space" not in said


def test_faults_stand_by_lab_and_subject():
    embedded, docker = sorted(page.labs([FULL, FILLING, GONE], CHECKS), key=lambda lab: lab.name, reverse=True)
    assert (embedded.name, docker.name) == ("embedded", "docker")
    assert [(group.subject, len(group.rows)) for group in embedded.groups] == [("disks", 2)]
    assert [group.subject for group in docker.groups] == [page.SEVERAL]


def test_checks_stand_with_the_faults_that_changed_them():
    groups = {group.subject: dict(group.rows) for group in page.subjects([FULL, FILLING, GONE], CHECKS)}
    chips = groups["disks"]["test_disk_has_free_space"]
    assert [(chip.label, chip.verdict) for chip in chips] == [
        ("disk full", "failed"),
        ("host gone", "unknown"),
        ("disk filling", "warned"),
    ]


def test_a_fault_of_two_labs_is_shown_with_its_lab():
    (group,) = page.subjects(
        [FULL, row(lab="docker", test_disk_has_free_space="failed")], {"test_disk_has_free_space": "disks"}
    )
    assert [chip.label for chip in group.rows[0][1]] == ["disk full (docker)", "disk full (embedded)"]


def test_a_surprise_stands_above_with_its_note_and_what_is_missing():
    found = shown(FULL, SURPRISING)
    assert "1 surprise" in found.text
    assert found.text.index("nothing was seen") < found.text.index("Checks that no fault made fail")
    assert {"class": "chip missing ", "title": f"{MISSING}: named, not changed"} in [
        attrs for _, attrs in found.elements
    ]


def test_a_change_that_is_not_named_is_marked():
    found = shown(replace(row(test_disk_has_free_space="failed", test_inodes_are_available="warned"), named=FULL.named))
    assert "chip warned allowed" in [attrs.get("class") for _, attrs in found.elements]
    assert "chip failed allowed" not in [attrs.get("class") for _, attrs in found.elements if "title" in attrs]


@pytest.mark.parametrize("place", ["lab", "fault", "note"])
def test_hostile_text_is_shown_as_it_is(place):
    found = shown(replace(SURPRISING, **{place: HOSTILE}))
    assert HOSTILE in "".join(found.texts)
    assert [tag for tag, _ in found.elements if tag == "img"] == []
    assert [tag for tag, _ in found.elements].count("script") == 1


def test_hostile_names_of_tests_make_no_element():
    found = Shown(page.render([Row("lab", "fault", {f"{HOSTILE}[x]": "failed"}, frozenset(), 1.0, "", "", False)], {}))
    assert [tag for tag, _ in found.elements if tag == "img"] == []


def test_the_page_fetches_nothing():
    content = page.render([FULL, GONE], CHECKS)
    found = Shown(content)
    addresses = [value for _, attrs in found.elements for name, value in attrs.items() if name in ("src", "href")]
    assert [each for each in addresses if not each.startswith("#")] == []
    assert not re.search(r"https?:|@import|url\(", content)
    assert {tag for tag, _ in found.elements}.isdisjoint({"link", "iframe", "object", "base"})


def test_the_page_stays_small_with_130_checks_and_250_faults():
    checks = {f"test_check_number_{number}": f"subject {number % 15}" for number in range(130)}
    names = list(checks)
    rows = [row(f"fault {number}", **dict.fromkeys(names[number % 120 :][:4], "failed")) for number in range(250)]
    assert len(page.render(rows, checks)) < 1_000_000


def test_the_suite_is_read_off_the_checks():
    found = page.suite()
    assert found["test_disk_has_free_space"] == "disks"
    assert len(found) > 100


def test_the_command_writes_the_page_of_several_files(tmp_path):
    write(tmp_path / "a.jsonl", [FULL])
    write(tmp_path / "b.jsonl", [GONE])
    output = tmp_path / "reports" / "proof.html"
    words = [tmp_path / "a.jsonl", tmp_path / "b.jsonl", "--output", output]
    subprocess.run([sys.executable, "-m", "tests.proof_matrix.page", *words], cwd=ROOT, check=True)
    content = output.read_text(encoding="utf-8")
    assert "disk full" in content
    assert "host gone" in content
    assert [each.name for each in output.parent.iterdir()] == ["proof.html"]
