"""All rights of a host: the files, and the script that installs them."""

import getpass
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from opsproof.core.errors import InventoryError, Refused
from opsproof.inventory.hosts import Host
from opsproof.inventory.resources import userinfo
from opsproof.privileges import servers, statements, sudoers
from opsproof.privileges.files import PrivilegeFile
from opsproof.privileges.sudoers import SudoUser

SCRIPT = "install.sh"
_LOGIN = re.compile(r"[a-z_][a-z0-9_-]*")


def login_of(host: Host, given: str = "") -> str:
    """The login of opsproof on `host`: `given`, or from the transport; this process's user on the local machine.

    Raises:
        InventoryError: the transport names no login, or the login cannot stand in sudoers.
    """
    name = given or userinfo(host.transport) or (getpass.getuser() if host.transport == "local://" else "")
    if not name:
        raise InventoryError(f"{host.name}: the transport {host.transport} names no login: give --login=USER")
    if not _LOGIN.fullmatch(name):
        raise InventoryError(f"{host.name}: the login {name!r} cannot stand in sudoers: give --login=USER")
    return name


def of_host(host: Host, who: SudoUser, images: Mapping[str, str]) -> list[PrivilegeFile]:
    """The files for `host`, and last the script that installs them.

    Raises:
        InventoryError: a name of the inventory cannot stand in the files.
        DatabaseError: libpq cannot parse a dsn.
    """
    login = who.login
    made = [
        *([] if login == "root" else sudoers.of_host(host, who, images)),
        *([] if login == "root" else servers.sshd(host, login)),
        *statements.of_host(host),
        *servers.redis(host),
    ]
    return [*made, PrivilegeFile(SCRIPT, _script(host, login, made))]


def _script(host: Host, login: str, files: Sequence[PrivilegeFile]) -> str:
    create = f"id -u {login} >/dev/null 2>&1 || useradd --create-home --shell /bin/sh {login}"
    account = [] if login == "root" or not host.transport.startswith("ssh://") else [create]
    steps = {
        "the login; add the public key of the machine with opsproof to its .ssh/authorized_keys": account,
        **{f"{each.name}: {each.target}": list(each.install) for each in files},
        "the user of RabbitMQ": servers.rabbitmq(host),
        "folders and passwords: type each, then Ctrl-D (netrc: machine 127.0.0.1 login opsproof password ...)":
            servers.folders(host, login),
    }  # fmt: skip
    body = "\n".join("\n".join([f"# {title}", *lines, ""]) for title, lines in steps.items() if lines)
    head = (
        f"#!/bin/sh\n# Installs the rights of opsproof on {host.name}: run as root there, in the folder of the files.\n"
    )
    return f"{head}set -eu\n\n{body}"


def write(files: Sequence[PrivilegeFile], folder: Path) -> list[Path]:
    """Writes the `files` into `folder`, and returns their paths.

    Raises:
        Refused: a file exists, or cannot be written; nothing was changed in the first case.
    """
    paths = [folder / each.name for each in files]
    if taken := [path for path in paths if path.exists()]:
        raise Refused(f"{taken[0]} exists: choose another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, file in zip(paths, files, strict=True):
            with path.open("x", encoding="utf-8") as stream:
                stream.write(file.content)
    except OSError as error:
        raise Refused(f"{folder}: {(error.strerror or str(error)).lower()}") from error
    return paths


def shown(host: Host, files: Sequence[PrivilegeFile]) -> str:
    """The `files` as one text, each under its name."""
    return "\n".join(f"# ---- {host.name}/{each.name} ----\n{each.content}" for each in files)


def folders(words: Sequence[str]) -> dict[str, str]:
    """The folders of programs in `words` such as /usr/local/bin/docker, by the program.

    Raises:
        InventoryError: a word is no absolute path.
    """
    for each in words:
        if not re.fullmatch(r"(/[A-Za-z0-9._+-]+)+", each):
            raise InventoryError(f"{shlex.quote(each)} is no absolute path of a program")
    return {Path(each).name: str(Path(each).parent) for each in words}
