"""Rebuilds indexes online: those that the monthly checks flag, or those named by --index.

Vector indexes are built with the host's spare memory and processors. --retune builds a replacement of an ivfflat index
with the number of lists that suits the rows, and swaps the names. If recall is too low with more lists, the swap is
rolled back. Leftovers of interrupted builds, also of other tools, are dropped first unless a session works on them.
"""

import sys
from argparse import ArgumentParser
from dataclasses import replace
from functools import cached_property, partial

import installed  # noqa: F401

from opsproof.action import Step, main
from opsproof.core.errors import InventoryError, MeasurementError, NotRepaired, Refused
from opsproof.core.limits import Measurement
from opsproof.core.units import show
from opsproof.history.store import History, place_of
from opsproof.maintenance import flagged, indexes
from opsproof.maintenance.base import Maintaining
from opsproof.maintenance.flagged import Reasons
from opsproof.maintenance.indexes import Index, Indexes
from opsproof.maintenance.machine import describe, machine
from opsproof.maintenance.rebuild import Builder, replacement
from opsproof.maintenance.room import DiskSpace
from opsproof.maintenance.tables import qualify

NEAR = 0.1
"""Accepted relative deviation from the ideal number of lists."""


class Reindex(Maintaining):
    """Drops leftovers, then rebuilds one index after another."""

    name = "reindex"
    defines = True

    @classmethod
    def add_arguments(cls, parser: ArgumentParser) -> None:
        """Adds --index and --retune."""
        super().add_arguments(parser)
        parser.add_argument("--index", action="append", metavar="NAME", help="schema.index; may be given several times")
        parser.add_argument(
            "--retune", action="store_true", help="adapt the number of lists of ivfflat indexes to the number of rows"
        )

    @cached_property
    def builder(self) -> Builder:
        """The builder, with the machine measured once."""
        return Builder(self.session, self.server, machine(self.work, self.session.client))

    def plan(self) -> list[Step]:
        """Leftovers first, then the builds."""
        self.require_pg_monitor()
        self.reasons = self._reasons()
        self.found = self._buildable(indexes.find(self.session, self.reasons))
        needed = [replacement(each) for each in self.found.chosen if self._needs_other_lists(each)]
        self.built = [each.name for each in self.found.left if each.valid and each.name in needed]
        leftovers = [each for each in self.found.left if each.name not in self.built]
        self.room = DiskSpace(self.session, self.server, leftovers)
        self.before: dict[str, Measurement | None] = {}
        if not self.options.index:
            ready = tuple(each for each in self.found.chosen if self._is_possible(each, self._obstacle(each)))
            self.found = replace(self.found, chosen=ready)
        steps = [self._drop_step(each) for each in leftovers]
        return self.require_candidates(steps + [step for each in self.found.chosen for step in self._build_steps(each)])

    def _buildable(self, found: Indexes) -> Indexes:
        """Leaves out indexes that cannot be rebuilt, unless named by --index: then the run is refused."""
        left = self._droppable(found)
        if not self.options.index:
            ready = tuple(each for each in found.chosen if self._is_possible(each, self._unsupported(each)))
            return Indexes(ready, left)
        tuned = [each for each in found.chosen if self.options.retune and each.lists is not None]
        if doubts := [f"{each} {each.doubt}" for each in tuned if each.doubt]:
            raise Refused("; ".join(doubts))
        return Indexes(found.chosen, left)

    def _droppable(self, found: Indexes) -> tuple[Index, ...]:
        """Leftovers that the role may drop; with --index all on the named indexes' tables, so that `guard` refuses."""
        if not self.options.index:
            return tuple(each for each in found.left if self._is_possible(each, ""))
        tables = {each.place[0] for each in found.chosen}
        return tuple(each for each in found.left if each.owned or each.place[0] in tables)

    def _is_possible(self, index: Index, obstacle: str) -> bool:
        if why := obstacle or self._missing_privilege(index):
            self.skip(f"{index} {why}")
        return not why

    def _obstacle(self, index: Index) -> str:
        """Why the build is impossible now; empty if possible or unnecessary."""
        if self.options.retune and not self._needs_other_lists(index):
            return ""
        if index.building:
            return f"has to wait: another session builds an index of {index.place[0]}; retry later"
        if self.options.retune and (why := self.builder.unreplaceable(index)):
            return why
        if replacement(index) in self.built:
            return ""
        return self.builder.shortage(index, self.room) or self._recall_unknown(index)

    def _recall_unknown(self, index: Index) -> str:
        """Why recall, needed to judge a higher number of lists, cannot be measured; else empty."""
        if not self.options.retune or (index.lists or 0) >= index.ideal_lists or str(index) in self.before:
            return ""
        try:
            self.before[str(index)] = flagged.recall_measurement(self, str(index))
        except MeasurementError as error:
            return f"keeps its number of lists, because recall cannot be measured: {error}"
        return ""

    def _unsupported(self, index: Index) -> str:
        """Why the build is impossible for any role; else empty."""
        if self.options.retune and index.attached:
            return "belongs to the index of a partitioned table and cannot be replaced"
        return index.rebuild_obstacle or (index.doubt if self.options.retune else "")

    def _missing_privilege(self, index: Index) -> str:
        """Which role membership is missing to build and to drop leftovers; else empty."""
        if index.owned:
            return ""
        return f"belongs to {index.owner}: GRANT {index.owner} TO {self.session.client.user}"

    def _reasons(self) -> Reasons:
        if self.options.index:
            return dict.fromkeys(map(qualify, self.options.index), "")
        if self.options.retune:
            return flagged.unsuited(self)
        history = History(place_of(self.options.reports))
        return flagged.bloated(self) | flagged.vectors(self, history) | flagged.broken(self)

    def _needs_other_lists(self, index: Index) -> bool:
        """Whether --retune changes the number of lists."""
        if not self.options.retune:
            return False
        if index.lists is None:
            raise InventoryError(f"--retune: {index} has no lists: its method is {index.method}")
        return abs(index.lists - index.ideal_lists) > max(1, NEAR * index.ideal_lists)

    def _drop_step(self, index: Index) -> Step:
        if index.heir:
            name = f"{index.schema}.{index.heir}"
            title = f"drop {index}, formerly {name}, or swap it back"
            return Step(title, partial(self._finish_swap, name), index.place[:1])
        title = f"drop {index}, left by an interrupted build ({show(index.bytes, 'bytes')})"
        return Step(title, partial(self.builder.drop, index), index.place[:1])

    def _finish_swap(self, name: str) -> None:
        """Drops the replaced index; rolls back if more lists made recall fail its limit.

        A replacement with fewer lists is measured later, by `prove`: its recall is higher, and the planner uses the old
        index while both exist.

        Raises:
            NotRepaired: the swap was rolled back.
        """
        heir, before = self.builder.swapped(name)
        if before is None:
            return
        more = before.heir is not None and (heir.lists or 0) > (before.lists or 0)
        found = self.before.get(name)
        if more and not (found and found.verdict == "failed") and (why := flagged.recall_failure(self, name)):
            self.builder.roll_back(heir, before)
            raise NotRepaired(f"{name} was rolled back to {before.lists} lists: with {heir.lists} lists, {why}")
        self.builder.drop(before)

    def _build_steps(self, index: Index) -> list[Step]:
        how = describe(self.builder.settings(index))
        if not self.options.retune:
            why = f", {reason}" if (reason := self.reasons.get(str(index))) else ""
            title = f"rebuild {index} ({index.method}, {show(index.bytes, 'bytes')}{why}): {how}"
            return [Step(title, partial(self.builder.rebuild, index), index.place)]
        if not self._needs_other_lists(index):
            return []
        lists = f"{index.ideal_lists} lists instead of {index.lists}, for {index.rows:.0f} rows, {how}"
        title = f"build a replacement of {index}: {lists}"
        build = Step(title, partial(self.builder.build_replacement, index), index.place)
        return [
            *([] if replacement(index) in self.built else [build]),
            Step(f"rename the replacement to {index}", partial(self.builder.swap, index), index.place),
            Step("drop the replaced index", partial(self._finish_swap, str(index)), index.place),
        ]

    def guard(self, steps: list[Step]) -> None:
        """Refuses indexes that cannot be built, and leftovers that cannot be dropped; requires limits for the proof."""
        super().guard(steps)
        for each in (*self.found.chosen, *self.found.left):
            if missing := self._missing_privilege(each):
                raise Refused(f"{each} {missing}")
        for each in self.found.chosen:
            self._require_buildable(each)
        if self.room.assumed:
            self.work.say(self.room.assumed)
        heirs = {f"{each.schema}.{each.heir}" for each in self.found.left if each.heir}
        flagged.require_limits(self, heirs | set(map(str, self.found.chosen)))

    def _require_buildable(self, index: Index) -> None:
        if why := self._unsupported(index) or self._obstacle(index):
            raise Refused(f"{index} {why}")

    def prove(self, steps: list[Step]) -> None:
        """Every index is valid and newly built, recall is within its limit, and no leftovers remain.

        Raises:
            NotRepaired: lists the problems.
            MeasurementError: a query failed.
        """
        del steps
        before = {each.oid: each for each in self.found.chosen}
        found = indexes.find(self.session, map(str, self.found.chosen))
        found = replace(found, left=self._droppable(found))
        self.measured["bytes_before"] = sum(each.bytes for each in before.values())
        self.measured["bytes_after"] = sum(each.bytes for each in found.chosen)
        if wrong := self._wrong(found, before) or flagged.recalls(self, set(map(str, found.chosen))):
            raise NotRepaired("; ".join(wrong))
        self.require_nothing_skipped()

    def _wrong(self, found: Indexes, before: dict[int, Index]) -> list[str]:
        wrong = [f"{each} was not dropped" for each in found.left]
        wrong += flagged.still_broken(self, {*self.reasons, *map(str, found.chosen)})
        wrong += [
            f"{each} has {each.lists} lists (recommended: {each.ideal_lists})"
            for each in found.chosen
            if self._needs_other_lists(each)
        ]
        if not self.options.retune:
            wrong += [f"{each} was not rebuilt" for each in found.chosen if each.oid in before]
        return wrong


if __name__ == "__main__":
    sys.exit(main(Reindex))
