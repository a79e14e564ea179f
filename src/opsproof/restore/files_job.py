"""A restore of files: unpacked beside the live files, compared with the backup, then swapped."""

import posixpath
import time
from functools import partial

from opsproof.action import Step
from opsproof.backup_store import file_tree
from opsproof.backup_store.files_manifest import FilesManifest, escaped, unescaped
from opsproof.core import scripts
from opsproof.core.errors import NotRepaired, Refused, StepFailed
from opsproof.restore.base import STAMP, RestoreAction
from opsproof.restore.contents import printable
from opsproof.restore.files_source import FilesSource
from opsproof.transport.shell import Command, argv, labelled

SHOWN = 5
LOOK_TIMEOUT_S = 60.0
_OWNED = (": owner ", ": group ")


class FilesRestoreJob:
    """A restore of the paths of one backup of files, as the user of the files."""

    def __init__(self, action: RestoreAction) -> None:
        self.action, self.work, self.options, self.backup = action, action.work, action.options, action.backup
        self.user = file_tree.user(action.host, self.backup)
        self.stamp = time.strftime(STAMP, time.gmtime())
        (place,) = self.work.ask(argv("pwd"))
        home = place.require("pwd").stdout.rstrip("\n")
        self.paths = [posixpath.join(home, each) for each in self.backup.paths]
        self.seen = self._look()
        self.source: FilesSource | None = None
        self.closed: dict[str, str] = {}
        """Reasons not to restore a path: the user may not rename it, or others may rename files in its folder."""

    def dropping(self) -> list[Step]:
        """Steps that remove what earlier restores replaced."""
        return [Step(f"remove {each}", partial(self._place, "remove", "", each)) for each in self._before]

    @property
    def _before(self) -> list[str]:
        return self.seen.get("before", [])

    def _stagings(self, state: str) -> list[str]:
        found = [each.split(" ", 1) for each in self.seen.get("staging", [])]
        return [path for known, path in found if known == state]

    def finishing(self) -> list[Step]:
        """Steps that complete an interrupted swap, if any; the files are those of the interrupted restore."""
        return [
            Step(
                f"complete the interrupted restore in {posixpath.dirname(each)}",
                partial(self._place, "swap", each, *self._within(posixpath.dirname(each))),
            )
            for each in self._stagings("swapping")
        ]

    def restoring(self) -> list[Step]:
        """Steps that remove leftovers, unpack, compare, and swap."""
        self.source = FilesSource(self.action)
        self._choose_paths(self.source.manifest)
        self.action.measured |= {"backup": self.action.backup_name, "set": self.source.manifest.name}
        if self.options.into:
            into = Step(f"unpack {self.source.title} in {self.options.into}", self._unpack_elsewhere)
            return [*self.source.fetching(), into]
        for pattern, reason in self.backup.exclude.items():
            kept = f"NAME_before_{self.stamp}"
            self.work.say(f"  not in the backup, stays only in {kept}: {printable(pattern)} ({printable(reason)})")
        left = self._stagings("left")
        sweeps = [
            Step(f"remove {each}, left by an earlier restore", partial(self._place, "remove", each)) for each in left
        ]
        changed = self._changed()
        lost = f"{changed} files changed since the backup" if changed else "no file changed since the backup"
        folders = dict.fromkeys(posixpath.dirname(each) for each in self.paths)
        return [
            *sweeps,
            *self.source.fetching(),
            *(
                Step(
                    f"unpack {self._names(each)} of {self.source.title} in {self._staging(each)}, compare with the "
                    "list of contents",
                    partial(self._unpack, each),
                )
                for each in folders
            ),
            *(
                Step(
                    f"swap {self._names(each)} in {each}, keep the old as NAME_before_{self.stamp}: {lost}",
                    partial(self._place, "swap", self._staging(each), *self._within(each)),
                )
                for each in folders
            ),
        ]

    def _choose_paths(self, manifest: FilesManifest) -> None:
        """Leaves out declared paths that the backup has not, or that the user may not replace, and says so."""
        for each in manifest.lacks(self.backup.paths):
            self.work.say(f"  not in the backup: {printable(each)}")
        absent = manifest.absent
        held = zip(self.backup.paths, self.paths, strict=True)
        self.paths = [path for declared, path in held if declared in manifest.paths and path not in absent]
        if not self.paths:
            raise Refused(f"{manifest.name} has none of the declared paths: restore with --into")
        closed = [] if self.options.into else [*self.seen.get("closed", []), *self._shared]
        fixed = [] if self.options.into else self._fixed
        unfit = [each for each in self.paths if posixpath.dirname(each) in closed or each in fixed]
        self.closed = {each: self._closed(each) for each in unfit}
        for each, reason in self.closed.items():
            self.work.say(f"  not restored: {printable(each)}: {reason}")
        self.paths = [each for each in self.paths if each not in self.closed]
        if not self.paths:
            raise Refused(": ".join(next(iter(self.closed.items()))))

    def _closed(self, path: str) -> str:
        who, folder = self.user or "the login user", posixpath.dirname(path)
        if folder in self._shared:
            return (
                f"users other than {who} may rename files in {folder}, or replace a folder above: declare the owner as "
                "run_as, or use --into, and copy the file as its owner"
            )
        folder = path if path in self._fixed else folder
        return f"{who} may not write in {folder}: use --into, and copy the file as its owner"

    @property
    def _fixed(self) -> list[str]:
        return self.seen.get("closed-path", [])

    @property
    def _shared(self) -> list[str]:
        return self.seen.get("shared", [])

    def _names(self, folder: str) -> str:
        return ", ".join(posixpath.basename(each) for each in self._within(folder))

    def _within(self, folder: str) -> list[str]:
        return [each for each in self.paths if posixpath.dirname(each) == folder]

    def _staging(self, folder: str) -> str:
        return f"{folder.rstrip('/')}/.{self.action.backup_name}_restoring_{self.stamp}"

    def _changed(self) -> int:
        """Number of live files written since the backup began."""
        assert self.source is not None
        since = f"{self.source.manifest.began:.0f}"
        (answer,) = self.work.ask(self._command("changed", "", *self.paths, stamp=since))
        return len(answer.require("find").stdout)

    def _command(self, verb: str, staging: str, *paths: str, stamp: str = "") -> Command:
        words = ("--", verb, staging, stamp or self.stamp, *map(escaped, paths))
        return argv(
            "perl",
            "-e",
            scripts.perl("backup_store/octal", "restore/place"),
            *words,
            timeout_s=self.backup.timeout if verb != "look" else LOOK_TIMEOUT_S,
            user=self.user,
        )

    def _place(self, verb: str, staging: str, *paths: str) -> None:
        self.work.do(self._command(verb, staging, *paths), f"{verb} of files")

    def _look(self) -> dict[str, list[str]]:
        (answer,) = self.work.ask(self._command("look", self._staging("/"), *self.paths))
        said = labelled(answer.require("looking at the files").stdout, "the state of the files")
        return {label: [unescaped(each) for each in lines] for label, lines in said.items()}

    def guard(self) -> None:
        """Refuses a restore that cannot complete.

        Raises:
            Refused: a path is a mount point, or the disk has too little space.
        """
        if self.options.drop_old:
            if self._stagings("swapping"):
                raise Refused("a restore is incomplete: run restore.py without --drop-old first")
            if shared := [each for each in self._before if posixpath.dirname(each) in self._shared]:
                raise Refused(f"{shared[0]}: other users may rename files in its folder: remove it as its owner")
            if mounts := self._mounts(self._before):
                raise Refused(f"{mounts[0]} is a mount point: unmount it first")
            kept = {each.rpartition("_before_")[0]: each for each in self._before}
            if lost := [each for each in self.seen.get("gone", []) if each in kept]:
                raise Refused(f"{lost[0]} is missing: restore it, or rename {kept[lost[0]]} to it, first")
            return
        if self.source is None:
            return
        if self.options.into:
            self.source.require_room(posixpath.dirname(self.options.into.rstrip("/")) or "/")
            return
        if mounts := self._mounts(self.paths):
            raise Refused(f"{mounts[0]} is a mount point, which cannot be swapped: use --into, and copy by hand")
        for folder in dict.fromkeys(posixpath.dirname(each) for each in self.paths):
            self.source.require_room(folder)

    def _mounts(self, paths: list[str]) -> list[str]:
        return [each for each in self.seen.get("mount", []) if any(f"{each}/".startswith(f"{path}/") for path in paths)]

    def _unpack(self, folder: str) -> None:
        """Unpacks the paths of one folder beside them, compares, and marks them as ready to swap."""
        staging, paths = self._staging(folder), self._within(folder)
        self._place("make", staging)
        try:
            self._compare(f"{staging}/tree", tuple(map(escaped, paths)))
            self._place("mark", staging, *paths)
        except StepFailed:
            self._place("remove", staging)
            raise

    def _unpack_elsewhere(self) -> None:
        self._compare(self.options.into, ())

    def _compare(self, folder: str, paths: tuple[str, ...]) -> None:
        assert self.source is not None
        started = time.monotonic()
        found = self.source.unpack(folder, paths, file_tree.borrowed(self.action.host, self.backup))
        self.action.measured["restore_s"] = round(
            float(self.action.measured.get("restore_s", 0)) + time.monotonic() - started, 2
        )
        accepted = self.options.accept_differences
        if bad := [each for each in found.differing if not (accepted and any(word in each for word in _OWNED))]:
            hint = "" if accepted else " (--accept-differences goes on if only owners differ)"
            raise StepFailed(printable(f"the unpacked files differ: {'; '.join(bad[:SHOWN])}{hint}"))

    def prove(self) -> None:
        """Shows that no swap is incomplete, and that nothing of the restore is left beside the files.

        Raises:
            NotRepaired: a folder of a restore or an old path remains, or a path could not be replaced.
            MeasurementError: the state cannot be read.
        """
        if self.source is not None:
            self.source.forget()
        self.seen = self._look()
        left = [*self._stagings("swapping"), *self._stagings("left"), *(self._before if self.options.drop_old else [])]
        if left and not self.options.into:
            raise NotRepaired(f"not removed: {', '.join(left)}")
        if self.closed:
            raise NotRepaired(f"not restored: {': '.join(next(iter(self.closed.items())))}")
