import json

import pytest

from opsproof.core.errors import Absent, CommandError, OutputError
from opsproof.facts.logs import DEFAULT_WINDOW_S, LogReports
from opsproof.inventory.hosts import Host
from opsproof.inventory.resources import Log
from opsproof.transport.shell import Answer, run

LOG = Log(path="/logs/api-out.log", format="json")


def answer(recorded, **changes):
    return Answer(0, json.dumps(json.loads(recorded("log_scan.json").stdout) | changes))


def parse(answer):
    return LogReports().parse(answer, "api-out", LOG)


def test_report_holds_scanner_counts(recorded):
    report = parse(recorded("log_scan.json"))
    found = json.loads(recorded("log_scan.json").stdout)
    assert (report.errors, report.client_errors, report.fatals) == (3, found["client_errors"], 0)
    assert report.commonest == (("Request failed: timeout after 1000 ms", 3),)
    assert report.silence_s == found["now"] - found["newest"]
    assert report.covers_s == found["now"] - found["oldest"]


@pytest.mark.parametrize("recognized", [0, 1, 34])
def test_mostly_unparsable_log_raises(recorded, recognized):
    with pytest.raises(
        OutputError, match=rf"^{70 - recognized} of 70 lines of /logs/api-out.log are not json log lines$"
    ):
        parse(answer(recorded, lines=70, recognized=recognized, errors=0))


def test_empty_log_is_silent_since_truncation(recorded):
    report = parse(answer(recorded, lines=0, recognized=0, errors=0, now=1000, newest=None, oldest=None, modified=400))
    assert (report.errors, report.silence_s, report.covers_s) == (0, 600, 0)


def test_missing_log_is_absent():
    with pytest.raises(Absent, match=r"^/logs/api-out.log is declared, but does not exist$"):
        parse(Answer(2, "", "api-out.log: No such file or directory\n"))


@pytest.mark.parametrize(
    ("status", "stderr"), [(2, "api-out.log: Permission denied\n"), (3, "gzip: failed\n"), (64, "usage\n"), (255, "")]
)
def test_unreadable_log_raises(status, stderr):
    with pytest.raises(CommandError, match=f"the log scanner ended with status {status}"):
        parse(Answer(status, "", stderr))


@pytest.mark.parametrize(
    ("limits", "window"), [({}, DEFAULT_WINDOW_S), ({"log_errors": {"must": "< 5", "over": "2h"}}, 7200)]
)
def test_window_is_time_span_of_the_error_limit(limits, window):
    host = Host.model_validate({"transport": "local://", "limits": limits, "run_as": "deploy"}).placed("vps", ())
    command = LogReports().command(host, "api-out", LOG)
    assert command.argv[-3:] == ("/logs/api-out.log", "json", f"{window:.0f}")
    assert command.user == "deploy"


def test_a_real_log_is_scanned_on_the_host(tmp_path):
    path = tmp_path / "api-out.log"
    path.write_text('2026-01-01 00:00:00 +00:00: {"level":"ERROR","time":"2026-01-01T00:00:00.000Z","message":"old"}\n')
    host = Host(transport="local://").placed("vps", ())
    log = Log(path=str(path), format="json")
    (found,) = run(host, (LogReports().command(host, "api-out", log),))
    report = LogReports().parse(found, "api-out", log)
    assert (report.errors, report.commonest) == (0, ())
    assert report.silence_s == report.covers_s > 86_400
