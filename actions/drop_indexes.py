"""Prints the SQL that drops indexes which no query uses or which another one makes superfluous; it changes nothing.

Each DROP INDEX comes with why, and with the CREATE INDEX that brings it back. Standbys count the use of an index for
themselves, and a report may need one once a year: a person decides, and runs what remains of it with psql.
"""

import json
import sys
from argparse import ArgumentParser

from opsproof.action import Step, main
from opsproof.errors import InventoryError
from opsproof.facts.indexes import RedundantIndexes, StatisticsEpoch, UnusedIndexes
from opsproof.history import History
from opsproof.maintenance.base import Maintaining
from opsproof.maintenance.tables import Name, named


class DropIndexes(Maintaining):
    """Statements for the indexes that the monthly checks flag."""

    name = "drop_indexes"
    applies = False
    waits = False

    @classmethod
    def add_arguments(cls, parser: ArgumentParser) -> None:
        """Which of them."""
        super().add_arguments(parser)
        parser.add_argument("--index", action="append", metavar="NAME", help="schema.index, of those that are flagged")

    def plan(self) -> list[Step]:
        """Those that another one makes superfluous first."""
        found = self._redundant() | self._unused()
        wanted = list(map(named, self.options.index)) if self.options.index else list(found)
        if unknown := [".".join(each) for each in wanted if each not in found]:
            raise InventoryError(f"--index: {', '.join(unknown)}: neither unused nor superfluous")
        said = self.session.ask("drops.sql", names=json.dumps(wanted))
        return [Step(_statement(each, found[named(each["name"])]), _nothing) for each in said]

    def _redundant(self) -> dict[Name, str]:
        return {named(each.name): each.about for each in self.session.measure(RedundantIndexes())}

    def _unused(self) -> dict[Name, str]:
        epoch, unused = self.session.measure(StatisticsEpoch()), self.session.measure(UnusedIndexes())
        history = History(self.options.reports / "history.sqlite")
        earlier = history.readings(self.host.name, self.session.client.name, ["transactions"])["transactions"]
        spans = {each.index: each.idle_s(epoch, earlier)[0] for each in unused.indexes}
        return {
            named(index.name): f"{index.about}, unused for {idle_s / 86400:.0f} days at least"
            for index, idle_s in spans.items()
            if self.is_off("index_idle", idle_s)
        }

    def show(self, plan: list[str]) -> None:
        """As a script for psql."""
        for each in plan:
            self.work.say(each)


def _statement(said: dict[str, str], why: str) -> str:
    serves = [_comment(f"serves the foreign key {each}") for each in said["serves"]]
    return "\n".join([_comment(f"{said['name']}: {why}"), *serves, said["drop"], _comment(f"back: {said['back']}"), ""])


def _comment(text: str) -> str:
    """Names may hold whatever they like, also lines."""
    return "\n".join(f"-- {line}" for line in text.splitlines())


def _nothing() -> None:
    """Nobody applies it."""


if __name__ == "__main__":
    sys.exit(main(DropIndexes))
