"""Warms the embedded lab for a proof, and removes traces of faults."""

import os
import shutil
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

from lab import backups, logs
from lab.faults import disks
from lab.faults.processes import settle
from tests.proving import IS_ROOT

MARKER = "daily or weekly or monthly"
SLOWED = "test_no_statement_has_slowed_down"


def prepare(lab):
    """A week of logs and backups, traffic, and no history."""
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


def recover(lab):
    """Heals what a fault left."""
    lab.up()
    settle(lab)


def inventory(lab, path):
    """Writes the lab's inventory, with the small disk if mounted."""
    text = lab.inventory(path).read_text()
    if IS_ROOT:
        limit = 'limits.disk_used = { must = "< 80%", should = "< 70%" }'
        text = text.replace("[hosts.lab.mounts]\n", f'[hosts.lab.mounts]\n"{disks.disk(lab)}" = {{ {limit} }}\n')
    path.write_text(text)
    return path


@contextmanager
def surroundings(lab, faults):
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


def keeping(ground, files, folders):
    """The ground of faults whose remedies may change files and folders, which are restored after each fault."""

    @contextmanager
    def surroundings(faults):
        texts = {path: path.read_bytes() for path in files}
        kept = [shutil.copytree(each, each.with_suffix(".kept"), copy_function=os.link) for each in folders]
        try:
            with ground.surroundings(faults):
                yield
        finally:
            for path, text in texts.items():
                path.write_bytes(text)
            for folder, copy in zip(folders, kept, strict=True):
                shutil.rmtree(folder, ignore_errors=True)
                copy.rename(folder)

    return replace(ground, surroundings=surroundings)


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


def with_disk_path(fault, lab):
    """The fault with the small disk's path in place of [DISK]."""
    disk = f"[lab-{disks.disk(lab)}]"
    names = {name.replace("[DISK]", disk): verdict for name, verdict in fault.expected.items()}
    may_change, causes = (
        [name.replace("[DISK]", disk) for name in given] for given in (fault.may_change, fault.causes or ())
    )
    return replace(fault, expected=names, may_change=frozenset(may_change), causes=tuple(causes))
