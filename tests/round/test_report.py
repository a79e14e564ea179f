"""Reports of a run on saved answers with hostile text."""

import json
import re
import xml.etree.ElementTree as ET

import pytest

from tests.harness import hostile
from tests.harness.hostile import HOSTILE, Page


@pytest.fixture(scope="module")
def report(prove, tmp_path_factory):
    return hostile.run(prove, tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def page(report):
    return Page(report.html)


def test_run_judges_the_saved_answers(report):
    assert report.status == 1
    assert set(report.verdicts.values()) == {"failed", "passed"}
    assert len([name for name in report.verdicts if name.startswith("test_process_is_online")]) == len(HOSTILE) - 2


def test_page_loads_no_external_resource(page, report):
    fetched = [(tag, attrs) for tag, attrs in page.elements if tag != "a"]
    addresses = [
        attrs[name] for _, attrs in fetched for name in ("src", "href", "srcset", "action", "data") if attrs.get(name)
    ]
    assert [each for each in addresses if not each.startswith(("#", "data:"))] == []
    assert [attrs for tag, attrs in page.elements if tag in ("link", "iframe", "object", "embed", "base")] == []
    assert (
        re.findall(
            r"@import|url\(\s*['\"]?(?!data:)[^)]+\)", "".join(re.findall(r"<style.*?</style>", report.html, re.DOTALL))
        )
        == []
    )


def test_hostile_text_makes_no_element(page, report):
    images = [attrs for tag, attrs in page.elements if tag == "img" and attrs["src"]]
    handlers = [
        attrs
        for _, attrs in page.elements
        if any(name.startswith("on") and "alert" in str(value) for name, value in attrs.items())
    ]
    assert (images, handlers) == ([], [])
    assert sum(tag == "script" for tag, _ in page.elements) == report.html.count("</script>") == 2


def test_table_of_pytest_html_has_no_rows(page):
    (blob,) = [attrs["data-jsonblob"] for _, attrs in page.elements if "data-jsonblob" in attrs]
    assert json.loads(blob)["tests"] == {}


def test_invisible_characters_are_shown_by_their_code_points(report, page):
    text = "".join(page.texts)
    assert "3 x [U+202E]evil[U+2066] [U+200B][U+3164]" in text
    assert "3 x [U+001B][31mred[U+001B][0m[U+0000][U+0008][U+FFFE]" in text
    assert (
        re.findall("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\u3164\ufffe]", report.html)
        == []
    )


@pytest.mark.parametrize("kind", ["script", "end", "attribute", "template", "entity"])
def test_hostile_text_is_shown_literally(page, kind):
    text = "".join(page.texts)
    assert f"3 x {HOSTILE[kind]}" in text
    assert f"{HOSTILE[kind]}: status {HOSTILE[kind]} (expected online)" in text


def test_templates_in_hostile_text_are_not_rendered(page):
    assert "4949" not in "".join(page.texts)


def test_finding_shows_value_limit_and_remedy(page):
    text = " ".join("".join(page.texts).split())
    assert "/data: disk used 83.1 % (limit < 80 %)" in text
    assert "looks; run on vps sudo du -ahx -d 2 /data | sort -rh | head -n 20" in text
    assert f"db accepts no connection: {HOSTILE['end']}" in text


def test_row_shows_verdict_host_resource_and_sentence(report):
    row = report.html.partition('data-check="test_disk_has_free_space"')[2].partition("<tr id")[2].partition("\n")[0]
    cells = row.partition("<td>")[2].split("<td>")
    assert cells == ["failed", "vps", "/data", "/data: disk used 83.1 % (limit &lt; 80 %)"]


def test_junit_properties_hold_verdict_value_limit_and_remedy(report):
    assert report.properties["test_disk_has_free_space[vps-/data]"] == {
        "host": "vps",
        "verdict": "failed",
        "sentence": "/data: disk used 83.1 % (limit < 80 %)",
        "remedy": "on vps: sudo du -ahx -d 2 /data | sort -rh | head -n 20",
        "disk used": "83.1 percent (limit < 80 %)",
    }
    assert report.properties["test_inodes_are_available[vps-/data]"]["inodes used"] == "10.0 percent (limit < 80 %)"


def test_junit_file_counts_failures(report):
    (path,) = report.reports.glob("*.xml")
    (suite,) = ET.parse(path).getroot()
    verdicts = list(report.verdicts.values())
    assert (int(suite.get("failures")), int(suite.get("errors"))) == (verdicts.count("failed"), 0)
    assert int(suite.get("tests")) == len(verdicts)


def test_terminal_output_has_no_control_characters(report):
    assert "\x1b" not in report.text
    assert "\x00" not in report.text


def test_run_on_saved_facts_is_not_recorded(report):
    assert not (report.reports / "history.sqlite").exists()


def test_changes_since_the_last_run_are_first(prove, tmp_path, script):
    path = tmp_path / "inventory.toml"
    text = f'transport = "local://"\npath = ["{tmp_path}"]\nmounts."/data" = {{}}\n'
    limits = '[limits]\ndisk_used = { must = "< 80%" }\ninodes_used = { must = "< 80%" }\n'
    path.write_text(f"{limits}[hosts.vps]\n{text}")
    for used in (120, 831):
        script(tmp_path / "df", f"echo 'Mounted on Used Avail Inodes IUsed'; echo '/data {used} {1000 - used} 100 10'")
        found = prove(path, "checks/disks", reports=tmp_path / "reports")
    newest = max(found.reports.glob("20*.html"), key=lambda each: each.stat().st_mtime_ns)
    said = " ".join("".join(Page(newest.read_text()).texts).split())
    assert "new: 1 test_disk_has_free_space[vps-/data] failed was passed" in said
    places = [newest.read_text().index(f'<section id="{name}"') for name in ("findings", "changes", "everything")]
    assert places == sorted(places)
    (older,) = [each for each in found.reports.glob("*_*.html") if each != newest]
    assert f'<a href="{older.name}">Previous</a>' in newest.read_text()


def digest(outcome):
    return re.search(r"facts, SHA-256</dt><dd><code>([0-9a-f]{64})", outcome.html)[1]


def test_page_has_the_digest_of_its_facts(prove, estate, tmp_path):
    path, saved = estate(vps=831), tmp_path / "facts.json"
    live = prove(path, "checks/disks", f"--save-facts={saved}")
    again = prove(path, "checks/disks", f"--facts={saved}")
    assert (live.verdicts, digest(live)) == (again.verdicts, digest(again))
    assert re.search(r"saved facts: facts\.json, measured [\d.]+ (ms|s|min) before this run", again.html)
    assert "<dt>facts</dt><dd>live" in live.html


@pytest.mark.parametrize("used", [120, 831])
def test_every_expectation_holds_unless_one_is_waived(prove, estate, used):
    waiver = """
        [[waivers]]
        check = "test_disk_has_free_space"
        on = "full-/data"
        owner = "ops"
        reason = "known"
        expires = 2999-01-01
    """
    page = prove(estate(waiver, full=used), "checks/disks", "-k", "free_space or inodes").html
    assert ("Every expectation holds." in page) == (used == 120)
