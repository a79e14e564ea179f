"""Faults of container settings."""

from collections.abc import Iterator
from dataclasses import replace

from lab import ports
from lab.docker import DockerLab, engine
from lab.docker.containers import COMMON
from lab.docker.faults.fault import fault
from lab.docker.faults.steps import CACHE_COUNTERS, POSTGRES_STARTED, REDIS_STARTED, of, recreated
from lab.docker.layout import POSTGRES, RABBITMQ, REDIS
from lab.fault import shows

REDIS_ANEW = (*of(REDIS, "test_container_was_not_restarted"), *CACHE_COUNTERS)
"""Checks that change whenever the container is recreated."""
POSTGRES_ANEW = of(POSTGRES, "test_container_was_not_restarted")


@fault(failed=of(RABBITMQ, "test_restart_policy_is_set"))
def no_restart_policy(lab: DockerLab) -> Iterator[None]:
    """The container stays down after a reboot."""
    engine.run("update", "--restart=no", RABBITMQ)
    yield
    engine.run("update", "--restart=unless-stopped", RABBITMQ)


@fault(
    failed=of(REDIS, "test_container_is_healthy"), warned=REDIS_ANEW, reported_once=REDIS_STARTED, touches=("redis",)
)
@shows(r'\A(?!.*"Health")')
def no_health_check(lab: DockerLab) -> Iterator[None]:
    """The container has no health check."""
    with recreated(lab, REDIS, health=("--no-healthcheck",)):
        yield


@fault(
    failed=of(POSTGRES, "test_ports_are_on_loopback_only"),
    warned=POSTGRES_ANEW,
    reported_once=POSTGRES_STARTED,
    touches=("postgres",),
)
@shows(r"0\.0\.0\.0:")
def port_published_to_all_interfaces(lab: DockerLab) -> Iterator[None]:
    """Docker's firewall rules admit other machines despite ufw."""
    with recreated(lab, POSTGRES, f"--publish=0.0.0.0:{ports.free()}:5432"):
        yield


@fault(
    failed=of(POSTGRES, "test_container_logs_are_limited"),
    warned=POSTGRES_ANEW,
    reported_once=POSTGRES_STARTED,
    touches=("postgres",),
)
@shows('"Config":{}')
def logs_not_capped(lab: DockerLab) -> Iterator[None]:
    """Docker's own default: the log grows until the disk is full."""
    with recreated(lab, POSTGRES, common=tuple(each for each in COMMON if not each.startswith("--log-opt"))):
        yield


@fault(
    failed=of(REDIS, "test_container_memory_is_limited"),
    warned=REDIS_ANEW,
    reported_once=REDIS_STARTED,
    touches=("redis",),
)
@shows(r"/ [\d.]+GiB")
def memory_not_limited(lab: DockerLab) -> Iterator[None]:
    """The container can use all memory of the host."""
    with recreated(lab, REDIS, "--memory=0"):
        yield


@fault(
    failed=of(POSTGRES, "test_image_is_pinned"),
    warned=POSTGRES_ANEW,
    reported_once=POSTGRES_STARTED,
    touches=("postgres",),
)
@shows(":latest")
def image_not_pinned(lab: DockerLab) -> Iterator[None]:
    """The tag is latest, so the image can change any day."""
    image = lab.container(POSTGRES).image
    latest = replace(image, tag=f"{image.tag.partition(':')[0]}:latest")
    engine.run("tag", image.tag, latest.tag)
    try:
        with recreated(lab, POSTGRES, image=latest):
            yield
    finally:
        engine.run("rmi", "--no-prune", latest.tag)


@fault(failed=of("metachat", "test_shared_memory_fits_maintenance"), touches=("postgres",))
@shows("300MB")
def shared_memory_too_small(lab: DockerLab) -> Iterator[None]:
    """maintenance_work_mem exceeds the container's shared memory."""
    with lab.connect() as admin:
        admin.execute("ALTER SYSTEM SET maintenance_work_mem = '300MB'")
        admin.execute("SELECT pg_reload_conf()")
        yield
        admin.execute("ALTER SYSTEM RESET maintenance_work_mem")
        admin.execute("SELECT pg_reload_conf()")
