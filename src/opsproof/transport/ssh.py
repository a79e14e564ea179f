"""Options of ssh: no prompts, timeouts, one shared connection for all commands.

The tunnel of a database uses a separate connection, which ends with its process.
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
_DEFAULTS = ("~/.ssh/config", "/etc/ssh/ssh_config")


def specification(transport: str) -> str:
    """The `transport` with opsproof's ssh options, before the options in its ssh_config, if any.

    Raises:
        HostUnreachable: the folder for connections is not private.
    """
    if not transport.startswith("ssh://"):
        return transport
    parts = urlsplit(transport)
    query = dict(parse_qsl(parts.query))
    query["ssh_config"] = str(config(query.get("ssh_config", "")))
    return parts._replace(query=urlencode(query)).geturl()


def route(host: Host, database: Database) -> list[str]:
    """The ssh command line of the tunnel to a `database`; empty for a direct connection.

    Raises:
        DatabaseError: the database needs a tunnel, and the transport has none.
        HostUnreachable: the folder for connections is not private.
    """
    kind = host.transport.partition("://")[0]
    if database.reach == "direct" or kind == "local":
        if database.password_file:
            raise DatabaseError("password_file needs an ssh tunnel: use password_env instead")
        return []
    if kind != "ssh":
        raise DatabaseError(
            f'{kind}:// cannot tunnel to the database: set a dsn valid where opsproof runs, and reach = "direct"'
        )
    return words(host.transport)


def words(transport: str) -> list[str]:
    """The ssh command line of `transport`; a command may follow.

    Raises:
        HostUnreachable: the folder for connections is not private.
    """
    import testinfra  # not needed with saved facts

    backend = testinfra.get_host(specification(transport)).backend
    line = ["ssh", "-F", backend.ssh_config, *shlex.split(backend.ssh_extra_args or "")]
    for flag, value in (("-l", backend.host.user), ("-p", backend.host.port), ("-i", backend.ssh_identity_file)):
        line += [flag, value] if value else []
    return [*line, backend.host.name]


@cache
def config(given: str = "") -> Path:
    """An ssh_config with opsproof's options, then the options of the file `given`, else of the user and the system.

    Raises:
        HostUnreachable: the folder for connections is not private.
    """
    includes = (f'"{Path(given).expanduser().absolute()}"',) if given else _DEFAULTS
    lines = "".join(f"Include {path}\n" for path in includes)
    text = _OPTIONS.format(timeout=CONNECT_TIMEOUT_S, folder=runtime_folder()) + lines
    path = runtime_folder() / f"ssh_config.{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    draft.write_text(text, encoding="utf-8")
    return draft.replace(path)  # atomic: concurrent runs read the file


def runtime_folder() -> Path:
    """The private folder of connections and tunnels.

    Raises:
        HostUnreachable: the folder is not private.
    """
    folder = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()) / f"opsproof-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.lstat().st_uid != os.getuid() or folder.lstat().st_mode & 0o077:
        raise HostUnreachable(f"{folder} is not private: remove the folder")
    return folder
