"""Reports of a run on saved answers with hostile text."""

import html
import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import pytest

from opsproof.postgres.connection import Result
from opsproof.round.gathering import Recording, write
from opsproof.transport.shell import Answer

HOSTILE = {
    "script": "<script>alert(1)</script>",
    "end": "</script></pre><img src=x onerror=alert(2)>",
    "attribute": "\"><img src=x onerror='alert(3)'>",
    "template": "{{ 7 * 7 }}{% raw %}${7*7}",
    "entity": "&lt;b&gt;&#34;&amp;",
    "control": "\x1b[31mred\x1b[0m\x00\x08\ufffe",
}
API = "meta-chat-api"


def inventory():
    processes = "".join(f"{json.dumps(text)} = {{}}\n" for name, text in HOSTILE.items() if name != "control")
    return f"""
[limits]
disk_used = {{ must = "< 80%", should = "< 70%", source = {json.dumps(HOSTILE["script"])} }}
inodes_used = {{ must = "< 80%" }}
process_status = {{ must = ["online"] }}
log_errors = {{ must = "< 10", over = "24h" }}
log_unread = {{ must = "< 1%" }}
log_growth = {{ must = "< 5MB" }}
[hosts.vps]
transport = "ssh://no-such-host.invalid"
mounts."/data" = {{}}
logs.api = {{ path = "/logs/api.log", format = "pm2-json" }}
databases.db = {{ dsn = "host=db" }}
[hosts.vps.pm2]
home = "/home/deploy/.pm2"
[hosts.vps.processes]
{processes}
"""


def process(name):
    entry = {"name": name, "status": name, "pid": 1, "memory_bytes": 1, "restarts": 0, "started_ms": 0, "module": False}
    return entry | {"script": name, "folder": name, "arguments": name, "mode": "fork_mode"}


def answers():
    processes = [process(text) for text in HOSTILE.values()]
    pm2 = {"daemon": {"version": "7", "started_ms": 0, "processes": processes}, "saved": [], "tool_version": "7"}
    commonest = [{"level": "ERROR", "message": text, "count": 3} for text in HOSTILE.values()]
    log = {"lines": 9, "recognized": 9, "errors": 50, "client_errors": 0, "fatals": 0, "commonest": commonest}
    log |= {"now": 100, "oldest": 0, "newest": 90, "modified": 90, "since": 0, "rotations": []}
    log |= {"ignored": 0, "leveled": 0, "unread": [], "growth": 0, "disordered": 0, "unplaced": 0}
    df = "Mounted on Used Avail Inodes IUsed\n/data 831 169 100 10\n"
    said = {"processes": json.dumps(pm2), "log_reports api": json.dumps(log), "disks /data": df}
    return {label: Answer(0, text, now=100.0) for label, text in said.items()}


@pytest.fixture(scope="module")
def report(prove, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    (folder / "inventory.toml").write_text(inventory(), encoding="utf-8")
    refused = Result(refusal=HOSTILE["end"])
    write(folder / "facts.json", {"vps": Recording(answers(), {"database_pings db": refused})})
    checks = ["checks/processes", "checks/logs", "checks/disks", "checks/databases"]
    words = ["-k", "online or saved or log_errors or disk or inodes or accepts", f"--facts={folder}/facts.json"]
    return prove(folder / "inventory.toml", *checks, *words)


class Page(HTMLParser):
    """The parsed page: elements, and text outside of scripts and styles."""

    def __init__(self, text):
        super().__init__()
        self.elements = []
        self.texts = []
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self._inside = tag

    def handle_endtag(self, tag):
        if tag == self._inside:
            self._inside = ""

    def handle_data(self, data):
        if not self._inside:
            self.texts.append(data)


@pytest.fixture(scope="module")
def page(report):
    return Page(report.html)


def test_run_judges_the_saved_answers(report):
    assert report.status == 1
    assert set(report.verdicts.values()) == {"failed", "passed"}
    assert len([name for name in report.verdicts if name.startswith("test_process_is_online")]) == len(HOSTILE) - 1


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
    assert sum(tag == "script" for tag, _ in page.elements) == report.html.count("</script>") == 1


def test_hostile_text_makes_no_element_in_rows_added_by_script(page):
    (blob,) = [attrs["data-jsonblob"] for _, attrs in page.elements if "data-jsonblob" in attrs]
    tests = [row for rows in json.loads(blob)["tests"].values() for row in rows]
    assert len(tests) > len(HOSTILE)
    for row in tests:
        unfolded = Page("".join(row["resultsTableRow"]) + (row.get("log") or "").replace("\n", "<br>"))
        assert {tag for tag, _ in unfolded.elements} <= {"td", "br", "span", "div", "a"}


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
    assert "next: on vps: sudo du -ahx -d 2 /data | sort -rh | head -n 20" in text
    assert f"db accepts no connection: {HOSTILE['end']}" in text


def test_row_shows_verdict_value_and_limit(report):
    (blob,) = re.findall(r'data-jsonblob="([^"]*)"', report.html)
    rows = json.loads(html.unescape(blob))["tests"]
    (row,) = [row for name, rows in rows.items() for row in rows if "test_disk_has_free_space" in name]
    cells = ["".join(Page(cell).texts) for cell in row["resultsTableRow"]]
    assert [cell for cell in cells if cell.strip()] == [
        "Failed",
        "failed",
        "test_disk_has_free_space[vps-/data]",
        "83.1 %",
        "< 80 %",
    ]


def test_junit_properties_hold_verdict_value_limit_and_remedy(report):
    assert report.properties["test_disk_has_free_space[vps-/data]"] == {
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
    assert "failed, was passed: test_disk_has_free_space[vps-/data]" in said
    assert said.index("was passed") < said.index("Findings") < said.index("All checks")
