"""Faults of containers while they run, or should."""

from collections.abc import Iterator

from lab.docker import DockerLab, engine
from lab.docker.faults.fault import fault
from lab.docker.faults.steps import (
    CACHE_COUNTERS,
    CACHE_REPORT,
    CONTAINER_CHECKS,
    CONTAINER_STATE,
    DATABASE_CHECKS,
    DEGRADED,
    IN_DATABASE,
    LISTED_IN_CONTAINER,
    REDIS_STARTED,
    THROUGH_API,
    await_health,
    moved,
    of,
    recover,
)
from lab.docker.layout import POSTGRES, REDIS

HEALTH_CHECK = "/usr/local/bin/healthy"
DATABASE = "metachat"
API_HEALTH = of("api-health", "test_endpoint_answers", "test_platform_is_healthy")


@fault(
    failed=(
        *of(POSTGRES, *CONTAINER_STATE),
        *of(DATABASE, "test_database_accepts_connections"),
        *API_HEALTH,
    ),
    warned=(*DEGRADED, *of("api-health", "test_services_are_up")),
    unknown=(*of(DATABASE, *DATABASE_CHECKS[1:], *LISTED_IN_CONTAINER), *IN_DATABASE),
    told={"failed": of(POSTGRES, "test_container_was_not_restarted")},
)
def database_container_stopped(lab: DockerLab) -> Iterator[None]:
    """The platform calls itself degraded with HTTP 200."""
    engine.run("stop", POSTGRES)
    yield
    engine.run("start", POSTGRES)
    recover(lab)


@fault(
    failed=(
        *of(POSTGRES, *CONTAINER_STATE),
        *of(DATABASE, "test_database_accepts_connections"),
        *API_HEALTH,
    ),
    warned=(*DEGRADED, *of("api-health", "test_services_are_up")),
    unknown=(*of(DATABASE, *DATABASE_CHECKS[1:], *LISTED_IN_CONTAINER), *IN_DATABASE),
    may=("test_answer_is_quick",),
)
def database_container_paused(lab: DockerLab) -> Iterator[None]:
    """Its processes are halted: the kernel takes connections for them, and nobody answers."""
    engine.run("pause", POSTGRES)
    yield
    engine.run("unpause", POSTGRES)
    recover(lab)


@fault(failed=of(REDIS, "test_container_is_healthy"))
def health_check_fails(lab: DockerLab) -> Iterator[None]:
    """Redis works, and its health check says that it does not."""
    with moved(lab, HEALTH_CHECK, REDIS):
        await_health(REDIS, good=False)
        yield
    recover(lab)


@fault(failed=REDIS_STARTED["failed"], warned=CACHE_COUNTERS)
def container_restarted(lab: DockerLab) -> Iterator[None]:
    """By hand: Docker's own counter of restarts stays 0."""
    engine.run("restart", REDIS)
    recover(lab)
    yield


@fault(
    failed=(*of(REDIS, *CONTAINER_CHECKS, "test_cache_answers"), *THROUGH_API),
    unknown=of(REDIS, *CACHE_REPORT),
    told=REDIS_STARTED,
)
def container_removed(lab: DockerLab) -> Iterator[None]:
    """Docker does not know the declared name; the container is kept under another one until it is healed."""
    with lab.container(REDIS).away():
        yield
    recover(lab)
