"""From the installed wheel, in an empty folder: init, doctor, the first report, without an unannounced unknown verdict.

A new user of a host with a role that may only log in. Doctor announces the unknown verdicts, and its commands, executed
as printed where they say, end all but those that need an earlier run.
"""

import re
import sqlite3
import subprocess
import time
from contextlib import closing

import pytest

from opsproof.doctor.mending import AGAIN
from tests.harness.notes import show
from tests.shop.conftest import logs_without_traces

pytestmark = pytest.mark.shop
GOAL_S = 300
FURTHER = ("weekly", "monthly", "quarterly", "predeploy", "postdeploy")
ROLE = "newcomer"


@pytest.fixture
def newcomer(shop_lab, installed):
    """A role of both clusters that may only log in, and the administrator's setting for passwords."""
    for database in ("shop", "archive"):
        shop_lab.sql(f"CREATE ROLE {ROLE} LOGIN PASSWORD 'secret'; DROP EXTENSION pgstattuple", database)
    passfile = installed.folder / "pgpass"
    passfile.touch(mode=0o600)
    passfile.write_text(f"127.0.0.1:*:*:{ROLE}:secret\n", encoding="utf-8")
    with logs_without_traces(shop_lab):
        yield passfile
    for database in ("shop", "archive"):
        shop_lab.sql(f"CREATE EXTENSION IF NOT EXISTS pgstattuple; DROP OWNED BY {ROLE}; DROP ROLE {ROLE}", database)


def announced(installed, inventory):
    """The tests that doctor announces as unknown, and its commands."""
    done = installed.run("doctor", f"--inventory={inventory}", "--reports=reports", limit_s=180)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    commands = re.findall(r"^    mend: (.*)$", done.stdout, re.MULTILINE)
    return sorted(re.findall(r"^    (test_.*)$", done.stdout, re.MULTILINE)), list(dict.fromkeys(commands))


def report(installed, inventory, name):
    """A round, with its report."""
    done = installed.run(name, f"--inventory={inventory}", "--reports=reports", limit_s=180)
    assert done.returncode in (0, 1, 5, 6), done.stdout + done.stderr


def unknown(installed, runs):
    """The tests whose first verdict is unknown in runs from `runs` on, with the sentences."""
    query = """
        SELECT test, sentence FROM verdicts AS v WHERE verdict = 'unknown' AND run >= :runs
           AND run = (SELECT min(run) FROM verdicts AS w WHERE w.test = v.test AND run >= :runs)
    """
    with closing(sqlite3.connect(installed.folder / "reports" / "history.sqlite")) as history:
        return dict(history.execute(query, {"runs": runs}).fetchall())


def last_run(installed):
    """The number of the last recorded run."""
    with closing(sqlite3.connect(installed.folder / "reports" / "history.sqlite")) as history:
        return history.execute("SELECT max(id) FROM runs").fetchone()[0]


def test_first_report_of_a_new_host_has_no_surprise(shop_lab, installed, newcomer, request):
    began = time.monotonic()
    transport = f"ssh://ops@10.214.77.2?ssh_config={shop_lab.layout.ssh}/config"
    ports = {"shop": 5432, "archive": 5433}
    dsns = [
        f"--dsn=host=127.0.0.1 port={port} dbname={name} user={ROLE} passfile={newcomer}"
        for name, port in ports.items()
    ]
    done = installed.run("init", transport, *dsns, "--into=new.toml")
    assert (done.returncode, done.stderr) == (0, "")
    tests, commands = announced(installed, "new.toml")
    report(installed, "new.toml", "daily")
    took_s = time.monotonic() - began
    assert list((installed.folder / "reports").glob("*_daily.html"))
    for name in FURTHER:
        report(installed, "new.toml", name)
    found = unknown(installed, 1)
    assert tests == sorted(found), found
    assert len(tests) > 5
    show(request.config, f"init, doctor, first report: {took_s:.0f} s, {len(found)} unknown, all announced")
    assert took_s < GOAL_S
    for command in commands:
        if command != AGAIN:
            execute(shop_lab, installed, command)
    tests, commands = announced(installed, "new.toml")
    before = last_run(installed)
    for name in ("daily", *FURTHER):
        report(installed, "new.toml", name)
    left = unknown(installed, before + 1)
    assert tests == sorted(left), left
    assert [each for each in commands if each != AGAIN] == [], left


def execute(shop_lab, installed, command):
    """Executes a command as printed: here, or on the shop as an administrator, with the files made here."""
    here, _, there = command.removeprefix("on shop: ").rpartition("; on shop: ")
    if not here and not command.startswith("on shop: "):
        here, there = command, ""
    if here:
        words = ["sh", "-ec", here]
        environment = {"PATH": f"{installed.programs}:/usr/bin:/bin", "HOME": str(installed.folder)}
        subprocess.run(words, cwd=installed.folder, env=environment, check=True, timeout=60)
    made = [path for path in installed.folder.glob("*.sql") if path.name in there]
    for path in made:
        shop_lab.root("sh", "-c", 'cat > "/root/$0"', path.name, text=path.read_text(encoding="utf-8"))
    if there:
        shop_lab.root("sh", "-ec", f"cd /root; {there}")
