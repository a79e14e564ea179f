"""The proof: on the healthy lab every check passes, and under each fault exactly the named checks change."""

import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from lab import backups, logs, vectors
from lab.docker.faults import FAULTS as DOCKER_FAULTS
from lab.faults import FAULTS, disks
from lab.faults.processes import settle
from lab.pgbackrest.faults import FAULTS as PGBACKREST_FAULTS
from tests.harness import extent, timing
from tests.proving import IS_ROOT, ROOT, Ground, Proof, Rounds, agree, bad, check, identity
from tests.proving.results import conclude
from tests.proving.selection import planned

MARKER = "daily or weekly or monthly"
SLOWED = "test_no_statement_has_slowed_down"


@pytest.fixture(scope="module")
def rounds(lab, tmp_path_factory):
    """Rounds on the healthy, warm lab, with a history for the checks of growth."""
    with timing.part("seeding"):
        _prepare(lab)
    rounds = Rounds(_inventory(lab, tmp_path_factory.mktemp("proof") / "lab.toml"), lab.layout.reports, marker=MARKER)
    lab.settling.wait()
    rounds.run()  # checks of growth compare with an earlier run
    vectors.rebuild(lab)
    rounds.run()  # a rebuilt index is recognised by its changed file
    yield rounds
    if IS_ROOT:
        disks.unmount(lab)


@pytest.fixture(scope="module")
def proof(rounds, lab, request):
    ground = Ground("embedded", lab, lambda faults: _surroundings(lab, faults), lambda: _recover(lab))
    order = [[_with_disk_path(fault, lab) for fault in batch] for batch in planned(request.session.items, request.path)]
    proof = Proof(ground, rounds, order)
    yield proof
    conclude(proof, request.config)


def _prepare(lab):
    lab.up()
    if IS_ROOT:
        disks.mount(lab)
    logs.remove(lab.layout.logs)
    logs.history(lab.layout.logs, datetime.now(UTC).replace(tzinfo=None))
    lab.pm2("reloadLogs")
    lab.traffic()
    with lab.connect() as admin:
        admin.execute("ANALYZE")  # a killed server has lost its statistics
        admin.execute("SELECT pg_stat_statements_reset()")  # of earlier proofs in the same lab
        _repeat_statement(admin)
    settle(lab)
    shutil.rmtree(lab.layout.reports, ignore_errors=True)
    backups.prepare(lab)


def _recover(lab):
    lab.up()
    settle(lab)


def _inventory(lab, path):
    """Writes the lab's inventory, with the small disk if mounted."""
    text = lab.inventory(path).read_text()
    if IS_ROOT:
        limit = 'limits.disk_used = { must = "< 80%", should = "< 70%" }'
        text = text.replace("[hosts.lab.mounts]\n", f'[hosts.lab.mounts]\n"{disks.disk(lab)}" = {{ {limit} }}\n')
    path.write_text(text)
    return path


@contextmanager
def _surroundings(lab, faults):
    """Restores logs and statistics: traces of faults are not part of the healthy lab."""
    kept = {path: (path.read_bytes(), path.stat().st_mtime) for path in lab.layout.logs.iterdir()}
    try:
        yield
    finally:
        for path in set(lab.layout.logs.iterdir()) - set(kept):
            path.unlink()
        for path, (content, modified) in kept.items():
            path.write_bytes(content)
            if "__" in path.name:
                os.utime(path, (modified, modified))
        if not any(SLOWED in fault.expected for fault in faults):
            _forget_statements(lab)


def _forget_statements(lab):
    """Resets the database's statement statistics, slowed by faults. Entries of other databases must stay."""
    with lab.connect(database="postgres") as other:
        other.execute("SELECT 1")
    with lab.connect() as admin:
        admin.execute(
            "SELECT pg_stat_statements_reset(dbid => oid) FROM pg_database WHERE datname = current_database()"
        )
        _repeat_statement(admin)


def _repeat_statement(admin):
    """Runs statements: pg_stat_statements must not be empty soon after a reset."""
    for _ in range(25):
        admin.execute("SELECT count(*) FROM channels")


def _with_disk_path(fault, lab):
    """The fault with the small disk's path in place of [DISK]."""
    disk = f"[lab-{disks.disk(lab)}]"
    names = {name.replace("[DISK]", disk): verdict for name, verdict in fault.expected.items()}
    return replace(
        fault, expected=names, may_change=frozenset(name.replace("[DISK]", disk) for name in fault.may_change)
    )


@pytest.mark.lab
def test_healthy_lab_passes_rounds_in_a_row(rounds):
    for _ in range(extent.HEALTHY_ROUNDS):
        agree(bad(rounds.run()), {}, "healthy")


@pytest.mark.lab
@pytest.mark.parametrize("fault", FAULTS, ids=identity)
def test_fault_changes_exactly_the_checks_it_names(proof, fault):
    if fault.root and not IS_ROOT:
        pytest.skip("this fault mounts a file system, which needs root")
    proof.of(fault.name)


@pytest.mark.parametrize("name", ["lab", "lab-docker", "lab-pgbackrest"])
def test_every_daily_weekly_and_monthly_check_is_named_by_a_fault(name):
    words = ["-m", "pytest", "-m", MARKER, "--collect-only", "-q", f"--inventory=inventory/{name}.toml"]
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=True)
    checks = set(re.findall(r"::(\w+)", done.stdout))
    assert checks
    faults = (*FAULTS, *DOCKER_FAULTS, *PGBACKREST_FAULTS)
    broken = {check(name) for fault in faults for name, verdict in fault.expected.items() if verdict != "passed"}
    assert checks - broken == set()


@pytest.mark.lab
def test_reports_contain_no_secret(rounds, lab):
    rounds.run(options=(f"--save-facts={rounds.reports / 'facts.json'}",))
    files = [path for path in rounds.reports.iterdir() if path.is_file()]
    assert {".html", ".xml", ".sqlite", ".json"} <= {path.suffix for path in files}
    found = [(path.name, secret) for path in files for secret in lab.secrets if secret.encode() in path.read_bytes()]
    assert not found
