"""The sudo rights of the login, as far as a look at the host needs them."""

from dataclasses import dataclass

from opsproof.core.errors import MeasurementError
from opsproof.privileges.held import granted_in
from opsproof.transport.shell import Answer, argv

LISTED = argv("env", "LC_ALL=C", "sudo", "-n", "-ll")
"""The command that lists the rights; it runs nothing, and asks for no password."""


@dataclass(frozen=True)
class Rights:
    """The login, and for each right the users, separated by commas, and the command with its path."""

    login: str
    granted: tuple[tuple[str, str], ...] = ()

    def permit(self, user: str, program: str, *arguments: str) -> bool:
        """Whether sudo runs the program with these arguments as `user`; a line without arguments permits any."""
        return any(
            {user, "ALL"} & {each.strip() for each in users.split(",")} and _fits(command, program, " ".join(arguments))
            for users, command in self.granted
        )

    def line(self, user: str, *words: str) -> str:
        """The missing line of sudoers."""
        return f"a line of sudoers: {self.login} ALL = ({user}) NOPASSWD: /usr/bin/{' '.join(words)}"


def _fits(granted: str, program: str, arguments: str) -> bool:
    path, _, permitted = granted.partition(" ")
    return path == "ALL" or (path.rpartition("/")[2] == program and permitted in ("", arguments))


def rights(login: Answer, listing: Answer) -> Rights:
    """The rights in the answers of `id -un` and `LISTED`; none without sudo.

    Raises:
        MeasurementError: the login is unknown.
    """
    name = login.require("id").stdout.strip()
    if not name:
        raise MeasurementError("id printed no name: the login has no entry in /etc/passwd")
    return Rights(name, tuple(granted_in(listing.stdout)) if listing.status == 0 else ())
