"""Common steps of breaking and healing, and groups of affected checks."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from lab.docker import DockerLab, engine
from lab.docker.layout import POSTGRES, RABBITMQ, REDIS, VPS
from lab.docker.server import API_PORT
from lab.docker.status import is_healthy
from lab.errors import LabError
from lab.instance import SETTLED_S
from lab.waiting import wait_until
from opsproof.facts.containers import FIRST_START_S

POLL_S = 0.2
"""Poll interval of Docker, whose answers take a tenth of a second."""
OF_PM2 = ("api", "worker", "logrotate")
"""The parts of the lab that PM2 runs."""

ANSWERS = (
    "test_endpoint_responds",
    "test_response_time_is_within_limit",
    "test_platform_is_healthy",
    "test_services_are_up",
)
DOWN = '"degraded"|"unhealthy"|HTTP/1.1 503|timed out'
"""A pattern for the platform's answer while a service is down."""
UNHEALTHY = '"Status":"unhealthy"'
"""A pattern for the state of a container whose health check fails."""
CACHE_REPORT = (
    "test_cache_memory_is_within_limit",
    "test_last_save_succeeded",
    "test_last_save_is_recent",
    "test_no_client_was_rejected",
    "test_no_key_was_evicted",
)
QUEUE_LIST = (
    "test_every_queue_is_declared",
    "test_queue_pattern_matches_a_queue",
    "test_queues_have_consumers",
    "test_ready_messages_are_within_limit",
    "test_messages_are_acknowledged",
    "test_dead_letters_are_within_limit",
    "test_no_new_dead_letters_arrive",
    "test_stream_lag_is_within_limit",
)
CONTAINER_STATE = ("test_container_is_running", "test_container_is_healthy")
CONTAINER_CHECKS = (
    *CONTAINER_STATE,
    "test_container_was_not_restarted",
    "test_container_was_not_out_of_memory",
    "test_restart_policy_is_set",
    "test_ports_are_on_loopback_only",
    "test_container_logs_are_limited",
    "test_container_memory_is_limited",
    "test_image_is_pinned",
)
DATABASE_CHECKS = (
    "test_database_accepts_connections",
    "test_query_time_is_within_limit",
    "test_connections_are_available",
    "test_database_size_is_within_limit",
    "test_shared_memory_fits_maintenance",
)
IN_DATABASE = (
    "test_vector_index_is_valid",
    "test_backup_leaves_nothing_out",
    "test_backup_role_can_dump_everything",
    "test_indexes_are_valid",
    "test_no_interrupted_index_build_remains",
    "test_no_old_database_remains",
    "test_future_partitions_exist",
    "test_default_partition_is_empty",
    "test_replication_slots_are_active",
)
"""Checks of objects in the database."""
PROCESS_LIST = (
    "test_pm2_daemon_is_running",
    "test_no_process_is_broken",
    "test_pm2_saved_list_matches_processes",
    "test_pm2_daemon_and_cli_versions_match",
    "test_process_is_online",
    "test_process_restarts_are_within_limit",
    "test_process_memory_is_within_limit",
    "test_process_uptime_is_within_limit",
    "test_rotation_is_installed",
)
LOG_REPORT = (
    "test_log_errors_are_within_limit",
    "test_client_errors_are_within_limit",
    "test_log_has_no_fatal_errors",
    "test_log_is_active",
    "test_log_growth_is_within_limit",
    "test_rotation_is_configured_as_declared",
    "test_log_is_rotated",
    "test_rotated_files_cover_retention",
    "test_old_rotated_files_are_removed",
    "test_rotated_files_are_compressed",
    "test_log_folder_size_is_within_limit",
    "test_log_file_size_is_within_limit",
    "test_pm2_own_log_size_is_within_limit",
)
LISTED_IN_CONTAINER = ("test_backup_holds_every_table",)
"""Checks that run pg_restore in the database's container."""
OF_DRILLS = (
    "test_last_restore_drill_succeeded",
    "test_restore_drill_is_recent",
    "test_restore_time_is_within_limit",
    "test_restored_definitions_match_backup",
)
"""Checks that read the journal, independent of the server."""
CONTENT_OF_BACKUP = ("test_backup_checksums_match", "test_backup_holds_every_table")
OF_NEWEST_BACKUP = (
    *CONTENT_OF_BACKUP,
    "test_backup_is_recent",
    "test_backup_is_large_enough",
    "test_backup_size_is_steady",
    "test_disk_has_room_for_next_backup",
    "test_off_site_copy_is_complete",
)
EVERY_BACKUP = (
    *OF_NEWEST_BACKUP,
    "test_backup_count_is_sufficient",
    "test_backup_is_private",
    "test_no_partial_backup_remains",
    "test_expired_backups_are_pruned",
)


def of(resource: str, *checks: str) -> tuple[str, ...]:
    """Names of checks with the parameter of a server's resource."""
    return tuple(f"{check}[vps-{resource}]" for check in checks)


THROUGH_API = (*of("health", *ANSWERS), *of("public", *ANSWERS))
"""Checks of the route /health, which waits for Redis."""
DEGRADED = tuple(
    f"{check}[vps-{endpoint}]"
    for endpoint in ("health", "public")
    for check in ("test_platform_is_healthy", "test_services_are_up")
)
"""Checks that fail on /health while a service refuses connections."""
CACHE_COUNTERS = of(REDIS, "test_no_client_was_rejected", "test_no_key_was_evicted")
"""Counters of Redis since its start: after a restart, the increase is unknown."""
REDIS_STARTED = {"failed": of(REDIS, "test_container_was_not_restarted"), "warned": CACHE_COUNTERS}
"""Verdicts of the first round after a start of Redis."""
RABBITMQ_STARTED = {"failed": of(RABBITMQ, "test_container_was_not_restarted")}
POSTGRES_STARTED = {"failed": of(POSTGRES, "test_container_was_not_restarted")}


def state(name: str) -> dict[str, Any]:
    """A container's state, as reported by Docker."""
    found: dict[str, Any] = engine.containers([name])[name]["State"]
    return found


def await_health(name: str, *, good: bool = True) -> None:
    """Waits until Docker reports a container as healthy, or unhealthy."""
    if good:
        wait_until(lambda: is_healthy(engine.containers([name])[name]), f"{name} gets healthy", 40, every_s=POLL_S)
    else:
        wait_until(lambda: state(name)["Health"]["Status"] == "unhealthy", f"{name} gets unhealthy", 40, every_s=POLL_S)


def await_age(name: str) -> None:
    """Waits until a start of the container no longer counts as its first start."""
    made = datetime.fromisoformat(engine.containers([name])[name]["Created"])
    time.sleep(max(0.0, FIRST_START_S + 0.5 - (datetime.now(UTC) - made).total_seconds()))


def recover(lab: DockerLab, *parts: str) -> None:
    """Waits until the named parts of the lab work; without names, until all work and the platform reports healthy."""
    if parts:
        wait_until(lambda: not {*parts} & {*lab.status().wrong}, f"{', '.join(parts)} recover", 45, every_s=POLL_S)
    else:
        wait_until(
            lambda: lab.status().up and '"status":"healthy"' in _answer(lab, "/health"), "the platform recovers", 45
        )


def await_database(lab: DockerLab) -> None:
    """Waits until PostgreSQL is healthy and the API is connected, even if other parts are broken."""
    await_health(POSTGRES)
    ready = "/api/health/ready"
    wait_until(lambda: '"ready"' in _answer(lab, ready), "the API reaches its database", 45, every_s=POLL_S)


def _answer(lab: DockerLab, path: str) -> str:
    """The API's answer; empty while the API does not respond."""
    url = f"http://127.0.0.1:{API_PORT}{path}"
    with suppress(LabError):
        return lab.ops("curl", "--silent", "--max-time", "8", "--header", "X-Forwarded-Proto: https", url)
    return ""


def settle(lab: DockerLab, started: float | None = None) -> None:
    """Delays the next round until a process started now, or at monotonic time `started`, counts as settled."""
    lab.settling.needs(SETTLED_S - (time.monotonic() - started if started else 0.0))


@contextmanager
def recreated(
    lab: DockerLab, name: str, *more: str, health: tuple[str, ...] = ("--health-interval=500ms",), **changes: Any
) -> Iterator[None]:
    """Replaces a container by a copy with `more` options or `changes`, on the same data; restores the original."""
    original = lab.container(name)
    other = replace(original, options=(*original.options, *health, *more), **changes)
    with original.set_aside():
        other.make(str(lab.home))
        engine.run("start", name)
        _await(lab, name)
        yield
    _await(lab, name)


def _await(lab: DockerLab, name: str) -> None:
    await_database(lab) if name == POSTGRES else await_health(name)


@contextmanager
def written(lab: DockerLab, path: str, text: str, reload: tuple[str, ...] = ()) -> Iterator[None]:
    """Changes a file on the server; runs `reload` after each change."""
    before = lab.root("cat", path)
    try:
        _write(lab, path, text, reload)
        yield
    finally:
        _write(lab, path, before, reload)


def _write(lab: DockerLab, path: str, text: str, reload: tuple[str, ...]) -> None:
    lab.root("sh", "-ec", 'cat > "$1"; shift; "$@"', "sh", path, *(reload or ("true",)), text=text)


@contextmanager
def moved(lab: DockerLab, path: str, container: str = VPS) -> Iterator[None]:
    """Moves a file away in the server or another container."""
    lab.root("mv", path, f"{path}.aside", container=container)
    try:
        yield
    finally:
        lab.root("mv", f"{path}.aside", path, container=container)
