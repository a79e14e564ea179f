"""Processes without a unit of their own become entries to confirm, without the words that may be secrets."""

import pytest

from opsproof.discovery import plain_processes
from opsproof.discovery.sight import Entry
from opsproof.transport.shell import Answer

DOUBT = "has no unit of its own, cron.service started it: remove a job that ends"
PORTS = "; add the ports in listens, if any"


def line(pattern, user="app", pidfile="", *ports):
    texts = (pattern, user, "cron.service", pidfile)
    return " ".join(["plain", *(each.encode().hex() for each in texts), *ports])


def found(*lines):
    return plain_processes.processes(Answer(0, "".join(f"{each}\n" for each in (*lines, "end"))))


def test_process_has_its_command_pid_file_owner_and_ports():
    sight = found(line("/usr/bin/python3 /srv/courier.py", "shop", "/run/courier.pid", "25", "8025"))
    fields = {"command": "/usr/bin/python3 /srv/courier.py", "pidfile": "/run/courier.pid", "user": "shop"}
    assert sight.entries == [Entry("processes", "courier", {**fields, "listens": [25, 8025]}, DOUBT)]


def test_equal_processes_are_instances():
    sight = found(line("node worker.js *"), line("node worker.js *", "app", "", "8000"), line("node worker.js *"))
    fields = {"command": "node worker.js *", "user": "app", "instances": 3, "listens": [8000]}
    assert sight.entries == [Entry("processes", "worker", fields, DOUBT)]


def test_names_are_unique():
    sight = found(line("/opt/relay *"), line("/opt/relay *", "ops"), line("/srv/relay", "ops"))
    assert [each.name for each in sight.entries] == ["relay", "relay-ops", "/srv/relay"]
    assert {each.confirm for each in sight.entries} == {DOUBT + PORTS}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [(Answer(1, "", "/proc hides the processes"), "/proc hides the processes"), (Answer(0, "plain"), "cut short")],
    ids=["hidepid", "cut short"],
)
def test_hidden_processes_are_unseen(answer, reason):
    sight = plain_processes.processes(answer)
    assert not sight.entries
    assert reason in sight.unseen[0].what
