"""How ssh is told to behave: never asking, bounded in time, one shared connection for all commands.

A database's tunnel takes a connection of its own, which ends with the process that asked for it.
"""

import hashlib
import os
import secrets
import shlex
import tempfile
from functools import cache
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

from opsproof.core.errors import DatabaseError, HostUnreachable
from opsproof.inventory.hosts import Host
from opsproof.inventory.resources import Database

CONNECT_TIMEOUT_S = 10
_OPTIONS = """\
BatchMode yes
ConnectTimeout {timeout}
ControlMaster auto
ControlPath {folder}/%C
ControlPersist 60
ServerAliveCountMax 2
ServerAliveInterval 5
"""
_USERS = ("~/.ssh/config", "/etc/ssh/ssh_config")


def specification(transport: str) -> str:
    """The `transport` with our options for ssh; a file of options that it names stands behind ours.

    Raises:
        HostUnreachable: the folder for connections is not this user's alone.
    """
    if not transport.startswith("ssh://"):
        return transport
    parts = urlsplit(transport)
    query = dict(parse_qsl(parts.query))
    query["ssh_config"] = str(config(query.get("ssh_config", "")))
    return parts._replace(query=urlencode(query)).geturl()


def route(host: Host, database: Database) -> list[str]:
    """The ssh command line, up to its options, that leads to where the `database` is seen from; empty for from here.

    Raises:
        DatabaseError: it is seen from the host alone, and the transport has no tunnel.
        HostUnreachable: the folder for connections is not this user's alone.
    """
    kind = host.transport.partition("://")[0]
    if database.reach == "direct" or kind == "local":
        if database.password_file:
            raise DatabaseError("password_file is read over a tunnel, and there is none: give password_env instead")
        return []
    if kind != "ssh":
        raise DatabaseError(
            f'a tunnel is needed, and {kind}:// has none: give a dsn that works here with reach="direct"'
        )
    return words(host.transport)


def words(transport: str) -> list[str]:
    """The ssh command line that leads to where `transport` does; a command may follow.

    Raises:
        HostUnreachable: the folder for connections is not this user's alone.
    """
    import testinfra  # a run judged from saved facts needs no transport

    backend = testinfra.get_host(specification(transport)).backend
    line = ["ssh", "-F", backend.ssh_config, *shlex.split(backend.ssh_extra_args or "")]
    for flag, value in (("-l", backend.host.user), ("-p", backend.host.port), ("-i", backend.ssh_identity_file)):
        line += [flag, value] if value else []
    return [*line, backend.host.name]


@cache
def config(given: str = "") -> Path:
    """A file of ssh's options: ours, then those of the file `given`, else the user's and the system's.

    Raises:
        HostUnreachable: the folder for connections is not this user's alone.
    """
    theirs = (f'"{Path(given).expanduser().absolute()}"',) if given else _USERS
    lines = "".join(f"Include {path}\n" for path in theirs)
    text = _OPTIONS.format(timeout=CONNECT_TIMEOUT_S, folder=runtime_folder()) + lines
    path = runtime_folder() / f"ssh_config.{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    draft.write_text(text, encoding="utf-8")
    return draft.replace(path)  # whole at any moment: other runs read it too


def runtime_folder() -> Path:
    """The folder of connections and tunnels, for this user alone.

    Raises:
        HostUnreachable: others could use it.
    """
    folder = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()) / f"opsproof-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.lstat().st_uid != os.getuid() or folder.lstat().st_mode & 0o077:
        raise HostUnreachable(f"{folder} is open to others: remove it")
    return folder
