"""`opsproof checks`, the catalogue of checks, and the generated page."""

import pytest

from lab import proven
from opsproof.command import checks, checks_page
from opsproof.core.catalogue import read


def test_committed_page_and_faults_are_current(repository):
    assert checks.FAULTS.read_text(encoding="utf-8") == proven.text(), "run: make schema"
    assert (repository / "docs" / "checks.md").read_text(encoding="utf-8") == checks_page.page(), "run: make schema"


def test_every_check_is_listed_with_its_rounds_and_reason(opsproof):
    status, printed, _ = opsproof("checks")
    lines = printed.splitlines()
    assert (status, len(lines)) == (0, len(checks.known()))
    assert "test_disk_has_free_space" in printed
    assert all(len(line.split(maxsplit=2)) == 3 for line in lines)


def test_list_of_a_round_has_its_checks_only(opsproof):
    _, printed, _ = opsproof("checks", "--round=weekly")
    assert {line.split()[0] for line in printed.splitlines()} == {
        name for name, each in checks.known().items() if "weekly" in each.rounds
    }


def test_explanation_has_why_limit_source_remedy_and_fault(opsproof, estate):
    status, printed, _ = opsproof("checks", "test_disk_has_free_space[full-/data]", f"--inventory={estate(full=831)}")
    assert (status, printed.splitlines()) == (
        0,
        [
            "test_disk_has_free_space",
            "  why       Find out which folder grew; remove rotated logs and expired backups first.",
            "  rounds    daily, predeploy",
            "  subject   disks: test_disks.py",
            "  judged    each mount",
            "  metric    disk_used: Share of a file system's bytes in use",
            "  limit     disk_used: must < 80 %, should < 70 % (source: runbook): full-/data",
            "  remedy    du -ahx -d 2 {mount} (a report shows the whole command for its host)",
            "  proven by disk filling; disk full; parcels fill their disk",
        ],
    )


def test_without_an_inventory_the_explanation_says_how_to_see_limits(opsproof, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, printed, _ = opsproof("checks", "test_disk_has_free_space")
    assert (status, "give --inventory=FILE to see the limits" in printed) == (0, True)


def test_undeclared_limit_is_said(opsproof, tmp_path):
    path = tmp_path / "inventory.toml"
    path.write_text('[hosts.h]\ntransport = "local://"\n', encoding="utf-8")
    _, printed, _ = opsproof("checks", "test_load_is_within_limit", f"--inventory={path}")
    assert "load_per_core: undeclared: the verdict is unknown: h" in printed


@pytest.mark.parametrize("name", list(checks.known()))
def test_remedy_has_words(name):
    assert checks.remedy_of(checks.known()[name])


def test_shared_marks_and_starred_words_are_resolved(tmp_path):
    (tmp_path / "test_x.py").write_text(
        'import pytest\n\npytestmark = [pytest.mark.daily, pytest.mark.weekly]\nLIST = ("docker", "ps")\n'
        "FORM = '--format={}'\nSEE = pytest.mark.remedy(*LIST, FORM.format('json'))\n"
        "\n\n@SEE\ndef test_a(host, allowed):\n"
        '    """Reason\n    of two lines.\n\n    More.\n    """\n    assert 1 in allowed.x and 2 in allowed.x\n',
        encoding="utf-8",
    )
    found = read([tmp_path])["test_a"]
    assert (found.rounds, found.metrics, found.why) == (("daily", "weekly"), ("x",), "Reason of two lines.")
    assert (found.remedy, found.arguments) == (("docker", "ps", "--format=json"), ("host", "allowed"))
