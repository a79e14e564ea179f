"""The first process of a part in namespaces of its own: brings up the loopback interface, and runs the command.

It waits for every process that is left to it, as init does: daemons that a test started must not stay as zombies.
"""

import fcntl
import os
import socket
import struct
import sys

SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 0x1


def bring_up() -> None:
    """Switches the interface `lo` on."""
    interface = b"lo".ljust(16, b"\0")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        (flags,) = struct.unpack_from("h", fcntl.ioctl(control, SIOCGIFFLAGS, interface + bytes(24)), 16)
        fcntl.ioctl(control, SIOCSIFFLAGS, interface + struct.pack("h", flags | IFF_UP) + bytes(22))


def run(words: list[str]) -> int:
    """The exit status of a command; all else that ended meanwhile is gone too."""
    command = os.posix_spawnp(words[0], words, os.environ)
    while True:
        pid, status = os.wait()
        if pid == command:
            return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    bring_up()
    sys.exit(run(sys.argv[1:]))
