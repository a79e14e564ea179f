"""Rebuilds indexes online; a failed build is cleaned up unless locks or privileges prevent it."""

from dataclasses import dataclass, replace

from opsproof.core import scripts
from opsproof.core.errors import InventoryError, OpsproofError, StepFailed
from opsproof.maintenance import indexes
from opsproof.maintenance.indexes import RETIRED, RETUNE, Index
from opsproof.maintenance.machine import MachineResources
from opsproof.maintenance.room import DiskSpace
from opsproof.maintenance.session import LOCK_S, MaintenanceServer, MaintenanceSession

SWEEP_S = 3.0
"""How long cleanup after a failure waits for locks; the next run repeats it."""


@dataclass(frozen=True)
class Builder:
    """Builds indexes of one database on a machine."""

    session: MaintenanceSession
    server: MaintenanceServer
    machine: MachineResources

    def settings(self, index: Index) -> dict[str, str]:
        """Session settings for building `index`."""
        return self.machine.settings(index, self.server)

    @property
    def _lock_timeout(self) -> str:
        return f"{max(1, self.session.wait_s * 1000):.0f}ms"

    def shortage(self, index: Index, room: DiskSpace) -> str:
        """The missing disk space for building `index`, with sort files if memory is short; empty if there is enough.

        Raises:
            MeasurementError: free space cannot be measured.
        """
        memory = int(self.settings(index).get("maintenance_work_mem", "0kB").removesuffix("kB")) * 1024
        return room.shortage(index, index.expected_bytes if index.expected_bytes > memory else 0)

    def unreplaceable(self, index: Index) -> str:
        """Why the role cannot build a replacement of `index` and swap the names; empty if possible.

        Raises:
            MeasurementError: the query failed.
        """
        found = self.session.ask("unreplaceable", oid=str(index.oid), replacement=replacement(index))
        return "cannot be replaced: " + "; ".join(found) if found else ""

    def rebuild(self, index: Index) -> None:
        """Rebuilds `index` concurrently.

        Raises:
            StepFailed: the index is unchanged.
        """
        self._build(index, 'REINDEX INDEX CONCURRENTLY :"schema".:"name";', "rebuild")

    def build_replacement(self, index: Index) -> None:
        """Builds a replacement with the ideal number of lists, concurrently.

        Raises:
            StepFailed: no replacement was built.
        """
        values = {"oid": str(index.oid), "replacement": replacement(index), "lists": str(index.ideal_lists)}
        self._build(index, scripts.sql("maintenance/retune_build"), "build the replacement of", **values)

    def _build(self, index: Index, script: str, verb: str, **values: str) -> None:
        settings = {"lock_timeout": self._lock_timeout, **self.settings(index)}
        # Measured again: dropping leftovers may have freed less than planned.
        if shortage := self.shortage(index, DiskSpace(self.session, self.server)):
            raise StepFailed(f"{index} {shortage}")
        try:
            self.session.do(f"{verb} {index}", script, settings, schema=index.schema, name=index.name, **values)
        except BaseException:
            self._drop_leftovers(index)
            raise

    def _drop_leftovers(self, index: Index) -> None:
        """Drops leftovers of a failed build; reports them if locks prevent it."""
        patient = Builder(replace(self.session, wait_s=SWEEP_S), self.server, self.machine)
        try:
            for each in indexes.find(self.session, []).left:
                if each.place[0] == index.place[0] and not each.heir:
                    patient.drop(each)
        except OpsproofError as error:
            self.session.work.say(f"     the build failed and left an invalid index, which the next run drops: {error}")

    def swap(self, index: Index) -> None:
        """Swaps the names of an index and its replacement.

        Raises:
            StepFailed: the names are unchanged.
        """
        self._swap_names(index, replacement(index), RETIRED)

    def _swap_names(self, index: Index, other: str, prefix: str) -> None:
        values = {"oid": str(index.oid), "other": other, "prefix": prefix}
        script, settings = scripts.sql("maintenance/retune_swap"), {"lock_timeout": f"{LOCK_S}s"}
        self.session.do(f"swap {index}", script, settings, schema=index.schema, name=index.name, **values)

    def swapped(self, name: str) -> tuple[Index, Index | None]:
        """The index that has the name now, and the replaced index if it still exists.

        Raises:
            StepFailed: no index has the name.
            MeasurementError: the query failed.
        """
        try:
            found = indexes.read(self.session, [name])
        except InventoryError as error:
            raise StepFailed(str(error)) from error
        (heir,) = [each for each in found if str(each) == name]
        before = [each for each in found if (each.schema, each.name) == (heir.schema, f"{RETIRED}{heir.oid}")]
        return heir, before[0] if before else None

    def roll_back(self, heir: Index, before: Index) -> None:
        """Rolls back a swap: restores the replaced index and drops the replacement.

        Raises:
            StepFailed: the rollback is incomplete; the next run completes it.
        """
        self._swap_names(heir, before.name, RETUNE)
        self._drop(heir.schema, replacement(before))

    def drop(self, index: Index) -> None:
        """Drops an index.

        Raises:
            StepFailed: the index still exists.
        """
        self._drop(index.schema, index.name)

    def _drop(self, schema: str, name: str) -> None:
        script = 'DROP INDEX CONCURRENTLY IF EXISTS :"schema".:"name";'
        settings = {"lock_timeout": self._lock_timeout}
        self.session.do(f"drop {schema}.{name}", script, settings, schema=schema, name=name)


def replacement(index: Index) -> str:
    """The name of the replacement until the swap."""
    return f"{RETUNE}{index.oid}"
