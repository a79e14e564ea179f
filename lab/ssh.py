"""Keys of client and server, and a client configuration that trusts only the server's key."""

import subprocess
from pathlib import Path

from lab.errors import LabError

CLIENT = "id_ed25519"
SERVER = "ssh_host_ed25519_key"
CONFIG = """\
Host *
    IdentityFile "{folder}/{client}"
    IdentitiesOnly yes
    UserKnownHostsFile "{folder}/known_hosts"
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
"""


def prepare(folder: Path, server: str) -> None:
    """Creates missing keys, and the configuration for a `server`, spelled as in known_hosts."""
    for name in (CLIENT, SERVER):
        _key(folder / name)
    known = public(folder, SERVER).rpartition(" ")[0]
    (folder / "known_hosts").write_text(f"{server} {known}\n")
    (folder / "config").write_text(CONFIG.format(folder=folder, client=CLIENT))


def private(folder: Path, name: str) -> str:
    """A private key as text."""
    return (folder / name).read_text()


def public(folder: Path, name: str) -> str:
    """A public key as a line of text."""
    return (folder / f"{name}.pub").read_text().strip()


def _key(path: Path) -> None:
    if path.exists():
        return
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "opsproof-lab", "-f", str(path)]
    try:
        subprocess.run(command, capture_output=True, timeout=20, check=True)
    except OSError:
        raise LabError("ssh-keygen is missing: apt-get install openssh-client") from None
    except subprocess.SubprocessError as error:
        raise LabError(f"ssh-keygen failed: {error}: see {path.parent}") from None
