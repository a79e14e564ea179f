"""What becomes of logs in the course of a week: rotated files, folders, and the settings of pm2-logrotate."""

import json
from dataclasses import dataclass
from typing import Any

from opsproof.core import scripts
from opsproof.core.errors import Absent
from opsproof.core.units import show
from opsproof.facts.base import ResourceFact, ShellFact
from opsproof.inventory.hosts import Host
from opsproof.inventory.resources import Log, LogFolder, Rotation
from opsproof.transport.shell import Answer, Command, argv

READING_TIMEOUT_S = 30.0
OWN_LOGS = ("pm2.log", "agent.log", "logs")
"""Where PM2 and its modules write, in PM2_HOME."""


@dataclass(frozen=True)
class RotatedFile:
    """A rotated file, by its name from the date on; `packed` is whether it is really compressed."""

    ending: str
    size_bytes: int
    age_s: float
    packed: bool


@dataclass(frozen=True)
class RotatedLog:
    """The rotated files of one log, the oldest first; times in seconds.

    `overdue_s` is how long the log has gone without a rotation although it had lines: the age of
    the newest rotated file or, where that is less, of the first line in the current one; 0 where
    that is empty. `covers_s` is the age of the oldest line in rotated files, 0 where there is none.
    """

    size_bytes: int | None
    files: tuple[RotatedFile, ...]
    overdue_s: float
    covers_s: float

    @property
    def oldest_s(self) -> float:
        """The age of the oldest rotated file, 0 where there is none."""
        return max((each.age_s for each in self.files), default=0.0)

    @property
    def plain(self) -> list[RotatedFile]:
        """The rotated files that are not compressed, whatever they are called."""
        return [each for each in self.files if not each.packed]

    @property
    def evidence(self) -> list[str]:
        """A line for each rotated file."""
        return [_line(each) for each in self.files]


def _line(file: RotatedFile) -> str:
    state = "compressed" if file.packed else "not compressed"
    return f"{file.ending}: {show(file.size_bytes, 'bytes')}, {show(file.age_s, 'seconds')} old, {state}"


class RotatedFiles(ResourceFact[Log, RotatedLog]):
    """The files that each declared log was rotated into, by their names, first bytes and times."""

    resource = "log"

    def command(self, host: Host, name: str, resource: Log) -> Command:
        """Looks beside the current file, and into the oldest one for its first line."""
        return argv("perl", "-e", reader(), "--", resource.path, timeout_s=READING_TIMEOUT_S, user=host.run_as)

    def parse(self, answer: Answer, name: str, resource: Log) -> RotatedLog:
        """The files; a log whose folder is not there is not there either."""
        if answer.status == 2 and "No such file" in answer.stderr:
            raise Absent(f"{resource.path} is declared, but there is no such folder")
        found = json.loads(answer.require("the reader of rotated files").stdout)
        now = found["now"]
        files = tuple(_file(each, now) for each in found["rotated"])
        current = found["current"]
        return RotatedLog(
            size_bytes=current and current["bytes"],
            files=files,
            overdue_s=_overdue_s(current, min((each.age_s for each in files), default=None), now),
            covers_s=now - (found["oldest"] or now),
        )


def _file(entry: dict[str, Any], now: float) -> RotatedFile:
    age_s = max(0.0, now - entry["modified"])
    return RotatedFile(entry["date"] + entry["ending"], entry["bytes"], age_s, entry["packed"])


def _overdue_s(current: dict[str, Any] | None, newest_s: float | None, now: float) -> float:
    if not current or not current["bytes"]:
        return 0.0
    ages = [newest_s] if newest_s is not None else []
    if current["oldest"] is not None:
        ages.append(now - current["oldest"])
    if not ages:
        raise ValueError("the log has no rotated file, and no line of it says when it was written")
    return max(0.0, min(ages))


@dataclass(frozen=True)
class FolderSize:
    """What a folder's files take, and the largest of them with their sizes."""

    size_bytes: int
    largest: tuple[tuple[str, int], ...]

    @property
    def largest_bytes(self) -> int:
        """The size of the largest file, 0 where there is none."""
        return max((size for _, size in self.largest), default=0)

    @property
    def evidence(self) -> list[str]:
        """The largest files with their sizes."""
        return [f"{show(size, 'bytes')} {path}" for path, size in self.largest]


class FolderSizes(ResourceFact[LogFolder, FolderSize]):
    """Size and largest files of each declared folder of logs, with all folders in it."""

    resource = "log_folder"

    def command(self, host: Host, name: str, resource: LogFolder) -> Command:
        """All of the folder."""
        return argv(
            "perl", "-e", scripts.perl("facts/folder_sizes"), "--", name, timeout_s=READING_TIMEOUT_S, user=host.run_as
        )

    def parse(self, answer: Answer, name: str, resource: LogFolder) -> FolderSize:
        """The sizes."""
        return _folder(answer, f"{name} is declared, but there is no such folder")


class Pm2LogSizes(ShellFact[FolderSize]):
    """The logs that PM2 and its modules write for themselves, in PM2_HOME."""

    def command(self, host: Host) -> Command:
        """Nothing else of PM2_HOME, where modules lie too."""
        assert host.pm2 is not None, "only hosts with a PM2 are asked for it"
        words = ("perl", "-e", scripts.perl("facts/folder_sizes"), "--", host.pm2.home, *OWN_LOGS)
        return argv(*words, timeout_s=READING_TIMEOUT_S, user=host.run_as)

    def parse(self, answer: Answer, host: Host) -> FolderSize:
        """The sizes."""
        return _folder(answer, "PM2_HOME is declared, but there is no such folder")


def _folder(answer: Answer, absent: str) -> FolderSize:
    if answer.status == 2 and "No such file" in answer.stderr:
        raise Absent(absent)
    found = json.loads(answer.require("the reader of folders").stdout)
    return FolderSize(found["bytes"], tuple((each["path"], each["bytes"]) for each in found["largest"]))


class RotationSettings(ResourceFact[Rotation, list[str]]):
    """How the settings of pm2-logrotate, as PM2 keeps them, differ from what is declared, a line for each."""

    resource = "rotation"

    def command(self, host: Host, name: str, resource: Rotation) -> Command:
        """Leaves the settings of other modules on the host: they hold secrets."""
        assert host.pm2 is not None, "a rotation is declared with a PM2 alone"
        return argv(
            "perl",
            "-e",
            scripts.perl("facts/json_text", "facts/rotation_settings"),
            "--",
            host.pm2.home,
            user=host.run_as,
        )

    def parse(self, answer: Answer, name: str, resource: Rotation) -> list[str]:
        """The differences; PM2 keeps texts, numbers and truths, and whoever sets one gets a text."""
        if answer.status == 3:
            raise Absent("PM2 has no settings of pm2-logrotate: it is not installed")
        settings = json.loads(answer.require("the reader of PM2's settings").stdout)["settings"]
        found = {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in settings.items()}
        wrong = [(key, value) for key, value in resource.settings.items() if found.get(key) != value]
        return [f"{key} is {found.get(key, 'not set')}, not {value}" for key, value in wrong]


def reader() -> str:
    """The Perl program that reads a log's rotated files; its two files are one program in this order only."""
    return scripts.perl("facts/log_files", "facts/rotated_files")
