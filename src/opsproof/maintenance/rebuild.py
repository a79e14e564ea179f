"""Indexes built anew while everybody reads and writes; whatever happens, nothing invalid stays that can be removed."""

from dataclasses import dataclass, replace

from opsproof.errors import OpsproofError, Refused
from opsproof.maintenance import indexes
from opsproof.maintenance.client import text
from opsproof.maintenance.indexes import RETIRED, RETUNE, Index
from opsproof.maintenance.machine import Machine, free_bytes
from opsproof.maintenance.session import LOCK_S, Server, Session
from opsproof.quantities import show

MARGIN = 1.2
"""Room for so many times what is written must be free."""
SWEEP_S = 3.0
"""How long cleaning up after a failure waits for others; the next run does it where that is not enough."""


@dataclass(frozen=True)
class Builder:
    """The way to build indexes of one database on a machine."""

    session: Session
    server: Server
    machine: Machine

    def settings(self, index: Index) -> dict[str, str]:
        """Of the session that builds an index."""
        return self.machine.settings(index, self.server)

    @property
    def _patience(self) -> str:
        return f"{max(1, self.session.wait_s * 1000):.0f}ms"

    def require_room(self, index: Index) -> None:
        """Says no where there is no room for a second one beside it, and for sorting what does not fit into memory.

        Raises:
            Refused: there is not.
            MeasurementError: that cannot be told.
        """
        memory = int(self.settings(index).get("maintenance_work_mem", "0kB").removesuffix("kB")) * 1024
        sorted_bytes = index.expected_bytes if index.expected_bytes > memory else 0
        needed = MARGIN * (index.expected_bytes + sorted_bytes)
        free = free_bytes(self.session.work, self.session.client, index.folder or self.server.folder)
        if free < needed:
            raise Refused(f"{index} needs {show(needed, 'bytes')} to be built, and {show(free, 'bytes')} are free")

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
        self._build(index, text("retune_build.sql"), "build the replacement of", **values)

    def _build(self, index: Index, script: str, verb: str, **values: str) -> None:
        settings = {"lock_timeout": self._patience, **self.settings(index)}
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
                if each.place[0] == index.place[0]:
                    patient.drop(each)
        except OpsproofError as error:
            self.session.work.say(f"     what the build left is still there, for the next run to drop: {error}")

    def swap(self, index: Index) -> None:
        """Gives the replacement of an index its name.

        Raises:
            StepFailed: the index has it still.
        """
        values = {"oid": str(index.oid), "replacement": replacement(index), "retired": retired(index)}
        script, settings = text("retune_swap.sql"), {"lock_timeout": f"{LOCK_S}s"}
        self.session.do(f"swap {index}", script, settings, schema=index.schema, name=index.name, **values)

    def drop(self, index: Index) -> None:
        """Drops an index.

        Raises:
            StepFailed: it is still there.
        """
        self._drop(index.schema, index.name)

    def drop_retired(self, index: Index) -> None:
        """Drops what an index was before its replacement took its name.

        Raises:
            StepFailed: it is still there.
        """
        self._drop(index.schema, retired(index))

    def _drop(self, schema: str, name: str) -> None:
        script = 'DROP INDEX CONCURRENTLY IF EXISTS :"schema".:"name";'
        settings = {"lock_timeout": self._patience}
        self.session.do(f"drop {schema}.{name}", script, settings, schema=schema, name=name)


def replacement(index: Index) -> str:
    """The name of the index that is to take its place."""
    return RETUNE.format(oid=index.oid)


def retired(index: Index) -> str:
    """Its name once another one has taken its place."""
    return RETIRED.format(oid=index.oid)
