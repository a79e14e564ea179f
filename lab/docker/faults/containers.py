"""Faults of running, stopped and removed containers."""

from collections.abc import Iterator

from lab.docker import DockerLab, engine
from lab.docker.containers import LABEL
from lab.docker.faults.fault import fault
from lab.docker.faults.steps import (
    CACHE_COUNTERS,
    CACHE_REPORT,
    CONTAINER_CHECKS,
    CONTAINER_STATE,
    DATABASE_CHECKS,
    DEGRADED,
    DOWN,
    IN_DATABASE,
    LISTED_IN_CONTAINER,
    POSTGRES_STARTED,
    REDIS_STARTED,
    THROUGH_API,
    UNHEALTHY,
    await_age,
    await_database,
    await_health,
    moved,
    of,
)
from lab.docker.layout import NETWORK, POSTGRES, REDIS
from lab.fault import shows

HEALTH_CHECK = "/usr/local/bin/healthy"
DATABASE = "metachat"
OUTAGE = ("postgres", "redis", "rabbitmq", "logs")
"""Not combined with slow faults: during an outage both processes log an error every few seconds."""
API_HEALTH = of("api-health", "test_endpoint_responds", "test_platform_is_healthy", "test_services_are_up")


@fault(
    failed=(
        *of(POSTGRES, *CONTAINER_STATE),
        *of(DATABASE, "test_database_accepts_connections"),
        *API_HEALTH,
        *DEGRADED,
    ),
    unknown=(*of(DATABASE, *DATABASE_CHECKS[1:], *LISTED_IN_CONTAINER), *IN_DATABASE),
    reported_once=POSTGRES_STARTED,
    touches=OUTAGE,
)
@shows(f"Exited|is not running|{DOWN}")
def database_container_stopped(lab: DockerLab) -> Iterator[None]:
    """The platform reports degraded with HTTP 200."""
    await_age(POSTGRES)
    engine.run("stop", POSTGRES)
    yield
    engine.run("start", POSTGRES)
    await_database(lab)


@fault(
    failed=(
        *of(POSTGRES, *CONTAINER_STATE),
        *of(DATABASE, "test_database_accepts_connections"),
        *API_HEALTH,
        *DEGRADED,
    ),
    unknown=(*of(DATABASE, *DATABASE_CHECKS[1:], *LISTED_IN_CONTAINER), *IN_DATABASE),
    may_change=("test_response_time_is_within_limit",),
    touches=OUTAGE,
)
@shows(rf"\(Paused\)|is paused|{DOWN}")
def database_container_paused(lab: DockerLab) -> Iterator[None]:
    """PostgreSQL's processes are halted: the kernel accepts connections, but the server does not answer."""
    engine.run("pause", POSTGRES)
    yield
    engine.run("unpause", POSTGRES)
    await_database(lab)


@fault(failed=of(REDIS, "test_container_is_healthy"), touches=("redis",))
@shows(UNHEALTHY)
def health_check_fails(lab: DockerLab) -> Iterator[None]:
    """Redis works, but its health check fails."""
    with moved(lab, HEALTH_CHECK, REDIS):
        await_health(REDIS, good=False)
        yield
    await_health(REDIS)


@fault(failed=REDIS_STARTED["failed"], warned=CACHE_COUNTERS, touches=("redis",))
def container_restarted(lab: DockerLab) -> Iterator[None]:
    """Restarted by hand: Docker's restart counter stays 0."""
    await_age(REDIS)
    engine.run("restart", REDIS)
    await_health(REDIS)
    yield


@fault(
    failed=(*of(REDIS, *CONTAINER_CHECKS, "test_cache_responds"), *THROUGH_API),
    unknown=of(REDIS, *CACHE_REPORT),
    touches=("redis",),
)
@shows(f"aside-meta-chat-redis|No such container|{DOWN}")
def container_removed(lab: DockerLab) -> Iterator[None]:
    """The container was renamed, so Docker does not know the declared name."""
    aside = lab.container(REDIS).aside
    engine.run("rename", REDIS, aside)
    engine.run("network", "disconnect", NETWORK, aside)  # the network would still resolve the old name
    yield
    engine.run("rename", aside, REDIS)
    engine.run("network", "connect", NETWORK, REDIS)
    await_health(REDIS)


@fault(failed=("test_every_container_is_declared",))
@shows("meta-chat-experiment")
def container_not_declared(lab: DockerLab) -> Iterator[None]:
    """A container of an abandoned experiment was never removed; stopped, docker ps does not show it."""
    name = "meta-chat-experiment"
    engine.run("create", *LABEL, f"--name={name}", lab.container(REDIS).image.tag)
    yield
    engine.run("rm", name)
