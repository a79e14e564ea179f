"""The demonstration of reports: days judged by the real checks from changed recordings."""

import json
import re

from lab.demo_history import BURST, CLEANED, FLAPPING, STOPPED, on_day, simulate

DISKS = "Mounted on Used Avail Inodes IUsed\n/srv/a b 300 700 100 10\n"


WORKER = {"name": "meta-chat-worker", "memory_bytes": 1, "status": "online"}


def day(number):
    texts = {
        "disks /srv/a b": DISKS,
        "processes": json.dumps({"daemon": {"processes": [WORKER]}}),
        "log_reports api-out": json.dumps({"errors": 0}),
        "responses health": '{"status": "healthy"}\n200 0.03 ',
        "load": "unchanged",
    }
    recording = {"lab": {"answers": {name: {"stdout": text} for name, text in texts.items()}}}
    return {name: each["stdout"] for name, each in on_day(number, recording)["lab"]["answers"].items()}


def used(number):
    line = re.search(r" (\d+) \d+ 100 10$", day(number)["disks /srv/a b"], re.MULTILINE)
    return int(line[1])


def test_days_differ_where_they_should():
    assert max(map(used, range(60))) == used(CLEANED - 1) >= 980
    assert used(CLEANED) < 900
    assert [number for number in range(60) if "stopped" in day(number)["processes"]] == list(STOPPED)
    assert [number for number in range(60) if json.loads(day(number)["log_reports api-out"])["errors"] > 10] == [BURST]
    failing = [number for number in range(60) if "\n503 " in day(number)["responses health"]]
    assert failing == [number for number in range(FLAPPING, 60) if number % 2]
    assert {day(number)["load"] for number in range(60)} == {"unchanged"}


def test_simulated_days_are_recorded_at_their_times(lab, prove, tmp_path):
    inventory, recording, reports = lab.inventory(tmp_path / "lab.toml"), tmp_path / "facts.json", tmp_path / "reports"
    prove(inventory, "-m", "daily", f"--save-facts={recording}", afresh=True)
    simulate(recording, inventory, reports, 3)
    pages = sorted(each.name for each in reports.glob("*_daily.html"))
    assert len({page[:10] for page in pages}) == 3
    index = (reports / "index.html").read_text(encoding="utf-8")
    assert pages[-1] in index
    assert "saved facts" in (reports / pages[-1]).read_text(encoding="utf-8")
