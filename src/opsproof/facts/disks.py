"""Space and inodes of file systems."""

from dataclasses import dataclass
from posixpath import normpath

from opsproof.core.errors import Absent
from opsproof.facts.base import ResourceFact
from opsproof.inventory.hosts import Host
from opsproof.inventory.resources import Mount
from opsproof.transport.shell import Answer, Command, argv


@dataclass(frozen=True)
class Disk:
    """File system of a path; `used` and `inodes_used` are percentages of space available to ordinary users.

    `target` is the mount point, and `is_mounted` whether the path itself is the mount point.
    """

    target: str
    is_mounted: bool
    used: float
    inodes_used: float
    free_bytes: int


class Disks(ResourceFact[Mount, Disk]):
    """Space and inodes of the file system of each declared mount."""

    resource = "mount"

    def command(self, host: Host, name: str, resource: Mount) -> Command:
        """One df per mount: a hung network mount delays only itself."""
        return argv("df", "--block-size=1", "--output=target,used,avail,itotal,iused", "--", name)

    def parse(self, answer: Answer, name: str, resource: Mount) -> Disk:
        """The figures; a file system without a fixed inode count uses 0 %."""
        if answer.status == 1 and "No such file or directory" in answer.stderr:
            raise Absent(f"{name} is declared, but does not exist")
        target, used, avail, itotal, iused = answer.require("df").stdout.splitlines()[1].rsplit(maxsplit=4)
        return Disk(
            target=target,
            is_mounted=target == normpath(f"/{name.strip('/')}"),
            used=_share(int(used), int(used) + int(avail)),
            inodes_used=_share(_number(iused), _number(itotal)) if _number(itotal) else 0.0,
            free_bytes=int(avail),
        )


def _share(part: int, whole: int) -> float:
    return 100 * part / whole if whole else 100.0


def _number(text: str) -> int:
    return 0 if text == "-" else int(text)
