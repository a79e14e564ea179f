"""`opsproof privileges`: the rights of rounds and actions for an inventory, as files to install."""

import argparse
import sys

from opsproof.action.options import ActionParser
from opsproof.command import options
from opsproof.command.hosts import FINDINGS, UNKNOWN, add_hosts, chosen, ended
from opsproof.core.errors import InventoryError, MeasurementError
from opsproof.facts import containers
from opsproof.inventory.hosts import Host
from opsproof.privileges import bundle, held
from opsproof.privileges.files import PrivilegeFile
from opsproof.privileges.sudoers import SudoUser
from opsproof.transport import shell

_EXAMPLES = """\
opsproof privileges --inventory=inventory/metachat.toml
opsproof privileges --inventory=inventory/metachat.toml --into=rights"""
_SUMMARY = """\
Shows the files for sudo, sshd, PostgreSQL and Redis that rounds and actions need for the hosts of an inventory, and
install.sh, which installs them. --check compares them with a host instead, and names what is missing or too much.
Exit status: 0 done, 1 rights differ, 2 usage, 3 refused, 6 a right could not be read."""


def parser() -> ActionParser:
    """The options of `opsproof privileges`."""
    made = options.parser("privileges", _SUMMARY, _EXAMPLES)
    add_hosts(made)
    made.add_argument("--login", metavar="USER", help="login on the host, if the transport names none")
    made.add_argument("--program", metavar="PATH", help="a program outside /usr/bin: /usr/local/bin/docker")
    modes = made.add_mutually_exclusive_group()
    modes.add_argument("--into", metavar="FOLDER", type="path", help="write the files into FOLDER/HOST")
    modes.add_argument("--show", metavar="NAME", help="print only the file NAME, such as monitor.sql")
    modes.add_argument("--check", action="store_true", help="compare the files with the host; changes nothing")
    return made


def run(words: list[str]) -> int:
    """Shows, writes or compares the rights; the worst exit status of all hosts."""
    given = parser().parse_args(words)
    return ended(lambda: max(_one(host, given) for host in chosen(given)))


def _one(host: Host, given: argparse.Namespace) -> int:
    who = SudoUser(bundle.login_of(host, given.login or ""), bundle.folders([given.program] if given.program else []))
    drilled = sorted(
        {host.databases[each.database].container for each in host.backups.values() if each.drill == "container"}
    )
    images = _images(host, drilled)
    files = bundle.of_host(host, who, images)
    if given.check:
        status = _checked(host, who, files)
    elif given.into:
        sys.stdout.writelines(f"{path}\n" for path in bundle.write(files, given.into / host.name))
        status = 0
    elif given.show:
        sys.stdout.write(_named(files, given.show).content)
        status = 0
    else:
        sys.stdout.write(bundle.shown(host, files))
        status = 0
    return status if len(images) == len(drilled) else UNKNOWN


def _named(files: list[PrivilegeFile], name: str) -> PrivilegeFile:
    found = [each for each in files if each.name == name]
    if not found:
        raise InventoryError(f"no file {name!r} for this inventory; choose {', '.join(each.name for each in files)}")
    return found[0]


def _checked(host: Host, who: SudoUser, files: list[PrivilegeFile]) -> int:
    differences = held.compare(host, who, files)
    for each in differences:
        sys.stdout.write(options.plain(f"{host.name}: {each}") + "\n")
    if not differences:
        sys.stdout.write(f"{host.name}: the rights equal the inventory\n")
    kinds = {each.kind for each in differences}
    return FINDINGS if kinds & {"missing", "too much"} else 0


def _images(host: Host, names: list[str]) -> dict[str, str]:
    """The images of the containers `names`, as far as the login may see them."""
    images = {}
    for name in names:
        try:
            images[name] = _image(host, name)
        except MeasurementError as error:
            why = f"the image of {name} cannot be read: {error}"
            sys.stderr.write(f"{options.plain(why)}: install the other files, then run this again\n")
    return images


def _image(host: Host, name: str) -> str:
    fact, container = containers.Containers(), host.containers[name]
    (answer,) = shell.run(host, (fact.command(host, name, container),))
    return fact.parse(answer, name, container).image
