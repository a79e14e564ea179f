"""A real ssh server of the current user on the loopback address, with keys of its own."""

import os
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from lab import ports
from lab.waiting import wait_until
from opsproof.transport import ssh
from tests.harness import isolation

SSHD_CONFIG = """\
HostKey {folder}/host_key
PidFile {folder}/sshd.pid
AuthorizedKeysFile {folder}/user_key.pub {folder}/more_keys
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
StrictModes no
UsePAM no
MaxStartups 100
MaxSessions 100
AllowTcpForwarding local
"""
SSH_CONFIG = """\
BatchMode yes
IdentitiesOnly yes
StrictHostKeyChecking yes
UserKnownHostsFile {folder}/known_hosts
GlobalKnownHostsFile /dev/null
"""
# As root, sshd needs the folder /run/sshd.
OWN_RUN = (
    *("unshare", "--mount", "--propagation", "slave", "sh", "-c"),
    'mount -t tmpfs opsproof /run && mkdir -m 755 /run/sshd && exec "$0" "$@"',
)


@dataclass(frozen=True)
class Sshd:
    """A real server for the current user: its folder with the keys, and a host specification."""

    folder: Path
    port: int
    user: str

    def spec(self, key: str = "user_key") -> str:
        """A testinfra host specification with one of the keys in the folder."""
        options = f"ssh_config={self.folder}/ssh_config&ssh_identity_file={self.folder}/{key}"
        return f"ssh://{self.user}@127.0.0.1:{self.port}?{options}"

    def authorize(self, keys: str) -> None:
        """Authorizes `keys` besides the user's, replacing earlier additional keys."""
        (self.folder / "more_keys").write_text(keys, encoding="utf-8")

    def close_connections(self) -> None:
        """Ends the shared connection of rounds."""
        options = ["-F", f"{self.folder}/ssh_config", "-o", f"ControlPath={ssh.runtime_folder()}/%C"]
        words = ["ssh", *options, "-l", self.user, "-p", str(self.port), "-O", "exit", "127.0.0.1"]
        subprocess.run(words, capture_output=True, check=False)


@contextmanager
def running(settings: str = "") -> Iterator[Sshd]:
    """The server, from its start to its end; `settings` are lines of its configuration."""
    # A control socket's path has room for 107 characters, too few for pytest's own folders.
    with tempfile.TemporaryDirectory(prefix="sshd-") as folder:
        user = subprocess.check_output(["id", "-un"], text=True).strip()
        server = Sshd(Path(folder), ports.free(), user)
        _configure(server, settings)
        process = _start(server)
        try:
            wait_until(lambda: _listens(server.port), "sshd listens", 10, process=process)
            yield server
        finally:
            server.close_connections()
            process.terminate()
            process.wait(timeout=10)


def _configure(server: Sshd, settings: str) -> None:
    folder = server.folder
    for name in ("host_key", "user_key", "other_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    public = (folder / "host_key.pub").read_text(encoding="utf-8")
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{server.port} {public}", encoding="utf-8")
    (folder / "sshd_config").write_text(SSHD_CONFIG.format(folder=folder) + settings, encoding="utf-8")
    (folder / "ssh_config").write_text(SSH_CONFIG.format(folder=folder), encoding="utf-8")


def _start(server: Sshd) -> subprocess.Popen[bytes]:
    words = ["/usr/sbin/sshd", "-D", "-e", "-f", str(server.folder / "sshd_config"), "-p", str(server.port)]
    if isolation.possible():
        words = [*OWN_RUN, *words]
    elif os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    with (server.folder / "log").open("wb") as log:
        return subprocess.Popen([*words, "-o", "ListenAddress=127.0.0.1"], stdout=log, stderr=log)


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
