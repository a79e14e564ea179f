"""A plain process of the lab: a program with a PID file and a TCP port, and without a supervisor."""

import os
import socket
import subprocess
import sys
from pathlib import Path

from lab import ports, processes
from lab.layout import Layout
from lab.waiting import wait_until

PROGRAM = Path(__file__).parent / "stubs" / "relay.py"
_APART = 'setsid "$@" < /dev/null > /dev/null 2>&1 & echo $! > "$0"'


class Relay:
    """The relay of a lab, on a port of the loopback address."""

    def __init__(self, layout: Layout, port: int) -> None:
        self.layout = layout
        self.port = port

    @property
    def pid(self) -> int:
        """The process, 0 if none runs."""
        try:
            pid = int(self.layout.relay.read_text())
        except (OSError, ValueError):
            return 0
        return pid if processes.is_alive(pid) and str(self.layout.home) in processes.command(pid) else 0

    def works(self) -> bool:
        """Whether it answers."""
        return bool(self.pid) and processes.makes_progress(self.pid) and self.say(b"hello") == b"relayed\n"

    def say(self, word: bytes) -> bytes:
        """Sends a word and returns the answer, empty after a second without any."""
        try:
            with socket.create_connection((ports.HOST, self.port), timeout=1) as server:
                server.sendall(word)
                return server.recv(64)
        except OSError:
            return b""

    def start(self) -> None:
        """Starts the program in a session of its own, as a child of the machine's first process."""
        self.stop()
        ports.require_free(self.port, "the relay", "--relay-port")
        words = [sys.executable, "-I", "-S", str(PROGRAM), str(self.port), str(self.layout.home)]
        subprocess.run(["sh", "-c", _APART, str(self.layout.relay), *words], env={"PATH": os.defpath}, check=True)
        wait_until(self.works, "the relay answers")

    def stop(self) -> None:
        """Ends the program, also if it hangs."""
        processes.end([pid for pid in [self.pid] if pid])
        self.layout.relay.unlink(missing_ok=True)
