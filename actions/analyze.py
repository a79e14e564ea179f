"""Updates planner statistics of tables: flagged by the monthly checks, named by --table, or all.

A partitioned table is analyzed together with its partitions: autovacuum analyzes the partitions only.
"""

import sys
from functools import partial

import installed  # noqa: F401

from opsproof.action import Step, main
from opsproof.core.units import show
from opsproof.facts.vacuum import TableUpkeep
from opsproof.maintenance.upkeep import TablesAction


class Analyze(TablesAction):
    """One ANALYZE per table; partitions are included in their root's."""

    name = "analyze"
    mark = "analyzed"

    def flagged(self) -> list[str]:
        """Tables with many changed rows, no statistics or lost counters; ANALYZE cannot process TOAST tables."""
        found = self.session.measure(TableUpkeep())
        stale = [each for each in found.stale.rows if self.flags("changed_rows", each.changed_share)]
        lost = [each for each in found.uncounted if not each.is_toast]
        return list(dict.fromkeys(each.table for each in (*stale, *found.unanalyzed.rows, *lost)))

    def plan(self) -> list[Step]:
        """Smallest table first."""
        self.found = self.choose()
        alone = [each for each in self.found.leaves if not each.within]
        titles = {each: f"analyze {each} ({show(each.bytes, 'bytes')})" for each in alone}
        titles |= {each: f"analyze {each} as a whole, and each of its partitions" for each in self.found.roots}
        return self.require_candidates(
            [Step(title, partial(self.execute, "ANALYZE", each), (str(each),)) for each, title in titles.items()]
        )


if __name__ == "__main__":
    sys.exit(main(Analyze))
