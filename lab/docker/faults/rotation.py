"""Faults of log rotation and retention."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from lab.docker import DockerLab
from lab.docker.faults.fault import fault
from lab.docker.faults.steps import of, settle, written
from lab.docker.layout import APP
from lab.fault import shows

LOGS = f"{APP}/logs"
SETTINGS = "/home/deploy/.pm2/module_conf.json"
LAUNCH = """
const pm2 = require('./node_modules/pm2');
const modules = require('./node_modules/pm2/lib/API/Modules/Modularizer.js');
pm2.connect(() => modules.launchModules(pm2, () => process.exit()));
"""
"""Starts PM2's modules, as the daemon does at its start."""
LAST_DAYS = "find logs -name 'api-out__*' -newermt '50 hours ago'"
PROCESS = (
    "test_process_is_online",
    "test_process_restarts_are_within_limit",
    "test_process_memory_is_within_limit",
    "test_process_uptime_is_within_limit",
)


@contextmanager
def _moved_away(lab: DockerLab, files: str) -> Iterator[None]:
    """Moves files out of the log folder; `files` is a shell command that lists them."""
    lab.deploy("sh", "-ec", f"mkdir aside; mv $({files}) aside")
    yield
    lab.deploy("sh", "-ec", "mv aside/* logs; rmdir aside")


@contextmanager
def _sparse(lab: DockerLab, folder: str, count: int) -> Iterator[None]:
    """Large sparse files, taking no disk space."""
    lab.deploy(
        "sh", "-ec", 'for n in $(seq "$2"); do truncate -s 101M "$1/ballast-$n.log"; done', "sh", folder, str(count)
    )
    yield
    lab.deploy("sh", "-ec", 'rm "$1"/ballast-*', "sh", folder)


@fault(failed=("test_rotation_is_installed", *of("pm2-logrotate", *PROCESS)), touches=("pm2", "settings of pm2"))
def logrotate_uninstalled(lab: DockerLab) -> Iterator[None]:
    """The module is missing in PM2; its settings are left."""
    lab.pm2("delete", "pm2-logrotate")
    yield
    lab.deploy("node", "-e", LAUNCH)
    settle(lab)


@fault(failed=("test_rotation_is_configured_as_declared",), touches=("settings of pm2",))
def logrotate_settings_changed(lab: DockerLab) -> Iterator[None]:
    """The size limit of rotation was raised, and compression switched off."""
    other = {"pm2-logrotate": {"max_size": "1G", "retain": "7", "compress": "false"}}
    with written(lab, SETTINGS, json.dumps(other)):
        yield


@fault(failed=of("api-out", "test_log_is_rotated"), touches=("logs",))
def log_not_rotated_for_two_days(lab: DockerLab) -> Iterator[None]:
    """Rotation did not run for two days; their lines are still in the current file."""
    first = f"zcat -f $({LAST_DAYS} | sort | head -n 1) | head -n 1"
    lab.deploy(
        "sh", "-ec", f"{{ {first}; cat logs/api-out.log; }} > .longer; cat .longer > logs/api-out.log; rm .longer"
    )
    with _moved_away(lab, LAST_DAYS):
        yield


@fault(failed=of("api-out", "test_rotated_files_cover_retention"), touches=("logs",))
@shows(r"\A(?:.*\n){1,4}\Z")
def rotated_files_cover_two_days_only(lab: DockerLab) -> Iterator[None]:
    """A busy day was rotated by size into the seven kept files, so the week before was deleted."""
    with _moved_away(lab, "ls logs/api-out__* | head -n -2"):
        yield


@fault(
    failed=of("api-out", "test_old_rotated_files_are_removed", "test_rotated_files_are_compressed"), touches=("logs",)
)
def rotated_file_expired_and_uncompressed(lab: DockerLab) -> Iterator[None]:
    """Five hours older than seven days; uncompressed, as pm2-logrotate 3.0.0 leaves files despite compress = true."""
    when = 'when=$(date --utc --date="173 hours ago" +%Y-%m-%d_%H-%M-%S)'
    name = 'name="logs/api-out__$when.log"'
    lab.deploy(
        "sh",
        "-ec",
        f'{when}; {name}; zcat logs/api-out__*.gz | head -n 1 > "$name"; touch --date="173 hours ago" "$name"',
    )
    yield
    lab.deploy("sh", "-c", "rm logs/api-out__*.log")


@fault(failed=("test_log_file_size_is_within_limit",), touches=("logs",))
@shows(r"^101M\s.*ballast-1.log")
def log_file_large(lab: DockerLab) -> Iterator[None]:
    """A file of 106 MB."""
    with _sparse(lab, LOGS, 1):
        yield


@fault(failed=("test_log_file_size_is_within_limit", "test_log_folder_size_is_within_limit"), touches=("logs",))
@shows(r"^101M\s.*ballast-\d+.log")
def log_folder_large(lab: DockerLab) -> Iterator[None]:
    """Fifty files of 106 MB."""
    with _sparse(lab, LOGS, 50):
        yield


@fault(failed=("test_pm2_own_log_size_is_within_limit",))
@shows(r"^101M\s.*ballast-1.log")
def pm2_log_large(lab: DockerLab) -> Iterator[None]:
    """A module has written 106 MB into PM2's own log folder."""
    with _sparse(lab, "/home/deploy/.pm2/logs", 1):
        yield
