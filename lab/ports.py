"""TCP ports of the loopback address in use, and their processes."""

import socket
from pathlib import Path

from lab import processes
from lab.errors import LabError

HOST = "127.0.0.1"
LISTENING = "0A"


def require_free(port: int, purpose: str, option: str) -> None:
    """Raises LabError if the port is in use; names the port and, if visible, the process."""
    if not is_free(port):
        raise LabError(f"port {port} for {purpose} is in use by {owner(port)}: stop the process or change {option}")


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free() -> int:
    """A free port."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def owner(port: int) -> str:
    """The process listening on the port, as text."""
    sockets = {f"socket:[{inode}]" for inode in _inodes(port)}
    for pid in processes.pids():
        if sockets & _open_files(pid):
            return f"process {pid} ({processes.command(pid)[:60]})"
    return "an invisible process (of another user or namespace)"


def _inodes(port: int) -> list[str]:
    rows = [line.split() for table in ("tcp", "tcp6") for line in _table(table)]
    return [row[9] for row in rows if row[3] == LISTENING and int(row[1].rpartition(":")[2], 16) == port]


def _table(name: str) -> list[str]:
    path = Path("/proc/net") / name
    return path.read_text().splitlines()[1:] if path.exists() else []


def _open_files(pid: int) -> set[str]:
    try:
        return {_target(link) for link in (processes.PROC / str(pid) / "fd").iterdir()}
    except OSError:
        return set()


def _target(link: Path) -> str:
    """The target of a link, or an empty string if the file was closed between listing and reading."""
    try:
        return str(link.readlink())
    except OSError:
        return ""
