"""Indexes built anew while everybody reads and writes; whatever happens, nothing invalid stays that can be removed."""

from dataclasses import dataclass, replace

from opsproof.core import scripts
from opsproof.core.errors import InventoryError, OpsproofError, StepFailed
from opsproof.maintenance import indexes
from opsproof.maintenance.indexes import RETIRED, RETUNE, Index
from opsproof.maintenance.machine import MachineResources
from opsproof.maintenance.room import DiskSpace
from opsproof.maintenance.session import LOCK_S, MaintenanceServer, MaintenanceSession

SWEEP_S = 3.0
"""How long cleaning up after a failure waits for others; the next run does it where that is not enough."""


@dataclass(frozen=True)
class Builder:
    """The way to build indexes of one database on a machine."""

    session: MaintenanceSession
    server: MaintenanceServer
    machine: MachineResources

    def settings(self, index: Index) -> dict[str, str]:
        """Of the session that builds an index."""
        return self.machine.settings(index, self.server)

    @property
    def _patience(self) -> str:
        return f"{max(1, self.session.wait_s * 1000):.0f}ms"

    def lack(self, index: Index, room: DiskSpace) -> str:
        """Where there is no room to build it, and to sort what does not fit into memory; empty where there is.

        Raises:
            MeasurementError: that cannot be told.
        """
        memory = int(self.settings(index).get("maintenance_work_mem", "0kB").removesuffix("kB")) * 1024
        return room.lack(index, index.expected_bytes if index.expected_bytes > memory else 0)

    def rebuild(self, index: Index) -> None:
        """Builds it anew, beside itself.

        Raises:
            StepFailed: it is as it was.
        """
        self._build(index, 'REINDEX INDEX CONCURRENTLY :"schema".:"name";', "rebuild")

    def build_replacement(self, index: Index) -> None:
        """Builds one with better lists, beside it.

        Raises:
            StepFailed: there is none.
        """
        values = {"oid": str(index.oid), "replacement": replacement(index), "lists": str(index.ideal_lists)}
        self._build(index, scripts.sql("maintenance/retune_build"), "build the replacement of", **values)

    def _build(self, index: Index, script: str, verb: str, **values: str) -> None:
        settings = {"lock_timeout": self._patience, **self.settings(index)}
        if lack := self.lack(
            index, DiskSpace(self.session, self.server)
        ):  # what was to be dropped first may still be there
            raise StepFailed(f"{index} {lack}")
        try:
            self.session.do(f"{verb} {index}", script, settings, schema=index.schema, name=index.name, **values)
        except BaseException:
            self._clean(index)
            raise

    def _clean(self, index: Index) -> None:
        """Drops what a failed build of an index left, in so far as it is not held up; else says so."""
        patient = Builder(replace(self.session, wait_s=SWEEP_S), self.server, self.machine)
        try:
            for each in indexes.look(self.session, []).left:
                if each.place[0] == index.place[0] and not each.heir:
                    patient.drop(each)
        except OpsproofError as error:
            self.session.work.say(f"     what the build left is still there, for the next run to drop: {error}")

    def swap(self, index: Index) -> None:
        """Gives the replacement of an index its name.

        Raises:
            StepFailed: the index has it still.
        """
        self._exchange(index, replacement(index), RETIRED)

    def _exchange(self, index: Index, other: str, prefix: str) -> None:
        values = {"oid": str(index.oid), "other": other, "prefix": prefix}
        script, settings = scripts.sql("maintenance/retune_swap"), {"lock_timeout": f"{LOCK_S}s"}
        self.session.do(f"swap {index}", script, settings, schema=index.schema, name=index.name, **values)

    def exchanged(self, name: str) -> tuple[Index, Index | None]:
        """The index that has a name now, and the one that had it before `swap`, if that is still there.

        Raises:
            StepFailed: none has the name.
            MeasurementError: they cannot be seen.
        """
        try:
            found = indexes.every(self.session, [name])
        except InventoryError as error:
            raise StepFailed(str(error)) from error
        (heir,) = [each for each in found if str(each) == name]
        before = [each for each in found if (each.schema, each.name) == (heir.schema, f"{RETIRED}{heir.oid}")]
        return heir, before[0] if before else None

    def take_back(self, heir: Index, before: Index) -> None:
        """Gives an index its name again, and drops the one that took it.

        Raises:
            StepFailed: one of the two was not done; the next run knows which.
        """
        self._exchange(heir, before.name, RETUNE)
        self._drop(heir.schema, replacement(before))

    def drop(self, index: Index) -> None:
        """Drops an index.

        Raises:
            StepFailed: it is still there.
        """
        self._drop(index.schema, index.name)

    def _drop(self, schema: str, name: str) -> None:
        script = 'DROP INDEX CONCURRENTLY IF EXISTS :"schema".:"name";'
        settings = {"lock_timeout": self._patience}
        self.session.do(f"drop {schema}.{name}", script, settings, schema=schema, name=name)


def replacement(index: Index) -> str:
    """The name of the index that is to take its place."""
    return f"{RETUNE}{index.oid}"
