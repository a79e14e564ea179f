"""Copies in a folder of a host: the backed-up host, or an off-site host reached over ssh."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from opsproof.backup_store import deleters
from opsproof.core import scripts
from opsproof.core.errors import MeasurementError, OutputError
from opsproof.inventory.hosts import Host
from opsproof.transport import shell
from opsproof.transport.shell import Answer, Command, argv, labelled

TRANSFER_TIMEOUT_S = 6 * 3600.0
MARK = ".copying"
"""The suffix of the file that marks a copy as begun."""
FILES_PER_COMMAND = 200
"""Limit of file names in one command, whose arguments together must fit into 128 KiB."""


@dataclass(frozen=True)
class HostFolder:
    """A folder of a host; `timeout_s` limits the transfer of one file in either direction."""

    host: Host
    path: str
    timeout_s: float = TRANSFER_TIMEOUT_S

    def put(self, name: str, content: BinaryIO, size_bytes: int = 0) -> str:
        """Writes `content` to NAME.partial and returns the SHA-256 of the file as read back from disk.

        Raises:
            MeasurementError: the file cannot be written.
        """
        del size_bytes
        with shell.piped(self.host, self._command("put", name)) as process:
            process.send(content)
            said = process.stdout.read().decode(errors="replace").split()
            process.require(f"{self.path}/{name}")
        return _sum_said(said, f"{self.host.name}: {self.path}/{name} cannot be written")

    def put_own(self, name: str, source: str) -> str:
        """Like `put`, from the file `source` on the same host, without a transfer."""
        script = 'exec "$@" <"$0"'
        command = argv("sh", "-c", script, source, *self._command("put", name).argv, timeout_s=self.timeout_s)
        return _sum_said(self._ask(command, name).stdout.split(), f"{self.path}/{name} cannot be written")

    @contextmanager
    def read(self, name: str) -> Iterator[BinaryIO]:
        """The content of a file as a stream.

        Raises:
            MeasurementError: the file does not exist, or reading failed.
        """
        command = argv("cat", "--", f"{self.path}/{name}", timeout_s=self.timeout_s)
        with shell.piped(self.host, command) as process:
            try:
                yield process.stdout
            except MeasurementError:
                process.blame("cat")
                raise
            process.require("cat")

    def size(self, name: str) -> int:
        """Size of a file in bytes.

        Raises:
            MeasurementError: the file cannot be inspected.
        """
        return int(self._ask(argv("stat", "-c", "%s", "--", f"{self.path}/{name}")).stdout)

    def commit(self, name: str) -> None:
        """Renames NAME.partial to NAME.

        Raises:
            MeasurementError: the rename failed.
        """
        self._ask(self._command("name", name), name)

    def places(self) -> list[str]:
        """The identities of the folder and of each folder above: equal for all paths, on all hosts of a machine.

        Raises:
            MeasurementError: the folder cannot be inspected.
        """
        return self._ask(self._command("places")).stdout.splitlines()

    def ages(self, prefix: str) -> dict[str, float]:
        """Seconds since the last write of each file whose name begins with `prefix`, by the host's clock.

        Raises:
            MeasurementError: the folder cannot be listed.
        """
        *lines, end = self._ask(self._command("list", prefix)).stdout.splitlines() or [""]
        if end != "end":
            raise OutputError(f"{self.host.name}: the listing of {self.path} was cut short")
        found = [line.split(" ", 2) for line in lines]
        return {name: float(age) for _, age, name in found}

    def remove(self, names: Sequence[str]) -> None:
        """Removes files, in the order of `removal_rank`.

        Raises:
            MeasurementError: a file could not be removed.
        """
        for command in remove_commands(self.path, names):
            self._ask(command)

    def lacking(self, set_name: str, timeout_s: float) -> str:
        """The first problems of a copy: missing files or checksum mismatches; reads every file.

        Empty if the copy is complete.

        Raises:
            MeasurementError: the copy cannot be read.
        """
        words = ("env", "-C", self.path, "sha256sum", "--check", "--strict", "--quiet", f"{set_name}.sha256")
        answer = shell.run(self.host, (argv(*words, timeout_s=timeout_s),))[0]
        if answer.require("sha256sum", 0, 1, 125).status == 0:
            return ""
        if f"{set_name}.sha256: No such file" in answer.stderr or "cannot change directory" in answer.stderr:
            return f"no complete copy of {set_name}"
        return "; ".join([*answer.stdout.splitlines()[:2], answer.stderr.strip().splitlines()[-1]])

    def deleters(self, names: Sequence[str]) -> list[str]:
        """The users who can delete or overwrite the files `names`; empty if only root can.

        Raises:
            MeasurementError: a file or the folder cannot be inspected.
        """
        program = scripts.perl("backup_store/deleters")
        answer = self._ask(argv("perl", "-e", program, "--", self.path, *names))
        return deleters.parse(labelled(answer.stdout, f"the listing of {self.path}"))

    def _command(self, *words: str) -> Command:
        return _command(self.path, *words, timeout_s=self.timeout_s)

    def _ask(self, command: Command, name: str = "") -> Answer:
        return shell.run(self.host, (command,))[0].require(f"{self.path}/{name}")


def remove_commands(folder: str, names: Sequence[str]) -> list[Command]:
    """The commands that remove files of a folder, in the order of `removal_rank`."""
    parts = [[each for each in names if removal_rank(each) == rank] for rank in range(4)]
    size = FILES_PER_COMMAND
    batches = [part[start : start + size] for part in parts for start in range(0, len(part), size)]
    return [_command(folder, "remove", *each, timeout_s=300) for each in batches]


def withdraw_command(folder: str, sets: Sequence[str]) -> Command:
    """The command that turns sets into leftovers of an interrupted backup, which `remove_commands` then removes."""
    return _command(folder, "unname", *(f"{each}.manifest.json" for each in sets), timeout_s=300)


def removal_rank(name: str) -> int:
    """The order of removal: checksum lists, manifests, other files, and last the mark of an unfinished set.

    So an interrupted removal never leaves a damaged set that still counts as a backup, nor files without a mark.
    """
    if name.endswith((MARK, ".manifest.json.partial")):
        return 3
    return 0 if name.endswith(".sha256") else 1 if ".manifest.json" in name else 2


def _command(folder: str, *words: str, timeout_s: float) -> Command:
    return argv("perl", "-e", scripts.perl("backup_store/folder"), "--", folder, *words, timeout_s=timeout_s)


def _sum_said(said: list[str], failure: str) -> str:
    if len(said) != 2:
        raise MeasurementError(failure)
    return said[0]
