"""Faults of access: ssh, sudo, Docker's socket and the database login."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from lab.docker import DockerLab
from lab.docker.faults.fault import fault
from lab.docker.faults.steps import (
    CONTAINER_CHECKS,
    DATABASE_CHECKS,
    IN_DATABASE,
    LISTED_IN_CONTAINER,
    LOG_REPORT,
    OF_DRILLS,
    PROCESS_LIST,
    moved,
    of,
    recover,
    written,
)
from lab.docker.layout import SSH_PORT
from lab.docker.server import MONITOR_FOLDER
from lab.errors import LabError
from lab.fault import EVERYTHING

KEYS = "/home/ops/.ssh/authorized_keys"
SUDOERS = "/etc/sudoers.d/opsproof"
SSHD_SETTINGS = "/etc/ssh/sshd_config.d/opsproof-lab.conf"
SOCKET = "/run/docker.sock"
BLACK_HOLE = ("INPUT", "--in-interface", "lo", "--protocol", "tcp", "--dport", str(SSH_PORT), "--jump", "DROP")
EVERY_CHECK = ("*",)
DATABASE = (*of("metachat", *DATABASE_CHECKS), *IN_DATABASE)


def _end_sessions(lab: DockerLab) -> None:
    """Ends the shared ssh connections of earlier rounds, also to the off-site copies."""
    lab.root("sh", "-c", "pkill -KILL -u ops,vault -x sshd || true")


@fault(failed=("test_sshd_accepts_connections",), unknown=DATABASE, touches=("sshd",))
def sshd_stopped(lab: DockerLab) -> Iterator[None]:
    """An earlier round's shared connection still works, but the database needs a new connection, which fails."""
    lab.root("systemctl", "stop", "ssh")
    yield
    lab.root("systemctl", "start", "ssh")


@fault(unknown=EVERY_CHECK, passed=OF_DRILLS, touches=(EVERYTHING,))
def sshd_stopped_and_disconnected(lab: DockerLab) -> Iterator[None]:
    """The ssh server was stopped, and no shared connection is left."""
    lab.root("systemctl", "stop", "ssh")
    _end_sessions(lab)
    yield
    lab.root("systemctl", "start", "ssh")


@fault(
    unknown=EVERY_CHECK,
    passed=(*OF_DRILLS, *of("metachat", "test_copies_cannot_be_deleted")),
    touches=(EVERYTHING,),
)
def key_refused(lab: DockerLab) -> Iterator[None]:
    """The monitor's key was removed from authorized_keys."""
    with moved(lab, KEYS):
        _end_sessions(lab)
        yield


@fault(unknown=EVERY_CHECK, passed=OF_DRILLS, touches=(EVERYTHING,), root=True)
def network_lost(lab: DockerLab) -> Iterator[None]:
    """Packets of the open connection are silently dropped."""
    with _black_hole(lab):
        yield


@fault(unknown=EVERY_CHECK, passed=OF_DRILLS, touches=(EVERYTHING,), root=True)
def server_unreachable(lab: DockerLab) -> Iterator[None]:
    """Packets are silently dropped, and no connection is open."""
    _end_sessions(lab)
    with _black_hole(lab):
        yield


@contextmanager
def _black_hole(lab: DockerLab) -> Iterator[None]:
    """Drops packets to the server's ssh port on the loopback interface, at most until the process ends.

    Afterwards, waits until the platform reports healthy: requests that the cut delayed may leave a service degraded.
    """
    cut = 'iptables --insert "$@" && echo cut && cat; iptables --delete "$@"'
    pipe = subprocess.PIPE
    with subprocess.Popen(
        ["sh", "-c", cut, "sh", *BLACK_HOLE], stdin=pipe, stdout=pipe, start_new_session=True
    ) as process:
        assert process.stdout is not None
        if process.stdout.readline() != b"cut\n":
            raise LabError("iptables cannot cut the network off: install iptables")
        yield
    recover(lab)


@fault(
    unknown=(
        *PROCESS_LIST,
        *LOG_REPORT,
        *CONTAINER_CHECKS,
        "test_every_container_is_declared",
        *of("metachat", "test_shared_memory_fits_maintenance"),
    ),
    touches=("sudo",),
)
def sudo_refused(lab: DockerLab) -> Iterator[None]:
    """The monitor's sudoers file is missing: only facts that need sudo are unknown."""
    with moved(lab, SUDOERS):
        yield


@fault(
    unknown=(
        *CONTAINER_CHECKS,
        "test_every_container_is_declared",
        *of("metachat", "test_shared_memory_fits_maintenance"),
        *LISTED_IN_CONTAINER,
    ),
    touches=("docker",),
)
def docker_unreachable(lab: DockerLab) -> Iterator[None]:
    """Docker's socket refuses connections."""
    lab.root("mount", "--bind", "/dev/null", SOCKET)
    try:
        yield
    finally:
        lab.root("umount", SOCKET)


@fault(unknown=DATABASE)
def database_password_unreadable(lab: DockerLab) -> Iterator[None]:
    """The password file on the server is unreadable: the state of the database is unknown."""
    path = f"{MONITOR_FOLDER}/postgres"
    lab.root("chown", "root:root", path)
    yield
    lab.root("chown", "ops:ops", path)


@fault(unknown=DATABASE, touches=("sshd",))
def forwarding_forbidden(lab: DockerLab) -> Iterator[None]:
    """The ssh server forbids port forwarding: the state of the database is unknown."""
    text = lab.root("cat", SSHD_SETTINGS) + "DisableForwarding yes\n"
    with written(lab, SSHD_SETTINGS, text, ("systemctl", "reload", "ssh")):
        yield
