"""Vacuums and analyzes tables: flagged by the monthly checks, named by --table, or all.

Partitioned tables are vacuumed by their leaf partitions. Refuses to run while a transaction, a prepared transaction, a
replication slot or a standby still needs the dead rows, and names it. Takes no lock that blocks reads or writes.
--freeze freezes old transaction IDs: without --table or --all, in the tables over the limit. Temporary tables and
other databases with old transaction IDs are reported.
"""

import sys
from argparse import ArgumentParser
from functools import partial

import installed  # noqa: F401

from opsproof.action import Step, main
from opsproof.core.errors import InventoryError, NotRepaired, Refused
from opsproof.core.units import show
from opsproof.facts.indexes import StatisticsEpoch
from opsproof.facts.vacuum import Hold, TableUpkeep, TransactionAges, VacuumHorizons
from opsproof.maintenance import tables
from opsproof.maintenance.machine import machine
from opsproof.maintenance.tables import Table
from opsproof.maintenance.upkeep import TablesAction

MOST_WORKERS = 1024
"""PostgreSQL's limit of PARALLEL."""


class Vacuum(TablesAction):
    """One VACUUM per table; then one ANALYZE per partitioned table."""

    name = "vacuum"
    mark = "vacuumed"

    @classmethod
    def add_arguments(cls, parser: ArgumentParser) -> None:
        """Adds --freeze and --parallel."""
        super().add_arguments(parser)
        parser.add_argument("--freeze", action="store_true", help="freeze all rows")
        parser.add_argument(
            "--parallel", type="count", metavar="N", help="parallel workers for indexes; default: the server's"
        )

    def flagged(self) -> list[str]:
        """Tables with too many dead rows or an overdue vacuum; with --freeze, tables with old transaction IDs."""
        if self.options.freeze:
            everything = tables.find(self.session, "all").leaves
            return [str(each) for each in everything if self._is_old(each.age, each.multixacts)]
        found = self.session.measure(TableUpkeep())
        dead = [each for each in found.dead.rows if self.flags("dead_rows", each.dead_share)]
        epoch = self.session.measure(StatisticsEpoch())
        overdue = [each for each in found.overdue.rows if self.flags("vacuum_age", each.vacuum_span_s(epoch)[1])]
        return list(dict.fromkeys(each.table for each in (*dead, *overdue, *found.uncounted)))

    def _is_old(self, transactions: int, multixacts: int) -> bool:
        return self.flags("transaction_age", transactions) or self.flags("multixact_age", multixacts)

    def plan(self) -> list[Step]:
        """Smallest table first."""
        if (self.options.parallel or 0) > MOST_WORKERS:
            raise InventoryError(f"--parallel: {self.options.parallel} workers (limit {MOST_WORKERS})")
        self.found = self.choose()
        vacuums = [
            Step(f"vacuum {each}: {_state(each)}", partial(self._vacuum, each), (str(each),))
            for each in self.found.leaves
        ]
        whole = [
            Step(f"analyze {each} as a whole", partial(self.execute, "ANALYZE", each), (str(each),))
            for each in self.found.roots
        ]
        steps = self.require_candidates([*vacuums, *whole])
        if not steps and (old := self._unfrozen()):
            raise Refused(f"no table is left to freeze, but transaction IDs are too old: {old}")
        return steps

    def _unfrozen(self) -> str:
        """What keeps transaction IDs old although all tables are frozen; empty if tables were named."""
        if not self.options.freeze or self.options.table or self.options.all:
            return ""
        ages = self.session.measure(TransactionAges())
        if not self._is_old(ages.transactions, ages.multixacts):
            return ""
        others = self.session.ask("unfrozen")
        old = [each["who"] for each in others if self._is_old(each["age"], each["multixacts"])]
        return (
            "; ".join(old) or f"datfrozenxid of {self.session.client.name} is outdated: vacuum any table with --table"
        )

    def _vacuum(self, table: Table) -> None:
        words = ["ANALYZE", *(["FREEZE"] if self.options.freeze else [])]
        if self.workers is not None:
            words.append(f"PARALLEL {self.workers}")
        self.execute(f"VACUUM ({', '.join(words)})", table)

    def guard(self, steps: list[Step]) -> None:
        """Refuses to run while dead rows cannot be removed."""
        super().guard(steps)
        catalogs = any(each.catalog for each in self.found.leaves)
        for each in self.session.measure(VacuumHorizons()).holds:
            since = each.transactions if catalogs else each.of_users
            if since is not None and self._is_long(each, since):
                raise Refused(f"dead rows are still needed, so VACUUM cannot remove them: {each}")
        self.workers = self._workers()

    def _is_long(self, hold: Hold, transactions: int) -> bool:
        held = hold.since_s is not None and self.flags("vacuum_horizon_age", hold.since_s)
        return held or (hold.kind in ("slot", "standby") and self.flags("replica_horizon_age", transactions))

    def prove(self, steps: list[Step]) -> None:
        """Also checks that no other object keeps transaction IDs old."""
        super().prove(steps)
        if old := self._unfrozen():
            raise NotRepaired(f"transaction IDs are still too old: {old}")

    def _workers(self) -> int | None:
        """Parallel workers; None: the server decides. Workers share maintenance_work_mem: 0 if /dev/shm is small."""
        if self.options.parallel is not None:
            return int(self.options.parallel)
        found = machine(self.work, self.session.client)
        return 0 if found.processors and not found.shares(self.server.memory_bytes) else None


def _state(table: Table) -> str:
    return f"{show(table.bytes, 'bytes')}, {table.dead or 0} dead rows, transaction age {table.age}"


if __name__ == "__main__":
    sys.exit(main(Vacuum))
