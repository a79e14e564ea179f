"""Faults of a process without a supervisor."""

import os
import signal
import socket
import time
from collections.abc import Iterator

from lab import Lab, ports
from lab.fault import TIME, causes, shows
from lab.faults.fault import fault, seen
from lab.faults.processes import settle
from lab.recording import earlier_samples

EVERY_CHECK = (
    "test_plain_process_is_running",
    "test_plain_process_restarts_are_within_limit",
    "test_plain_process_memory_is_within_limit",
    "test_plain_process_uptime_is_within_limit",
    "test_plain_process_accepts_connections",
)
_SMALL = "MemTotal: 11000 kB\\nMemAvailable: 9000 kB\\nSwapTotal: 1000000 kB\\nSwapFree: 1000000 kB\\n"


@fault(failed=EVERY_CHECK, touches=("relay",))
@shows("no process fits relay")
@causes("test_plain_process_is_running")
def relay_ended(lab: Lab) -> Iterator[None]:
    """The relay crashed, and no supervisor started it again."""
    os.kill(lab.relay.pid, signal.SIGKILL)
    yield
    lab.relay.start()
    settle(lab)


@fault(failed=("test_plain_process_is_running",), touches=("relay",))
@shows(r"\bT\w*\b +\d+ python")
def relay_halted(lab: Lab) -> Iterator[None]:
    """A signal halted the relay: the process exists, and does nothing."""
    pid = lab.relay.pid
    os.kill(pid, signal.SIGSTOP)
    yield
    os.kill(pid, signal.SIGCONT)


@fault(failed=("test_plain_process_accepts_connections",), touches=("relay",))
@shows(r"LISTEN +[1-9]")
def relay_hangs(lab: Lab) -> Iterator[None]:
    """The relay waits for ever, in the middle of its work, and a client waits for the relay."""
    with _hung(lab), socket.create_connection((ports.HOST, lab.relay.port)):
        yield
    lab.relay.start()
    settle(lab)


def _hung(lab: Lab) -> socket.socket:
    client = socket.create_connection((ports.HOST, lab.relay.port))
    client.sendall(b"hang")
    return client


@fault(warned=("test_plain_process_uptime_is_within_limit",), touches=("relay", TIME))
@shows(r"\b00:0[0-5]\b")
def relay_restarted(lab: Lab) -> Iterator[None]:
    """The relay was started again a moment ago."""
    lab.relay.start()
    yield
    settle(lab)


@fault(failed=("test_plain_process_restarts_are_within_limit",), touches=("relay",))
def relay_restarts_of_weeks(lab: Lab) -> Iterator[None]:
    """The relay was started again every few days, each time some hours before the round."""
    now = time.time()
    starts = {days: now - days * 86_400 - 7200 for days in (23.0, 19.0, 15.0, 11.0, 7.0, 3.0)}
    with earlier_samples(lab, "relay", "restarts", starts):
        yield


@fault(
    failed=("test_plain_process_memory_is_within_limit",),
    wrapper=seen("/proc/meminfo", _SMALL),
    root=True,
    touches=("relay",),
)
def relay_fills_memory(lab: Lab) -> Iterator[None]:
    """The relay takes more than half of the memory of a small host."""
    yield
