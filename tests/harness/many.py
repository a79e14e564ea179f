"""Pages of runs with many verdicts: a plugin for pytest replaces the verdicts of a small run, and times the page.

``pytest -p tests.harness.many`` reads OPSPROOF_MANY: the number of verdicts.
"""

import os
import sys
import time
from pathlib import Path

import pytest

from opsproof.core.limits import Measurement
from opsproof.core.verdicts import Evidence, Remedy, Verdict
from opsproof.round.run import RUN

CHECKS = {
    "disks": ("test_disk_has_free_space", "test_inodes_are_available"),
    "processes": ("test_process_is_online", "test_process_memory_is_within_limit"),
    "logs": ("test_log_errors_are_within_limit", "test_log_is_active", "test_log_has_no_fatal_errors"),
    "endpoints": ("test_endpoint_responds", "test_response_time_is_within_limit"),
    "databases": ("test_database_accepts_connections", "test_connections_are_available"),
}
RESOURCES = 10
PER_HOST = RESOURCES * sum(map(len, CHECKS.values()))
BAD_EVERY = 37
BOUNDS = (("must", "<", 80.0), ("should", "<", 70.0))


def verdicts(count):
    """`count` verdicts of as many hosts as needed; one of 37 failed, with evidence and a command."""
    found = []
    for number in range(count):
        host, of_host = divmod(number, PER_HOST)
        check, resource = divmod(of_host, RESOURCES)
        subject, name = [(subject, each) for subject, names in CHECKS.items() for each in names][check]
        found.append(_verdict(subject, name, f"vps-{host:03}", f"resource-{resource}", number))
    return found


def _verdict(subject, name, host, resource, number):
    is_bad = number % BAD_EVERY == 0
    value = 80.0 + number % 20 if is_bad else 10.0 + number % 50
    word = "failed" if is_bad else "passed"
    shown = "(limit < 80 %)" if is_bad else ", within the limit (< 80 %)"
    sentence = f"{resource}: disk used {value:g} %{shown}"
    measured = Measurement("disk used", value, "percent", "< 80 %", word, sentence, "runbook", BOUNDS)
    verdict = Verdict(f"{name}[{host}-{resource}]", host, resource, word, sentence, measurements=[measured])
    verdict.subject, verdict.advice = subject, "PostgreSQL stops and PM2 loses log lines when a disk is full."
    if is_bad:
        verdict.remedy = Remedy(host, f"sudo du -ahx -d 2 /{resource} | sort -rh | head -n 20")
        verdict.evidence = [Evidence("largest folders", tuple(f"{line} GB /{resource}/{line}" for line in range(10)))]
    return verdict


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session):
    """Prints the seconds that the page took."""
    run = session.config.stash[RUN]
    run.verdicts = verdicts(int(os.environ["OPSPROOF_MANY"]))
    began = time.perf_counter()
    result = yield
    Path(session.config.option.htmlpath).with_suffix(".seconds").write_text(f"{time.perf_counter() - began}")
    session.exitstatus = 0
    return result


if __name__ == "__main__":
    sys.exit(__doc__)
