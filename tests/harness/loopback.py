"""The first process of a part in private namespaces: brings up the loopback interface, and runs the command.

Waits for all orphans, like init: daemons started by a test must not remain as zombies.
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
    """Runs a command and returns the exit status; reaps all other ended processes."""
    command = os.posix_spawnp(words[0], words, os.environ)
    while True:
        pid, status = os.wait()
        if pid == command:
            return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    bring_up()
    sys.exit(run(sys.argv[1:]))
