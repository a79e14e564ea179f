"""The old steps do what the page says: the runbook's own commands, executed."""

import os
import subprocess
import time

import psycopg
import pytest

from lab.postgres import SUPERUSER
from tests.runbook import lines

LOGS = "/home/deploy/meta-chat-platform/logs/"
DAY_S = 86_400


@pytest.fixture(scope="module")
def old():
    """The text of the only line of a chapter that begins with the given words."""
    walked = lines.read(lines.RUNBOOK.read_text(encoding="utf-8"))

    def found(chapter, begin):
        (text,) = [each.text for each in walked if each.chapter.startswith(chapter) and each.text.startswith(begin)]
        return text

    return found


@pytest.fixture
def logs(tmp_path):
    """Makes a log file of an age in days."""

    def make(name, age_days=0.0, text="line\n"):
        path = tmp_path / name
        path.write_text(text)
        os.utime(path, (time.time() - age_days * DAY_S,) * 2)
        return path

    return make


def shell(command, folder):
    command = command.replace(LOGS, f"{folder}/").replace("sudo -u deploy ", "")
    return subprocess.run(["sh", "-c", command], cwd=folder, capture_output=True, text=True, check=False)


def test_seven_days_begin_at_eight_and_compressed_files_stay_for_ever(old, logs, tmp_path):
    logs("api-out__a.log", 9)
    kept = {logs("api-out__b.log", 7.5), logs("api-out__c.log.gz", 30)}
    shell(old("Log Cleanup", 'find /home/deploy/meta-chat-platform/logs/ -name "*__*.log" -mtime +7'), tmp_path)
    assert set(tmp_path.iterdir()) == kept


def test_compressed_files_are_not_counted(old, logs, tmp_path):
    logs("api-out__a.log.gz")
    logs("api-out__b.log")
    assert shell(old("Log Cleanup", "ls -l"), tmp_path).stdout == "1\n"


def test_errors_of_weeks_count_as_errors_of_a_day(old, logs, tmp_path):
    logs("api-out.log", text='{"level":"ERROR","timestamp":"2020-01-01T00:00:00Z"}\n' * 12)
    command = old("Morning Health Check", "error_count=")
    assert shell(f"{command}; echo $error_count", tmp_path).stdout == "12\n"


def test_unhealthy_platform_is_found_healthy(old, tmp_path):
    command = old("Morning Health Check", "health_status=").replace(
        "curl -s http://localhost:3000/health", "cat answer"
    )
    (tmp_path / "answer").write_text('{"status":"unhealthy"}')
    assert shell(f"{command}; echo $health_status", tmp_path).stdout == '{"status":"unhealthy"}\n'


def test_lines_after_compression_of_an_open_log_are_lost(old, logs, tmp_path):
    path = logs("api-out.log")
    with path.open("a") as writer:
        shell(old("Disk Space Emergency", "sudo -u deploy gzip"), tmp_path)
        writer.write("lost\n")
    assert shell("zcat *.gz; cat *.log", tmp_path).stdout == "line\n"


@pytest.mark.parametrize(
    ("chapter", "begin", "error"),
    [
        ("2. Database Statistics Review", "SELECT schemaname, tablename", psycopg.errors.UndefinedColumn),
        ("1. Vector Index Maintenance", "SELECT schemaname, tablename, pg_size_pretty", psycopg.errors.UndefinedTable),
    ],
    ids=["table sizes", "bloat"],
)
def test_query_fails(old, postgres, chapter, begin, error):
    with postgres.server.connect(SUPERUSER, postgres.password, "postgres") as connection:
        connection.execute('CREATE TABLE public."Tenants" ()')
        try:
            with pytest.raises(error):
                connection.execute(old(chapter, begin).encode())
        finally:
            connection.execute('DROP TABLE public."Tenants"')
