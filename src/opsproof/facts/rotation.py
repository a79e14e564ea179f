"""Log rotation: rotated files, log folders, and settings of pm2-logrotate."""

import json
from dataclasses import dataclass
from typing import Any

from opsproof.core import scripts
from opsproof.core.ages import age
from opsproof.core.errors import Absent
from opsproof.core.units import show
from opsproof.facts import log_formats
from opsproof.facts.base import ResourceFact, ShellFact
from opsproof.facts.logs import AHEAD_S
from opsproof.inventory.hosts import Host
from opsproof.inventory.logs import Log
from opsproof.inventory.resources import LogFolder, Rotation
from opsproof.transport.shell import Answer, Command, argv

READING_TIMEOUT_S = 30.0
OWN_LOGS = ("pm2.log", "agent.log", "logs")
"""Logs of PM2 itself and its modules, in PM2_HOME."""


@dataclass(frozen=True)
class RotatedFile:
    """A rotated file; `ending` is the end of its name, `packed` whether it is compressed by its first bytes."""

    ending: str
    size_bytes: int
    age_s: float
    packed: bool


@dataclass(frozen=True)
class RotatedLog:
    """Rotated files of one log, the oldest first; times in seconds.

    `overdue_s` is the time without a rotation despite new lines: the age of the newest rotated file or,
    if less, of the first line in the current file; 0 for an empty log. `covers_s` is the age of the
    oldest line in rotated files, 0 without rotated files.
    """

    size_bytes: int | None
    files: tuple[RotatedFile, ...]
    overdue_s: float
    covers_s: float

    @property
    def oldest_s(self) -> float:
        """Age of the oldest rotated file, 0 without rotated files."""
        return max((each.age_s for each in self.files), default=0.0)

    @property
    def plain(self) -> list[RotatedFile]:
        """Uncompressed rotated files, whatever the file name."""
        return [each for each in self.files if not each.packed]

    @property
    def evidence(self) -> list[str]:
        """A line for each rotated file."""
        return [_line(each) for each in self.files]


def _line(file: RotatedFile) -> str:
    state = "compressed" if file.packed else "not compressed"
    return f"{file.ending}: {show(file.size_bytes, 'bytes')}, {show(file.age_s, 'seconds')} old, {state}"


class RotatedFiles(ResourceFact[Log, RotatedLog]):
    """Rotated files of each declared log, by names, first bytes and times."""

    resource = "log"

    def command(self, host: Host, name: str, resource: Log) -> Command:
        """Lists the log's folder, and reads the first line of the oldest file."""
        words = ("perl", "-e", reader(), "--", resource.path, *log_formats.words(resource))
        return argv(*words, timeout_s=READING_TIMEOUT_S, user=host.run_as)

    def parse(self, answer: Answer, name: str, resource: Log) -> RotatedLog:
        """The files; a missing folder raises `Absent`."""
        if answer.status == 2 and "No such file" in answer.stderr:
            raise Absent(f"{resource.path} is declared, but does not exist")
        found = json.loads(answer.require("perl (rotated_files.pl)").stdout)
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
    modified = age(entry["modified"], now, entry["ending"])
    return RotatedFile(entry["ending"], entry["bytes"], modified, entry["packed"])


def _overdue_s(current: dict[str, Any] | None, newest_s: float | None, now: float) -> float:
    if not current or not current["bytes"]:
        return 0.0
    ages = [newest_s] if newest_s is not None else []
    if current["oldest"] is not None and current["oldest"] <= now + AHEAD_S:
        ages.append(now - current["oldest"])
    if not ages:
        raise ValueError("the log has no rotated file and no dated line")
    return max(0.0, min(ages))


@dataclass(frozen=True)
class FolderSize:
    """Total size of a folder, and its largest files with sizes."""

    size_bytes: int
    largest: tuple[tuple[str, int], ...]

    @property
    def largest_bytes(self) -> int:
        """Size of the largest file, 0 for an empty folder."""
        return max((size for _, size in self.largest), default=0)

    @property
    def evidence(self) -> list[str]:
        """The largest files with sizes."""
        return [f"{show(size, 'bytes')} {path}" for path, size in self.largest]


class FolderSizes(ResourceFact[LogFolder, FolderSize]):
    """Size and largest files of each declared log folder, with subfolders."""

    resource = "log_folder"

    def command(self, host: Host, name: str, resource: LogFolder) -> Command:
        """Scans the whole folder."""
        return argv(
            "perl", "-e", scripts.perl("facts/folder_sizes"), "--", name, timeout_s=READING_TIMEOUT_S, user=host.run_as
        )

    def parse(self, answer: Answer, name: str, resource: LogFolder) -> FolderSize:
        """The sizes."""
        return _folder(answer, f"{name} is declared, but does not exist")


class Pm2LogSizes(ShellFact[FolderSize]):
    """Logs of PM2 itself and its modules, in PM2_HOME."""

    def command(self, host: Host) -> Command:
        """Scans only the logs of PM2_HOME, which also holds modules."""
        assert host.pm2 is not None, "the host has no PM2"
        words = ("perl", "-e", scripts.perl("facts/folder_sizes"), "--", host.pm2.home, *OWN_LOGS)
        return argv(*words, timeout_s=READING_TIMEOUT_S, user=host.run_as)

    def parse(self, answer: Answer, host: Host) -> FolderSize:
        """The sizes."""
        return _folder(answer, "PM2_HOME is declared, but does not exist")


def _folder(answer: Answer, absent: str) -> FolderSize:
    if answer.status == 2 and "No such file" in answer.stderr:
        raise Absent(absent)
    found = json.loads(answer.require("perl (folder_sizes.pl)").stdout)
    return FolderSize(found["bytes"], tuple((each["path"], each["bytes"]) for each in found["largest"]))


class RotationSettings(ResourceFact[Rotation, list[str]]):
    """Differences between pm2-logrotate's settings in PM2 and the declared settings, a line each."""

    resource = "rotation"

    def command(self, host: Host, name: str, resource: Rotation) -> Command:
        """Leaves other modules' settings on the host: they hold secrets."""
        assert host.pm2 is not None, "rotation needs PM2"
        return argv(
            "perl",
            "-e",
            scripts.perl("facts/json_text", "facts/rotation_settings"),
            "--",
            host.pm2.home,
            user=host.run_as,
        )

    def parse(self, answer: Answer, name: str, resource: Rotation) -> list[str]:
        """The differences; values compare as text, because pm2 set stores text."""
        if answer.status == 3:
            raise Absent("pm2-logrotate is not installed: PM2 has no settings for it")
        settings = json.loads(answer.require("perl (rotation_settings.pl)").stdout)["settings"]
        found = {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in settings.items()}
        differing = [(key, value) for key, value in resource.settings.items() if found.get(key) != value]
        return [f"{key} is {found.get(key, 'not set')}, not {value}" for key, value in differing]


def reader() -> str:
    """Perl program that reads a log's rotated files, joined from four files in order."""
    return scripts.perl("facts/rotated_names", "facts/log_files", "facts/log_formats", "facts/rotated_files")
