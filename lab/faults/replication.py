"""Faults of replication and WAL archiving."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from lab import Lab
from lab.fault import EVERYTHING, TIME, shows
from lab.faults.fault import fault
from lab.postgres import SUPERUSER
from lab.waiting import wait_until

CHECKS = ("test_replication_slots_are_active", "test_standby_lag_is_within_limit", "test_wal_archiving_succeeds")
LOGGED = ("test_log_errors_are_within_limit", "test_log_is_active")


@fault(failed=("test_replication_slots_are_active",))
@shows("forgotten")
def replication_slot_forgotten(lab: Lab) -> Iterator[None]:
    """A standby was removed, but its replication slot was not."""
    with lab.connect() as admin:
        admin.execute("SELECT pg_create_physical_replication_slot('forgotten', true)")
        yield
        admin.execute("SELECT pg_drop_replication_slot('forgotten')")


@fault(warned=("test_standby_lag_is_within_limit",), touches=("webhooks", TIME))
@shows("pg_receivewal")
def standby_hangs(lab: Lab) -> Iterator[None]:
    """A WAL receiver is halted: the connection stays open, and the last status message was good."""
    folder = lab.home / "received"
    folder.mkdir()
    words = [str(lab.layout.bin / "pg_receivewal"), "-h", "127.0.0.1", "-p", str(lab.postgres_port), "-U", SUPERUSER]
    environment = {**os.environ, "PGPASSFILE": str(lab.layout.secrets / "pgpass-metachat")}
    receiver = subprocess.Popen([*words, "-D", str(folder), "--status-interval=1"], env=environment)
    with lab.connect() as admin:
        query = "SELECT count(*) FROM pg_stat_replication WHERE write_lsn = pg_current_wal_lsn()"
        wait_until(lambda: admin.execute(query).fetchone() == (1,), "the receiver has the log")
        receiver.send_signal(signal.SIGSTOP)
        admin.execute("UPDATE webhooks SET enabled = enabled WHERE id = 'whk0001'")
        lab.settling.needs(16)
        yield
    receiver.kill()
    receiver.wait()
    shutil.rmtree(folder)


@fault(failed=("test_wal_archiving_succeeds",), may_change=LOGGED, touches=(EVERYTHING,))
@shows(r"\| on +\| false")
def archiving_fails(lab: Lab) -> Iterator[None]:
    """WAL archiving is on, and archive_command has failed for hours."""
    with lab.connect() as admin:
        admin.execute("ALTER SYSTEM SET archive_mode = on")
        admin.execute("ALTER SYSTEM SET archive_command = 'false'")
    lab.stop_database()
    lab.up()
    with lab.connect() as admin:
        admin.execute("SELECT pg_switch_wal()")
        query = "SELECT count(*) FROM pg_stat_archiver WHERE failed_count > 0"
        wait_until(lambda: admin.execute(query).fetchone() == (1,), "archiving has failed")
        ((folder,),) = admin.execute("SHOW data_directory")
        for ready in Path(folder, "pg_wal", "archive_status").glob("*.ready"):
            os.utime(ready, (time.time() - 7200,) * 2)
        yield
        admin.execute("ALTER SYSTEM RESET archive_mode")
        admin.execute("ALTER SYSTEM RESET archive_command")
    lab.stop_database()
    lab.up()
