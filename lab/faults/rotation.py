"""Faults of log rotation and retention."""

import gzip
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from lab import Lab
from lab.fault import EVERYTHING, causes, shows
from lab.faults.fault import fault
from lab.faults.logs import API, COUNTS
from lab.faults.processes import EVERY_PROCESS, settle
from lab.logs import line

MODULE = "lab-pm2-logrotate"
MEGABYTE = 1_000_000
LAST_DAYS_S = 50 * 3600


@contextmanager
def _rotated(lab: Lab, name: str, age: timedelta, packed: bool = True) -> Iterator[Path]:
    """An additional rotated file of the given age."""
    moment = datetime.now(UTC).replace(tzinfo=None) - age
    path = lab.layout.logs / f"{name}__{moment:%Y-%m-%d_%H-%M-%S}.log{'.gz' if packed else ''}"
    content = line(moment - timedelta(minutes=1), "INFO", ("ApiServer",), "", "Heartbeat").encode()
    path.write_bytes(gzip.compress(content) if packed else content)
    os.utime(path, 2 * (time.time() - age.total_seconds(),))
    yield path
    path.unlink()


@contextmanager
def _moved_away(paths: list[Path]) -> Iterator[None]:
    kept = {path: (path.read_bytes(), path.stat().st_mtime) for path in paths}
    for path in paths:
        path.unlink()
    yield
    for path, (content, modified) in kept.items():
        path.write_bytes(content)
        os.utime(path, (modified, modified))


@contextmanager
def _sparse(folder: Path, count: int, size_bytes: int) -> Iterator[None]:
    """Large sparse files, taking no disk space."""
    paths = [folder / f"ballast-{number}.log" for number in range(count)]
    for path in paths:
        path.touch()
        os.truncate(path, size_bytes)
    yield
    for path in paths:
        path.unlink()


def _files(lab: Lab) -> list[Path]:
    return sorted(lab.layout.logs.glob("api-out__*"))


@fault(failed=("test_rotation_is_installed", *(f"{check}[{MODULE}]" for check in EVERY_PROCESS)), touches=(EVERYTHING,))
@causes("test_rotation_is_installed")
def logrotate_uninstalled(lab: Lab) -> Iterator[None]:
    """The module is missing in PM2; its settings are left."""
    lab.pm2("delete", "pm2-logrotate")
    yield
    lab.up()
    settle(lab)


@contextmanager
def _settings(lab: Lab, change: dict[str, dict[str, str]]) -> Iterator[None]:
    path = lab.layout.pm2 / "module_conf.json"
    before = path.read_text()
    path.write_text(json.dumps(json.loads(before) | change))
    yield
    path.write_text(before)


@fault(failed=("test_rotation_is_configured_as_declared",), touches=("pm2",))
def logrotate_settings_changed(lab: Lab) -> Iterator[None]:
    """The size limit of rotation was raised, and compression switched off."""
    with _settings(lab, {"pm2-logrotate": {"max_size": "1G", "retain": "7", "compress": "false"}}):
        yield


@fault(failed=("test_rotation_is_configured_as_declared",), touches=("pm2",))
def logrotate_settings_missing(lab: Lab) -> Iterator[None]:
    """PM2's settings were rewritten without the module's settings."""
    path = lab.layout.pm2 / "module_conf.json"
    before = path.read_text()
    path.write_text('{"module-db-v2": {}}')
    yield
    path.write_text(before)


@fault(failed=(f"test_log_is_rotated[{API}]",), touches=("logs",))
def log_not_rotated_for_two_days(lab: Lab) -> Iterator[None]:
    """Rotation did not run for two days; their lines are still in the current file."""
    current = lab.layout.logs / "api-out.log"
    first = line(datetime.now(UTC).replace(tzinfo=None) - timedelta(hours=30), "INFO", ("ApiServer",), "", "Heartbeat")
    with _moved_away([path for path in _files(lab) if path.stat().st_mtime > time.time() - LAST_DAYS_S]):
        current.write_text(first + current.read_text())
        yield
        current.write_text(current.read_text().replace(first, ""))


@fault(failed=(f"test_rotated_files_cover_retention[{API}]",), touches=("logs",))
@shows(r"\A(?:.*\n){1,4}\Z")
def rotated_files_cover_two_days_only(lab: Lab) -> Iterator[None]:
    """A busy day was rotated by size into the seven kept files, so the week before was deleted."""
    with _moved_away(_files(lab)[:-2]):
        yield


@fault(
    failed=(f"test_rotated_files_cover_retention[{API}]",),
    unknown=tuple(f"{check}[{API}]" for check in COUNTS),
    touches=("logs",),
)
@shows(r"\A(?:.*\n){1,4}\Z")
def rotated_files_cover_an_hour_only(lab: Lab) -> Iterator[None]:
    """A flood was rotated by size: the day's errors are gone, so their number is unknown."""
    with _moved_away(_files(lab)):
        yield


@fault(failed=(f"test_old_rotated_files_are_removed[{API}]",), touches=("logs",))
def rotated_file_expired(lab: Lab) -> Iterator[None]:
    """Five hours older than seven days: `find -mtime +7` would keep the file for the rest of the eighth day."""
    with _rotated(lab, "api-out", timedelta(days=7, hours=5)):
        yield


@fault(touches=("logs",))
def old_file_of_another_log(lab: Lab) -> Iterator[None]:
    """A log whose name ends in the name of a declared log: its files do not belong to the declared log."""
    with _rotated(lab, "my-api-out", timedelta(days=30)), _rotated(lab, "api-out-old", timedelta(days=30), False):
        yield


@fault(failed=(f"test_rotated_files_are_compressed[{API}]",), touches=("logs",))
def rotated_file_not_compressed(lab: Lab) -> Iterator[None]:
    """pm2-logrotate 3.0.0 leaves a file uncompressed although compress is true."""
    with _rotated(lab, "api-out", timedelta(minutes=30), packed=False):
        yield


@fault(failed=("test_log_file_size_is_within_limit",))
@shows(r"^(?:97|101)M\s.*ballast-0.log")
def log_file_large(lab: Lab) -> Iterator[None]:
    """A file of 101 MB."""
    with _sparse(lab.layout.logs, 1, 101 * MEGABYTE):
        yield


@fault(failed=("test_log_folder_size_is_within_limit",))
@shows(r"^95M\s.*ballast-\d+.log")
def log_folder_large(lab: Lab) -> Iterator[None]:
    """Many files of 99 MB."""
    with _sparse(lab.layout.logs, 55, 99 * MEGABYTE):
        yield


@fault(failed=("test_pm2_own_log_size_is_within_limit",))
@shows(r"^97M\s.*ballast-0.log")
def pm2_log_large(lab: Lab) -> Iterator[None]:
    """A module has written 101 MB into PM2's own log folder."""
    with _sparse(lab.layout.pm2 / "logs", 1, 101 * MEGABYTE):
        yield
