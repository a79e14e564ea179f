"""Runs of pytest from end to end, against hosts with scripts as tools."""

import datetime
import json
import re
import time
import xml.etree.ElementTree as ET

import pytest

DISKS = "checks/disks"
ROOM = "test_disk_has_free_space[{}-/data]"


BROKEN = "echo 'df: cannot read table of mounted file systems' >&2; exit 1"
EVERY_KIND = {"calm": 120, "warm": 750, "full": 831, "mute": BROKEN}
EVERY_VERDICT = {
    ROOM.format("calm"): "passed",
    ROOM.format("warm"): "warned",
    ROOM.format("full"): "failed",
    ROOM.format("mute"): "unknown",
    "test_inodes_are_available[calm-/data]": "passed",
    "test_inodes_are_available[warm-/data]": "passed",
    "test_inodes_are_available[full-/data]": "passed",
    "test_inodes_are_available[mute-/data]": "unknown",
    "test_mount_is_mounted[calm-/data]": "passed",
    "test_mount_is_mounted[warm-/data]": "passed",
    "test_mount_is_mounted[full-/data]": "passed",
    "test_mount_is_mounted[mute-/data]": "unknown",
}


@pytest.mark.parametrize(
    ("disks", "words", "status"),
    [
        ({"calm": 120}, ["--strict-warnings"], 0),
        ({"calm": 120, "warm": 750}, [], 0),
        ({"calm": 120, "warm": 750}, ["--strict-warnings"], 1),
        ({"full": 831, "mute": BROKEN}, [], 1),
        ({"calm": 120, "mute": BROKEN}, [], 6),
        ({"warm": 750, "mute": BROKEN}, ["--strict-warnings"], 1),
        ({"calm": 120}, ["-k", "no_such_check"], 5),
    ],
    ids=["held", "warned", "strict", "failed and unknown", "unknown", "strict and unknown", "none"],
)
def test_exit_status_of_the_verdicts(estate, prove, disks, words, status):
    assert prove(estate(**disks), DISKS, *words, afresh=True).status == status


def test_finding_is_a_sentence_with_its_remedy(estate, prove, gathers):
    found = prove(estate(**EVERY_KIND), DISKS)
    assert found.verdicts == EVERY_VERDICT
    counts = found.text.splitlines()[-1].strip("= ").partition(" in ")[0]
    assert sorted(counts.split(", ")) == ["1 failed", "1 warned", "3 unknown", "7 passed"]
    for line in (
        "FAILED  /data: disk used 83.1 % (limit < 80 %)",
        "        test_disk_has_free_space[full-/data]",
        "        next: on full: sudo du -ahx -d 2 /data | sort -rh | head -n 20",
        "WARNED  /data: disk used 75 % (limit < 70 %)",
        "round trips: 4 to hosts, 0 to databases",
    ):
        assert line in found.text.splitlines()
    assert "mute, /data: df ended with status 1: df: cannot read table of mounted file systems" in found.text
    assert "Traceback" not in found.text
    assert "FAILURES" not in found.text
    assert [gathers(name) for name in EVERY_KIND] == [1] * 4


def test_worst_findings_are_first(estate, prove):
    text = prove(estate(**EVERY_KIND), DISKS).text
    assert text.index("\nFAILED") < text.index("\nUNKNOWN") < text.index("\nWARNED")


def test_report_elsewhere_that_cannot_be_written_keeps_the_page(estate, prove):
    found = prove(estate(calm=120), DISKS, "--junitxml=/proc/nowhere/report.xml")
    assert (found.status, "/proc/nowhere/report.xml cannot be written: " in found.text) == (3, True)
    assert "disk_has_free_space" in found.html


def test_collect_only_contacts_no_host_and_writes_no_file(estate, prove, gathers):
    found = prove(estate(calm=120), DISKS, "--collect-only", "-q")
    assert found.status == 0
    assert "checks/disks/test_disks.py::test_disk_has_free_space[calm-/data]" in found.text
    assert (gathers("calm"), list(found.reports.iterdir())) == (0, [])


def test_only_facts_of_selected_checks_are_gathered(estate, prove, tmp_path, gathers):
    saved = tmp_path / "facts.json"
    prove(estate(calm=120), "checks/machine", "-k", "memory_is or load", f"--save-facts={saved}")
    assert sorted(json.loads(saved.read_text())["calm"]["answers"]) == ["load", "memory"]
    assert gathers("calm") == 0


def test_single_check_gathers_only_its_resource(estate, prove, tmp_path):
    saved = tmp_path / "facts.json"
    more = 'mounts."/other" = {}\n'
    prove(
        estate(more, calm=120), f"{DISKS}/test_disks.py::test_disk_has_free_space[calm-/data]", f"--save-facts={saved}"
    )
    assert list(json.loads(saved.read_text())["calm"]["answers"]) == ["disks /data"]


def test_undeclared_resources_are_not_checked(estate, prove):
    assert prove(estate(calm=120), "checks/endpoints", "checks/processes", "checks/databases").status == 5


def test_checks_without_declared_resources_are_deselected(estate, prove):
    found = prove(estate(calm=120), "checks", "-m", "daily")
    counts = re.search(r"^collected (\d+) items / (\d+) deselected / (\d+) selected$", found.text, re.MULTILINE)
    assert counts, found.text
    collected, deselected, selected = map(int, counts.groups())
    assert deselected > 0
    assert collected - deselected == selected == len(found.verdicts)
    assert f" {deselected} deselected" in found.text.splitlines()[-1]


@pytest.mark.parametrize("words", [[], ["-n", "2"]], ids=["alone", "two workers"])
def test_reports_count_one_test_per_verdict(estate, prove, words):
    found = prove(estate(calm=120, full=831), "checks", "-m", "daily", *words)
    (path,) = found.reports.glob("*.xml")
    (suite,) = ET.parse(path).getroot()
    assert int(suite.get("tests")) == len(found.verdicts)
    shown = re.findall(r"<b>(\d+)</b> (\w+)</a>", found.html)
    assert sum(int(count) for count, _ in shown) == len(found.verdicts)


@pytest.mark.parametrize("words", [[], ["-n", "2", "--dist", "loadgroup"]], ids=["alone", "two workers"])
def test_saved_facts_give_the_same_verdicts_without_contact(estate, prove, gathers, tmp_path, words):
    saved = f"{tmp_path}/facts.json"
    before = prove(estate(**EVERY_KIND), DISKS, f"--save-facts={saved}", *words)
    assert before.verdicts == EVERY_VERDICT
    assert set(json.loads((tmp_path / "facts.json").read_text())) == set(EVERY_KIND)

    away = tmp_path / "away.toml"
    away.write_text((tmp_path / "inventory.toml").read_text().replace("local://", "ssh://no-such-host.invalid"))
    after = prove(away, DISKS, f"--facts={saved}")
    assert after.verdicts == EVERY_VERDICT
    assert after.properties == before.properties
    assert (after.status, before.status) == (1, 1)
    assert [gathers(name) for name in EVERY_KIND] == [1] * 4


def test_two_workers_give_the_same_verdicts_with_one_round_trip_per_host(estate, prove, gathers):
    found = prove(estate(**EVERY_KIND), DISKS, "-n", "2", "--dist", "loadgroup")
    assert found.status == 1
    assert found.verdicts == EVERY_VERDICT
    assert "FAILED  /data: disk used 83.1 % (limit < 80 %)" in found.text
    assert "FAILURES" not in found.text
    assert "round trips: 4 to hosts, 0 to databases" in found.text
    assert [gathers(name) for name in EVERY_KIND] == [1] * 4


def test_each_worker_queries_its_hosts_concurrently(estate, prove, tmp_path):
    # The df commands of both hosts in a share wait for each other, so that sequential queries would time out.
    wait = "touch {0}/met-{1}; while [ ! -e {0}/met-{2} ]; do sleep 0.05; done; echo '/data 1 999 100 10'"
    pairs = {"a": "c", "b": "d", "c": "a", "d": "b"}
    path = estate(**{one: wait.format(tmp_path, one, other) for one, other in pairs.items()})
    assert prove(path, DISKS, "-n", "2").status == 0


def test_unreachable_host_is_unknown_and_affects_no_other_host(estate, prove, free_port):
    away = f'[hosts.away]\ntransport = "ssh://root@127.0.0.1:{free_port}"\nmounts."/data" = {{}}\n'
    found = prove(estate(away, calm=120), DISKS)
    assert found.status == 6
    assert found.verdicts[ROOM.format("calm")] == "passed"
    assert found.properties[ROOM.format("away")]["sentence"] == (
        f"away: ssh: connect to host 127.0.0.1 port {free_port}: Connection refused"
    )


def test_verdicts_over_ssh_equal_local_verdicts(estate, prove, gathers, sshd):
    path = estate(**EVERY_KIND)
    path.write_text(path.read_text().replace("local://", sshd))
    found = prove(path, DISKS)
    assert found.verdicts == EVERY_VERDICT
    assert [gathers(name) for name in EVERY_KIND] == [1] * 4


def today():
    """The date in UTC, at least a minute before midnight."""
    now = datetime.datetime.now(tz=datetime.UTC)
    soon = now + datetime.timedelta(minutes=1)
    if soon.date() > now.date():
        time.sleep(60)
    return soon.date()


def waiver(days, ceiling="", on="full-/data"):
    expires = today() + datetime.timedelta(days=days)
    return f"""
[[waivers]]
check = "test_disk_has_free_space"
on = "{on}"
owner = "ana"
reason = "a bigger disk is ordered"
expires = {expires}
{ceiling}
"""


WAIVED = {
    "in_force": ({"days": 30}, "waived", "by ana: a bigger disk is ordered)"),
    "days_left_14": ({"days": 14}, "waived", "(waived until 20"),
    "days_left_13": ({"days": 13}, "warned", "(waived until 20"),
    "last_day": ({"days": 0}, "warned", "(waived until 20"),
    "expired": ({"days": -1}, "failed", "(the waiver of ana expired on 20"),
    "under_ceiling": ({"days": 30, "ceiling": "ceiling = 85"}, "waived", "(waived until 20"),
    "over_ceiling": ({"days": 30, "ceiling": "ceiling = 83"}, "failed", "not within the ceiling of the waiver of ana"),
    "of_another": ({"days": 30, "on": "of_another-/other"}, "failed", "(limit < 80 %)"),
}


def test_waiver_applies_until_it_expires_or_its_ceiling_is_exceeded(estate, prove):
    waivers = [waiver(**{"on": f"{name}-/data", **fields}) for name, (fields, _, _) in WAIVED.items()]
    path = estate("".join(waivers), **dict.fromkeys(WAIVED, 831))
    found = prove(path, DISKS, "-k", "disk_has_free_space")
    assert found.verdicts == {ROOM.format(name): verdict for name, (_, verdict, _) in WAIVED.items()}
    for name, (_, _, said) in WAIVED.items():
        assert said in found.properties[ROOM.format(name)]["sentence"]


def test_waived_failure_does_not_fail_the_run(estate, prove):
    assert prove(estate(waiver(30), full=831), DISKS).status == 0


def test_waiver_of_no_check_is_a_usage_error(estate, prove, gathers):
    path = estate(waiver(30, on="full-/other"), full=831)
    assert prove(path, DISKS).status == 1  # other checks are not collected
    found = prove(path, "-m", "weekly", afresh=True)
    (line,) = [line for line in found.text.splitlines() if line.startswith("ERROR")]
    message = "waivers: no check test_disk_has_free_space[full-/other]: correct or remove the entry"
    assert (found.status, message in line) == (4, True), line
    assert gathers("full") == 1


def acknowledged(days, on="full-/data"):
    due = today() + datetime.timedelta(days=days)
    return f"""
[[acknowledged]]
check = "test_disk_has_free_space"
on = "{on}"
by = "ana"
due = {due}
note = "<OPS-3>"
"""


@pytest.mark.parametrize(("days", "said"), [(0, "due"), (-1, "overdue since")])
def test_acknowledged_finding_keeps_its_verdict(estate, prove, days, said):
    found = prove(estate(acknowledged(days), full=831), DISKS)
    text = f"ana, {said} {today() + datetime.timedelta(days=days)}: <OPS-3>"
    assert (found.status, f"        acknowledged: {text}" in found.text.splitlines()) == (1, True)
    assert found.properties["test_disk_has_free_space[full-/data]"]["acknowledged"] == text
    assert f"acknowledged: {text.replace('<', '&lt;').replace('>', '&gt;')}" in found.html


def test_acknowledgement_of_no_check_is_a_usage_error(estate, prove):
    found = prove(estate(acknowledged(3, on="full-/other"), full=831), "-m", "daily")
    assert "acknowledged: no check test_disk_has_free_space[full-/other]: correct or remove the entry" in found.text


def test_unknown_is_never_waived(estate, prove):
    found = prove(estate(waiver(30, on="mute-/data"), mute=BROKEN), DISKS)
    assert found.verdicts[ROOM.format("mute")] == "unknown"
    assert found.status == 6


@pytest.fixture
def own_checks(tmp_path, repository):
    """Arguments that run checks of the test."""

    def own_checks(text):
        path = tmp_path / "test_own.py"
        path.write_text(f"import pytest\n\n{text}\n", encoding="utf-8")
        return ["-c", f"{repository}/pyproject.toml", "-p", "opsproof.plugin", str(path)]

    return own_checks


def test_error_in_a_check_is_unknown_with_traceback(estate, prove, own_checks):
    check = """
def look(table):
    return table["nothing"]

def test_broken(disks, mount):
    assert disks[mount].used > 0
    look({})

def test_broken_otherwise(disks, mount):
    disks[mount].nothing
"""
    found = prove(estate(calm=120), *own_checks(check))
    assert found.status == 6
    said = "error in the check: KeyError: 'nothing'"
    assert found.properties["test_broken[calm-/data]"] == {"host": "calm", "verdict": "unknown", "sentence": said}
    assert f"UNKNOWN {said}\n        test_broken[calm-/data]" in found.text
    assert "test_own.py:9: look({})" in found.html
    assert "test_own.py:5: return table[&#34;nothing&#34;]" in found.html
    assert "test_own.py:12: disks[mount].nothing" in found.text
    assert "_pytest" not in found.text


def test_undeclared_limit_is_unknown(estate, prove, own_checks):
    found = prove(estate(calm=120), *own_checks("def test_own(host, allowed):\n    assert 1 in allowed.query_time"))
    assert found.status == 6
    said = "limits.query_time is not declared in the inventory"
    assert found.properties["test_own[calm]"]["sentence"] == said


def test_plain_assertion_gives_its_message(estate, prove, own_checks):
    found = prove(estate(calm=120), *own_checks("def test_own(host):\n    assert False, f'{host.name} is\\nnot well'"))
    assert found.properties["test_own[calm]"] == {"host": "calm", "verdict": "failed", "sentence": "calm is"}


def test_check_with_two_resources_is_a_usage_error(estate, prove, own_checks, gathers):
    found = prove(estate(calm=120), *own_checks("def test_own(disks, mount, process):\n    pass"))
    assert found.status != 0
    assert "test_own names two resources: process, mount" in found.text
    assert gathers("calm") == 0


def test_resource_name_with_an_at_sign(estate, prove, own_checks):
    more = 'pm2 = { home = "/nowhere" }\n[hosts.calm.processes]\n"api@1" = {}\n"api@2" = {}\n'
    found = prove(estate(more, calm=120), *own_checks("def test_own(host, process):\n    assert process == 'api@1'"))
    assert found.verdicts == {"test_own[calm-api@1]": "passed", "test_own[calm-api@2]": "failed"}
    assert "        test_own[calm-api@2]\n" in found.text


COUNTING = """
import pytest

from opsproof.core.counters import Counter

def test_own(host, increase, allowed):
    limit = allowed.restarts
    counter = Counter({value}, 0.0, {now})
    assert increase(counter, limit) in limit
"""


def test_counter_is_judged_by_samples_of_earlier_runs(estate, prove, own_checks, tmp_path):
    limit = 'limits.restarts = { must = "< 5", over = "1h" }\n'
    statuses = []
    for value, now in ((7, 1_000_000), (9, 1_003_600), (20, 1_007_200)):
        checks = own_checks(COUNTING.format(value=value, now=float(now)))
        found = prove(estate(limit, calm=120), *checks, reports=tmp_path / "reports")
        statuses.append(found.status)
    assert statuses == [6, 0, 1]
    assert "calm: 11 restarts (limit < 5)" in found.text


def test_repeated_runs_extend_the_streak(estate, prove, tmp_path):
    path = estate(full=831)
    for _ in range(2):
        found = prove(path, DISKS, reports=tmp_path / "reports")
        newest = max((tmp_path / "reports").glob("20*.html"), key=lambda each: each.stat().st_mtime_ns)
    assert found.status == 1
    assert "not good for 2 runs, since 20" in newest.read_text()


def test_broken_history_is_reported_and_the_run_continues(estate, prove, tmp_path):
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "history.sqlite").write_bytes(b"no database " * 100)
    found = prove(estate(**EVERY_KIND), DISKS, reports=tmp_path / "reports")
    assert found.verdicts == EVERY_VERDICT
    assert found.status == 1
    assert "history.sqlite" in found.text
    assert "this run is not recorded" in found.text
    assert "cannot be read" in found.html


def test_own_tests_contact_no_host(prove, tmp_path):
    found = prove(tmp_path / "missing.toml", "tests/core/test_units.py", "-q")
    assert found.status == 0
    assert list(found.reports.iterdir()) == []
    assert "findings" not in found.text
