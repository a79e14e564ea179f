"""Faults of the machine.

A round reads faked memory, swap, load and /run in a private mount namespace: really exhausting or changing them would
harm the machine that runs the lab. The clock is a stub too.
"""

import subprocess
from collections.abc import Iterator

from lab import Lab, stubs
from lab.fault import shows
from lab.faults.fault import fault, seen

_MEMINFO = "MemTotal: 8000000 kB\\nMemAvailable: {available} kB\\nSwapTotal: 1000000 kB\\nSwapFree: {swap} kB\\n"
_FORGOTTEN = """
$0 = 'forgotten';
my $socket = IO::Socket::INET->new(Listen => 1, LocalAddr => '0.0.0.0', Proto => 'tcp') or die "$!\\n";
syswrite STDOUT, "listens\\n";
sleep 3600;
"""
_REBOOT = 'mount -t tmpfs opsproof /run && touch /run/reboot-required && exec "$@"'


@fault(
    failed=("test_memory_is_available",),
    wrapper=seen("/proc/meminfo", _MEMINFO.format(available=80000, swap=1000000)),
    root=True,
)
def memory_used_up(lab: Lab) -> Iterator[None]:
    """One percent of memory is available."""
    yield


@fault(
    failed=("test_swap_use_is_within_limit",),
    wrapper=seen("/proc/meminfo", _MEMINFO.format(available=4000000, swap=50000)),
    root=True,
)
def swap_used_up(lab: Lab) -> Iterator[None]:
    """Nearly all swap is in use."""
    yield


@fault(
    failed=("test_load_is_within_limit",),
    wrapper=seen("/proc/loadavg", "900.00 900.00 900.00 1/200 4242\\n"),
    root=True,
)
def load_too_high(lab: Lab) -> Iterator[None]:
    """Hundreds of processes wait for each processor."""
    yield


@fault(failed=("test_clock_is_synchronised",), touches=("clock",))
def clock_not_synchronised(lab: Lab) -> Iterator[None]:
    """The time service has lost all sources."""
    yield from _stub(lab, "timedatectl", "echo no")


@fault(failed=("test_clock_offset_is_within_limit",), touches=("clock",))
def clock_an_hour_ahead(lab: Lab) -> Iterator[None]:
    """Local time was set as UTC."""
    yield from _stub(lab, "date", 'exec /bin/date --date="+1 hour" "$@"')


def _stub(lab: Lab, program: str, script: str) -> Iterator[None]:
    path = lab.layout.bin / program
    path.unlink(missing_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    yield
    path.unlink()
    stubs.link(lab.layout)


@fault(failed=("test_no_reboot_is_pending",), wrapper=("unshare", "--mount", "sh", "-c", _REBOOT, "sh"), root=True)
def reboot_pending(lab: Lab) -> Iterator[None]:
    """A kernel was installed and is not in use yet."""
    yield


@fault(failed=("test_no_undeclared_port_is_open",), touches=("ports",))
@shows("forgotten")
def forgotten_service_listens(lab: Lab) -> Iterator[None]:
    """A program listens at all addresses, and no port declares it."""
    command = ["perl", "-MIO::Socket::INET", "-e", _FORGOTTEN]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=lab.home) as program:
        assert program.stdout is not None
        program.stdout.readline()
        yield
        program.kill()
