"""Containers survive a reboot, have log and memory limits, and expose no port to other machines.

Change the compose file too: docker update changes a container only until its next creation.
"""

import pytest

pytestmark = [pytest.mark.daily, pytest.mark.postdeploy]
LIST = ("docker", "ps", "--all")


@pytest.mark.remedy("docker", "update", "--restart", "unless-stopped", "{container}", absent=LIST)
def test_restart_policy_is_set(containers, container):
    """Without a restart policy the container stays down after a crash or reboot."""
    policy = containers[container].restart_policy
    assert policy in ("always", "unless-stopped"), f"{container} has restart policy {policy}"


@pytest.mark.remedy("docker", "port", "{container}", absent=LIST)
def test_ports_are_on_loopback_only(containers, container):
    """Docker's firewall rules bypass ufw: bind the port to 127.0.0.1 in the compose file."""
    exposed = containers[container].exposed
    assert not exposed, f"{container} exposes ports to other machines: {'; '.join(exposed)}"


@pytest.mark.remedy("docker", "inspect", "--format", "{{{{json .HostConfig.LogConfig}}}}", "{container}", absent=LIST)
def test_container_logs_are_limited(containers, container, allowed):
    """Docker logs grow without limit by default: set max-size and max-file, then recreate the container."""
    state = containers[container]
    assert state.log_bytes < float("inf"), (
        f"{container} has a {state.log_driver} log without max-size: the log can fill the disk"
    )
    assert state.log_bytes in allowed.container_logs


@pytest.mark.remedy("docker", "stats", "--no-stream", "{container}", absent=LIST)
def test_container_memory_is_limited(containers, container):
    """An unlimited container can exhaust the host's memory; then the kernel kills the largest process."""
    assert containers[container].memory_bytes, f"{container} has no memory limit"


@pytest.mark.remedy("docker", "inspect", "--format", "{{{{.Config.Image}}}} {{{{.Image}}}}", "{container}", absent=LIST)
def test_image_is_pinned(containers, container):
    """The next pull of a moving tag installs another version at an unplanned moment."""
    state = containers[container]
    assert state.pinned, f"{container} runs {state.image}: no version in the tag"


@pytest.mark.remedy("psql", "-c", "SHOW maintenance_work_mem", "-c", "SHOW max_parallel_maintenance_workers")
def test_shared_memory_fits_maintenance(containers, maintenance_memory, contained_database, host):
    """Parallel index builds fail if shm_size is less than maintenance_work_mem.

    https://github.com/pgvector/pgvector#index-build-time
    """
    state = containers[host.databases[contained_database].container]
    shared, needed = state.shared_memory_bytes, maintenance_memory[contained_database]
    assert shared >= needed, (
        f"{state.name} has {shared >> 20} MiB of shared memory (maintenance_work_mem {needed >> 20} MiB)"
    )
