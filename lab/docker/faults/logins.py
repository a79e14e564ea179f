"""Faults of the way to the server, to its processes and to its database."""

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
    """The shared connection of earlier rounds is gone too."""
    lab.root("sh", "-c", "pkill -KILL -u ops -x sshd || true")


@fault(failed=("test_sshd_accepts_connections",), unknown=DATABASE, touches=("sshd",))
def sshd_stopped(lab: DockerLab) -> Iterator[None]:
    """Whoever is in stays in: an earlier round's connection still works, and the database needs a new one."""
    lab.root("systemctl", "stop", "ssh")
    yield
    lab.root("systemctl", "start", "ssh")


@fault(unknown=EVERY_CHECK, passed=OF_DRILLS, touches=(EVERYTHING,))
def nobody_gets_in(lab: DockerLab) -> Iterator[None]:
    """The ssh server was stopped, and no connection is left."""
    lab.root("systemctl", "stop", "ssh")
    _end_sessions(lab)
    yield
    lab.root("systemctl", "start", "ssh")


@fault(unknown=EVERY_CHECK, passed=OF_DRILLS, touches=(EVERYTHING,))
def key_refused(lab: DockerLab) -> Iterator[None]:
    """The monitor's key was taken out of the list."""
    with moved(lab, KEYS):
        _end_sessions(lab)
        yield


@fault(unknown=EVERY_CHECK, passed=OF_DRILLS, touches=(EVERYTHING,), root=True)
def network_lost(lab: DockerLab) -> Iterator[None]:
    """No packet arrives any more on the connection that is open; nothing says so."""
    with _black_hole():
        yield


@fault(unknown=EVERY_CHECK, passed=OF_DRILLS, touches=(EVERYTHING,), root=True)
def server_out_of_reach(lab: DockerLab) -> Iterator[None]:
    """No packet arrives, and there is no connection."""
    _end_sessions(lab)
    with _black_hole():
        yield


@contextmanager
def _black_hole() -> Iterator[None]:
    """Drops what goes to the server's ssh port over this machine's loopback, for no longer than this process lives."""
    cut = 'iptables --insert "$@" && echo cut && cat; iptables --delete "$@"'
    pipe = subprocess.PIPE
    with subprocess.Popen(
        ["sh", "-c", cut, "sh", *BLACK_HOLE], stdin=pipe, stdout=pipe, start_new_session=True
    ) as process:
        assert process.stdout is not None
        if process.stdout.readline() != b"cut\n":
            raise LabError("iptables cannot cut the network off: install iptables")
        yield


@fault(
    unknown=(
        *PROCESS_LIST,
        *LOG_REPORT,
        *CONTAINER_CHECKS,
        *of("metachat", "test_shared_memory_fits_maintenance"),
    ),
    touches=("sudo",),
)
def sudo_refused(lab: DockerLab) -> Iterator[None]:
    """Its sudoers file is gone: what only other users see cannot be measured, the rest can."""
    with moved(lab, SUDOERS):
        yield


@fault(
    unknown=(*CONTAINER_CHECKS, *of("metachat", "test_shared_memory_fits_maintenance"), *LISTED_IN_CONTAINER),
    touches=("docker",),
)
def docker_out_of_reach(lab: DockerLab) -> Iterator[None]:
    """Nobody listens at Docker's socket."""
    lab.root("mount", "--bind", "/dev/null", SOCKET)
    try:
        yield
    finally:
        lab.root("umount", SOCKET)


@fault(unknown=DATABASE)
def database_password_unreadable(lab: DockerLab) -> Iterator[None]:
    """The file on the server is for somebody else: that says nothing of the database."""
    path = f"{MONITOR_FOLDER}/postgres"
    lab.root("chown", "root:root", path)
    yield
    lab.root("chown", "ops:ops", path)


@fault(unknown=DATABASE, touches=("sshd",))
def forwarding_forbidden(lab: DockerLab) -> Iterator[None]:
    """The ssh server lets nobody forward a port: that says nothing of the database."""
    text = lab.root("cat", SSHD_SETTINGS) + "DisableForwarding yes\n"
    with written(lab, SSHD_SETTINGS, text, ("systemctl", "reload", "ssh")):
        yield
