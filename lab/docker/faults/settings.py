"""Faults of how containers are set up."""

from collections.abc import Iterator
from dataclasses import replace

from lab import ports
from lab.docker import DockerLab, engine
from lab.docker.containers import COMMON
from lab.docker.faults.fault import fault
from lab.docker.faults.steps import CACHE_COUNTERS, REDIS_STARTED, of, remade
from lab.docker.layout import REDIS

ANEW = (*of(REDIS, "test_container_was_not_restarted"), *CACHE_COUNTERS)
"""What a container that was made anew changes, however it was made."""


@fault(failed=of(REDIS, "test_container_restarts_by_itself"))
def no_restart_policy(lab: DockerLab) -> Iterator[None]:
    """After a reboot it stays down."""
    engine.run("update", "--restart=no", REDIS)
    yield
    engine.run("update", "--restart=unless-stopped", REDIS)


@fault(failed=of(REDIS, "test_container_is_healthy"), warned=ANEW, told=REDIS_STARTED)
def no_health_check(lab: DockerLab) -> Iterator[None]:
    """Nobody asks whether it answers."""
    with remade(lab, REDIS, health=("--no-healthcheck",)):
        yield


@fault(failed=of(REDIS, "test_ports_are_on_loopback_only"), warned=ANEW, told=REDIS_STARTED)
def published_to_everybody(lab: DockerLab) -> Iterator[None]:
    """Docker's firewall rules let other machines in, whatever ufw says."""
    with remade(lab, REDIS, f"--publish=0.0.0.0:{ports.free()}:6379"):
        yield


@fault(failed=of(REDIS, "test_container_logs_are_capped"), warned=ANEW, told=REDIS_STARTED)
def logs_not_capped(lab: DockerLab) -> Iterator[None]:
    """Docker's own default: the log grows until the disk is full."""
    with remade(lab, REDIS, common=tuple(each for each in COMMON if not each.startswith("--log-opt"))):
        yield


@fault(failed=of(REDIS, "test_memory_is_limited"), warned=ANEW, told=REDIS_STARTED)
def memory_not_limited(lab: DockerLab) -> Iterator[None]:
    """It may take all memory of the host."""
    with remade(lab, REDIS, "--memory=0"):
        yield


@fault(failed=of(REDIS, "test_image_is_pinned"), warned=ANEW, told=REDIS_STARTED)
def image_not_pinned(lab: DockerLab) -> Iterator[None]:
    """The tag is latest, which is another image tomorrow."""
    image = lab.container(REDIS).image
    latest = replace(image, tag=f"{image.tag.partition(':')[0]}:latest")
    engine.run("tag", image.tag, latest.tag)
    try:
        with remade(lab, REDIS, image=latest):
            yield
    finally:
        engine.run("rmi", "--no-prune", latest.tag)


@fault(failed=of("metachat", "test_shared_memory_fits_maintenance"))
def shared_memory_too_small(lab: DockerLab) -> Iterator[None]:
    """Somebody gave the building of indexes more memory than the container shares."""
    with lab.connect() as admin:
        admin.execute("ALTER SYSTEM SET maintenance_work_mem = '300MB'")
        admin.execute("SELECT pg_reload_conf()")
        yield
        admin.execute("ALTER SYSTEM RESET maintenance_work_mem")
        admin.execute("SELECT pg_reload_conf()")
